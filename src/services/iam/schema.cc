// IAM's tables. Times are microseconds; name_key is the name in lower case; owner is a unique id.
#include "services/iam/service.h"

namespace coffer::iam {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {100, "iam: accounts, entities, policies, access keys", R"(
CREATE TABLE iam_accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created BIGINT NOT NULL,
  alias TEXT UNIQUE
);
CREATE TABLE iam_entities (
  id TEXT PRIMARY KEY,
  kind BIGINT NOT NULL,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  path TEXT NOT NULL,
  created BIGINT NOT NULL,
  boundary TEXT NOT NULL,
  description TEXT NOT NULL,
  trust TEXT NOT NULL,
  trust_resolved TEXT NOT NULL,
  max_session BIGINT NOT NULL,
  last_used BIGINT,
  last_used_region TEXT NOT NULL,
  UNIQUE (kind, account, name_key)
);
CREATE INDEX iam_entities_boundary ON iam_entities (account, boundary);
CREATE TABLE iam_members (
  group_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (group_id, user_id)
);
CREATE INDEX iam_members_user ON iam_members (user_id);
CREATE TABLE iam_tags (
  owner TEXT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (owner, tag_key)
);
CREATE TABLE iam_inline (
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (owner, name)
);
CREATE TABLE iam_attachments (
  owner TEXT NOT NULL,
  policy TEXT NOT NULL,
  PRIMARY KEY (owner, policy)
);
CREATE INDEX iam_attachments_policy ON iam_attachments (policy);
CREATE TABLE iam_policies (
  arn TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  path TEXT NOT NULL,
  id TEXT NOT NULL,
  description TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  default_version BIGINT NOT NULL,
  next_version BIGINT NOT NULL,
  UNIQUE (account, name_key)
);
CREATE TABLE iam_policy_versions (
  arn TEXT NOT NULL,
  number BIGINT NOT NULL,
  document TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (arn, number)
);
CREATE TABLE iam_access_keys (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  user_id TEXT NOT NULL,
  secret {blob} NOT NULL,
  active BIGINT NOT NULL,
  created BIGINT NOT NULL,
  last_used BIGINT,
  last_service TEXT NOT NULL,
  last_region TEXT NOT NULL
);
CREATE INDEX iam_access_keys_user ON iam_access_keys (account, user_id);
)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::iam
