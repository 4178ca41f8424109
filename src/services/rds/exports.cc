// Export tasks: started, told, cancelled. The work itself is export_work.cc.
#include <algorithm>

#include "services/api/fault.h"
#include "services/rds/export_work.h"
#include "services/rds/operations.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr size_t kRunningMax = 5, kIdentifierMax = 60, kOnlySizeMax = 200 << 10;
constexpr std::string_view kPrincipal = "export.rds.amazonaws.com";

/// What StartExportTask found out before its transaction.
struct ExportPlan {
  rows::ExportTask task;
};

Error no_task(std::string_view id) {
  return api::fault(ErrorCode::kNotFound, "ExportTaskNotFound", "Export task " + std::string(id) + " not found.");
}
Error invalid_only(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidExportOnly", std::move(message));
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Result<std::string> identifier_of(const Request& r) {
  std::string id = r.text("ExportTaskIdentifier");
  const bool fits = !id.empty() && id.size() <= kIdentifierMax && is_letter(id.front()) && id.back() != '-' &&
                    id.find("--") == std::string::npos &&
                    std::all_of(id.begin(), id.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
  if (fits) return id;
  return invalid_parameter(
      "The parameter ExportTaskIdentifier is not a valid identifier. Identifiers must begin with a letter; must "
      "contain "
      "only ASCII letters, digits, and hyphens; must not end with a hyphen or contain two consecutive hyphens; and "
      "have "
      "at most 60 characters.");
}

/// Backslash, backtick, double quote and blank become '_'.
Result<std::string> prefix_of(const Request& r) {
  std::string prefix = r.text("S3Prefix");
  if (prefix.find(':') != std::string::npos) return invalid_parameter("S3Prefix must not contain a colon.");
  for (char& c : prefix) {
    if (c == '\\' || c == '`' || c == '"' || c == ' ') c = '_';
  }
  while (prefix.ends_with('/')) prefix.pop_back();
  return prefix;
}

Result<std::vector<std::string>> only_of(const Request& r) {
  std::vector<std::string> only = r.input().texts("ExportOnly");
  size_t size = 0;
  for (const std::string& item : only) {
    size += item.size();
    const auto dots = std::count(item.begin(), item.end(), '.');
    const bool words = !item.empty() && item.front() != '.' && item.back() != '.' &&
                       item.find("..") == std::string::npos && dots <= 2 &&
                       std::all_of(item.begin(), item.end(), [](char c) {
                         return is_letter(c) || is_digit(c) || c == '$' || c == '_' || c == '.' || c == '-';
                       });
    if (!words)
      return invalid_only("The export-only item '" + item +
                          "' is not valid: write database, database.schema or database.schema.table.");
  }
  if (size > kOnlySizeMax) return invalid_only("The export-only list is longer than 200 KB.");
  return only;
}

/// The checks of the bucket that need nothing but the role's own permissions.
Status check_bucket(const Request& r, const iam::Identity& role, const std::string& bucket,
                    const std::string& role_arn) {
  api::Call call = r.call();
  call.caller = role.caller;
  call.service = "s3";
  call.operation = "GetBucketLocation";
  call.via_service = kPrincipal;
  Result<Value> location = r.setting.invoke(call, &role, Value::object({{"Bucket", bucket}}));
  if (!location.ok()) {
    const Error& error = location.error();
    if (error.name == "NoSuchBucket" || error.name == "InvalidBucketName")
      return api::fault(ErrorCode::kInvalidArgument, "InvalidS3BucketFault",
                        "The S3 bucket " + bucket + " doesn't exist or isn't in the current AWS Region.");
    if (error.code == ErrorCode::kPermissionDenied || error.name == "AccessDenied")
      return api::fault(ErrorCode::kPermissionDenied, "IamRoleMissingPermissions",
                        "The IAM role " + role_arn +
                            " isn't authorized to call s3:GetBucketLocation on the S3 bucket " + bucket +
                            ". Review your permissions and retry the export.");
    return error;
  }
  const std::string_view region = location->text("LocationConstraint");
  if ((region.empty() ? std::string_view("us-east-1") : region) != r.region())
    return api::fault(ErrorCode::kInvalidArgument, "InvalidS3BucketFault",
                      "The S3 bucket " + bucket + " isn't located in the same AWS Region as the export task.");
  return ok_status();
}

Result<Snapshot> source_of(const Request& r) {
  const std::string arn_text = r.text("SourceArn");
  const auto arn = parse_arn(arn_text);
  if (!arn) return invalid_parameter("Invalid resource name: " + arn_text);
  if (arn->type == "cluster-snapshot")
    return api::fault(ErrorCode::kNotFound, "DBClusterSnapshotNotFoundFault",
                      "DBClusterSnapshot " + arn->name + " not found.");
  if (arn->type == "cluster")
    return api::fault(ErrorCode::kNotFound, "DBClusterNotFoundFault", "DBCluster " + arn->name + " not found.");
  if (arn->type != "snapshot") return invalid_parameter("Invalid resource name: " + arn_text);
  COFFER_TRY(Snapshot snapshot, snapshot_named(r, "SourceArn"));
  if (snapshot.region != r.region()) return no_snapshot(snapshot.identifier);
  if (snapshot.status != "available")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidExportSourceState",
                      "The snapshot " + snapshot.identifier + " is " + snapshot.status +
                          ". Only available snapshots can be exported.");
  return snapshot;
}

/// Free identifier, limits: asked before the work and again in the transaction.
Status check_limits(const Request& r, const std::string& identifier, const Snapshot& snapshot) {
  COFFER_TRY(const auto taken, rows::find_export(r.t(), r.account(), r.region(), identifier));
  if (taken)
    return api::fault(ErrorCode::kAlreadyExists, "ExportTaskAlreadyExists",
                      "The export task with the ID " + identifier + " already exists.");
  COFFER_TRY(const auto running, rows::running_exports(r.t(), r.account(), r.region()));
  for (const rows::ExportTask& task : running) {
    if (task.source_arn == snapshot.arn())
      return api::fault(ErrorCode::kFailedPrecondition, "InvalidExportSourceState",
                        "The snapshot " + snapshot.identifier + " is being exported by the task " + task.identifier +
                            ". Wait until it has ended.");
  }
  if (running.size() >= kRunningMax)
    return api::fault(ErrorCode::kResourceExhausted, "ExportTaskLimitReached",
                      "You have reached the limit of 5 export tasks in progress.");
  return ok_status();
}

}  // namespace

