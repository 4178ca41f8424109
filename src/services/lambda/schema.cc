// Lambda's tables. `number` 0 is $LATEST; `qualifier` is empty for the function itself.
#include "services/lambda/service.h"

namespace coffer::lambda {
namespace {

constexpr catalog::Migration kMigrations[] = {
    {850, "lambda: functions, versions, aliases, permissions, asynchronous invocations", R"(
CREATE TABLE lambda_functions (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  next_version BIGINT NOT NULL,
  reserved BIGINT,
  PRIMARY KEY (account, region, name)
);
CREATE TABLE lambda_versions (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  number BIGINT NOT NULL,
  configuration TEXT NOT NULL,
  environment {blob},
  environment_key {blob},
  code TEXT NOT NULL,
  code_sha256 TEXT NOT NULL,
  code_size BIGINT NOT NULL,
  revision TEXT NOT NULL,
  modified BIGINT NOT NULL,
  PRIMARY KEY (account, region, name, number)
);
CREATE INDEX lambda_versions_code ON lambda_versions (code);
CREATE TABLE lambda_aliases (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  number BIGINT NOT NULL,
  description TEXT NOT NULL,
  routing TEXT NOT NULL,
  revision TEXT NOT NULL,
  PRIMARY KEY (account, region, name, alias)
);
CREATE TABLE lambda_statements (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  qualifier TEXT NOT NULL,
  sid TEXT NOT NULL,
  number BIGINT NOT NULL,
  statement TEXT NOT NULL,
  revision TEXT NOT NULL,
  PRIMARY KEY (account, region, name, qualifier, sid)
);
CREATE TABLE lambda_tags (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (account, region, name, tag_key)
);
CREATE TABLE lambda_event_configs (
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  qualifier TEXT NOT NULL,
  configuration TEXT NOT NULL,
  modified BIGINT NOT NULL,
  PRIMARY KEY (account, region, name, qualifier)
);
CREATE TABLE lambda_async (
  request_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  qualifier TEXT NOT NULL,
  payload {blob},
  client_context TEXT NOT NULL,
  queued BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  throttles BIGINT NOT NULL,
  destination TEXT NOT NULL,
  record TEXT NOT NULL
);
CREATE INDEX lambda_async_function ON lambda_async (account, region, name);
)"},
};

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

}  // namespace coffer::lambda
