// Bytes between the two ends of a connection that is passed on, in both directions.
#pragma once
#include <poll.h>

#include <cstddef>
#include <list>
#include <vector>

namespace coffer::functions {

/// Owns the descriptors, which do not block. Not for several threads.
class Relay {
 public:
  Relay() = default;
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  void add(int one, int other) { pairs_.push_back({{one, other}, {}, false}); }
  [[nodiscard]] size_t size() const { return pairs_.size(); }
  /// Appends what poll() is to watch: two entries a pair.
  void watch(std::vector<pollfd>& polled) const;
  /// Passes on what there is. `polled` begins with the entries that watch() appended, as poll() left them.
  void step(const pollfd* polled);

 private:
  /// What was read on one side and is not written on the other yet.
  struct Stream {
    std::vector<char> data = std::vector<char>(64 << 10);
    size_t begin = 0, end = 0;
    bool ended = false, told = false;  // the reading side is at its end; the writing side knows
  };
  struct Pair {
    int fds[2];
    Stream streams[2];  // [i]: from fds[i] to fds[1 - i]
    bool broken = false;
  };
  static void move(Pair& pair, int from, bool readable);
  std::list<Pair> pairs_;
};

}  // namespace coffer::functions
