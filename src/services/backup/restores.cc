// Restore jobs as users see them.
#include "services/backup/restores.h"

#include <algorithm>

#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Restore;

constexpr size_t kFolderSizeMax = 1'024;

/// A DB instance's name as RDS takes it.
bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::isalpha(static_cast<unsigned char>(text.front())) &&
         text.back() != '-' && text.find("--") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

/// Absolute, without "." and ".." and empty parts, inside `home`.
bool is_inside(std::string_view folder, std::string_view home) {
  if (folder.size() > kFolderSizeMax || !folder.starts_with(home) || folder.size() <= home.size() + 1 ||
      folder[home.size()] != '/' || folder.find('\0') != std::string_view::npos)
    return false;
  for (std::string_view rest = folder.substr(home.size() + 1);;) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == rest.size()) return true;
    rest.remove_prefix(slash + 1);
  }
}

/// Parameters of RestoreDBInstanceFromDBSnapshot that describe servers of a cloud: taken, and without effect here.
bool is_of_the_cloud(std::string_view name) {
  for (std::string_view known : {"DBInstanceClass",
                                 "MultiAZ",
                                 "PubliclyAccessible",
                                 "DBSubnetGroupName",
                                 "VpcSecurityGroupIds",
                                 "Engine",
                                 "EngineVersion",
                                 "AutoMinorVersionUpgrade",
                                 "CopyTagsToSnapshot",
                                 "AvailabilityZone",
                                 "StorageType",
                                 "Iops",
                                 "OptionGroupName",
                                 "DBParameterGroupName",
                                 "LicenseModel",
                                 "DeletionProtection",
                                 "AllocatedStorage",
                                 "EnableIAMDatabaseAuthentication",
                                 "EnableCloudwatchLogsExports",
                                 "ProcessorFeatures",
                                 "NetworkType",
                                 "DBName",
                                 "BackupTarget",
                                 "CustomIamInstanceProfile",
                                 "Domain",
                                 "DomainIAMRoleName",
                                 "Encrypted",
                                 "KmsKeyId",
                                 "StorageThroughput",
                                 "UseDefaultProcessorFeatures",
                                 "DBSnapshotIdentifier",
                                 "availabilityZone"}) {
    if (name == known) return true;
  }
  return false;
}

Result<Restore> job_of(const Request& r) {
  const std::string id = r.text("RestoreJobId");
  COFFER_TRY(auto job, rows::find_restore(r.t(), id));
  if (job && job->account == r.account() && job->region == r.region()) return std::move(*job);
  return not_found("Cannot find restore job with ID " + id);
}

Value restore_value(const Restore& job) {
  Value value = Value::object({{"AccountId", job.account},
                               {"RestoreJobId", job.id},
                               {"RecoveryPointArn", job.point},
                               {"RecoveryPointCreationDate", job.point_created},
                               {"SourceResourceArn", job.resource},
                               {"BackupVaultArn", job.vault},
                               {"ResourceType", job.resource_type},
                               {"CreationDate", job.created},
                               {"Status", job.state},
                               {"PercentDone", std::to_string(job.percent) + ".00%"},
                               {"BackupSizeInBytes", job.size_bytes},
                               {"IsParent", false}});
  if (!job.role.empty()) value.set("IamRoleArn", job.role);
  if (!job.message.empty()) value.set("StatusMessage", job.message);
  if (job.completed) value.set("CompletionDate", *job.completed);
  if (!job.created_resource.empty()) value.set("CreatedResourceArn", job.created_resource);
  if (!job.validation.empty()) value.set("ValidationStatus", job.validation);
  if (!job.validation_message.empty()) value.set("ValidationStatusMessage", job.validation_message);
  return value;
}

Result<Value> page_of_restores(const Request& r, const Page& page, const std::vector<Restore>& jobs) {
  Value output = Value::object();
  api::List list;
  for (const Restore& job : jobs) {
    if (list.size() == page.limit) {
      const Restore& last = jobs[page.limit - 1];
      COFFER_CHECK_OK(set_next(r, output, time_key(last.created, last.id)));
      break;
    }
    list.push_back(restore_value(job));
  }
  output.set("RestoreJobs", std::move(list));
  return output;
}

std::pair<int64_t, std::string> begin_of(const Page& page) {
  return page.after.empty() ? std::pair<int64_t, std::string>(INT64_MAX, "") : open_time_key(page.after);
}

}  // namespace

