// Recovery points and protected resources as users see them.
#include <algorithm>

#include "services/backup/events.h"
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Point;

Value by_vault(const Point& p) {
  Value value = Value::object({{"RecoveryPointArn", p.arn},
                               {"BackupVaultName", p.vault},
                               {"BackupVaultArn", p.vault_arn()},
                               {"ResourceArn", p.resource},
                               {"ResourceName", p.resource.substr(p.resource.rfind(':') + 1)},
                               {"ResourceType", p.resource_type},
                               {"IamRoleArn", p.role},
                               {"Status", p.status},
                               {"CreationDate", p.created},
                               {"InitiationDate", p.started},
                               {"CompletionDate", p.completed},
                               {"BackupSizeInBytes", p.size_bytes},
                               {"EncryptionKeyArn", p.key_arn},
                               {"IsEncrypted", true},
                               {"IsParent", false},
                               {"VaultType", "BACKUP_VAULT"}});
  Value lifecycle = lifecycle_value(p.delete_after_days, p.cold_after_days);
  if (!lifecycle.entries().empty()) value.set("Lifecycle", std::move(lifecycle));
  if (p.delete_at) value.set("CalculatedLifecycle", Value::object({{"DeleteAt", *p.delete_at}}));
  if (!p.message.empty()) value.set("StatusMessage", p.message);
  if (!p.source_vault.empty()) value.set("SourceBackupVaultArn", p.source_vault);
  if (p.last_restore) value.set("LastRestoreTime", *p.last_restore);
  if (const Value* by = p.detail.find("CreatedBy")) value.set("CreatedBy", *by);
  return value;
}

Value by_resource(const Point& p) {
  Value value = Value::object({{"RecoveryPointArn", p.arn},
                               {"CreationDate", p.created},
                               {"Status", p.status},
                               {"EncryptionKeyArn", p.key_arn},
                               {"BackupSizeBytes", p.size_bytes},
                               {"BackupVaultName", p.vault},
                               {"ResourceName", p.resource.substr(p.resource.rfind(':') + 1)},
                               {"IsParent", false},
                               {"VaultType", "BACKUP_VAULT"}});
  if (!p.message.empty()) value.set("StatusMessage", p.message);
  return value;
}

Value protected_value(const rows::Resource& resource) {
  return Value::object({{"ResourceArn", resource.arn},
                        {"ResourceType", resource.type},
                        {"ResourceName", resource.arn.substr(resource.arn.rfind(':') + 1)},
                        {"LastBackupTime", resource.last_backup},
                        {"LastBackupVaultArn", resource.last_vault},
                        {"LastRecoveryPointArn", resource.last_point}});
}

/// One page of `points`, which were asked for with one more than fits.
Result<Value> page_of_points(const Request& r, const Page& page, const std::vector<Point>& points,
                             Value (*show)(const Point&)) {
  Value output = Value::object();
  api::List list;
  for (const Point& point : points) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, points[page.limit - 1].arn));
      break;
    }
    list.push_back(show(point));
  }
  output.set("RecoveryPoints", std::move(list));
  return output;
}

Result<Value> page_of_resources(const Request& r, const Page& page, const std::vector<rows::Resource>& all,
                                Value output) {
  api::List list;
  for (const rows::Resource& resource : all) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, all[page.limit - 1].arn));
      break;
    }
    list.push_back(protected_value(resource));
  }
  output.set("Results", std::move(list));
  return output;
}

/// That nothing keeps users from changing or deleting it.
Status check_unlocked(const Request& r, const Point& point) {
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), point.account, point.region, point.vault));
  if (vault && vault->locked)
    return refused("Recovery point " + point.arn + " cannot be changed or deleted: Backup Vault " + vault->name +
                   " is locked.");
  return ok_status();
}

}  // namespace

Result<Point> point_of(const Request& r) {
  COFFER_TRY(const rows::Vault vault, vault_of(r));
  const std::string arn = r.text("RecoveryPointArn");
  COFFER_TRY(auto point, rows::first<Point>(r.t(), "WHERE account = $1 AND region = $2 AND vault = $3 AND arn = $4",
                                            {vault.account, vault.region, vault.name, arn}));
  if (point) return std::move(*point);
  return not_found("Cannot find recovery point " + arn + " in backup vault " + vault.name + ".");
}

