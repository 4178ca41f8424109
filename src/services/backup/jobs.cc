// Backup jobs as users see them: started on demand, shown, stopped.
#include <algorithm>

#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Job;

constexpr std::chrono::hours kListed{24 * 30};  // older jobs are not listed

Result<Job> job_of(const Request& r) {
  const std::string id = r.text("BackupJobId");
  COFFER_TRY(auto job, rows::find_job(r.t(), id));
  if (job && job->account == r.account() && job->region == r.region()) return std::move(*job);
  return not_found("Cannot find backup job with ID " + id);
}

std::string name_of(const std::string& resource) { return resource.substr(resource.rfind(':') + 1); }

Value job_value(const Job& job) {
  Value value = Value::object({{"AccountId", job.account},
                               {"BackupJobId", job.id},
                               {"BackupVaultName", job.vault},
                               {"BackupVaultArn", job.vault_arn()},
                               {"ResourceArn", job.resource},
                               {"ResourceName", name_of(job.resource)},
                               {"ResourceType", job.resource_type},
                               {"CreationDate", job.created},
                               {"State", job.state},
                               {"PercentDone", std::to_string(job.percent) + ".0"},
                               {"BackupSizeInBytes", job.size_bytes},
                               {"BytesTransferred", job.transferred_bytes},
                               {"IamRoleArn", job.role},
                               {"StartBy", job.start_by},
                               {"ExpectedCompletionDate", job.complete_by},
                               {"IsEncrypted", true},
                               {"IsParent", false}});
  if (!job.point.empty()) value.set("RecoveryPointArn", job.point);
  if (!job.message.empty()) value.set("StatusMessage", job.message);
  if (!job.category.empty()) value.set("MessageCategory", job.category);
  if (job.started) value.set("InitiationDate", *job.started);
  if (job.completed) value.set("CompletionDate", *job.completed);
  for (const char* member : {"CreatedBy", "BackupOptions"}) {
    if (const Value* found = job.detail.find(member)) value.set(member, *found);
  }
  if (const Value* lifecycle = job.detail.find("Lifecycle")) value.set("RecoveryPointLifecycle", *lifecycle);
  return value;
}

std::chrono::minutes minutes_of(const Request& r, const char* member, std::chrono::minutes otherwise) {
  return std::chrono::minutes(r.input().integer(member).value_or(otherwise.count()));
}

Value started(const Job& job) {
  return Value::object({{"BackupJobId", job.id}, {"CreationDate", job.created}, {"IsParent", false}});
}

}  // namespace

Result<Value> start_backup(const Request& r) {
  COFFER_TRY(const rows::Vault vault, vault_of(r));
  const std::string resource = r.text("ResourceArn"), role = r.text("IamRoleArn"), token = r.text("IdempotencyToken");
  const auto arn = parse_arn(resource);
  if (!arn || arn->service != "rds" || !arn->resource.starts_with("db:"))
    return invalid("Unsupported resource type in the ARN " + resource + ". Only RDS DB instances can be backed up.");
  if (arn->account != r.account() || arn->region != r.region())
    return invalid("The resource " + resource + " is not of this account and Region.");
  if (!is_role_arn(role)) return invalid("Invalid IAM role ARN: " + role);
  if (!r.text("LogicallyAirGappedBackupVaultArn").empty())
    return invalid(
        "A backup goes to an air-gapped vault by a copy: LogicallyAirGappedBackupVaultArn is not supported.");
  const auto start_window = minutes_of(r, "StartWindowMinutes", kStartWindow),
             completion_window = minutes_of(r, "CompleteWindowMinutes", kCompletionWindow);
  if (start_window < kStartWindowMin || start_window > kWindowMax) return invalid("Invalid StartWindowMinutes.");
  if (completion_window < std::chrono::minutes(1) || completion_window > kWindowMax)
    return invalid("Invalid CompleteWindowMinutes.");
  const Value* lifecycle = r.input().find("Lifecycle");
  if (lifecycle) COFFER_CHECK_OK(check_lifecycle(*lifecycle));
  const auto tags = r.input().text_map("RecoveryPointTags");
  COFFER_CHECK_OK(check_tags(tags));

  Value same = r.input();
  same.set("IdempotencyToken", Value());
  const std::string fingerprint = content_of(same);
  if (!token.empty()) {
    COFFER_TRY(const auto earlier, rows::first<Job>(r.t(), "WHERE account = $1 AND token = $2 AND region = $3 LIMIT 1",
                                                    {r.account(), token, r.region()}));
    if (earlier && earlier->fingerprint == fingerprint) return started(*earlier);
    if (earlier) return invalid("The idempotency token was used for another request: " + token);
  }
  COFFER_TRY(const auto database, rds::find_database(r.t(), resource));
  if (!database) return not_found("The resource " + resource + " does not exist.");
  if (const Status fits = check_retention(lock_of(vault), delete_after_days(lifecycle)); !fits.ok())
    return fits.error();
  const auto assumed = assume(r.setting, r.call().context, r.t(), role, r.account(), r.region(), vault.arn(), r.now());
  if (!assumed.ok()) {
    if (assumed.code() != ErrorCode::kPermissionDenied) return assumed.error();
    return invalid("IAM Role " + role + " cannot be assumed by AWS Backup");
  }

  Job job;
  job.id = new_job_id(r.setting.entropy);
  job.account = r.account();
  job.region = r.region();
  job.vault = vault.name;
  job.resource = resource;
  job.role = role;
  job.created = job.scheduled = r.now();
  const Window window = window_of(job.scheduled, start_window, completion_window);
  job.start_by = window.start_by;
  job.complete_by = window.complete_by;
  job.deadline = job.start_by;
  job.token = token;
  job.fingerprint = fingerprint;
  job.detail = Value::object();
  for (const char* member : {"Lifecycle", "RecoveryPointTags", "BackupOptions"}) {
    if (const Value* found = r.input().find(member)) job.detail.set(member, *found);
  }
  COFFER_CHECK_OK(insert_job(r.setting, r.t(), job, r.now(), r.now()));
  return started(job);
}

