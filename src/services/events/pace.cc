#include "services/events/pace.h"

#include <algorithm>
#include <chrono>

namespace coffer::events {

bool Pace::allows(const std::string& destination, int64_t per_second, MonoTime now) {
  const auto most = static_cast<double>(std::max<int64_t>(per_second, 1));
  std::lock_guard lock(mutex_);
  const auto [entry, is_new] = buckets_.try_emplace(destination, Bucket{most, now});
  Bucket& bucket = entry->second;
  const double passed = std::chrono::duration<double>(now - bucket.since).count();
  bucket.calls = std::min(most, bucket.calls + std::max(passed, 0.0) * most);
  bucket.since = std::max(bucket.since, now);
  if (bucket.calls < 1) return false;
  bucket.calls -= 1;
  return true;
}

}  // namespace coffer::events
