// How fast each API destination may be called.
#pragma once
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace coffer::events {

/// A second's worth of calls at once, then evenly. Of this process: each daemon of a shared catalog has its own. Safe
/// from many threads.
class Pace {
 public:
  bool allows(const std::string& destination, int64_t per_second, MonoTime now);

 private:
  struct Bucket {
    double calls = 0;
    MonoTime since;
  };
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace coffer::events
