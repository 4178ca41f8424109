#include "services/backup/events.h"

#include <array>

#include "services/api/event.h"
#include "services/catalog/outbox.h"

namespace coffer::backup {
namespace {

using api::event_time;
using api::Value;

Status tell(catalog::Transaction& t, Entropy& entropy, const char* detail_type, std::string_view account,
            std::string_view region, std::vector<std::string> resources, Value detail, WallTime now) {
  api::Event event;
  event.id = random_uuid(entropy);
  event.source = "aws.backup";
  event.detail_type = detail_type;
  event.account = account;
  event.region = region;
  event.time = now;
  event.resources = std::move(resources);
  event.detail = std::move(detail);
  return catalog::outbox_append(t, api::kEventTopic, api::event_json(event), now);
}

/// CreatedBy of the model, under the names that events have. Null for what no plan made.
Value created_by(const Value& detail) {
  const Value* by = detail.find("CreatedBy");
  if (!by) return {};
  return Value::object({{"backupPlanId", by->text("BackupPlanId")},
                        {"backupPlanArn", by->text("BackupPlanArn")},
                        {"backupPlanVersion", by->text("BackupPlanVersion")},
                        {"backupPlanRuleId", by->text("BackupRuleId")}});
}

std::string quoted(const std::string& message) { return message.empty() ? message : "\"" + message + "\""; }

/// Milliseconds: what events print.
WallTime in_millis(WallTime time) { return {time.micros - (time.micros % 1000 + 1000) % 1000}; }
std::string moment(WallTime time) { return event_time(in_millis(time)); }

}  // namespace

std::string us_date(WallTime time) {
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string utc = format_utc(time);  // 2020-07-15T21:39:07Z
  const auto number = [&](size_t at, size_t length) { return std::stoi(utc.substr(at, length)); };
  const int hour = number(11, 2);
  return std::string(kMonths[static_cast<size_t>(number(5, 2) - 1)]) + " " + std::to_string(number(8, 2)) + ", " +
         utc.substr(0, 4) + " " + std::to_string(hour % 12 == 0 ? 12 : hour % 12) + utc.substr(13, 6) +
         (hour < 12 ? " AM" : " PM");
}

Status tell_job(catalog::Transaction& t, Entropy& entropy, const rows::Job& job, WallTime now) {
  Value d = Value::object({{"backupJobId", job.id}, {"state", job.state}, {"creationDate", moment(job.created)}});
  const bool created = job.state == "CREATED", completed = job.state == "COMPLETED";
  if (!created) {
    d.set("backupVaultArn", job.vault_arn());
    d.set("backupVaultName", job.vault);
    d.set("bytesTransferred", std::to_string(job.transferred_bytes));
    d.set("iamRoleArn", job.role);
    d.set("resourceArn", job.resource);
    d.set("resourceType", job.resource_type);
    d.set("startBy", moment(job.start_by));
    d.set("percentDone", job.percent);
    if (job.state == "RUNNING" || completed) d.set("backupSizeInBytes", std::to_string(job.size_bytes));
    if (job.state == "PENDING" || job.state == "FAILED" || job.state == "ABORTED" || job.state == "EXPIRED" ||
        (completed && !job.message.empty()))
      d.set("statusMessage", quoted(job.message));
    if (job.completed) d.set("completionDate", moment(*job.completed));
    if (job.state == "RUNNING") d.set("expectedCompletionDate", us_date(job.complete_by));
    if (completed || job.state == "FAILED") d.set("retryCount", job.retries);
  }
  d.set("createdBy", created_by(job.detail));
  return tell(t, entropy, "Backup Job State Change", job.account, job.region,
              completed ? std::vector{job.point} : std::vector<std::string>(), std::move(d), now);
}

Status tell_copy(catalog::Transaction& t, Entropy& entropy, const rows::Copy& copy, WallTime now) {
  Value d = Value::object({{"copyJobId", copy.id},
                           {"state", copy.state},
                           {"creationDate", moment(copy.created)},
                           {"sourceBackupVaultArn", copy.source_vault},
                           {"destinationBackupVaultArn", copy.destination_vault}});
  if (copy.state != "CREATED") {
    d.set("backupSizeInBytes", copy.size_bytes);
    d.set("iamRoleArn", copy.role);
    d.set("resourceArn", copy.resource);
    d.set("resourceType", copy.resource_type);
    // AWS writes an empty object while the point is not known.
    d.set("destinationRecoveryPointArn",
          copy.destination_point.empty() ? Value(api::Members()) : Value(copy.destination_point));
    if (copy.completed) d.set("completionDate", moment(*copy.completed));
    if (copy.state == "FAILED") d.set("statusMessage", copy.message);
    d.set("createdBy", created_by(copy.detail));
  }
  return tell(t, entropy, "Copy Job State Change", copy.account, copy.region, {copy.source_point}, std::move(d), now);
}

Status tell_restore(catalog::Transaction& t, Entropy& entropy, const rows::Restore& job, WallTime now) {
  Value d = Value::object({{"restoreJobId", job.id}, {"creationDate", moment(job.created)}});
  d.set(job.state == "CREATED" ? "state" : "status", job.state);
  if (job.state != "CREATED") {
    d.set("backupSizeInBytes", std::to_string(job.size_bytes));
    d.set("iamRoleArn", job.role);
    d.set("resourceType", job.resource_type);
    d.set("percentDone", job.percent);
  }
  if (job.state == "COMPLETED") {
    d.set("backupVaultArn", job.vault);
    d.set("recoveryPointArn", job.point);
    d.set("sourceResourceArn", job.resource);
    d.set("createdResourceArn", job.created_resource);
    if (job.completed) d.set("completionDate", moment(*job.completed));
  }
  if (job.state == "FAILED" || job.state == "ABORTED") d.set("statusMessage", job.message);
  return tell(t, entropy, "Restore Job State Change", job.account, job.region, {job.point}, std::move(d), now);
}

Status tell_point(catalog::Transaction& t, Entropy& entropy, const rows::Point& point, WallTime now) {
  Value lifecycle = Value::object(), calculated = Value::object();
  if (point.delete_after_days) lifecycle.set("deleteAfterDays", *point.delete_after_days);
  if (point.cold_after_days) lifecycle.set("moveToColdStorageAfterDays", *point.cold_after_days);
  if (point.delete_at) calculated.set("deleteAt", moment(*point.delete_at));
  Value d = Value::object({{"backupVaultName", point.vault},
                           {"backupVaultArn", point.vault_arn()},
                           {"creationDate", moment(point.created)},
                           {"iamRoleArn", point.role},
                           {"resourceType", point.resource_type},
                           {"resourceArn", point.resource},
                           {"status", point.status},
                           {"isEncrypted", "true"},
                           {"storageClass", "WARM"},
                           {"completionDate", moment(point.completed)},
                           {"createdBy", created_by(point.detail)},
                           {"lifecycle", std::move(lifecycle)},
                           {"calculatedLifeCycle", std::move(calculated)}});
  if (!point.message.empty()) d.set("statusMessage", point.message);
  return tell(t, entropy, "Recovery Point State Change", point.account, point.region, {point.arn}, std::move(d), now);
}

Status tell_plan(catalog::Transaction& t, Entropy& entropy, const rows::Plan& plan, std::string_view state,
                 WallTime now) {
  const char* date = state == "CREATED" ? "creationDate" : state == "MODIFIED" ? "modifiedAt" : "deletionDate";
  return tell(
      t, entropy, "Backup Plan State Change", plan.account, plan.region, {plan.arn()},
      Value::object({{"backupPlanId", plan.id}, {"versionId", plan.version}, {"state", state}, {date, moment(now)}}),
      now);
}

Status tell_vault(catalog::Transaction& t, Entropy& entropy, const rows::Vault& vault, std::string_view state,
                  WallTime now) {
  Value d = Value::object({{"backupVaultName", vault.name}, {"state", state}});
  if (state == "MODIFIED") d.set("isLocked", vault.locked ? "true" : "false");
  return tell(t, entropy, "Backup Vault State Change", vault.account, vault.region, {vault.arn()}, std::move(d), now);
}

Status tell_region(catalog::Transaction& t, Entropy& entropy, std::string_view account, std::string_view region,
                   const Value& changed, WallTime now) {
  return tell(
      t, entropy, "Region Setting State Change", account, region, {},
      Value::object({{"modifiedAt", moment(now)}, {"ResourceTypeOptInPreference", changed}, {"state", "MODIFIED"}}),
      now);
}

Status tell_missed(catalog::Transaction& t, Entropy& entropy, const Missed& missed, WallTime now) {
  Value d = Value::object({{"backupPlanId", missed.plan.id},
                           {"backupPlanArn", missed.plan.arn()},
                           {"backupPlanName", missed.plan.name},
                           {"backupPlanRuleId", missed.rule},
                           {"backupPlanRuleName", missed.rule_name},
                           {"missedRuns", missed.count},
                           {"firstMissedRun", moment(missed.first)},
                           {"lastMissedRun", moment(missed.last)}});
  if (missed.made_late) d.set("runMadeInstead", moment(*missed.made_late));
  return tell(t, entropy, "Backup Plan Missed Runs", missed.plan.account, missed.plan.region, {missed.plan.arn()},
              std::move(d), now);
}

Status tell_last_point(catalog::Transaction& t, Entropy& entropy, const rows::Point& point, WallTime now) {
  return tell(t, entropy, "Last Recovery Point Expiring", point.account, point.region, {point.arn},
              Value::object({{"backupVaultName", point.vault},
                             {"backupVaultArn", point.vault_arn()},
                             {"resourceArn", point.resource},
                             {"resourceType", point.resource_type},
                             {"creationDate", moment(point.created)},
                             {"proof", point.proof}}),
              now);
}

}  // namespace coffer::backup
