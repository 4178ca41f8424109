#include "services/iam/rows.h"

#include <algorithm>

#include "services/iam/service.h"

namespace coffer::iam::rows {
namespace {

constexpr std::string_view kEntityColumns =
    "kind, account, name, path, id, created, boundary, description, trust, trust_resolved, max_session, last_used, "
    "last_used_region";
constexpr std::string_view kPolicyColumns =
    "account, name, path, id, arn, description, created, updated, default_version, next_version";
constexpr std::string_view kKeyColumns =
    "id, account, user_id, secret, active, created, last_used, last_service, last_region";

Status done(Result<catalog::Rows> result) {
  if (!result.ok()) return std::move(result).error();
  return ok_status();
}

Entity entity_of(const catalog::Row& row) {
  Entity e;
  e.kind = static_cast<Kind>(row.integer(0));
  e.account = row.text(1);
  e.name = row.text(2);
  e.path = row.text(3);
  e.id = row.text(4);
  e.created = row.time(5);
  e.boundary = row.text(6);
  e.description = row.text(7);
  e.trust = row.text(8);
  e.trust_resolved = row.text(9);
  e.max_session_s = row.integer(10);
  e.last_used = row.time_if(11);
  e.last_used_region = row.text(12);
  return e;
}

ManagedPolicy policy_of(const catalog::Row& row) {
  return {row.text(0), row.text(1), row.text(2),    row.text(3),    row.text(4), row.text(5),
          row.time(6), row.time(7), row.integer(8), row.integer(9), false};
}

AccessKey key_of(const catalog::Row& row) {
  return {row.text(0), row.text(1),    row.text(2), row.blob(3), row.flag(4),
          row.time(5), row.time_if(6), row.text(7), row.text(8)};
}

Result<std::vector<Entity>> entities(Transaction& t, std::string_view where,
                                     std::initializer_list<catalog::Parameter> parameters) {
  COFFER_TRY(auto rows,
             t.run("SELECT " + std::string(kEntityColumns) + " FROM iam_entities " + std::string(where), parameters));
  std::vector<Entity> all;
  for (const auto& row : rows) all.push_back(entity_of(row));
  return all;
}

template <class T>
std::optional<T> first_of(std::vector<T> all) {
  return all.empty() ? std::nullopt : std::optional<T>(std::move(all.front()));
}

Result<bool> removed_one(Result<catalog::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  return !rows->empty();
}

Result<std::vector<std::string>> texts(Result<catalog::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  std::vector<std::string> all;
  for (const auto& row : *rows) all.push_back(row.text(0));
  return all;
}

}  // namespace

std::string_view kind_name(Kind kind) { return kind == Kind::kUser ? "user" : kind == Kind::kGroup ? "group" : "role"; }
std::string Entity::arn() const { return "arn:aws:iam::" + account + ":" + std::string(kind_name(kind)) + path + name; }

std::string lower(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

Result<std::optional<Entity>> find(Transaction& t, Kind kind, std::string_view account, std::string_view name) {
  COFFER_TRY(auto all, entities(t, "WHERE kind = $1 AND account = $2 AND name_key = $3",
                                {static_cast<int>(kind), account, lower(name)}));
  return first_of(std::move(all));
}

Result<std::optional<Entity>> find_by_id(Transaction& t, std::string_view id) {
  COFFER_TRY(auto all, entities(t, "WHERE id = $1", {id}));
  return first_of(std::move(all));
}

Result<std::vector<Entity>> list(Transaction& t, Kind kind, std::string_view account, std::string_view path_prefix,
                                 std::string_view after, int64_t limit) {
  return entities(t,
                  "WHERE kind = $1 AND account = $2 AND substr(path, 1, length($3)) = $3 AND name_key > $4 ORDER BY "
                  "name_key LIMIT $5",
                  {static_cast<int>(kind), account, path_prefix, after, limit});
}

Result<int64_t> count(Transaction& t, Kind kind, std::string_view account) {
  COFFER_TRY(auto row, t.first("SELECT count(*) FROM iam_entities WHERE kind = $1 AND account = $2",
                               {static_cast<int>(kind), account}));
  return row->integer(0);
}

Status insert(Transaction& t, const Entity& e) {
  return done(t.run("INSERT INTO iam_entities (" + std::string(kEntityColumns) +
                        ", name_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                    {static_cast<int>(e.kind), e.account, e.name, e.path, e.id, e.created, e.boundary, e.description,
                     e.trust, e.trust_resolved, e.max_session_s, e.last_used, e.last_used_region, lower(e.name)}));
}

Status update(Transaction& t, const Entity& e) {
  return done(t.run(
      "UPDATE iam_entities SET name = $2, name_key = $3, path = $4, boundary = $5, description = $6, trust = $7, "
      "trust_resolved = $8, max_session = $9 WHERE id = $1",
      {e.id, e.name, lower(e.name), e.path, e.boundary, e.description, e.trust, e.trust_resolved, e.max_session_s}));
}

Status note_role_use(Transaction& t, std::string_view id, std::string_view region, WallTime at) {
  return done(t.run("UPDATE iam_entities SET last_used = $2, last_used_region = $3 WHERE id = $1", {id, at, region}));
}

Status remove(Transaction& t, const Entity& e) {
  for (const char* sql : {"DELETE FROM iam_tags WHERE owner = $1", "DELETE FROM iam_attachments WHERE owner = $1",
                          "DELETE FROM iam_inline WHERE owner = $1", "DELETE FROM iam_entities WHERE id = $1"})
    COFFER_CHECK_OK(t.run(sql, {e.id}));
  return ok_status();
}

Result<std::vector<Tag>> tags(Transaction& t, std::string_view owner) {
  COFFER_TRY(auto rows, t.run("SELECT tag_key, tag_value FROM iam_tags WHERE owner = $1 ORDER BY tag_key", {owner}));
  std::vector<Tag> all;
  for (const auto& row : rows) all.push_back({row.text(0), row.text(1)});
  return all;
}
Status put_tag(Transaction& t, std::string_view owner, const Tag& tag) {
  return done(
      t.run("INSERT INTO iam_tags (owner, tag_key, tag_value) VALUES ($1, $2, $3) ON CONFLICT (owner, tag_key) DO "
            "UPDATE SET tag_value = $3",
            {owner, tag.key, tag.value}));
}
Status remove_tag(Transaction& t, std::string_view owner, std::string_view key) {
  return done(t.run("DELETE FROM iam_tags WHERE owner = $1 AND tag_key = $2", {owner, key}));
}

Result<std::optional<std::string>> inline_policy(Transaction& t, std::string_view owner, std::string_view name) {
  COFFER_TRY(auto row, t.first("SELECT document FROM iam_inline WHERE owner = $1 AND name = $2", {owner, name}));
  return row ? std::optional(row->text(0)) : std::nullopt;
}
Result<std::vector<InlinePolicy>> inline_policies(Transaction& t, std::string_view owner) {
  COFFER_TRY(auto rows, t.run("SELECT name, document FROM iam_inline WHERE owner = $1 ORDER BY name", {owner}));
  std::vector<InlinePolicy> all;
  for (const auto& row : rows) all.push_back({row.text(0), row.text(1)});
  return all;
}
Status put_inline(Transaction& t, std::string_view owner, std::string_view name, std::string_view document) {
  return done(
      t.run("INSERT INTO iam_inline (owner, name, document) VALUES ($1, $2, $3) ON CONFLICT (owner, name) DO UPDATE "
            "SET document = $3",
            {owner, name, document}));
}
Status remove_inline(Transaction& t, std::string_view owner, std::string_view name) {
  return done(t.run("DELETE FROM iam_inline WHERE owner = $1 AND name = $2", {owner, name}));
}

Result<std::vector<std::string>> attached(Transaction& t, std::string_view owner) {
  return texts(t.run("SELECT policy FROM iam_attachments WHERE owner = $1 ORDER BY policy", {owner}));
}
Status attach(Transaction& t, std::string_view owner, std::string_view policy) {
  return done(
      t.run("INSERT INTO iam_attachments (owner, policy) VALUES ($1, $2) ON CONFLICT (owner, policy) DO NOTHING",
            {owner, policy}));
}
Result<bool> detach(Transaction& t, std::string_view owner, std::string_view policy) {
  return removed_one(
      t.run("DELETE FROM iam_attachments WHERE owner = $1 AND policy = $2 RETURNING owner", {owner, policy}));
}
Result<std::vector<Entity>> attached_to(Transaction& t, std::string_view account, std::string_view policy) {
  return entities(
      t, "WHERE account = $1 AND id IN (SELECT owner FROM iam_attachments WHERE policy = $2) ORDER BY name_key",
      {account, policy});
}
Result<std::vector<Entity>> bounded_by(Transaction& t, std::string_view account, std::string_view policy) {
  return entities(t, "WHERE account = $1 AND boundary = $2 ORDER BY name_key", {account, policy});
}

Result<int64_t> count_attached(Transaction& t, std::string_view account, std::string_view policy) {
  COFFER_TRY(auto row, t.first("SELECT count(*) FROM iam_attachments a JOIN iam_entities e ON e.id = a.owner WHERE "
                               "a.policy = $1 AND e.account = $2",
                               {policy, account}));
  return row->integer(0);
}
Result<int64_t> count_bounded(Transaction& t, std::string_view account, std::string_view policy) {
  COFFER_TRY(auto row,
             t.first("SELECT count(*) FROM iam_entities WHERE account = $1 AND boundary = $2", {account, policy}));
  return row->integer(0);
}

Result<std::vector<Entity>> groups_of(Transaction& t, std::string_view user) {
  return entities(t, "WHERE id IN (SELECT group_id FROM iam_members WHERE user_id = $1) ORDER BY name_key", {user});
}
Result<std::vector<Entity>> members_of(Transaction& t, std::string_view group) {
  return entities(t, "WHERE id IN (SELECT user_id FROM iam_members WHERE group_id = $1) ORDER BY name_key", {group});
}
Status add_member(Transaction& t, std::string_view group, std::string_view user) {
  return done(
      t.run("INSERT INTO iam_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT (group_id, user_id) DO NOTHING",
            {group, user}));
}
Result<bool> remove_member(Transaction& t, std::string_view group, std::string_view user) {
  return removed_one(
      t.run("DELETE FROM iam_members WHERE group_id = $1 AND user_id = $2 RETURNING user_id", {group, user}));
}

Result<std::optional<ManagedPolicy>> find_policy(Transaction& t, std::string_view arn) {
  COFFER_TRY(auto row, t.first("SELECT " + std::string(kPolicyColumns) + " FROM iam_policies WHERE arn = $1", {arn}));
  return row ? std::optional(policy_of(*row)) : std::nullopt;
}
Result<std::vector<ManagedPolicy>> list_policies(Transaction& t, std::string_view account) {
  COFFER_TRY(auto rows,
             t.run("SELECT " + std::string(kPolicyColumns) + " FROM iam_policies WHERE account = $1 ORDER BY name_key",
                   {account}));
  std::vector<ManagedPolicy> all;
  for (const auto& row : rows) all.push_back(policy_of(row));
  return all;
}
Result<bool> policy_name_taken(Transaction& t, std::string_view account, std::string_view name) {
  COFFER_TRY(auto row,
             t.first("SELECT arn FROM iam_policies WHERE account = $1 AND name_key = $2", {account, lower(name)}));
  return row.has_value();
}
Result<int64_t> count_policies(Transaction& t, std::string_view account) {
  COFFER_TRY(auto row, t.first("SELECT count(*) FROM iam_policies WHERE account = $1", {account}));
  return row->integer(0);
}
Status insert_policy(Transaction& t, const ManagedPolicy& p) {
  return done(t.run("INSERT INTO iam_policies (" + std::string(kPolicyColumns) +
                        ", name_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                    {p.account, p.name, p.path, p.id, p.arn, p.description, p.created, p.updated, p.default_version,
                     p.next_version, lower(p.name)}));
}
Status update_policy(Transaction& t, const ManagedPolicy& p) {
  return done(t.run("UPDATE iam_policies SET updated = $2, default_version = $3, next_version = $4 WHERE arn = $1",
                    {p.arn, p.updated, p.default_version, p.next_version}));
}
Status remove_policy(Transaction& t, const ManagedPolicy& p) {
  COFFER_CHECK_OK(t.run("DELETE FROM iam_policy_versions WHERE arn = $1", {p.arn}));
  COFFER_CHECK_OK(t.run("DELETE FROM iam_tags WHERE owner = $1", {p.id}));
  return done(t.run("DELETE FROM iam_policies WHERE arn = $1", {p.arn}));
}
Result<std::vector<PolicyVersion>> versions(Transaction& t, std::string_view arn) {
  COFFER_TRY(
      auto rows,
      t.run("SELECT number, document, created FROM iam_policy_versions WHERE arn = $1 ORDER BY number DESC", {arn}));
  std::vector<PolicyVersion> all;
  for (const auto& row : rows) all.push_back({row.integer(0), row.text(1), row.time(2)});
  return all;
}
Result<std::optional<PolicyVersion>> version(Transaction& t, std::string_view arn, int64_t number) {
  COFFER_TRY(auto row,
             t.first("SELECT number, document, created FROM iam_policy_versions WHERE arn = $1 AND number = $2",
                     {arn, number}));
  return row ? std::optional(PolicyVersion{row->integer(0), row->text(1), row->time(2)}) : std::nullopt;
}
Status insert_version(Transaction& t, std::string_view arn, const PolicyVersion& v) {
  return done(t.run("INSERT INTO iam_policy_versions (arn, number, document, created) VALUES ($1, $2, $3, $4)",
                    {arn, v.number, v.document, v.created}));
}
Status remove_version(Transaction& t, std::string_view arn, int64_t number) {
  return done(t.run("DELETE FROM iam_policy_versions WHERE arn = $1 AND number = $2", {arn, number}));
}

