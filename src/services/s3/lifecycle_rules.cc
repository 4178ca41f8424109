#include "services/s3/lifecycle_rules.h"

#include <algorithm>
#include <set>

#include "services/api/fault.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kRulesMax = 1000, kIdSizeMax = 255;
constexpr int64_t kKeptMax = 100, kColderDaysMin = 30;
constexpr int64_t kDayMicros = 86'400'000'000;
constexpr std::string_view kClasses[] = {"GLACIER",      "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
                                         "DEEP_ARCHIVE", "GLACIER_IR"};

Error malformed() {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema");
}
Error argument(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}
Error request(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest", std::move(message));
}

bool is_midnight(WallTime time) { return time.micros % kDayMicros == 0; }
bool is_infrequent(std::string_view storage_class) {
  return storage_class == "STANDARD_IA" || storage_class == "ONEZONE_IA";
}

Status add_tag(const Value& tag, LifecycleRule& rule) {
  if (!tag.has("Key") || !tag.has("Value") || tag.text("Key").empty()) return malformed();
  if (!rule.tags.emplace(tag.text("Key"), tag.text("Value")).second)
    return request("Duplicate Tag Keys are not allowed.");
  return ok_status();
}

Status read_filter(const Value& filter, LifecycleRule& rule) {
  int parts = 0;
  for (const char* name : {"Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And"})
    parts += filter.has(name) ? 1 : 0;
  if (parts > 1) return malformed();
  const Value* both = filter.find("And");
  if (both && both->entries().empty()) return malformed();
  const Value& from = both ? *both : filter;
  rule.prefix = std::string(from.text("Prefix"));
  if (const Value* tag = from.find("Tag")) COFFER_CHECK_OK(add_tag(*tag, rule));
  for (const Value& tag : from.list("Tags")) COFFER_CHECK_OK(add_tag(tag, rule));
  rule.larger_than = from.integer("ObjectSizeGreaterThan");
  rule.smaller_than = from.integer("ObjectSizeLessThan");
  if (rule.larger_than.value_or(0) < 0) return argument("'ObjectSizeGreaterThan' must be equal to or greater than 0.");
  if (rule.smaller_than && *rule.smaller_than < 1) return argument("'ObjectSizeLessThan' must be greater than 0.");
  if (rule.larger_than && rule.smaller_than && *rule.larger_than >= *rule.smaller_than)
    return request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  return ok_status();
}

Status read_expiration(const Value& expiration, LifecycleRule& rule) {
  rule.expire_days = expiration.integer("Days");
  rule.expire_date = expiration.time("Date");
  const bool has_markers = expiration.has("ExpiredObjectDeleteMarker");
  if ((rule.expire_days ? 1 : 0) + (rule.expire_date ? 1 : 0) + (has_markers ? 1 : 0) != 1) return malformed();
  rule.expires_markers = expiration.flag("ExpiredObjectDeleteMarker");
  if (rule.expire_days && *rule.expire_days < 1)
    return argument("'Days' for Expiration action must be a positive integer");
  if (rule.expire_date && !is_midnight(*rule.expire_date)) return argument("'Date' must be at midnight GMT");
  if (has_markers && !rule.tags.empty()) return request("ExpiredObjectDeleteMarker cannot be specified with Tags.");
  if (has_markers && (rule.larger_than || rule.smaller_than))
    return request("ExpiredObjectDeleteMarker cannot be specified with object size.");
  return ok_status();
}

Status check_class(const std::string& storage_class) {
  return std::find(std::begin(kClasses), std::end(kClasses), storage_class) != std::end(kClasses) ? ok_status()
                                                                                                  : malformed();
}
Error too_soon(std::string_view days, std::string_view action, const std::string& storage_class) {
  return argument("'" + std::string(days) + "' in " + std::string(action) +
                  " action must be greater than or equal to 30 for storageClass '" + storage_class + "'");
}

