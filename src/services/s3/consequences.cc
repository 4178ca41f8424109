// What follows from a change of an object, in the transaction of the change: events for whoever asked for them, and
// work for replication.
#include "services/api/event.h"
#include "services/api/value_json.h"
#include "services/catalog/outbox.h"
#include "services/s3/object_operations.h"
#include "services/s3/replication.h"

namespace coffer::s3 {
namespace {

using api::Value;

/// Messages to queues, topics and functions ({"target", "message"}).
constexpr std::string_view kNotifications = "s3-notifications";

struct Happening {
  const Request& r;
  const BucketView& bucket;
  const rows::Version& version;
  Change change;
  std::string_view reason;
  std::string sequencer;
};

/// The event's name in notification configurations, without "s3:"; empty: none is told.
std::string classic_name(const Happening& h) {
  switch (h.change) {
    case Change::kCreated:
      if (h.reason == "POST Object") return "ObjectCreated:Post";
      if (h.reason == "CopyObject") return "ObjectCreated:Copy";
      if (h.reason == "CompleteMultipartUpload") return "ObjectCreated:CompleteMultipartUpload";
      return "ObjectCreated:Put";
    case Change::kRemoved: return "ObjectRemoved:Delete";
    case Change::kMarkerCreated: return "ObjectRemoved:DeleteMarkerCreated";
    case Change::kTagged: return "ObjectTagging:Put";
    case Change::kUntagged: return "ObjectTagging:Delete";
    case Change::kRestored: return h.reason == "RestoreObject" ? "ObjectRestore:Post" : "ObjectRestore:Completed";
    case Change::kExpired: return "LifecycleExpiration:Delete";
    case Change::kExpiredMarker: return "LifecycleExpiration:DeleteMarkerCreated";
    case Change::kReplicationFailed: return "Replication:OperationFailedReplication";
    case Change::kLockChanged: return "";
  }
  return "";
}

std::string_view detail_type(const Happening& h) {
  switch (h.change) {
    case Change::kCreated: return "Object Created";
    case Change::kRemoved:
    case Change::kMarkerCreated:
    case Change::kExpired:
    case Change::kExpiredMarker: return "Object Deleted";
    case Change::kTagged: return "Object Tags Added";
    case Change::kUntagged: return "Object Tags Deleted";
    case Change::kRestored:
      return h.reason == "RestoreObject" ? "Object Restore Initiated" : "Object Restore Completed";
    case Change::kReplicationFailed:  // never told to EventBridge
    case Change::kLockChanged: return "";
  }
  return "";
}

bool is_deletion(Change change) {
  return change == Change::kRemoved || change == Change::kMarkerCreated || change == Change::kExpired ||
         change == Change::kExpiredMarker;
}
bool is_by_lifecycle(Change change) { return change == Change::kExpired || change == Change::kExpiredMarker; }

/// What readers compare as text to order two events of a key. Always of one length, so that it does not matter at which
/// side they pad.
std::string sequencer_at(WallTime now) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text(18, '0');
  auto left = static_cast<uint64_t>(now.micros);
  for (size_t i = text.size(); left > 0; left >>= 4) text[--i] = kDigits[left & 15];
  return text;
}

bool has_versions(const Happening& h) { return !h.bucket.bucket.versioning.empty(); }

api::Event bridge_event(const Happening& h) {
  const api::Call& call = h.r.call();
  Value object = Value::object({{"key", h.version.key}});
  if (!is_deletion(h.change)) object.set("size", h.version.size_bytes);
  if (!is_deletion(h.change) && !h.version.etag.empty()) object.set("etag", h.version.etag);
  if (has_versions(h)) object.set("version-id", h.version.version_id);
  object.set("sequencer", h.sequencer);
  Value detail = Value::object({{"version", "0"},
                                {"bucket", Value::object({{"name", h.bucket.bucket.name}})},
                                {"object", std::move(object)},
                                {"request-id", call.request_id}});
  detail.set("requester", is_by_lifecycle(h.change)     ? "s3.amazonaws.com"
                          : call.caller.account.empty() ? call.caller.arn
                                                        : call.caller.account);
  if (!call.source_ip.empty()) detail.set("source-ip-address", call.source_ip);
  if (is_by_lifecycle(h.change)) {
    detail.set("reason", "Lifecycle Expiration");
  } else if (h.change == Change::kCreated || is_deletion(h.change)) {
    detail.set("reason", h.reason);
  }
  if (is_deletion(h.change)) {
    const bool marker = h.change == Change::kMarkerCreated || h.change == Change::kExpiredMarker;
    detail.set("deletion-type", marker ? "Delete Marker Created" : "Permanently Deleted");
  }
  if (h.change == Change::kRestored) detail.set("source-storage-class", h.version.storage_class);
  return {.id = random_uuid(h.r.setting.entropy),
          .source = "aws.s3",
          .detail_type = std::string(detail_type(h)),
          .account = h.bucket.bucket.account,
          .region = h.bucket.bucket.region,
          .time = h.r.now(),
          .resources = {h.bucket.bucket.arn()},
          .detail = std::move(detail)};
}

/// As in a form: what a key may have otherwise, queues and topics have seen before.
std::string form_encoded(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF", kPlain = "-_./*";
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       kPlain.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

/// ISO 8601 with milliseconds.
std::string time_with_millis(WallTime time) {
  std::string text = format_utc(time);
  const int64_t millis = time.micros / 1000 % 1000;
  std::string digits = std::to_string(1000 + millis).substr(1);
  return text.substr(0, text.size() - 1) + "." + digits + "Z";
}

Value classic_message(const Happening& h, const std::string& name, std::string_view configuration_id) {
  const api::Call& call = h.r.call();
  Value object = Value::object({{"key", form_encoded(h.version.key)}});
  if (!is_deletion(h.change)) object.set("size", h.version.size_bytes).set("eTag", h.version.etag);
  if (has_versions(h)) object.set("versionId", h.version.version_id);
  object.set("sequencer", h.sequencer);
  const std::string owner = std::string(owner_value(h.bucket.bucket.account).text("ID"));
  Value bucket = Value::object({{"name", h.bucket.bucket.name},
                                {"ownerIdentity", Value::object({{"principalId", owner}})},
                                {"arn", h.bucket.bucket.arn()}});
  Value s3 = Value::object({{"s3SchemaVersion", "1.0"},
                            {"configurationId", configuration_id},
                            {"bucket", std::move(bucket)},
                            {"object", std::move(object)}});
  const bool later_schema = name.starts_with("Lifecycle") || name.starts_with("ObjectTagging");
  const std::string_view schema = name.starts_with("Replication") ? "2.2" : later_schema ? "2.3" : "2.1";
  const std::string who = call.caller.user_id.empty() ? "Anonymous" : "AWS:" + call.caller.user_id;
  Value record = Value::object(
      {{"eventVersion", schema},
       {"eventSource", "aws:s3"},
       {"awsRegion", h.bucket.bucket.region},
       {"eventTime", time_with_millis(h.r.now())},
       {"eventName", name},
       {"userIdentity", Value::object({{"principalId", who}})},
       {"requestParameters", Value::object({{"sourceIPAddress", call.source_ip}})},
       {"responseElements", Value::object({{"x-amz-request-id", call.request_id}, {"x-amz-id-2", call.request_id}})},
       {"s3", std::move(s3)}});
  if (h.change == Change::kReplicationFailed) {
    record.set("replicationEventData", Value::object({{"replicationRuleId", h.r.text("RuleId")},
                                                      {"destinationBucket", h.r.text("DestinationBucket")},
                                                      {"s3Operation", "OBJECT_PUT"},
                                                      {"requestTime", time_with_millis(h.version.modified)},
                                                      {"failureReason", h.reason}}));
  }
  return Value::object({{"Records", api::List{std::move(record)}}});
}

bool names_event(const Value& entry, const std::string& name) {
  for (const std::string& wanted : entry.texts("Events")) {
    if (wanted == "s3:" + name) return true;
    if (wanted.ends_with(":*") && ("s3:" + name).starts_with(wanted.substr(0, wanted.size() - 1))) return true;
  }
  return false;
}

bool passes_filter(const Value& entry, std::string_view key) {
  const Value* filter = entry.find("Filter");
  const Value* by_key = filter ? filter->find("Key") : nullptr;
  if (!by_key) return true;
  for (const Value& rule : by_key->list("FilterRules")) {
    const std::string_view value = rule.text("Value");
    const std::string_view name = rule.text("Name");
    const bool prefix = name == "prefix" || name == "Prefix";
    if (prefix ? !key.starts_with(value) : !key.ends_with(value)) return false;
  }
  return true;
}

Status notify(const Happening& h, const Value& configuration) {
  const WallTime now = h.r.now();
  if (configuration.has("EventBridgeConfiguration") && !detail_type(h).empty())
    COFFER_CHECK_OK(catalog::outbox_append(h.r.t(), api::kEventTopic, api::event_json(bridge_event(h)), now));
  const std::string name = classic_name(h);
  if (name.empty()) return ok_status();
  for (const auto& [kind, target] : {std::pair{"QueueConfigurations", "QueueArn"},
                                     {"TopicConfigurations", "TopicArn"},
                                     {"LambdaFunctionConfigurations", "LambdaFunctionArn"}}) {
    for (const Value& entry : configuration.list(kind)) {
      if (!names_event(entry, name) || !passes_filter(entry, h.version.key)) continue;
      const Value payload =
          Value::object({{"target", entry.text(target)}, {"message", classic_message(h, name, entry.text("Id"))}});
      COFFER_CHECK_OK(catalog::outbox_append(h.r.t(), kNotifications, api::to_json(payload), now));
    }
  }
  return ok_status();
}

/// Deletions of a version and what lifecycle does are not replicated.
Status replicate(const Happening& h) {
  if (!h.bucket.replication) return ok_status();
  rows::Version version = h.version;
  switch (h.change) {
    case Change::kCreated:
    case Change::kMarkerCreated: return queue_replication(h.r, h.bucket, version, ReplicaWork::kVersion);
    case Change::kTagged:
    case Change::kUntagged:
    case Change::kLockChanged: return queue_replication(h.r, h.bucket, version, ReplicaWork::kMetadata);
    default: return ok_status();
  }
}

}  // namespace

Status tell(const Request& r, const BucketView& bucket, const rows::Version& version, Change change,
            std::string_view reason) {
  const Happening h{r, bucket, version, change, reason, sequencer_at(r.setting.clock.wall())};
  if (const Value* configuration = bucket.setting("notification")) COFFER_CHECK_OK(notify(h, *configuration));
  return replicate(h);
}

}  // namespace coffer::s3