Result<Point> own_point(const Request& r, std::string_view arn) {
  COFFER_TRY(auto point, rows::find_point(r.t(), arn));
  if (point && point->account == r.account() && point->region == r.region()) return std::move(*point);
  return not_found("Cannot find recovery point " + std::string(arn) + ".");
}

Result<Value> describe_point(const Request& r) {
  COFFER_TRY(const Point point, point_of(r));
  Value value = by_vault(point);
  value.set("StorageClass", "WARM");
  COFFER_TRY(const rows::Vault vault, vault_of(r));
  value.set("VaultType", vault.kind);
  if (!vault.key_type.empty()) value.set("EncryptionKeyType", vault.key_type);
  return value;
}

Result<Value> list_points_by_vault(const Request& r) {
  COFFER_TRY(const rows::Vault vault, vault_of(r));
  COFFER_TRY(const Page page, page_of(r));
  std::vector<Point> points;
  if (r.text("ByParentRecoveryPointArn").empty()) {
    const auto after = r.input().time("ByCreatedAfter"), before = r.input().time("ByCreatedBefore");
    COFFER_TRY(
        points,
        rows::select<Point>(
            r.t(),
            "WHERE account = $1 AND region = $2 AND vault = $3 AND arn > $4 AND ($5 = '' OR resource = $5) AND "
            "($6 = '' OR resource_type = $6) AND ($7 = '' OR plan = $7) AND "
            "(CAST($8 AS BIGINT) IS NULL OR created >= $8) AND (CAST($9 AS BIGINT) IS NULL OR created <= $9) "
            "ORDER BY arn LIMIT $10",
            {vault.account, vault.region, vault.name, page.after, r.text("ByResourceArn"), r.text("ByResourceType"),
             r.text("ByBackupPlanId"), after, before, static_cast<int64_t>(page.limit) + 1}));
  }
  return page_of_points(r, page, points, by_vault);
}

Result<Value> list_points_by_resource(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto points,
             rows::select<Point>(
                 r.t(),
                 "WHERE account = $1 AND region = $2 AND resource = $3 AND arn > $4 ORDER BY arn "
                 "LIMIT $5",
                 {r.account(), r.region(), r.text("ResourceArn"), page.after, static_cast<int64_t>(page.limit) + 1}));
  return page_of_points(r, page, points, by_resource);
}

Result<Value> update_point_lifecycle(const Request& r) {
  COFFER_TRY(Point point, point_of(r));
  COFFER_CHECK_OK(check_unlocked(r, point));
  if (point.status == "DELETING") return invalid("Recovery point " + point.arn + " is being deleted.");
  const Value* lifecycle = r.input().find("Lifecycle");
  if (!lifecycle) return missing("Lifecycle is missing.");
  COFFER_CHECK_OK(check_lifecycle(*lifecycle));
  set_lifecycle(point, *lifecycle);
  COFFER_CHECK_OK(rows::update(r.t(), point));
  Value output = Value::object({{"BackupVaultArn", point.vault_arn()},
                                {"RecoveryPointArn", point.arn},
                                {"Lifecycle", lifecycle_value(point.delete_after_days, point.cold_after_days)}});
  output.set("CalculatedLifecycle",
             point.delete_at ? Value::object({{"DeleteAt", *point.delete_at}}) : Value::object());
  return output;
}

Result<Value> delete_point(const Request& r) {
  COFFER_TRY(Point point, point_of(r));
  COFFER_CHECK_OK(check_unlocked(r, point));
  if (point.status == "DELETING") return Value::object();
  COFFER_TRY(const bool held, rows::is_held(r.t(), point.arn));
  if (held) return refused("Recovery point " + point.arn + " cannot be deleted: a legal hold keeps it.");
  COFFER_TRY(const bool used, is_in_use(r.t(), point));
  if (used) return invalid_state("Recovery point " + point.arn + " is in use by a copy or restore job.");
  COFFER_CHECK_OK(begin_deletion(r.setting, r.t(), point, "deleted by " + r.call().caller.arn, r.now()));
  return Value::object();
}

// Disassociation hands a continuous recovery point back to its service. There are none of these here.
Result<Value> disassociate_point(const Request& r) {
  COFFER_TRY(const Point point, point_of(r));
  return refused("Recovery point " + point.arn + " is not a continuous recovery point.");
}

