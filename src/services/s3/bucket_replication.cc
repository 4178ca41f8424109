// Replication configurations: what may be asked for. What rules mean is replication_rules.h's.
#include <set>

#include "services/s3/bucket_operations.h"
#include "services/s3/replication_rules.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kRulesMax = 1000, kIdSizeMax = 255;
constexpr int64_t kTimeControlMinutes = 15;
constexpr std::string_view kBucketArn = "arn:aws:s3:::";

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}

bool is_status(const Value* element) {
  if (!element) return true;
  const std::string_view status = element->text("Status");
  return status == "Enabled" || status == "Disabled";
}
bool is_enabled(const Value* element) { return element && element->text("Status") == "Enabled"; }

/// The account of a role's ARN; nothing when it is none.
std::optional<std::string> account_of_role(std::string_view arn) {
  constexpr std::string_view kStart = "arn:aws:iam::";
  constexpr size_t kAccountSize = 12;
  if (!arn.starts_with(kStart)) return std::nullopt;
  arn.remove_prefix(kStart.size());
  if (arn.size() <= kAccountSize || !arn.substr(kAccountSize).starts_with(":role/")) return std::nullopt;
  return std::string(arn.substr(0, kAccountSize));
}

Status check_filter(const Value& rule) {
  const Value* filter = rule.find("Filter");
  if (!filter) {
    if (!rule.has("Prefix")) return malformed_xml();
    if (rule.has("DeleteMarkerReplication"))
      return invalid_request(
          "DeleteMarkerReplication cannot be used for this version of the Cross Region Replication configuration "
          "schema. Please refer to S3 Developer Guide for more information.");
    if (rule.has("Priority"))
      return invalid_request(
          "Priority cannot be used for this version of the Cross Region Replication configuration schema. Please refer "
          "to S3 Developer Guide for more information.");
    return ok_status();
  }
  if (rule.has("Prefix")) return malformed_xml();
  int parts = 0;
  for (const char* name : {"Prefix", "Tag", "And"}) parts += filter->has(name) ? 1 : 0;
  if (parts > 1) return malformed_xml();
  const Value* both = filter->find("And");
  const bool has_tags = filter->has("Tag") || (both && !both->list("Tags").empty());
  if (both) {
    std::set<std::string_view> keys;
    for (const Value& tag : both->list("Tags")) {
      if (!keys.insert(tag.text("Key")).second) return invalid_request("Duplicate Tag Keys are not allowed.");
    }
  }
  for (const char* name : {"DeleteMarkerReplication", "Priority"}) {
    if (!rule.has(name))
      return invalid_request(std::string(name) +
                             " must be specified for this version of Cross Region Replication configuration schema. "
                             "Please refer to S3 Developer Guide for more information.");
  }
  if (rule.integer("Priority").value_or(0) < 0) return invalid("Priority must be a nonnegative integer.");
  if (has_tags && is_enabled(rule.find("DeleteMarkerReplication")))
    return invalid_request(
        "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide "
        "for more information.");
  return ok_status();
}

Status check_destination_options(const Value& rule, const Value& destination) {
  static constexpr std::string_view kClasses[] = {"STANDARD",     "REDUCED_REDUNDANCY",  "STANDARD_IA",
                                                  "ONEZONE_IA",   "INTELLIGENT_TIERING", "GLACIER",
                                                  "DEEP_ARCHIVE", "GLACIER_IR"};
  if (const auto storage_class = destination.text_if("StorageClass")) {
    bool known = false;
    for (std::string_view one : kClasses) known |= one == *storage_class;
    if (!known) return malformed_xml();
  }
  if (const Value* translation = destination.find("AccessControlTranslation")) {
    if (translation->text("Owner") != "Destination") return malformed_xml();
    if (!destination.has("Account"))
      return invalid_request("Account must be specified when AccessControlTranslation is present.");
  }
  const Value* selection = rule.find("SourceSelectionCriteria");
  const Value* kms = selection ? selection->find("SseKmsEncryptedObjects") : nullptr;
  const Value* modifications = selection ? selection->find("ReplicaModifications") : nullptr;
  if (!is_status(kms) || !is_status(modifications)) return malformed_xml();
  const Value* encryption = destination.find("EncryptionConfiguration");
  const bool has_key = encryption && !encryption->text("ReplicaKmsKeyID").empty();
  if (is_enabled(kms) && !has_key)
    return invalid_request("EncryptionConfiguration must be specified if SseKmsEncryptedObjects is enabled.");
  if (has_key && !is_enabled(kms))
    return invalid_request("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.");
  const Value *time = destination.find("ReplicationTime"), *metrics = destination.find("Metrics");
  if (!is_status(time) || !is_status(metrics)) return malformed_xml();
  if (is_enabled(time) && !is_enabled(metrics))
    return invalid_request("Metrics must be enabled if ReplicationTime is enabled.");
  for (const Value* minutes :
       {time ? time->find("Time") : nullptr, metrics ? metrics->find("EventThreshold") : nullptr}) {
    if (minutes && minutes->integer("Minutes") != kTimeControlMinutes)
      return invalid("Minutes must be 15 for ReplicationTime and EventThreshold.");
  }
  return ok_status();
}

