// Sorting more records than memory should hold: runs are spilled to unnamed temporary files and merged.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/filesystem.h"
#include "base/result.h"

namespace coffer::vault {

/// Collects byte-string records, gives them back in memcmp order. Equal records are all given.
/// Not thread-safe. Uses about `memory_bytes`; temporary files vanish with it, also after kill -9.
class ExternalSorter {
 public:
  /// `scratch` is borrowed.
  ExternalSorter(Directory& scratch, size_t memory_bytes);
  ~ExternalSorter();
  ExternalSorter(ExternalSorter&&) noexcept;
  /// A record is at most 1 MiB.
  Status add(ByteView record);
  [[nodiscard]] uint64_t count() const;
  /// Ends adding. `next` of the stream gives a view that is valid until the next call, or nothing at the end.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual Result<std::optional<ByteView>> next() = 0;
  };
  Result<std::unique_ptr<Stream>> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::vault
