#include "services/s3/replication_rules.h"

#include <algorithm>

namespace coffer::s3 {
namespace {

constexpr std::string_view kBucketArn = "arn:aws:s3:::";

bool is_enabled(const api::Value* element) { return element && element->text("Status") == "Enabled"; }

void read_filter(const api::Value& filter, ReplicationRule& rule) {
  const api::Value* both = filter.find("And");
  const api::Value& from = both ? *both : filter;
  rule.prefix = std::string(from.text("Prefix"));
  if (const api::Value* tag = from.find("Tag")) rule.tags.emplace(tag->text("Key"), tag->text("Value"));
  for (const api::Value& tag : from.list("Tags")) rule.tags.emplace(tag.text("Key"), tag.text("Value"));
}

ReplicationRule read_rule(const api::Value& document) {
  ReplicationRule rule;
  rule.id = std::string(document.text("ID"));
  rule.priority = document.integer("Priority").value_or(0);
  rule.enabled = document.text("Status") == "Enabled";
  const api::Value* filter = document.find("Filter");
  rule.v1 = !filter;
  if (filter) {
    read_filter(*filter, rule);
  } else {
    rule.prefix = std::string(document.text("Prefix"));
  }
  rule.delete_markers = rule.v1 || is_enabled(document.find("DeleteMarkerReplication"));
  if (const api::Value* selection = document.find("SourceSelectionCriteria")) {
    rule.kms_objects = is_enabled(selection->find("SseKmsEncryptedObjects"));
    rule.replicas_too = is_enabled(selection->find("ReplicaModifications"));
  }
  if (const api::Value* destination = document.find("Destination")) {
    std::string_view bucket = destination->text("Bucket");
    if (bucket.starts_with(kBucketArn)) bucket.remove_prefix(kBucketArn.size());
    rule.bucket = std::string(bucket);
    rule.account = std::string(destination->text("Account"));
    rule.storage_class = std::string(destination->text("StorageClass"));
    if (const api::Value* translation = destination->find("AccessControlTranslation"))
      rule.owner_override = translation->text("Owner") == "Destination";
    if (const api::Value* encryption = destination->find("EncryptionConfiguration"))
      rule.replica_kms_key = std::string(encryption->text("ReplicaKmsKeyID"));
    rule.metrics = is_enabled(destination->find("Metrics"));
  }
  return rule;
}

bool selects(const ReplicationRule& rule, const rows::Version& version) {
  if (!rule.enabled || !version.key.starts_with(rule.prefix)) return false;
  // Markers have no tags: a rule with a tag filter never takes them (and may not ask for it).
  if (version.marker) return rule.delete_markers && rule.tags.empty();
  if (version.encryption.mode == EncryptionMode::kKms && !rule.kms_objects) return false;
  return std::all_of(rule.tags.begin(), rule.tags.end(), [&](const auto& wanted) {
    const auto found = version.tags.find(wanted.first);
    return found != version.tags.end() && found->second == wanted.second;
  });
}

template <class Takes>
std::vector<const ReplicationRule*> best_of(const ReplicationConfiguration& configuration, const Takes& takes) {
  std::map<std::string_view, const ReplicationRule*> best;
  for (const ReplicationRule& rule : configuration.rules) {
    if (!takes(rule)) continue;
    const ReplicationRule*& so_far = best[rule.bucket];
    if (!so_far || rule.priority > so_far->priority) so_far = &rule;
  }
  std::vector<const ReplicationRule*> rules;
  for (const auto& [bucket, rule] : best) rules.push_back(rule);
  return rules;
}

}  // namespace

ReplicationConfiguration parse_replication(const api::Value& document) {
  ReplicationConfiguration configuration;
  configuration.role = std::string(document.text("Role"));
  for (const api::Value& rule : document.list("Rules")) configuration.rules.push_back(read_rule(rule));
  return configuration;
}

std::vector<const ReplicationRule*> rules_for(const ReplicationConfiguration& configuration,
                                              const rows::Version& version) {
  if (version.replication == "REPLICA") return {};
  return best_of(configuration, [&](const ReplicationRule& rule) { return selects(rule, version); });
}

std::vector<const ReplicationRule*> rules_for_changes(const ReplicationConfiguration& configuration,
                                                      const rows::Version& version) {
  const bool is_replica = version.replication == "REPLICA";
  return best_of(configuration, [&](const ReplicationRule& rule) {
    return selects(rule, version) && (!is_replica || rule.replicas_too);
  });
}

}  // namespace coffer::s3