Result<std::optional<AccessKey>> find_access_key(Transaction& t, std::string_view id) {
  COFFER_TRY(auto row, t.first("SELECT " + std::string(kKeyColumns) + " FROM iam_access_keys WHERE id = $1", {id}));
  return row ? std::optional(key_of(*row)) : std::nullopt;
}
Result<std::vector<AccessKey>> access_keys_of(Transaction& t, std::string_view account, std::string_view user) {
  COFFER_TRY(auto rows, t.run("SELECT " + std::string(kKeyColumns) +
                                  " FROM iam_access_keys WHERE account = $1 AND user_id = $2 ORDER BY id",
                              {account, user}));
  std::vector<AccessKey> all;
  for (const auto& row : rows) all.push_back(key_of(row));
  return all;
}
Status insert_access_key(Transaction& t, const AccessKey& k) {
  return done(t.run(
      "INSERT INTO iam_access_keys (" + std::string(kKeyColumns) + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {k.id, k.account, k.user_id, k.sealed_secret, k.active, k.created, k.last_used, k.last_service, k.last_region}));
}
Status set_access_key_active(Transaction& t, std::string_view id, bool active) {
  return done(t.run("UPDATE iam_access_keys SET active = $2 WHERE id = $1", {id, active}));
}
Status remove_access_key(Transaction& t, std::string_view id) {
  return done(t.run("DELETE FROM iam_access_keys WHERE id = $1", {id}));
}
Status note_access_key_use(Transaction& t, std::string_view id, std::string_view service, std::string_view region,
                           WallTime at) {
  return done(t.run("UPDATE iam_access_keys SET last_used = $2, last_service = $3, last_region = $4 WHERE id = $1",
                    {id, at, service, region}));
}

