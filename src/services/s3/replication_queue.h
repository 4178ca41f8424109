// The queue of replication: rows written in the transaction of the change they tell of, done in order per key and
// destination. For the files of this folder.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/catalog/database.h"

namespace coffer::s3 {

enum class ReplicaWork {
  kVersion = 1,   // a version or delete marker, whole
  kMetadata = 2,  // tags, retention and legal hold of a version that is there already
};

struct QueuedReplica {
  int64_t id = 0;  // grows: the order of work on a key
  int64_t bucket_id = 0;
  std::string bucket;  // its name; a later bucket of that name has another id
  std::string key, version_id;
  ReplicaWork work = ReplicaWork::kVersion;
  std::string rule_id;
  std::string destination;  // bucket name
  WallTime created, due;
  int64_t attempts = 0;
};

Status queue_replica(catalog::Transaction& t, const QueuedReplica& entry);
/// Due entries that no earlier one for the same key and destination stands before, oldest first.
Result<std::vector<QueuedReplica>> due_replicas(catalog::Transaction& t, WallTime now, int64_t limit);
Status postpone_replica(catalog::Transaction& t, int64_t id, WallTime due);
Status remove_replica(catalog::Transaction& t, int64_t id);
/// Entries of one version that are still to be done.
Result<int64_t> count_replicas_of(catalog::Transaction& t, int64_t bucket_id, std::string_view key,
                                  std::string_view version_id);
/// For metrics: how many entries wait, and since when the oldest does.
struct ReplicaBacklog {
  int64_t count = 0;
  WallTime oldest;
};
Result<ReplicaBacklog> replica_backlog(catalog::Transaction& t);

/// The table's migration.
extern const catalog::Migration kReplicationQueueMigration;

}  // namespace coffer::s3
