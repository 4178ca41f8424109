#include "services/logs/service.h"

namespace coffer::logs {
namespace {

constexpr catalog::Migration kMigrations[] = {{800, "logs: groups, streams, events, tags, resource policies", R"(
CREATE TABLE logs_groups (
  id {identity},
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  class TEXT NOT NULL,
  created BIGINT NOT NULL,
  retention_days BIGINT NOT NULL,
  protected BIGINT NOT NULL,
  UNIQUE (account, region, name)
);
CREATE TABLE logs_streams (
  id {identity},
  group_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  created BIGINT NOT NULL,
  first_event BIGINT,
  last_event BIGINT,
  last_ingested BIGINT,
  stored BIGINT NOT NULL,
  UNIQUE (group_id, name)
);
CREATE TABLE logs_events (
  sequence {identity},
  group_id BIGINT NOT NULL,
  stream_id BIGINT NOT NULL,
  time BIGINT NOT NULL,
  ingested BIGINT NOT NULL,
  message {blob} NOT NULL
);
CREATE INDEX logs_events_group ON logs_events (group_id, time, sequence);
CREATE INDEX logs_events_stream ON logs_events (stream_id, time, sequence);
CREATE TABLE logs_remains (
  kind TEXT NOT NULL,
  id BIGINT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE TABLE logs_tags (
  group_id BIGINT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (group_id, tag_key)
);
CREATE TABLE logs_resource_policies (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  resource_arn TEXT NOT NULL,
  document TEXT NOT NULL,
  revision TEXT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (account, region, name, resource_arn)
);
)"}};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::logs