Status read_transitions(const Value& document, LifecycleRule& rule) {
  std::set<std::string> classes;
  for (const Value& one : document.list("Transitions")) {
    LifecycleRule::Transition transition{one.integer("Days"), one.time("Date"), std::string(one.text("StorageClass"))};
    if (transition.days.has_value() == transition.date.has_value()) return malformed();
    COFFER_CHECK_OK(check_class(transition.storage_class));
    if (transition.days && *transition.days < 0) return argument("'Days' in Transition action must be nonnegative");
    if (transition.days && is_infrequent(transition.storage_class) && *transition.days < kColderDaysMin)
      return too_soon("Days", "Transition", transition.storage_class);
    if (transition.date && !is_midnight(*transition.date)) return argument("'Date' must be at midnight GMT");
    if (!classes.insert(transition.storage_class).second)
      return request("'StorageClass' must be different for 'Transition' actions in same 'Rule' with prefix '" +
                     rule.prefix + "'");
    const bool by_date = transition.date.has_value();
    const bool mixed = (!rule.transitions.empty() && rule.transitions.front().date.has_value() != by_date) ||
                       (rule.expire_days && by_date) || (rule.expire_date && !by_date);
    if (mixed)
      return request(
          "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for "
          "prefix '" +
          rule.prefix + "'");
    if ((rule.expire_days && *rule.expire_days <= transition.days.value_or(-1)) ||
        (rule.expire_date && transition.date && *rule.expire_date <= *transition.date))
      return argument("'" + std::string(by_date ? "Date" : "Days") + "' in the Expiration action for prefix '" +
                      rule.prefix + "' must be greater than that in the Transition action");
    rule.transitions.push_back(std::move(transition));
  }
  return ok_status();
}

Result<LifecycleRule::Noncurrent> read_noncurrent(const Value& document, std::string_view action, bool has_filter) {
  LifecycleRule::Noncurrent noncurrent;
  const auto days = document.integer("NoncurrentDays");
  if (!days) return malformed();
  noncurrent.days = *days;
  if (const auto keep = document.integer("NewerNoncurrentVersions")) {
    if (*keep < 1 || *keep > kKeptMax)
      return argument("'NewerNoncurrentVersions' for " + std::string(action) + " action must be between 1 and 100");
    if (!has_filter) return request("'NewerNoncurrentVersions' requires a Filter element in the rule.");
    noncurrent.keep = *keep;
  }
  return noncurrent;
}

Status read_noncurrents(const Value& document, LifecycleRule& rule) {
  const bool has_filter = document.has("Filter");
  if (const Value* expiration = document.find("NoncurrentVersionExpiration")) {
    COFFER_TRY(rule.noncurrent_expiration, read_noncurrent(*expiration, "NoncurrentVersionExpiration", has_filter));
    if (rule.noncurrent_expiration->days < 1)
      return argument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer");
  }
  std::set<std::string> classes;
  for (const Value& one : document.list("NoncurrentVersionTransitions")) {
    COFFER_TRY(auto transition, read_noncurrent(one, "NoncurrentVersionTransition", has_filter));
    transition.storage_class = std::string(one.text("StorageClass"));
    COFFER_CHECK_OK(check_class(transition.storage_class));
    if (transition.days < 0)
      return argument("'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative");
    if (is_infrequent(transition.storage_class) && transition.days < kColderDaysMin)
      return too_soon("NoncurrentDays", "NoncurrentVersionTransition", transition.storage_class);
    if (!classes.insert(transition.storage_class).second)
      return request(
          "'StorageClass' must be different for 'NoncurrentVersionTransition' actions in same 'Rule' with prefix '" +
          rule.prefix + "'");
    if (rule.noncurrent_expiration && rule.noncurrent_expiration->days <= transition.days)
      return argument("'NoncurrentDays' in the NoncurrentVersionExpiration action for prefix '" + rule.prefix +
                      "' must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action");
    rule.noncurrent_transitions.push_back(std::move(transition));
  }
  return ok_status();
}

