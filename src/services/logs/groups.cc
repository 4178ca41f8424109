// Log groups: their life, how long their events stay, lists of them.
#include <algorithm>

#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr int64_t kRetentionDays[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                      365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
constexpr int64_t kPageMax = 50;

Result<api::Value> show(const Request& r, const rows::Group& group) {
  COFFER_TRY(const int64_t stored, rows::stored_bytes(r.t(), group.id));
  const std::string arn = name_of(group).arn();
  api::Value value = api::Value::object({{"logGroupName", group.name},
                                         {"creationTime", group.created},
                                         {"metricFilterCount", 0},
                                         {"arn", arn + ":*"},
                                         {"storedBytes", stored},
                                         {"logGroupClass", group.group_class},
                                         {"logGroupArn", arn},
                                         {"deletionProtectionEnabled", group.is_protected}});
  if (group.retention_days > 0) value.set("retentionInDays", group.retention_days);
  return value;
}

/// Which groups a list shows, besides the prefix of their names.
struct Wanted {
  std::string pattern, group_class;
  [[nodiscard]] bool takes(const rows::Group& group) const {
    return group.name.find(pattern) != std::string::npos && (group_class.empty() || group.group_class == group_class);
  }
};

Result<api::Value> describe_named(const Request& r) {
  api::List shown;
  for (const std::string& identifier : r.input().texts("logGroupIdentifiers")) {
    COFFER_TRY(const GroupName name, group_of_identifier(r, identifier));
    // Others' groups are no part of this account's list.
    if (name.account != r.account()) continue;
    COFFER_TRY(const auto group, rows::find_group(r.t(), name.account, name.region, name.name));
    if (!group || group->region != r.call().region) continue;
    COFFER_TRY(api::Value value, show(r, *group));
    shown.push_back(std::move(value));
  }
  return api::Value::object({{"logGroups", std::move(shown)}});
}

}  // namespace

Result<api::Value> create_log_group(const Request& r) {
  if (r.input().has("kmsKeyId"))
    return invalid("Log groups with a key of their own (kmsKeyId) are not supported by this installation.");
  rows::Group group;
  group.account = r.account();
  group.region = r.call().region;
  group.name = r.text("logGroupName");
  group.created = r.now_millis();
  group.is_protected = r.input().flag("deletionProtectionEnabled");
  if (const auto wanted = r.input().text_if("logGroupClass")) group.group_class = *wanted;
  COFFER_TRY(const auto known, rows::find_group(r.t(), group.account, group.region, group.name));
  if (known)
    return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                      "The specified log group already exists");
  COFFER_CHECK_OK(rows::insert_group(r.t(), group));
  COFFER_CHECK_OK(add_tags(r, group, r.input().text_map("tags")));
  return api::Value::object();
}

Result<api::Value> delete_log_group(const Request& r) {
  COFFER_TRY(const rows::Group group, group_of(r));
  if (group.is_protected)
    return api::fault(ErrorCode::kFailedPrecondition, "ValidationException",
                      "The log group has deletion protection enabled. Disable deletion protection before deleting it.");
  COFFER_CHECK_OK(rows::remove_group(r.t(), group));
  COFFER_TRY(const bool removed,
             rows::remove_resource_policy(r.t(), group.account, group.region, "", name_of(group).arn()));
  static_cast<void>(removed);
  return api::Value::object();
}

Result<api::Value> describe_log_groups(const Request& r) {
  const api::Value& input = r.input();
  if (input.has("logGroupNamePrefix") && input.has("logGroupNamePattern"))
    return invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  if (input.has("logGroupIdentifiers")) return describe_named(r);
  const auto accounts = input.texts("accountIdentifiers");
  // No other account shares its groups with this one.
  if (!accounts.empty() && std::find(accounts.begin(), accounts.end(), r.account()) == accounts.end())
    return api::Value::object({{"logGroups", api::List()}});

  const int64_t limit = input.integer("limit").value_or(kPageMax);
  const Wanted wanted{r.text("logGroupNamePattern"), r.text("logGroupClass")};
  COFFER_TRY(const auto begin, begin_of_page(r));
  std::string after = begin.value_or("");
  api::List shown;
  std::string next;
  for (bool more = true; more && next.empty();) {
    COFFER_TRY(const auto groups, rows::list_groups(r.t(), r.account(), r.call().region, r.text("logGroupNamePrefix"),
                                                    after, kPageMax + 1));
    more = groups.size() > static_cast<size_t>(kPageMax);
    for (const rows::Group& group : groups) {
      if (!wanted.takes(group)) {
        after = group.name;
        continue;
      }
      if (shown.size() == static_cast<size_t>(limit)) {
        next = after;
        break;
      }
      COFFER_TRY(api::Value value, show(r, group));
      shown.push_back(std::move(value));
      after = group.name;
    }
  }
  api::Value output = api::Value::object({{"logGroups", std::move(shown)}});
  if (!next.empty()) output.set("nextToken", token_behind(r, next));
  return output;
}

Result<api::Value> put_retention_policy(const Request& r) {
  const int64_t days = r.input().integer("retentionInDays").value_or(0);
  if (!std::binary_search(std::begin(kRetentionDays), std::end(kRetentionDays), days)) {
    std::string all;
    for (const int64_t known : kRetentionDays) all += (all.empty() ? "" : ", ") + std::to_string(known);
    return invalid("1 validation error detected: Value '" + std::to_string(days) +
                   "' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [" + all +
                   "]");
  }
  COFFER_TRY(rows::Group group, group_of(r));
  group.retention_days = days;
  COFFER_CHECK_OK(rows::update_group(r.t(), group));
  return api::Value::object();
}

Result<api::Value> delete_retention_policy(const Request& r) {
  COFFER_TRY(rows::Group group, group_of(r));
  group.retention_days = 0;
  COFFER_CHECK_OK(rows::update_group(r.t(), group));
  return api::Value::object();
}

Result<api::Value> put_deletion_protection(const Request& r) {
  COFFER_TRY(rows::Group group, group_of(r));
  group.is_protected = r.input().flag("deletionProtectionEnabled");
  COFFER_CHECK_OK(rows::update_group(r.t(), group));
  return api::Value::object();
}

int64_t oldest_kept(const rows::Group& group, int64_t now_millis) {
  return group.retention_days == 0 ? 0 : std::max<int64_t>(0, now_millis - group.retention_days * kDayMillis);
}

}  // namespace coffer::logs
