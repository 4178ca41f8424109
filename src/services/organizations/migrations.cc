#include "services/organizations/service.h"

namespace coffer::organizations {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {400, "organizations: organizations, accounts, units, policies, handshakes, delegation", R"(
CREATE TABLE org_organization (
  id TEXT PRIMARY KEY,
  management TEXT NOT NULL UNIQUE,
  root TEXT NOT NULL UNIQUE,
  feature_set TEXT NOT NULL,
  created BIGINT NOT NULL
);
CREATE TABLE org_contact (
  account TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  email_lower TEXT NOT NULL UNIQUE
);
CREATE TABLE org_account (
  account TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  parent TEXT NOT NULL,
  joined_method TEXT NOT NULL,
  joined BIGINT NOT NULL,
  closed BIGINT
);
CREATE INDEX org_account_organization ON org_account (organization, account);
CREATE INDEX org_account_parent ON org_account (parent, account);
CREATE TABLE org_unit (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  parent TEXT NOT NULL,
  name TEXT NOT NULL,
  depth BIGINT NOT NULL,
  UNIQUE (parent, name)
);
CREATE INDEX org_unit_parent ON org_unit (parent, id);
CREATE INDEX org_unit_organization ON org_unit (organization);
CREATE TABLE org_policy (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  type TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  content TEXT NOT NULL,
  updated BIGINT NOT NULL,
  UNIQUE (organization, type, name)
);
CREATE INDEX org_policy_type_id ON org_policy (organization, type, id);
CREATE TABLE org_attachment (
  organization TEXT NOT NULL,
  policy TEXT NOT NULL,
  type TEXT NOT NULL,
  target TEXT NOT NULL,
  attached BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (target, policy)
);
CREATE INDEX org_attachment_policy ON org_attachment (organization, policy, target);
CREATE TABLE org_policy_type (
  organization TEXT NOT NULL,
  type TEXT NOT NULL,
  PRIMARY KEY (organization, type)
);
CREATE TABLE org_tag (
  organization TEXT NOT NULL,
  resource TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (resource, key)
);
CREATE INDEX org_tag_organization ON org_tag (organization);
CREATE TABLE org_handshake (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  management TEXT NOT NULL,
  action TEXT NOT NULL,
  account TEXT NOT NULL,
  party_type TEXT NOT NULL,
  party TEXT NOT NULL,
  parent TEXT NOT NULL,
  state TEXT NOT NULL,
  notes TEXT NOT NULL,
  master_name TEXT NOT NULL,
  master_email TEXT NOT NULL,
  feature_set TEXT NOT NULL,
  requested BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  changed BIGINT NOT NULL
);
CREATE INDEX org_handshake_organization ON org_handshake (organization, id);
CREATE INDEX org_handshake_account ON org_handshake (account, id);
CREATE TABLE org_create_request (
  id TEXT PRIMARY KEY,
  organization TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  account TEXT NOT NULL,
  failure TEXT NOT NULL,
  requested BIGINT NOT NULL,
  completed BIGINT NOT NULL
);
CREATE INDEX org_create_request_organization ON org_create_request (organization, id);
CREATE TABLE org_service (
  organization TEXT NOT NULL,
  principal TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  PRIMARY KEY (organization, principal)
);
CREATE TABLE org_delegate (
  organization TEXT NOT NULL,
  account TEXT NOT NULL,
  principal TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  PRIMARY KEY (account, principal)
);
CREATE INDEX org_delegate_principal ON org_delegate (organization, principal, account);
CREATE TABLE org_resource_policy (
  organization TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  content TEXT NOT NULL
);
CREATE TABLE org_secret (
  name TEXT PRIMARY KEY,
  secret {blob} NOT NULL
);
)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::organizations