Result<RestoreTarget> restore_target(const std::map<std::string, std::string>& metadata, std::string_view root,
                                     std::string_view account) {
  RestoreTarget target;
  for (const auto& [name, value] : metadata) {
    if (name == "DBInstanceIdentifier" || name == "dbInstanceIdentifier") {
      target.identifier = value;
      std::transform(value.begin(), value.end(), target.identifier.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    } else if (name == "TargetDirectory") {
      target.folder = value;
    } else if (name == "RestoreTime") {
      const auto time = parse_utc(value);
      if (!time.ok()) return invalid("Invalid RestoreTime: " + value);
      target.until = format_utc(*time, true);
    } else if (name == "UseLatestRestorableTime") {
      if (value != "true" && value != "false") return invalid("Invalid UseLatestRestorableTime: " + value);
    } else if (name == "Port") {
      const bool digits = !value.empty() && value.size() <= 5 && std::all_of(value.begin(), value.end(), ::isdigit);
      target.port = digits ? std::stoll(value) : 0;
      if (target.port < 1 || target.port > 65'535) return invalid("Invalid Port: " + value);
    } else if (!is_of_the_cloud(name)) {
      return invalid("Invalid restore metadata: " + name);
    }
  }
  if (target.identifier.empty() && target.folder.empty())
    return invalid("Invalid restore metadata. It needs DBInstanceIdentifier, TargetDirectory, or both.");
  if (!target.identifier.empty() && !is_identifier(target.identifier))
    return invalid("Invalid DBInstanceIdentifier: " + target.identifier);
  if (root.empty())
    return invalid("This installation has no folder for restores. Its administrator can restore on the command line.");
  const std::string home = std::string(root) + "/" + std::string(account);
  if (target.folder.empty()) target.folder = home + "/" + target.identifier;
  if (!is_inside(target.folder, home)) return invalid("TargetDirectory must be a folder inside " + home + ".");
  return target;
}

Result<Value> start_restore(const Request& r) {
  COFFER_TRY(const rows::Point point, own_point(r, r.text("RecoveryPointArn")));
  const std::string role = r.text("IamRoleArn"), token = r.text("IdempotencyToken"), type = r.text("ResourceType");
  const Value* metadata = r.input().find("Metadata");
  if (!metadata) return missing("Metadata is missing.");
  if (!type.empty() && type != kResourceType) return invalid("Invalid resource type: " + type);
  if (!is_role_arn(role))
    return role.empty() ? missing("IamRoleArn is missing.") : invalid("Invalid IAM role ARN: " + role);
  Value same = r.input();
  same.set("IdempotencyToken", Value());
  const std::string fingerprint = content_of(same);
  if (!token.empty()) {
    COFFER_TRY(const auto earlier,
               rows::first<Restore>(r.t(), "WHERE account = $1 AND token = $2 AND region = $3 LIMIT 1",
                                    {r.account(), token, r.region()}));
    if (earlier && earlier->fingerprint == fingerprint) return Value::object({{"RestoreJobId", earlier->id}});
    if (earlier) return invalid("The idempotency token was used for another request: " + token);
  }
  if (point.status != "COMPLETED" && point.status != "EXPIRED")
    return refused("Recovery point " + point.arn + " is in state " + point.status + " and cannot be restored.");
  COFFER_TRY(const RestoreTarget target,
             restore_target(r.input().text_map("Metadata"), r.setting.options.restore_root, r.account()));
  if (!target.identifier.empty()) {
    COFFER_TRY(const auto there,
               rds::find_database(r.t(), "arn:aws:rds:" + r.region() + ":" + r.account() + ":db:" + target.identifier));
    if (there) return invalid("DB instance already exists: " + target.identifier);
  }
  COFFER_TRY(const auto busy, rows::select<Restore>(r.t(), "WHERE account = $1 AND active = 1", {r.account()}));
  for (const Restore& other : busy) {
    const auto into =
        restore_target(other.metadata.text_map("Metadata"), r.setting.options.restore_root, other.account);
    if (into.ok() && into->folder == target.folder)
      return refused("The restore job " + other.id + " restores into " + target.folder + " just now.");
  }
  const auto assumed =
      assume(r.setting, r.call().context, r.t(), role, r.account(), r.region(), point.vault_arn(), r.now());
  if (!assumed.ok()) {
    if (assumed.code() != ErrorCode::kPermissionDenied) return assumed.error();
    return invalid("IAM Role " + role + " cannot be assumed by AWS Backup");
  }
  Restore job;
  job.id = new_job_id(r.setting.entropy);
  job.account = r.account();
  job.region = r.region();
  job.point = point.arn;
  job.vault = point.vault_arn();
  job.resource = point.resource;
  job.role = role;
  job.created = r.now();
  job.size_bytes = point.size_bytes;
  job.point_created = point.created;
  job.token = token;
  job.fingerprint = fingerprint;
  job.metadata =
      Value::object({{"Metadata", *metadata},
                     {"CopySourceTagsToRestoredResource", r.input().flag("CopySourceTagsToRestoredResource")}});
  COFFER_CHECK_OK(insert_restore(r.setting, r.t(), job, r.now()));
  return Value::object({{"RestoreJobId", job.id}});
}

Result<Value> describe_restore(const Request& r) {
  COFFER_TRY(const Restore job, job_of(r));
  return restore_value(job);
}

Result<Value> restore_job_metadata(const Request& r) {
  COFFER_TRY(const Restore job, job_of(r));
  const Value* metadata = job.metadata.find("Metadata");
  return Value::object({{"RestoreJobId", job.id}, {"Metadata", metadata ? *metadata : Value::object()}});
}

Result<Value> list_restores(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string account = r.text("ByAccountId");
  if ((!account.empty() && account != "*" && account != r.account()) || !r.text("ByParentJobId").empty() ||
      !r.text("ByRestoreTestingPlanArn").empty())
    return Value::object({{"RestoreJobs", api::List()}});
  const auto [before, before_id] = begin_of(page);
  const auto oldest = r.input().time("ByCreatedAfter").value_or(WallTime{INT64_MIN}),
             newest = r.input().time("ByCreatedBefore").value_or(WallTime{INT64_MAX});
  const auto done_after = r.input().time("ByCompleteAfter"), done_before = r.input().time("ByCompleteBefore");
  COFFER_TRY(
      const auto jobs,
      rows::select<Restore>(
          r.t(),
          "WHERE account = $1 AND region = $2 AND created >= $3 AND created <= $4 AND (created < $5 OR (created = "
          "$5 AND id < $6)) AND ($7 = '' OR state = $7) AND ($8 = '' OR resource_type = $8) AND "
          "(CAST($9 AS BIGINT) IS NULL OR completed >= $9) AND (CAST($10 AS BIGINT) IS NULL OR completed <= $10) "
          "ORDER BY created DESC, id DESC LIMIT $11",
          {r.account(), r.region(), oldest, newest, before, before_id, r.text("ByStatus"), r.text("ByResourceType"),
           done_after, done_before, static_cast<int64_t>(page.limit) + 1}));
  return page_of_restores(r, page, jobs);
}

Result<Value> list_restores_by_resource(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const auto [before, before_id] = begin_of(page);
  const auto after = r.input().time("ByRecoveryPointCreationDateAfter").value_or(WallTime{INT64_MIN}),
             until = r.input().time("ByRecoveryPointCreationDateBefore").value_or(WallTime{INT64_MAX});
  COFFER_TRY(const auto jobs,
             rows::select<Restore>(r.t(),
                                   "WHERE account = $1 AND region = $2 AND resource = $3 AND (created < $4 OR (created "
                                   "= $4 AND id < $5)) AND ($6 = '' OR state = $6) AND point_created >= $7 AND "
                                   "point_created <= $8 ORDER BY created DESC, id DESC LIMIT $9",
                                   {r.account(), r.region(), r.text("ResourceArn"), before, before_id,
                                    r.text("ByStatus"), after, until, static_cast<int64_t>(page.limit) + 1}));
  return page_of_restores(r, page, jobs);
}

Result<Value> put_validation(const Request& r) {
  COFFER_TRY(Restore job, job_of(r));
  if (job.state != "COMPLETED")
    return refused("Restore job " + job.id + " is in state " + job.state + " and has nothing to validate.");
  if (!job.validation.empty() && job.validation != "VALIDATING")
    return refused("The validation of restore job " + job.id + " has ended: " + job.validation + ".");
  job.validation = r.text("ValidationStatus");
  job.validation_message = r.text("ValidationStatusMessage");
  COFFER_CHECK_OK(rows::update(r.t(), job));
  return Value::object();
}

}  // namespace coffer::backup
