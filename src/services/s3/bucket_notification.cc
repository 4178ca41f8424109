// Notification configurations: what events of a bucket go where.
#include <algorithm>
#include <set>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr size_t kValueSizeMax = 1024;

struct Target {
  const char* member;
  const char* arn;
  std::string_view service;
};
constexpr Target kTargets[] = {{"TopicConfigurations", "TopicArn", "sns"},
                               {"QueueConfigurations", "QueueArn", "sqs"},
                               {"LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda"}};

constexpr std::string_view kEvents[] = {"s3:ReducedRedundancyLostObject",
                                        "s3:ObjectCreated:*",
                                        "s3:ObjectCreated:Put",
                                        "s3:ObjectCreated:Post",
                                        "s3:ObjectCreated:Copy",
                                        "s3:ObjectCreated:CompleteMultipartUpload",
                                        "s3:ObjectRemoved:*",
                                        "s3:ObjectRemoved:Delete",
                                        "s3:ObjectRemoved:DeleteMarkerCreated",
                                        "s3:ObjectRestore:*",
                                        "s3:ObjectRestore:Post",
                                        "s3:ObjectRestore:Completed",
                                        "s3:ObjectRestore:Delete",
                                        "s3:Replication:*",
                                        "s3:Replication:OperationFailedReplication",
                                        "s3:Replication:OperationNotTracked",
                                        "s3:Replication:OperationMissedThreshold",
                                        "s3:Replication:OperationReplicatedAfterThreshold",
                                        "s3:LifecycleTransition",
                                        "s3:IntelligentTiering",
                                        "s3:ObjectAcl:Put",
                                        "s3:LifecycleExpiration:*",
                                        "s3:LifecycleExpiration:Delete",
                                        "s3:LifecycleExpiration:DeleteMarkerCreated",
                                        "s3:ObjectTagging:*",
                                        "s3:ObjectTagging:Put",
                                        "s3:ObjectTagging:Delete"};

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}

bool covers(std::string_view a, std::string_view b) {
  if (a == b) return true;
  return a.ends_with('*') && b.starts_with(a.substr(0, a.size() - 1));
}

/// One configuration, as far as two of them may meet.
struct Scope {
  std::vector<std::string> events;
  std::string prefix, suffix;

  [[nodiscard]] bool meets(const Scope& other) const {
    const bool prefixes = prefix.starts_with(other.prefix) || other.prefix.starts_with(prefix);
    const bool suffixes = suffix.ends_with(other.suffix) || other.suffix.ends_with(suffix);
    return prefixes && suffixes && std::any_of(events.begin(), events.end(), [&](const std::string& mine) {
             return std::any_of(other.events.begin(), other.events.end(), [&](const std::string& theirs) {
               return covers(mine, theirs) || covers(theirs, mine);
             });
           });
  }
};

Result<Scope> read_scope(const Value& configuration) {
  Scope scope;
  scope.events = configuration.texts("Events");
  if (scope.events.empty()) return malformed_xml();
  for (const std::string& event : scope.events) {
    if (std::find(std::begin(kEvents), std::end(kEvents), event) == std::end(kEvents))
      return invalid("A specified event is not supported for notifications.");
  }
  const Value* filter = configuration.find("Filter");
  const Value* key = filter ? filter->find("Key") : nullptr;
  if (!key) return scope;
  std::set<std::string> names;
  for (const Value& rule : key->list("FilterRules")) {
    std::string name(rule.text("Name"));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (name != "prefix" && name != "suffix") return invalid("filter rule name must be either prefix or suffix");
    if (rule.text("Value").size() > kValueSizeMax)
      return invalid("filter rule value cannot exceed " + std::to_string(kValueSizeMax) + " bytes");
    if (!names.insert(name).second) return invalid("Cannot specify more than one " + name + " rule in a filter.");
    (name == "prefix" ? scope.prefix : scope.suffix) = std::string(rule.text("Value"));
  }
  return scope;
}

}  // namespace

Result<api::Value> put_bucket_notification(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* wanted = r.input().find("NotificationConfiguration");
  if (!wanted) return malformed_xml();
  Value document = Value::object();
  std::set<std::string> ids;
  std::vector<Scope> scopes;
  for (const Target& target : kTargets) {
    api::List kept;
    for (Value configuration : wanted->list(target.member)) {
      const std::string arn(configuration.text(target.arn));
      if (!arn.starts_with("arn:aws:" + std::string(target.service) + ":"))
        return invalid("The ARN is not well formed");
      COFFER_TRY(Scope scope, read_scope(configuration));
      for (const Scope& other : scopes) {
        if (scope.meets(other))
          return invalid(
              "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
              "overlapping for the same event type.");
      }
      scopes.push_back(std::move(scope));
      if (configuration.text("Id").empty()) configuration.set("Id", to_hex(r.setting.entropy.array<24>()));
      if (!ids.insert(std::string(configuration.text("Id"))).second)
        return invalid("Same ID used for multiple configurations. IDs must be unique");
      // There is nothing behind these names that could be asked for its consent.
      if (!r.input().flag("SkipDestinationValidation")) {
        r.error_element("ArgumentName1", arn);
        r.error_element("ArgumentValue1", "The destination " + std::string(target.service) + " is not reachable.");
        return invalid("Unable to validate the following destination configurations");
      }
      kept.push_back(std::move(configuration));
    }
    if (!kept.empty()) document.set(target.member, std::move(kept));
  }
  if (wanted->has("EventBridgeConfiguration")) document.set("EventBridgeConfiguration", Value::object());
  COFFER_CHECK_OK(put_setting(r, *bucket, "notification", document.entries().empty() ? Value() : document));
  return Value::object();
}

Result<api::Value> get_bucket_notification(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* document = bucket->setting("notification");
  return document ? *document : Value::object();
}

}  // namespace coffer::s3
