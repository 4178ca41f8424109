// S3's tables. Times are microseconds, booleans 0 or 1; documents are JSON of services/api/value_json.h.
//
// Every key with a version has exactly one row with latest = 1, found by s3_versions_latest. s3_versions_listed has all
// that a listing of objects shows: the rows themselves lie in the order in which they were written, and to look at a
// thousand of them in the order of their keys takes a thousand pages. Only what has been replaced is in the others.
#include <vector>

#include "services/s3/lifecycle.h"
#include "services/s3/replication_queue.h"
#include "services/s3/service.h"
#include "services/s3/upkeep.h"

namespace coffer::s3 {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {500, "s3: buckets and their settings", R"(
CREATE TABLE s3_buckets (
  id {identity},
  name TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  created BIGINT NOT NULL,
  versioning TEXT NOT NULL,
  lock_enabled BIGINT NOT NULL
);
CREATE INDEX s3_buckets_account ON s3_buckets (account, name);
CREATE TABLE s3_settings (
  bucket_id BIGINT NOT NULL REFERENCES s3_buckets (id),
  kind TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (bucket_id, kind)
);
)"},
    {501, "s3: versions of objects", R"(
CREATE TABLE s3_versions (
  sequence {identity},
  bucket_id BIGINT NOT NULL REFERENCES s3_buckets (id),
  key TEXT NOT NULL,
  version_id TEXT NOT NULL,
  latest BIGINT NOT NULL,
  marker BIGINT NOT NULL,
  size BIGINT NOT NULL,
  etag TEXT NOT NULL,
  modified BIGINT NOT NULL,
  storage_class TEXT NOT NULL,
  owner TEXT NOT NULL,
  checksum_kind TEXT NOT NULL,
  checksum_composite BIGINT NOT NULL,
  restore TEXT NOT NULL,
  checksum TEXT NOT NULL,
  lock_mode TEXT NOT NULL,
  retain_until BIGINT,
  legal_hold BIGINT NOT NULL,
  replication TEXT NOT NULL,
  noncurrent_since BIGINT,
  root_identity TEXT NOT NULL,
  tags TEXT NOT NULL,
  metadata TEXT NOT NULL,
  encryption {blob} NOT NULL,
  layout {blob} NOT NULL
);
CREATE UNIQUE INDEX s3_versions_latest ON s3_versions (bucket_id, key) WHERE latest = 1;
CREATE INDEX s3_versions_listed ON s3_versions (bucket_id, key, latest, marker, version_id, size, etag, modified,
  storage_class, owner, checksum_kind, checksum_composite, restore) WHERE latest = 1;
CREATE INDEX s3_versions_noncurrent ON s3_versions (bucket_id, key, sequence DESC) WHERE latest = 0;
CREATE UNIQUE INDEX s3_versions_null ON s3_versions (bucket_id, key) WHERE latest = 0 AND version_id = 'null';
CREATE INDEX s3_versions_id ON s3_versions (version_id) WHERE version_id <> 'null';
)"},
    {502, "s3: the bytes of objects", R"(
CREATE TABLE s3_inline (
  piece {blob} PRIMARY KEY,
  sealed {blob} NOT NULL
);
CREATE TABLE s3_pieces (
  piece {blob} PRIMARY KEY,
  holder TEXT NOT NULL
);
CREATE TABLE s3_discarded (
  piece {blob} PRIMARY KEY,
  size BIGINT NOT NULL,
  discarded BIGINT NOT NULL
);
CREATE INDEX s3_discarded_time ON s3_discarded (discarded);
)"},
    {503, "s3: multipart uploads", R"(
CREATE TABLE s3_uploads (
  id TEXT PRIMARY KEY,
  bucket_id BIGINT NOT NULL REFERENCES s3_buckets (id),
  key TEXT NOT NULL,
  initiated BIGINT NOT NULL,
  initiator TEXT NOT NULL,
  input TEXT NOT NULL,
  encryption {blob} NOT NULL
);
CREATE INDEX s3_uploads_key ON s3_uploads (bucket_id, key, id);
CREATE TABLE s3_parts (
  upload_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  piece {blob} NOT NULL,
  size BIGINT NOT NULL,
  is_inline BIGINT NOT NULL,
  etag TEXT NOT NULL,
  checksum {blob} NOT NULL,
  modified BIGINT NOT NULL,
  PRIMARY KEY (upload_id, number)
);
CREATE TABLE s3_completed (
  upload_id TEXT PRIMARY KEY,
  bucket_id BIGINT NOT NULL,
  key TEXT NOT NULL,
  parts TEXT NOT NULL,
  output TEXT NOT NULL,
  completed BIGINT NOT NULL
);
CREATE INDEX s3_completed_time ON s3_completed (completed);
)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() {
  static const std::vector<catalog::Migration> all = [] {
    std::vector<catalog::Migration> list(std::begin(kMigrations), std::end(kMigrations));
    list.push_back(kReplicationQueueMigration);
    list.push_back(kLifecycleMigration);
    list.push_back(kUpkeepMigration);
    return list;
  }();
  return all;
}

}  // namespace coffer::s3
