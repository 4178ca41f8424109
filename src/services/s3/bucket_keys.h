// Bucket keys in memory: what KMS gave to one principal for one bucket, for a few minutes. So KMS is asked once for
// many objects, and whoever loses the right to a key loses it here within that time.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "services/api/call.h"

namespace coffer::s3 {

struct BucketKey {
  std::string kms_key_arn;
  Bytes kms_blob;
  Secret root;
};

/// Safe from many threads.
class BucketKeys {
 public:
  static constexpr std::chrono::minutes kKeptFor{5};
  static constexpr size_t kCountMax = 4096;

  explicit BucketKeys(const Clock& clock) : clock_(clock) {}

  /// Of a key that was given to the caller of `call` in its Region. The credentials are a part of it: two sessions of
  /// one name may be bound by different policies.
  static std::string name_of(const api::Call& call, const std::vector<std::string>& parts,
                             const std::map<std::string, std::string>& context);
  /// Null: unknown, or too old.
  [[nodiscard]] std::shared_ptr<const BucketKey> find(const std::string& name);
  void put(const std::string& name, std::shared_ptr<const BucketKey> key);

 private:
  struct Entry {
    std::shared_ptr<const BucketKey> key;
    MonoTime since;
  };
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace coffer::s3