Result<LifecycleRule> read_rule(const Value& document) {
  LifecycleRule rule;
  rule.id = std::string(document.text("ID"));
  if (rule.id.size() > kIdSizeMax) return argument("ID length should not exceed allowed limit of 255");
  const std::string_view status = document.text("Status");
  if (status != "Enabled" && status != "Disabled") return malformed();
  rule.enabled = status == "Enabled";
  const Value* filter = document.find("Filter");
  if ((filter != nullptr) == document.has("Prefix")) return malformed();
  rule.prefix = std::string(document.text("Prefix"));
  if (filter) COFFER_CHECK_OK(read_filter(*filter, rule));

  if (const Value* expiration = document.find("Expiration")) COFFER_CHECK_OK(read_expiration(*expiration, rule));
  COFFER_CHECK_OK(read_transitions(document, rule));
  COFFER_CHECK_OK(read_noncurrents(document, rule));
  if (const Value* abort = document.find("AbortIncompleteMultipartUpload")) {
    rule.abort_upload_days = abort->integer("DaysAfterInitiation");
    if (!rule.abort_upload_days) return malformed();
    if (*rule.abort_upload_days < 1)
      return argument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer");
    if (!rule.tags.empty()) return request("AbortIncompleteMultipartUpload cannot be specified with Tags.");
    if (rule.larger_than || rule.smaller_than)
      return request("AbortIncompleteMultipartUpload cannot be specified with object size.");
  }
  const bool acts = document.has("Expiration") || !rule.transitions.empty() || rule.noncurrent_expiration ||
                    !rule.noncurrent_transitions.empty() || rule.abort_upload_days;
  if (!acts) return request("At least one action needs to be specified in a rule.");
  return rule;
}

}  // namespace

bool LifecycleRule::selects(std::string_view key, const std::map<std::string, std::string>& object_tags,
                            int64_t size_bytes) const {
  if (!key.starts_with(prefix)) return false;
  if (larger_than && size_bytes <= *larger_than) return false;
  if (smaller_than && size_bytes >= *smaller_than) return false;
  return std::all_of(tags.begin(), tags.end(), [&](const auto& wanted) {
    const auto found = object_tags.find(wanted.first);
    return found != object_tags.end() && found->second == wanted.second;
  });
}

Result<LifecycleConfiguration> parse_lifecycle(const Value& document) {
  LifecycleConfiguration configuration;
  const api::List& rules = document.list("Rules");
  if (rules.empty() || rules.size() > kRulesMax) return malformed();
  if (const auto size = document.text_if("TransitionDefaultMinimumObjectSize")) {
    if (*size != "varies_by_storage_class" && *size != "all_storage_classes_128K")
      return argument("Invalid value for x-amz-transition-default-minimum-object-size");
    configuration.keeps_small_objects = *size == "all_storage_classes_128K";
  }
  std::set<std::string> ids;
  for (const Value& one : rules) {
    COFFER_TRY(LifecycleRule rule, read_rule(one));
    if (!rule.id.empty() && !ids.insert(rule.id).second)
      return argument("Rule ID must be unique. Found same ID for more than one rule");
    configuration.rules.push_back(std::move(rule));
  }
  return configuration;
}

WallTime due_after(WallTime from, int64_t days) {
  const int64_t at = from.micros + days * kDayMicros;
  return WallTime{(at + kDayMicros - 1) / kDayMicros * kDayMicros};
}

std::optional<Expiry> expiry_of(const LifecycleConfiguration& configuration, std::string_view key,
                                const std::map<std::string, std::string>& tags, int64_t size_bytes, WallTime created) {
  std::optional<Expiry> first;
  for (const LifecycleRule& rule : configuration.rules) {
    if (!rule.enabled || (!rule.expire_days && !rule.expire_date) || !rule.selects(key, tags, size_bytes)) continue;
    const WallTime at = rule.expire_days ? due_after(created, *rule.expire_days) : *rule.expire_date;
    if (!first || at < first->at) first = Expiry{at, rule.id};
  }
  return first;
}

}  // namespace coffer::s3