Result<std::optional<Account>> find_account(Transaction& t, std::string_view id) {
  COFFER_TRY(auto row, t.first("SELECT id, name, created, alias FROM iam_accounts WHERE id = $1", {id}));
  return row ? std::optional(Account{row->text(0), row->text(1), row->time(2), row->text_if(3)}) : std::nullopt;
}
Result<std::vector<Account>> list_accounts(Transaction& t) {
  COFFER_TRY(auto rows, t.run("SELECT id, name, created, alias FROM iam_accounts ORDER BY id"));
  std::vector<Account> all;
  for (const auto& row : rows) all.push_back({row.text(0), row.text(1), row.time(2), row.text_if(3)});
  return all;
}
Status insert_account(Transaction& t, const Account& a) {
  return done(t.run("INSERT INTO iam_accounts (id, name, created) VALUES ($1, $2, $3)", {a.id, a.name, a.created}));
}
Status set_alias(Transaction& t, std::string_view account, const std::optional<std::string>& alias) {
  return done(t.run("UPDATE iam_accounts SET alias = $2 WHERE id = $1", {account, alias}));
}
Result<bool> alias_taken(Transaction& t, std::string_view alias) {
  COFFER_TRY(auto row, t.first("SELECT id FROM iam_accounts WHERE alias = $1", {alias}));
  return row.has_value();
}
Result<bool> account_exists(Transaction& t, std::string_view account) {
  COFFER_TRY(auto row, find_account(t, account));
  return row.has_value();
}

Status changed(Transaction& t) { return catalog::bump_generation(t, kGeneration); }

}  // namespace coffer::iam::rows
