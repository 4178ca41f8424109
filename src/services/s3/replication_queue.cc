#include "services/s3/replication_queue.h"

namespace coffer::s3 {

const catalog::Migration kReplicationQueueMigration = {
    520, "s3: replication queue",
    "CREATE TABLE s3_replication (id {identity}, bucket_id BIGINT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL, "
    "version_id TEXT NOT "
    "NULL, work BIGINT NOT NULL, rule_id TEXT NOT NULL, destination TEXT NOT NULL, created BIGINT NOT NULL, due BIGINT "
    "NOT NULL, attempts BIGINT NOT NULL);\n"
    "CREATE INDEX s3_replication_due ON s3_replication (due, id);\n"
    "CREATE INDEX s3_replication_key ON s3_replication (bucket_id, key, destination, id);\n"};

Status queue_replica(catalog::Transaction& t, const QueuedReplica& entry) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO s3_replication (bucket_id, bucket, key, version_id, work, rule_id, destination, created, due, "
            "attempts) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
            {entry.bucket_id, entry.bucket, entry.key, entry.version_id, static_cast<int64_t>(entry.work),
             entry.rule_id, entry.destination, entry.created, entry.due}));
  return ok_status();
}

Result<std::vector<QueuedReplica>> due_replicas(catalog::Transaction& t, WallTime now, int64_t limit) {
  COFFER_TRY(
      catalog::Rows found,
      t.run("SELECT id, bucket_id, bucket, key, version_id, work, rule_id, destination, created, due, attempts FROM "
            "s3_replication a WHERE due <= $1 AND NOT EXISTS (SELECT 1 FROM s3_replication b WHERE b.bucket_id "
            "= a.bucket_id AND b.key = a.key AND b.destination = a.destination AND b.id < a.id) ORDER BY due, "
            "id LIMIT $2",
            {now, limit}));
  std::vector<QueuedReplica> entries;
  for (const catalog::Row& row : found) {
    entries.push_back({row.integer(0), row.integer(1), row.text(2), row.text(3), row.text(4),
                       static_cast<ReplicaWork>(row.integer(5)), row.text(6), row.text(7), row.time(8), row.time(9),
                       row.integer(10)});
  }
  return entries;
}

Status postpone_replica(catalog::Transaction& t, int64_t id, WallTime due) {
  COFFER_CHECK_OK(t.run("UPDATE s3_replication SET due = $2, attempts = attempts + 1 WHERE id = $1", {id, due}));
  return ok_status();
}

Status remove_replica(catalog::Transaction& t, int64_t id) {
  COFFER_CHECK_OK(t.run("DELETE FROM s3_replication WHERE id = $1", {id}));
  return ok_status();
}

Result<int64_t> count_replicas_of(catalog::Transaction& t, int64_t bucket_id, std::string_view key,
                                  std::string_view version_id) {
  COFFER_TRY(auto row, t.first("SELECT COUNT(*) FROM s3_replication WHERE bucket_id = $1 AND key = $2 AND version_id = "
                               "$3",
                               {bucket_id, key, version_id}));
  return row ? row->integer(0) : 0;
}

Result<ReplicaBacklog> replica_backlog(catalog::Transaction& t) {
  COFFER_TRY(auto row, t.first("SELECT COUNT(*), MIN(created) FROM s3_replication"));
  if (!row) return ReplicaBacklog{};
  return ReplicaBacklog{row->integer(0), row->time(1)};
}

}  // namespace coffer::s3