Result<Value> restore_metadata(const Request& r) {
  COFFER_TRY(const Point point, point_of(r));
  COFFER_TRY(const auto snapshot, rds::find_snapshot(r.t(), point.arn));
  Value metadata = Value::object({{"DBInstanceIdentifier", point.resource.substr(point.resource.rfind(':') + 1)},
                                  {"Engine", "postgres"},
                                  {"EngineVersion", point.detail.text("EngineVersion")},
                                  {"MultiAZ", "false"},
                                  {"PubliclyAccessible", "false"},
                                  {"AutoMinorVersionUpgrade", "false"},
                                  {"CopyTagsToSnapshot", "false"}});
  if (snapshot) metadata.set("Port", std::to_string(snapshot->port));
  return Value::object({{"BackupVaultArn", point.vault_arn()},
                        {"RecoveryPointArn", point.arn},
                        {"RestoreMetadata", std::move(metadata)},
                        {"ResourceType", point.resource_type}});
}

Result<Value> list_protected(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto all, rows::select<rows::Resource>(
                                 r.t(), "WHERE account = $1 AND region = $2 AND arn > $3 ORDER BY arn LIMIT $4",
                                 {r.account(), r.region(), page.after, static_cast<int64_t>(page.limit) + 1}));
  return page_of_resources(r, page, all, Value::object());
}

Result<Value> list_protected_by_vault(const Request& r) {
  COFFER_TRY(const rows::Vault vault, vault_of(r));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto all,
             rows::select<rows::Resource>(
                 r.t(),
                 "WHERE account = $1 AND region = $2 AND arn > $3 AND EXISTS (SELECT 1 FROM backup_points p WHERE "
                 "p.account = $1 AND p.region = $2 AND p.vault = $4 AND p.resource = backup_resources.arn) "
                 "ORDER BY arn LIMIT $5",
                 {vault.account, vault.region, page.after, vault.name, static_cast<int64_t>(page.limit) + 1}));
  return page_of_resources(r, page, all, Value::object());
}

Result<Value> describe_protected(const Request& r) {
  const std::string arn = r.text("ResourceArn");
  COFFER_TRY(const auto resource, rows::first<rows::Resource>(r.t(), "WHERE account = $1 AND region = $2 AND arn = $3",
                                                              {r.account(), r.region(), arn}));
  if (!resource) return not_found("Cannot find protected resource " + arn + ".");
  Value value = protected_value(*resource);
  COFFER_TRY(const auto restore,
             rows::first<rows::Restore>(r.t(),
                                        "WHERE account = $1 AND region = $2 AND resource = $3 AND state = 'COMPLETED' "
                                        "ORDER BY created DESC LIMIT 1",
                                        {r.account(), r.region(), arn}));
  if (restore) {
    value.set("LatestRestoreJobCreationDate", restore->created);
    value.set("LatestRestoreRecoveryPointCreationDate", restore->point_created);
    value.set("LatestRestoreExecutionTimeMinutes",
              std::chrono::ceil<std::chrono::minutes>(restore->completed.value_or(restore->created) -
                                                      restore->started.value_or(restore->created))
                  .count());
  }
  return value;
}

Result<Value> list_points_by_hold(const Request& r) {
  const std::string id = r.text("LegalHoldId");
  COFFER_TRY(const auto hold, rows::first<rows::Hold>(r.t(), "WHERE id = $1", {id}));
  if (!hold || hold->account != r.account() || hold->region != r.region())
    return invalid("Cannot find legal hold with ID " + id);
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto points,
             rows::select<Point>(r.t(),
                                 "WHERE arn IN (SELECT arn FROM backup_held_points WHERE hold = $2 AND arn > $1 "
                                 "ORDER BY arn LIMIT $3) ORDER BY arn",
                                 {page.after, id, static_cast<int64_t>(page.limit) + 1}));
  return page_of_points(r, page, points, [](const Point& p) {
    return Value::object({{"RecoveryPointArn", p.arn},
                          {"ResourceArn", p.resource},
                          {"ResourceType", p.resource_type},
                          {"BackupVaultName", p.vault}});
  });
}

}  // namespace coffer::backup
