// Copy jobs as users see them.
#include <algorithm>

#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Copy;

Value copy_value(const Copy& copy) {
  Value value = Value::object({{"AccountId", copy.account},
                               {"CopyJobId", copy.id},
                               {"SourceBackupVaultArn", copy.source_vault},
                               {"SourceRecoveryPointArn", copy.source_point},
                               {"DestinationBackupVaultArn", copy.destination_vault},
                               {"ResourceArn", copy.resource},
                               {"ResourceName", copy.resource.substr(copy.resource.rfind(':') + 1)},
                               {"ResourceType", copy.resource_type},
                               {"CreationDate", copy.created},
                               {"State", copy.state},
                               {"BackupSizeInBytes", copy.size_bytes},
                               {"IamRoleArn", copy.role},
                               {"IsParent", false}});
  if (!copy.destination_point.empty()) value.set("DestinationRecoveryPointArn", copy.destination_point);
  if (!copy.message.empty()) value.set("StatusMessage", copy.message);
  if (!copy.category.empty()) value.set("MessageCategory", copy.category);
  if (copy.completed) value.set("CompletionDate", *copy.completed);
  for (const char* member : {"CreatedBy", "CreatedByBackupJobId"}) {
    if (const Value* found = copy.detail.find(member)) value.set(member, *found);
  }
  if (const Value* lifecycle = copy.detail.find("Lifecycle"))
    value.set("DestinationRecoveryPointLifecycle", *lifecycle);
  return value;
}

Value started(const Copy& copy) {
  return Value::object({{"CopyJobId", copy.id}, {"CreationDate", copy.created}, {"IsParent", false}});
}

}  // namespace

Result<Value> start_copy(const Request& r) {
  COFFER_TRY(const rows::Vault source, vault_of(r, "SourceBackupVaultName"));
  const std::string arn = r.text("RecoveryPointArn"), destination = r.text("DestinationBackupVaultArn"),
                    role = r.text("IamRoleArn"), token = r.text("IdempotencyToken");
  const auto to = parse_arn(destination);
  if (!to || to->service != "backup" || !to->resource.starts_with("backup-vault:"))
    return invalid("Invalid ARN of a destination backup vault: " + destination);
  if (!is_role_arn(role)) return invalid("Invalid IAM role ARN: " + role);
  const Value* lifecycle = r.input().find("Lifecycle");
  if (lifecycle) COFFER_CHECK_OK(check_lifecycle(*lifecycle));
  Value same = r.input();
  same.set("IdempotencyToken", Value());
  const std::string fingerprint = content_of(same);
  if (!token.empty()) {
    COFFER_TRY(const auto earlier, rows::first<Copy>(r.t(), "WHERE account = $1 AND token = $2 AND region = $3 LIMIT 1",
                                                     {r.account(), token, r.region()}));
    if (earlier && earlier->fingerprint == fingerprint) return started(*earlier);
    if (earlier) return invalid("The idempotency token was used for another request: " + token);
  }
  COFFER_TRY(const auto point, rows::find_point(r.t(), arn));
  if (!point || point->account != source.account || point->region != source.region || point->vault != source.name)
    return not_found("Cannot find recovery point " + arn + " in backup vault " + source.name + ".");
  if (point->status != "COMPLETED")
    return refused("Recovery point " + arn + " is in state " + point->status + " and cannot be copied.");
  if (destination == source.arn()) return refused("The destination of a copy is another backup vault.");
  const auto assumed = assume(r.setting, r.call().context, r.t(), role, r.account(), r.region(), source.arn(), r.now());
  if (!assumed.ok()) {
    if (assumed.code() != ErrorCode::kPermissionDenied) return assumed.error();
    return invalid("IAM Role " + role + " cannot be assumed by AWS Backup");
  }
  Copy copy;
  copy.id = new_job_id(r.setting.entropy);
  copy.account = r.account();
  copy.region = r.region();
  copy.source_vault = source.arn();
  copy.source_point = arn;
  copy.destination_vault = destination;
  copy.resource = point->resource;
  copy.role = role;
  copy.created = r.now();
  copy.size_bytes = point->size_bytes;
  copy.token = token;
  copy.fingerprint = fingerprint;
  copy.detail = Value::object();
  if (lifecycle) copy.detail.set("Lifecycle", *lifecycle);
  COFFER_CHECK_OK(insert_copy(r.setting, r.t(), copy, r.now()));
  return started(copy);
}

Result<Value> describe_copy(const Request& r) {
  const std::string id = r.text("CopyJobId");
  COFFER_TRY(const auto copy, rows::find_copy(r.t(), id));
  if (!copy || copy->account != r.account() || copy->region != r.region())
    return not_found("Cannot find copy job with ID " + id);
  return Value::object({{"CopyJob", copy_value(*copy)}});
}

Result<Value> list_copies(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string account = r.text("ByAccountId");
  if ((!account.empty() && account != "*" && account != r.account()) || !r.text("ByParentJobId").empty())
    return Value::object({{"CopyJobs", api::List()}});
  const auto [before, before_id] =
      page.after.empty() ? std::pair<int64_t, std::string>(INT64_MAX, "") : open_time_key(page.after);
  const auto oldest = r.input().time("ByCreatedAfter").value_or(WallTime{INT64_MIN}),
             newest = r.input().time("ByCreatedBefore").value_or(WallTime{INT64_MAX});
  const auto done_after = r.input().time("ByCompleteAfter"), done_before = r.input().time("ByCompleteBefore");
  COFFER_TRY(
      const auto copies,
      rows::select<Copy>(
          r.t(),
          "WHERE account = $1 AND region = $2 AND created >= $3 AND created <= $4 AND "
          "(created < $5 OR (created = $5 AND id < $6)) AND ($7 = '' OR resource = $7) AND ($8 = '' OR state = $8) AND "
          "($9 = '' OR destination_vault = $9) AND ($10 = '' OR resource_type = $10) AND ($11 = '' OR category = $11) "
          "AND ($12 = '' OR source_point = $12) AND (CAST($13 AS BIGINT) IS NULL OR completed >= $13) AND "
          "(CAST($14 AS BIGINT) IS NULL OR completed <= $14) ORDER BY created DESC, id DESC LIMIT $15",
          {r.account(), r.region(), oldest, newest, before, before_id, r.text("ByResourceArn"), r.text("ByState"),
           r.text("ByDestinationVaultArn"), r.text("ByResourceType"), r.text("ByMessageCategory"),
           r.text("BySourceRecoveryPointArn"), done_after, done_before, static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const Copy& copy : copies) {
    if (list.size() == page.limit) {
      const Copy& last = copies[page.limit - 1];
      COFFER_CHECK_OK(set_next(r, output, time_key(last.created, last.id)));
      break;
    }
    list.push_back(copy_value(copy));
  }
  output.set("CopyJobs", std::move(list));
  return output;
}

}  // namespace coffer::backup