Value export_value(const rows::ExportTask& e) {
  Value value = Value::object({{"ExportTaskIdentifier", e.identifier},
                               {"SourceArn", e.source_arn},
                               {"SnapshotTime", e.snapshot_time},
                               {"S3Bucket", e.bucket},
                               {"S3Prefix", e.prefix},
                               {"IamRoleArn", e.role_arn},
                               {"KmsKeyId", e.kms_key},
                               {"Status", e.status},
                               {"PercentProgress", e.percent},
                               {"TotalExtractedDataInGB", e.extracted_bytes >> 30},
                               {"SourceType", "SNAPSHOT"}});
  if (!e.only.empty()) value.set("ExportOnly", api::text_list(e.only));
  if (e.started) value.set("TaskStartTime", *e.started);
  if (e.ended) value.set("TaskEndTime", *e.ended);
  if (!e.failure_cause.empty()) value.set("FailureCause", e.failure_cause);
  if (!e.warning.empty()) value.set("WarningMessage", e.warning);
  return value;
}

std::string export_subject(const rows::ExportTask& task) {
  return "arn:aws:rds:" + task.region + ":" + task.account + ":export-task/" + task.identifier;
}

Prepared prepare_export(const Request& r) {
  auto plan = std::make_shared<ExportPlan>();
  rows::ExportTask& e = plan->task;
  e.account = r.account();
  e.region = r.region();
  COFFER_TRY(e.identifier, identifier_of(r));
  COFFER_TRY(e.prefix, prefix_of(r));
  COFFER_TRY(e.only, only_of(r));
  e.bucket = r.text("S3BucketName");
  e.role_arn = r.text("IamRoleArn");
  COFFER_TRY(const Snapshot snapshot, source_of(r));
  COFFER_CHECK_OK(check_limits(r, e.identifier, snapshot));
  e.source_arn = snapshot.arn();
  e.snapshot_time = snapshot.created;
  e.snapshot_identifier = snapshot.identifier;
  e.database_identifier = snapshot.database_identifier;
  e.place = snapshot.place;
  e.reference = snapshot.reference;

  COFFER_TRY(const bool role_exists, r.setting.authority.principal_exists(r.t(), e.role_arn));
  if (!role_exists || e.role_arn.find(":role/") == std::string::npos)
    return api::fault(ErrorCode::kNotFound, "IamRoleNotFound", "The IAM role " + e.role_arn + " doesn't exist.");
  api::Call call = r.call();
  call.source_account = e.account;
  call.source_arn = e.source_arn;
  auto role = r.setting.authority.assume_for_service(r.t(), e.role_arn, kPrincipal, call);
  if (!role.ok()) {
    if (role.code() != ErrorCode::kPermissionDenied) return std::move(role).error();
    return invalid_parameter("The principal export.rds.amazonaws.com isn't allowed to assume the IAM role " +
                             e.role_arn + " or the IAM role " + e.role_arn + " doesn't exist.");
  }
  COFFER_CHECK_OK(check_bucket(r, **role, e.bucket, e.role_arn));
  Result<std::string> key = find_key(r.setting.invoke, r.operation, r.text("KmsKeyId"), "rds", r.setting.entropy);
  if (!key.ok()) return key_fault(std::move(key).error());
  e.kms_key = *key;
  // The role writes under the key by this grant, while the task runs: its own policies need not name the key.
  api::Call grant = r.call();
  grant.service = "kms";
  grant.operation = "CreateGrant";
  grant.via_service = "rds.amazonaws.com";
  Value input = Value::object({{"KeyId", e.kms_key},
                               {"GranteePrincipal", e.role_arn},
                               {"RetiringPrincipal", kPrincipal},
                               {"Name", "coffer-export-" + e.identifier}});
  input.set("Operations", api::text_list({"Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey"}));
  Result<Value> granted = r.setting.invoke(grant, r.operation.identity, input);
  if (!granted.ok()) return key_fault(std::move(granted).error());
  e.grant_id = granted->text("GrantId");
  return std::shared_ptr<void>(std::move(plan));
}

