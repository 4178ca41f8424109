// The rules of a replication configuration, and which of them concern a version. Pure: no catalog, no clock. Rules: S3
// User Guide, "Replication configuration" (V1 has the prefix beside the rule, V2 a filter, a priority and a say on
// delete markers).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/value.h"
#include "services/s3/rows.h"

namespace coffer::s3 {

struct ReplicationRule {
  std::string id;
  int64_t priority = 0;
  bool enabled = false, v1 = false;
  std::string prefix;
  std::map<std::string, std::string> tags;  // all must be there
  bool delete_markers = false, kms_objects = false, replicas_too = false;
  std::string bucket;   // name of the destination
  std::string account;  // of the destination; empty: not said
  std::string storage_class;
  bool owner_override = false;
  std::string replica_kms_key;
  bool metrics = false;
};
struct ReplicationConfiguration {
  std::string role;  // ARN
  std::vector<ReplicationRule> rules;
};
/// From a document that PutBucketReplication has accepted.
ReplicationConfiguration parse_replication(const api::Value& document);

/// The rules by which `version` (or the delete marker that it is) is replicated: at most one for each destination, the
/// one of the highest priority. Replicas are not replicated further; SSE-KMS objects only by rules that say so.
std::vector<const ReplicationRule*> rules_for(const ReplicationConfiguration& configuration,
                                              const rows::Version& version);
/// The rules by which later changes of a version's tags and locks are: as rules_for(), and for a replica those that
/// take ReplicaModifications.
std::vector<const ReplicationRule*> rules_for_changes(const ReplicationConfiguration& configuration,
                                                      const rows::Version& version);

}  // namespace coffer::s3