/// The destination as far as this installation knows it.
Status check_destination(const Request& r, const BucketView& source, const Value& destination) {
  const std::string arn(destination.text("Bucket"));
  if (!arn.starts_with(kBucketArn) || arn.size() == kBucketArn.size()) return invalid("Invalid bucket ARN.");
  const std::string name = arn.substr(kBucketArn.size());
  if (name == source.bucket.name) return invalid_request("Destination bucket cannot be the same as the source bucket.");
  COFFER_TRY(const auto bucket, r.setting.buckets.find(r.t(), name));
  if (!bucket) {
    // With another account's id it may lie in another installation, which is not asked here.
    const std::string_view account = destination.text("Account");
    if (!account.empty() && account != source.bucket.account) return ok_status();
    return invalid_request("Destination bucket must exist.");
  }
  if (destination.has("Account") && destination.text("Account") != bucket->bucket.account)
    return invalid_request("Account does not match the owner of the destination bucket.");
  if (bucket->bucket.versioning != "Enabled")
    return invalid_request("Destination bucket must have versioning enabled.");
  if (source.bucket.lock_enabled && !bucket->bucket.lock_enabled)
    return invalid_request("Destination bucket must have Object Lock enabled, as the source bucket has.");
  return ok_status();
}

Status check_rule(const Request& r, const BucketView& source, const Value& rule) {
  if (!rule.has("Status") || !is_status(&rule)) return malformed_xml();
  if (rule.text("ID").size() > kIdSizeMax) return invalid("ID length should not exceed allowed limit of 255");
  COFFER_CHECK_OK(check_filter(rule));
  if (!is_status(rule.find("DeleteMarkerReplication"))) return malformed_xml();
  if (rule.has("ExistingObjectReplication"))
    return invalid_request("ExistingObjectReplication is not supported: use Batch Replication for existing objects.");
  const Value* destination = rule.find("Destination");
  if (!destination) return malformed_xml();
  COFFER_CHECK_OK(check_destination_options(rule, *destination));
  return check_destination(r, source, *destination);
}

/// What rules may not do together.
Status check_rules(const api::List& rules) {
  std::set<std::string> ids;
  std::set<std::pair<std::string, int64_t>> priorities;
  const bool has_filters = rules.front().has("Filter");
  for (const Value& rule : rules) {
    const std::string id(rule.text("ID"));
    if (!id.empty() && !ids.insert(id).second)
      return invalid("Rule Id must be unique. Found same Id for more than one rule.");
    if (rule.has("Filter") != has_filters)
      return invalid_request("Rules of different versions of the replication configuration schema cannot be mixed.");
    if (!has_filters) continue;
    const Value* destination = rule.find("Destination");
    if (!priorities.emplace(destination->text("Bucket"), rule.integer("Priority").value_or(0)).second)
      return invalid_request("Priority must be unique among the rules of one destination.");
  }
  return ok_status();
}

}  // namespace

Result<std::vector<api::AccessRequest>> access_put_replication(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  std::vector<api::AccessRequest> requests{access_to(r, *bucket, "s3:PutReplicationConfiguration")};
  const Value* configuration = r.input().find("ReplicationConfiguration");
  const std::string role(configuration ? configuration->text("Role") : std::string_view());
  // What is no role is refused by the operation.
  const auto account = account_of_role(role);
  if (!account) return requests;
  api::AccessRequest pass;
  pass.action = "iam:PassRole";
  pass.resource = role;
  pass.resource_account = *account;
  pass.conditions.emplace_back("iam:PassedToService", std::vector<std::string>{"s3.amazonaws.com"});
  requests.push_back(std::move(pass));
  return requests;
}

Result<api::Value> put_bucket_replication(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("ReplicationConfiguration");
  if (!wanted || wanted->list("Rules").empty() || wanted->list("Rules").size() > kRulesMax) return malformed_xml();
  const auto role_account = account_of_role(wanted->text("Role"));
  if (!role_account) return invalid("Invalid IAM role ARN.");
  if (*role_account != bucket->bucket.account)
    return invalid("The IAM role must belong to the account that owns the bucket.");
  if (bucket->bucket.versioning != "Enabled")
    return invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration");
  for (const Value& rule : wanted->list("Rules")) COFFER_CHECK_OK(check_rule(r, *bucket, rule));
  COFFER_CHECK_OK(check_rules(wanted->list("Rules")));
  api::List rules;
  for (Value rule : wanted->list("Rules")) {
    if (rule.text("ID").empty()) rule.set("ID", to_hex(r.setting.entropy.array<24>()));
    rules.push_back(std::move(rule));
  }
  const Value document = Value::object({{"Role", wanted->text("Role")}, {"Rules", std::move(rules)}});
  COFFER_CHECK_OK(put_setting(r, *bucket, "replication", document));
  return Value::object();
}

Result<api::Value> get_bucket_replication(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(Value document, setting_or(*bucket, "replication", "ReplicationConfigurationNotFoundError",
                                        "The replication configuration was not found"));
  return Value::object({{"ReplicationConfiguration", std::move(document)}});
}

Result<api::Value> delete_bucket_replication(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_CHECK_OK(put_setting(r, *bucket, "replication", Value()));
  return Value::object();
}

}  // namespace coffer::s3