Result<Value> describe_backup(const Request& r) {
  COFFER_TRY(const Job job, job_of(r));
  Value value = job_value(job);
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), job.account, job.region, job.vault));
  if (vault) {
    value.set("EncryptionKeyArn", vault->key_arn);
    value.set("VaultType", vault->kind);
  }
  return value;
}

// AWS cannot stop backups of RDS and answers InvalidRequestException for them. The engine here can stop at any moment
// and leaves nothing behind, so it may be asked to: ABORTING while a backup runs, ABORTED afterwards.
Result<Value> stop_backup(const Request& r) {
  COFFER_TRY(Job job, job_of(r));
  if (is_terminal(job.state)) return refused("Job " + job.id + " is in state " + job.state + " and cannot be stopped.");
  if (job.state == "ABORTING") return Value::object();
  if (job.state == "RUNNING") {
    COFFER_CHECK_OK(change_job(r.setting, r.t(), job, "ABORTING", "Backup job is being stopped by user.", "", r.now()));
    // Should nobody work on it just now (it waits for another attempt), this ends it at once.
    COFFER_CHECK_OK(work::add(r.t(), kBackupWork, job.id, "", r.now()));
  } else {
    COFFER_CHECK_OK(change_job(r.setting, r.t(), job, "ABORTED", "Backup job was stopped by user.", "", r.now()));
    COFFER_CHECK_OK(work::cancel(r.t(), kBackupWork, job.id));
  }
  return Value::object();
}

Result<Value> list_backups(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string account = r.text("ByAccountId");
  // Other accounts' jobs would be a delegated administrator's to see.
  if (!account.empty() && account != "*" && account != r.account()) return Value::object({{"BackupJobs", api::List()}});
  if (!r.text("ByParentJobId").empty()) return Value::object({{"BackupJobs", api::List()}});
  const auto [before, before_id] =
      page.after.empty() ? std::pair<int64_t, std::string>(INT64_MAX, "") : open_time_key(page.after);
  const auto oldest = std::max(r.now() - kListed, r.input().time("ByCreatedAfter").value_or(WallTime{INT64_MIN}));
  const auto newest = r.input().time("ByCreatedBefore").value_or(WallTime{INT64_MAX});
  const auto done_after = r.input().time("ByCompleteAfter"), done_before = r.input().time("ByCompleteBefore");
  COFFER_TRY(
      const auto jobs,
      rows::select<Job>(r.t(),
                        "WHERE account = $1 AND region = $2 AND created >= $3 AND created <= $4 AND "
                        "(created < $5 OR (created = $5 AND id < $6)) AND ($7 = '' OR resource = $7) AND "
                        "($8 = '' OR state = $8) AND ($9 = '' OR vault = $9) AND ($10 = '' OR resource_type = $10) AND "
                        "($11 = '' OR category = $11) AND (CAST($12 AS BIGINT) IS NULL OR completed >= $12) AND "
                        "(CAST($13 AS BIGINT) IS NULL OR completed <= $13) ORDER BY created DESC, id DESC LIMIT $14",
                        {r.account(), r.region(), oldest, newest, before, before_id, r.text("ByResourceArn"),
                         r.text("ByState"), r.text("ByBackupVaultName"), r.text("ByResourceType"),
                         r.text("ByMessageCategory"), done_after, done_before, static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const Job& job : jobs) {
    if (list.size() == page.limit) {
      const Job& last = jobs[page.limit - 1];
      COFFER_CHECK_OK(set_next(r, output, time_key(last.created, last.id)));
      break;
    }
    list.push_back(job_value(job));
  }
  output.set("BackupJobs", std::move(list));
  return output;
}

}  // namespace coffer::backup