Result<Value> start_export(const Request& r) {
  rows::ExportTask e = r.prepared<ExportPlan>().task;
  COFFER_TRY(const Snapshot snapshot, source_of(r));
  COFFER_CHECK_OK(check_limits(r, e.identifier, snapshot));
  e.created = r.now();
  COFFER_CHECK_OK(rows::insert_export(r.t(), e));
  COFFER_CHECK_OK(work::add(r.t(), "rds.export", export_subject(e), {}, r.now()));
  return export_value(e);
}

Result<Value> describe_exports(const Request& r) {
  COFFER_TRY(const auto filters, filters_of(r, {"export-task-identifier", "s3-bucket", "source-arn", "status"}));
  const std::string source = r.text("SourceArn"), type = r.text("SourceType");
  const auto is_wanted = [&](const rows::ExportTask& e) {
    return (source.empty() || e.source_arn == source) && (type.empty() || type == "SNAPSHOT") &&
           passes(filters, "export-task-identifier", {e.identifier}) && passes(filters, "s3-bucket", {e.bucket}) &&
           passes(filters, "source-arn", {e.source_arn}) && passes(filters, "status", {e.status});
  };
  api::List list;
  Value answer = Value::object();
  if (r.input().has("ExportTaskIdentifier")) {
    COFFER_TRY(const auto found, rows::find_export(r.t(), r.account(), r.region(), r.text("ExportTaskIdentifier")));
    if (!found) return no_task(r.text("ExportTaskIdentifier"));
    if (is_wanted(*found)) list.push_back(export_value(*found));
    return answer.set("ExportTasks", std::move(list));
  }
  COFFER_TRY(const int64_t size, page_size(r));
  COFFER_TRY(std::string after, begin_of_page(r));
  for (bool more = true; more;) {
    COFFER_TRY(const auto page, rows::exports_behind(r.t(), r.account(), r.region(), after, size));
    for (const rows::ExportTask& e : page) {
      if (is_wanted(e) && static_cast<int64_t>(list.size()) == size) {
        answer.set("Marker", marker_behind(r, after));
        return answer.set("ExportTasks", std::move(list));
      }
      if (is_wanted(e)) list.push_back(export_value(e));
      after = e.identifier;
    }
    more = static_cast<int64_t>(page.size()) == size;
  }
  return answer.set("ExportTasks", std::move(list));
}

Result<Value> cancel_export(const Request& r) {
  COFFER_TRY(auto found, rows::find_export(r.t(), r.account(), r.region(), r.text("ExportTaskIdentifier")));
  if (!found) return no_task(r.text("ExportTaskIdentifier"));
  if (found->status != "STARTING" && found->status != "IN_PROGRESS")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidExportTaskStateFault",
                      "The export task " + found->identifier + " is " + found->status + " and cannot be canceled.");
  found->status = "CANCELING";
  COFFER_CHECK_OK(rows::update_export(r.t(), *found));
  return export_value(*found);
}

}  // namespace coffer::rds
