// The catalog tables of AWS Backup.
#include "services/backup/service.h"

namespace coffer::backup {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {1000, "backup: vaults, plans, selections",
     R"(CREATE TABLE backup_vaults (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, key_arn TEXT NOT NULL,
  key_type TEXT NOT NULL, created BIGINT NOT NULL, request_id TEXT NOT NULL, policy TEXT NOT NULL,
  notifications TEXT NOT NULL, min_days BIGINT, max_days BIGINT, lock_date BIGINT, locked BIGINT NOT NULL,
  immutable BIGINT NOT NULL,
  PRIMARY KEY (account, region, name));
CREATE TABLE backup_plans (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  version TEXT NOT NULL, request_id TEXT NOT NULL, content TEXT NOT NULL, created BIGINT NOT NULL,
  changed BIGINT NOT NULL, deleted BIGINT, executed BIGINT);
CREATE INDEX backup_plans_by_account ON backup_plans (account, region, id);
CREATE TABLE backup_plan_versions (
  plan TEXT NOT NULL, number BIGINT NOT NULL, version TEXT NOT NULL, document TEXT NOT NULL, created BIGINT NOT NULL,
  PRIMARY KEY (plan, number));
CREATE TABLE backup_selections (
  plan TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, document TEXT NOT NULL,
  request_id TEXT NOT NULL, created BIGINT NOT NULL,
  PRIMARY KEY (plan, id));
CREATE TABLE backup_rule_clocks (
  plan TEXT NOT NULL, rule TEXT NOT NULL, considered BIGINT NOT NULL, next_run BIGINT,
  PRIMARY KEY (plan, rule));
CREATE INDEX backup_rule_clocks_by_next ON backup_rule_clocks (next_run);
CREATE TABLE backup_tags (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key));
CREATE TABLE backup_settings (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, updated BIGINT NOT NULL,
  PRIMARY KEY (account, region, name));
CREATE TABLE backup_time (
  id BIGINT NOT NULL PRIMARY KEY, proven BIGINT NOT NULL, latest BIGINT NOT NULL, wall BIGINT NOT NULL,
  watcher TEXT NOT NULL);)"},
    {1001, "backup: jobs, recovery points, copies, restores, legal holds",
     R"(CREATE TABLE backup_jobs (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, vault TEXT NOT NULL,
  resource TEXT NOT NULL, resource_type TEXT NOT NULL, role TEXT NOT NULL, plan TEXT NOT NULL, rule TEXT NOT NULL,
  state TEXT NOT NULL, message TEXT NOT NULL, category TEXT NOT NULL, created BIGINT NOT NULL,
  scheduled BIGINT NOT NULL, start_by BIGINT NOT NULL, complete_by BIGINT NOT NULL, deadline BIGINT, started BIGINT,
  completed BIGINT, percent BIGINT NOT NULL, size_bytes BIGINT NOT NULL, transferred_bytes BIGINT NOT NULL,
  retries BIGINT NOT NULL, missed BIGINT NOT NULL, point TEXT NOT NULL, token TEXT NOT NULL,
  fingerprint TEXT NOT NULL, proven BIGINT, detail TEXT NOT NULL);
CREATE INDEX backup_jobs_by_created ON backup_jobs (account, region, created, id);
CREATE INDEX backup_jobs_by_resource ON backup_jobs (resource, deadline);
CREATE INDEX backup_jobs_by_deadline ON backup_jobs (deadline);
CREATE INDEX backup_jobs_by_run ON backup_jobs (rule, scheduled);
CREATE INDEX backup_jobs_by_token ON backup_jobs (account, token);
CREATE TABLE backup_points (
  account TEXT NOT NULL, region TEXT NOT NULL, vault TEXT NOT NULL, arn TEXT NOT NULL, resource TEXT NOT NULL,
  resource_type TEXT NOT NULL, plan TEXT NOT NULL, role TEXT NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL,
  created BIGINT NOT NULL, started BIGINT NOT NULL, completed BIGINT NOT NULL, size_bytes BIGINT NOT NULL,
  delete_after_days BIGINT, cold_after_days BIGINT, delete_at BIGINT, look_at BIGINT, proven BIGINT, doomed BIGINT,
  proof TEXT NOT NULL, reference TEXT NOT NULL, label TEXT NOT NULL, key_arn TEXT NOT NULL,
  source_vault TEXT NOT NULL, last_restore BIGINT, detail TEXT NOT NULL,
  PRIMARY KEY (account, region, vault, arn));
CREATE UNIQUE INDEX backup_points_by_arn ON backup_points (arn);
CREATE INDEX backup_points_by_resource ON backup_points (account, region, resource, arn);
CREATE INDEX backup_points_to_look_at ON backup_points (look_at);
CREATE INDEX backup_points_by_proven ON backup_points (proven);
CREATE TABLE backup_resources (
  account TEXT NOT NULL, region TEXT NOT NULL, arn TEXT NOT NULL, type TEXT NOT NULL, last_backup BIGINT NOT NULL,
  last_vault TEXT NOT NULL, last_point TEXT NOT NULL,
  PRIMARY KEY (account, region, arn));
CREATE TABLE backup_copies (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, source_vault TEXT NOT NULL,
  source_point TEXT NOT NULL, destination_vault TEXT NOT NULL, destination_point TEXT NOT NULL,
  resource TEXT NOT NULL, resource_type TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL,
  category TEXT NOT NULL, created BIGINT NOT NULL, started BIGINT, completed BIGINT, deadline BIGINT,
  size_bytes BIGINT NOT NULL, retries BIGINT NOT NULL, token TEXT NOT NULL, fingerprint TEXT NOT NULL,
  detail TEXT NOT NULL);
CREATE INDEX backup_copies_by_created ON backup_copies (account, region, created, id);
CREATE INDEX backup_copies_by_source ON backup_copies (source_point, deadline);
CREATE INDEX backup_copies_by_deadline ON backup_copies (deadline);
CREATE INDEX backup_copies_by_token ON backup_copies (account, token);
CREATE TABLE backup_restores (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, point TEXT NOT NULL,
  vault TEXT NOT NULL, resource TEXT NOT NULL, resource_type TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL,
  message TEXT NOT NULL, created BIGINT NOT NULL, started BIGINT, completed BIGINT, active BIGINT NOT NULL,
  percent BIGINT NOT NULL, size_bytes BIGINT NOT NULL, retries BIGINT NOT NULL, created_resource TEXT NOT NULL,
  point_created BIGINT NOT NULL, validation TEXT NOT NULL, validation_message TEXT NOT NULL, token TEXT NOT NULL,
  fingerprint TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE INDEX backup_restores_by_created ON backup_restores (account, region, created, id);
CREATE INDEX backup_restores_by_resource ON backup_restores (account, region, resource, created);
CREATE INDEX backup_restores_by_point ON backup_restores (point, active);
CREATE INDEX backup_restores_by_token ON backup_restores (account, token);
CREATE TABLE backup_holds (
  id TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, title TEXT NOT NULL,
  description TEXT NOT NULL, status TEXT NOT NULL, created BIGINT NOT NULL, canceled BIGINT, retain_until BIGINT,
  cancel_description TEXT NOT NULL, token TEXT NOT NULL, selection TEXT NOT NULL);
CREATE INDEX backup_holds_by_account ON backup_holds (account, region, id);
CREATE TABLE backup_held_points (arn TEXT NOT NULL, hold TEXT NOT NULL, PRIMARY KEY (arn, hold));
CREATE INDEX backup_held_points_by_hold ON backup_held_points (hold, arn);)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::backup
