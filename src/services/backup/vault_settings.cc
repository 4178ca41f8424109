// What hangs on a vault: its access policy, its lock, its notifications.
#include <algorithm>
#include <array>

#include "services/backup/events.h"
#include "services/backup/operations.h"
#include "services/policy/document.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Vault;

constexpr size_t kPolicySizeMax = 20'480;
constexpr int64_t kGraceDaysMin = 3, kDaysMax = 36'500;

constexpr std::array<std::string_view, 20> kNotifications{"BACKUP_JOB_STARTED",
                                                          "BACKUP_JOB_COMPLETED",
                                                          "BACKUP_JOB_SUCCESSFUL",
                                                          "BACKUP_JOB_FAILED",
                                                          "BACKUP_JOB_EXPIRED",
                                                          "RESTORE_JOB_STARTED",
                                                          "RESTORE_JOB_COMPLETED",
                                                          "RESTORE_JOB_SUCCESSFUL",
                                                          "RESTORE_JOB_FAILED",
                                                          "COPY_JOB_STARTED",
                                                          "COPY_JOB_SUCCESSFUL",
                                                          "COPY_JOB_FAILED",
                                                          "RECOVERY_POINT_MODIFIED",
                                                          "BACKUP_PLAN_CREATED",
                                                          "BACKUP_PLAN_MODIFIED",
                                                          "S3_BACKUP_OBJECT_FAILED",
                                                          "S3_RESTORE_OBJECT_FAILED",
                                                          "CONTINUOUS_BACKUP_INTERRUPTED",
                                                          "RECOVERY_POINT_INDEX_COMPLETED",
                                                          "RECOVERY_POINT_INDEX_DELETED"};

Value named(const Vault& vault) {
  return Value::object({{"BackupVaultName", vault.name}, {"BackupVaultArn", vault.arn()}});
}

Status store(const Request& r, const Vault& vault) {
  COFFER_CHECK_OK(rows::update(r.t(), vault));
  return tell_vault(r.t(), r.setting.entropy, vault, "MODIFIED", r.now());
}

/// Whether the lock of the vault stands for good, which from the first time that is seen does not change again.
Result<bool> stands(const Request& r, const Vault& vault) {
  COFFER_TRY(const WallTime latest, latest_time(r.t(), r.now()));
  return is_immutable(lock_of(vault), latest);
}

}  // namespace

Result<std::optional<std::shared_ptr<const policy::Document>>> policy_of(const Vault& vault) {
  std::optional<std::shared_ptr<const policy::Document>> none;
  if (vault.policy.empty()) return none;
  COFFER_TRY(auto document, policy::Document::parse(vault.policy, policy::Kind::kResource));
  return std::optional(std::move(document));
}

Result<Value> put_vault_policy(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  const std::string text = r.text("Policy");
  if (text.empty()) return missing("The policy must not be empty.");
  if (policy::size_without_whitespace(text) > kPolicySizeMax) return invalid("The specified policy is too long.");
  auto document = policy::Document::parse(text, policy::Kind::kResource);
  if (!document.ok()) return invalid("The specified policy cannot be parsed: " + document.error().message);
  for (const policy::PrincipalEntry& principal : (*document)->principals()) {
    if (principal.type != policy::PrincipalEntry::Type::kAws) continue;
    COFFER_TRY(const bool there, r.setting.authority.principal_exists(r.t(), principal.value));
    if (!there)
      return invalid(
          "The specified policy cannot be added to the vault due to cross-account sharing "
          "restrictions, or it names a principal that does not exist: " +
          principal.value);
  }
  vault.policy = text;
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

Result<Value> get_vault_policy(const Request& r) {
  COFFER_TRY(const Vault vault, vault_of(r));
  if (vault.policy.empty()) return not_found("Backup vault " + vault.name + " does not have an access policy.");
  Value output = named(vault);
  output.set("Policy", vault.policy);
  return output;
}

Result<Value> delete_vault_policy(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  vault.policy.clear();
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

Result<Value> put_vault_notifications(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  const auto topic = parse_arn(r.text("SNSTopicArn"));
  if (!topic || topic->service != "sns") return invalid("Invalid SNSTopicArn: " + r.text("SNSTopicArn"));
  const auto events = r.input().texts("BackupVaultEvents");
  if (events.empty()) return missing("BackupVaultEvents must not be empty.");
  for (const std::string& event : events) {
    const bool known = std::find(kNotifications.begin(), kNotifications.end(), event) != kNotifications.end() ||
                       event == "RECOVERY_POINT_INDEXING_FAILED" || event.starts_with("EKS_") ||
                       event.starts_with("ACCESS_POINT_");
    if (!known) return invalid("Invalid backup vault event: " + event);
  }
  vault.notifications =
      Value::object({{"SNSTopicArn", r.text("SNSTopicArn")}, {"BackupVaultEvents", api::text_list(events)}});
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

Result<Value> get_vault_notifications(const Request& r) {
  COFFER_TRY(const Vault vault, vault_of(r));
  if (vault.notifications.is_null())
    return not_found("Failed reading notifications from database for Backup vault " + vault.name);
  Value output = named(vault);
  output.set("SNSTopicArn", vault.notifications.text("SNSTopicArn"));
  output.set("BackupVaultEvents", api::text_list(vault.notifications.texts("BackupVaultEvents")));
  return output;
}

Result<Value> delete_vault_notifications(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  vault.notifications = {};
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

Result<Value> put_vault_lock(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  COFFER_TRY(const bool immutable, stands(r, vault));
  if (immutable) return refused("Backup Vault " + vault.name + " is locked: its lock cannot be changed any more.");
  const auto least = r.input().integer("MinRetentionDays"), most = r.input().integer("MaxRetentionDays"),
             grace = r.input().integer("ChangeableForDays");
  if (least && (*least < 1 || *least > kDaysMax)) return invalid("MinRetentionDays must be between 1 and 36500.");
  if (most && (*most < 1 || *most > kDaysMax)) return invalid("MaxRetentionDays must be between 1 and 36500.");
  if (least && most && *least > *most) return invalid("MinRetentionDays must not be greater than MaxRetentionDays.");
  if (grace && (*grace < kGraceDaysMin || *grace > kDaysMax))
    return invalid("ChangeableForDays must be between 3 and 36500.");
  vault.locked = true;
  vault.min_days = least;
  vault.max_days = most;
  vault.lock_date = grace ? std::optional(r.now() + std::chrono::hours(24 * *grace)) : std::nullopt;
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

Result<Value> delete_vault_lock(const Request& r) {
  COFFER_TRY(Vault vault, vault_of(r));
  COFFER_TRY(const bool immutable, stands(r, vault));
  if (immutable) return refused("Backup Vault " + vault.name + " is locked: its lock cannot be removed any more.");
  vault.locked = false;
  vault.min_days = vault.max_days = std::nullopt;
  vault.lock_date = std::nullopt;
  COFFER_CHECK_OK(store(r, vault));
  return Value::object();
}

}  // namespace coffer::backup
