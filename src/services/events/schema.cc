#include "services/events/service.h"

namespace coffer::events {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {700, "events: buses, rules, targets, deliveries", R"(
CREATE TABLE events_buses (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  policy TEXT NOT NULL, settings TEXT NOT NULL, created BIGINT NOT NULL, modified BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (account, region, name)
);
CREATE TABLE events_rules (
  account TEXT NOT NULL, region TEXT NOT NULL, bus TEXT NOT NULL, name TEXT NOT NULL,
  pattern TEXT NOT NULL, schedule TEXT NOT NULL, state TEXT NOT NULL, description TEXT NOT NULL, role TEXT NOT NULL,
  managed_by TEXT NOT NULL, created_by TEXT NOT NULL, created BIGINT NOT NULL, next_run BIGINT, anchor BIGINT NOT NULL,
  PRIMARY KEY (account, region, bus, name)
);
CREATE INDEX events_rules_next_run ON events_rules (next_run);
CREATE TABLE events_targets (
  account TEXT NOT NULL, region TEXT NOT NULL, bus TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL,
  arn TEXT NOT NULL, settings TEXT NOT NULL,
  PRIMARY KEY (account, region, bus, rule, id)
);
CREATE INDEX events_targets_arn ON events_targets (account, region, bus, arn, rule);
CREATE TABLE events_tags (
  arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (arn, key)
);
CREATE TABLE events_messages (
  id {identity},
  event TEXT NOT NULL
);
CREATE TABLE events_deliveries (
  id {identity},
  message BIGINT NOT NULL, event_id TEXT NOT NULL,
  account TEXT NOT NULL, region TEXT NOT NULL, bus TEXT NOT NULL, rule TEXT NOT NULL, target TEXT NOT NULL,
  order_key TEXT NOT NULL, lane BIGINT NOT NULL, created BIGINT NOT NULL, wake BIGINT NOT NULL,
  attempts BIGINT NOT NULL, holder TEXT, token BIGINT NOT NULL, error_code TEXT NOT NULL, error_message TEXT NOT NULL,
  UNIQUE (event_id, account, region, bus, rule, target)
);
CREATE INDEX events_deliveries_wake ON events_deliveries (lane, wake);
CREATE INDEX events_deliveries_order ON events_deliveries (order_key, id);
CREATE INDEX events_deliveries_message ON events_deliveries (message);
CREATE TABLE events_dead_letters (
  id {identity},
  account TEXT NOT NULL, region TEXT NOT NULL, bus TEXT NOT NULL, rule TEXT NOT NULL, target TEXT NOT NULL,
  target_arn TEXT NOT NULL, event_id TEXT NOT NULL, event TEXT NOT NULL, error_code TEXT NOT NULL,
  error_message TEXT NOT NULL, exhausted TEXT NOT NULL, attempts BIGINT NOT NULL, created BIGINT NOT NULL,
  sent_to TEXT NOT NULL
);
CREATE INDEX events_dead_letters_place ON events_dead_letters (account, region, id);
CREATE TABLE events_endpoints (
  kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,
  settings TEXT NOT NULL, secret {blob} NOT NULL, state TEXT NOT NULL,
  created BIGINT NOT NULL, modified BIGINT NOT NULL, authorized BIGINT NOT NULL,
  PRIMARY KEY (kind, account, region, name)
);
CREATE TABLE events_archives (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, bus TEXT NOT NULL, pattern TEXT NOT NULL,
  description TEXT NOT NULL, kms_key TEXT NOT NULL, retention_days BIGINT NOT NULL, created BIGINT NOT NULL,
  events BIGINT NOT NULL, size_bytes BIGINT NOT NULL,
  PRIMARY KEY (account, region, name)
);
CREATE TABLE events_archived (
  id {identity},
  account TEXT NOT NULL, region TEXT NOT NULL, archive TEXT NOT NULL, time BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL, event TEXT NOT NULL
);
CREATE INDEX events_archived_time ON events_archived (account, region, archive, time, id);
CREATE TABLE events_replays (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, archive TEXT NOT NULL, description TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT NOT NULL, from_time BIGINT NOT NULL, until_time BIGINT NOT NULL,
  started BIGINT NOT NULL, ended BIGINT, last_time BIGINT NOT NULL, last_id BIGINT NOT NULL, destination TEXT NOT NULL,
  PRIMARY KEY (account, region, name)
);
CREATE INDEX events_replays_state ON events_replays (state);
)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::events
