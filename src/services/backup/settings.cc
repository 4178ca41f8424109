// Settings of the organization and of a Region.
#include "services/api/value_json.h"
#include "services/backup/events.h"
#include "services/backup/operations.h"
#include "services/organizations/service.h"

namespace coffer::backup {
namespace {

using api::Value;

constexpr const char *kCrossAccount = "isCrossAccountBackupEnabled", *kOptIn = "opt_in", *kManagement = "management";

/// The account whose global settings bind `account`: the management account of its organization, or itself.
Result<std::string> ruling_account(catalog::Transaction& t, const std::string& account) {
  COFFER_TRY(const auto membership, organizations::membership(t, account));
  return membership ? membership->management_account : account;
}

Result<Value> preferences(catalog::Transaction& t, std::string_view account, std::string_view region,
                          const char* name) {
  COFFER_TRY(const auto stored, rows::setting(t, account, region, name));
  if (!stored) return Value::object({{kResourceType, true}});
  return api::from_json(stored->value);
}

}  // namespace

Result<bool> is_opted_in(catalog::Transaction& t, std::string_view account, std::string_view region,
                         std::string_view type) {
  COFFER_TRY(const Value all, preferences(t, account, region, kOptIn));
  return all.flag(type, true);
}

Result<bool> cross_account_enabled(catalog::Transaction& t, std::string_view account, std::string_view other) {
  COFFER_TRY(const auto mine, organizations::membership(t, account));
  COFFER_TRY(const auto theirs, organizations::membership(t, other));
  if (!mine || !theirs || mine->organization_id != theirs->organization_id) return false;
  COFFER_TRY(const auto stored, rows::setting(t, mine->management_account, "", kCrossAccount));
  return stored && stored->value == "true";
}

Result<Value> describe_global_settings(const Request& r) {
  COFFER_TRY(const std::string account, ruling_account(r.t(), r.account()));
  COFFER_TRY(const auto stored, rows::setting(r.t(), account, "", kCrossAccount));
  Value output = Value::object(
      {{"GlobalSettings", Value::object({{kCrossAccount, stored ? stored->value : std::string("false")}})}});
  if (stored) output.set("LastUpdateTime", stored->updated);
  return output;
}

Result<Value> update_global_settings(const Request& r) {
  COFFER_TRY(const auto membership, organizations::membership(r.t(), r.account()));
  if (!membership || !membership->is_management(r.account()))
    return refused("Only the management account of an organization can change global settings.");
  const auto wanted = r.input().text_map("GlobalSettings");
  if (wanted.empty()) return missing("GlobalSettings must not be empty.");
  for (const auto& [name, value] : wanted) {
    if (name != kCrossAccount) return invalid("Invalid global setting: " + name);
    if (value != "true" && value != "false") return invalid("Invalid value of " + name + ": " + value);
    COFFER_CHECK_OK(rows::put_setting(r.t(), r.account(), "", name, value, r.now()));
  }
  return Value::object();
}

Result<Value> describe_region_settings(const Request& r) {
  COFFER_TRY(Value opt_in, preferences(r.t(), r.account(), r.region(), kOptIn));
  COFFER_TRY(const auto management, rows::setting(r.t(), r.account(), r.region(), kManagement));
  Value managed = Value::object();
  if (management) {
    COFFER_TRY(managed, api::from_json(management->value));
  }
  return Value::object(
      {{"ResourceTypeOptInPreference", std::move(opt_in)}, {"ResourceTypeManagementPreference", std::move(managed)}});
}

Result<Value> update_region_settings(const Request& r) {
  for (const auto& [member, name] :
       {std::pair{"ResourceTypeOptInPreference", kOptIn}, {"ResourceTypeManagementPreference", kManagement}}) {
    const api::Members& wanted = r.input().members(member);
    if (wanted.empty()) continue;
    COFFER_TRY(const auto stored, rows::setting(r.t(), r.account(), r.region(), name));
    Value all = Value::object();
    if (stored) {
      COFFER_TRY(all, api::from_json(stored->value));
    }
    Value changed = Value::object();
    for (const auto& [type, on] : wanted) {
      if (type != kResourceType) return invalid("Invalid resource type: " + type);
      const bool* value = on.get_if<bool>();
      if (!value) return invalid("Invalid preference of " + type);
      if (all.flag(type, true) != *value) changed.set(type, *value);
      all.set(type, *value);
    }
    COFFER_CHECK_OK(rows::put_setting(r.t(), r.account(), r.region(), name, api::to_json(all), r.now()));
    if (name == kOptIn && !changed.entries().empty())
      COFFER_CHECK_OK(tell_region(r.t(), r.setting.entropy, r.account(), r.region(), changed, r.now()));
  }
  return Value::object();
}

Result<Value> supported_types(const Request&) {
  return Value::object({{"ResourceTypes", api::text_list({kResourceType})}});
}

}  // namespace coffer::backup
