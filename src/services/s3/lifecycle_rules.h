// The rules of a lifecycle configuration: what is a valid one, which objects a rule means, when something is due. Pure:
// no catalog, no clock. Rules: S3 User Guide, "Lifecycle configuration elements".
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/api/value.h"

namespace coffer::s3 {

struct LifecycleRule {
  std::string id;
  bool enabled = false;
  std::string prefix;
  std::map<std::string, std::string> tags;           // all must be there
  std::optional<int64_t> larger_than, smaller_than;  // bytes, exclusive

  std::optional<int64_t> expire_days;
  std::optional<WallTime> expire_date;
  bool expires_markers = false;  // delete markers that have nothing behind them
  struct Transition {
    std::optional<int64_t> days;
    std::optional<WallTime> date;
    std::string storage_class;
  };
  std::vector<Transition> transitions;
  /// Of versions that are not the latest: `days` after their successor came, the newest `keep` of them excepted.
  struct Noncurrent {
    int64_t days = 0, keep = 0;
    std::string storage_class;  // of transitions
  };
  std::optional<Noncurrent> noncurrent_expiration;
  std::vector<Noncurrent> noncurrent_transitions;
  std::optional<int64_t> abort_upload_days;

  /// Filters alone; whether it is enabled is the caller's to ask.
  [[nodiscard]] bool selects(std::string_view key, const std::map<std::string, std::string>& object_tags,
                             int64_t size_bytes) const;
};
struct LifecycleConfiguration {
  std::vector<LifecycleRule> rules;
  /// Objects under 128 KiB stay in their class: TransitionDefaultMinimumObjectSize all_storage_classes_128K.
  bool keeps_small_objects = true;
};

/// A BucketLifecycleConfiguration, with TransitionDefaultMinimumObjectSize beside its Rules. "MalformedXML",
/// "InvalidArgument" and "InvalidRequest" with S3's texts. What is stored passes.
Result<LifecycleConfiguration> parse_lifecycle(const api::Value& document);

/// `days` after `from`, rounded up to midnight UTC.
WallTime due_after(WallTime from, int64_t days);

/// When an object that is the latest version of its key expires, and by which rule; the first of several.
struct Expiry {
  WallTime at;
  std::string rule_id;
};
std::optional<Expiry> expiry_of(const LifecycleConfiguration& configuration, std::string_view key,
                                const std::map<std::string, std::string>& tags, int64_t size_bytes, WallTime created);

}  // namespace coffer::s3
