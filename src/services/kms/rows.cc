#include "services/kms/rows.h"

#include <atomic>

#include "services/kms/service.h"

namespace coffer::kms::rows {
namespace {

constexpr std::string_view kKeyColumns =
    "account, region, id, description, key_usage, spec, origin, state, policy, manager, created, deletion, "
    "pending_window, primary_region, material, "
    "rotates, rotation_days, next_rotation, valid_to, rotations_on_demand";
constexpr std::string_view kGrantColumns =
    "id, token, account, region, key_id, name, grantee, retiring, issuing_account, operations, constraint_kind, "
    "context, created, grantee_id, retiring_id";

std::atomic<uint64_t> changes_so_far{0};

/// Runs a statement that writes.
Status change(Transaction& t, std::string_view sql, std::initializer_list<catalog::Parameter> parameters) {
  COFFER_CHECK_OK(t.run(sql, parameters));
  t.on_commit([] { changes_so_far.fetch_add(1, std::memory_order_release); });
  return ok_status();
}

Key key_of(const catalog::Row& row) {
  Key k;
  std::string* texts[] = {&k.account, &k.region, &k.id,    &k.description, &k.usage,
                          &k.spec,    &k.origin, &k.state, &k.policy,      &k.manager};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  k.created = row.time(10);
  k.deletion = row.time_if(11);
  k.pending_window_days = row.integer(12);
  k.primary_region = row.text(13);
  k.material = row.integer(14);
  k.rotates = row.flag(15);
  k.rotation_days = row.integer(16);
  k.next_rotation = row.time_if(17);
  k.valid_to = row.time_if(18);
  k.rotations_on_demand = row.integer(19);
  return k;
}

/// Each row as `read` has it.
template <class T>
Result<std::vector<T>> all_of(Result<catalog::Rows> rows, T (*read)(const catalog::Row&)) {
  if (!rows.ok()) return std::move(rows).error();
  std::vector<T> all;
  all.reserve(rows->size());
  for (const auto& row : *rows) all.push_back(read(row));
  return all;
}

Result<std::vector<Key>> keys(Transaction& t, std::string_view rest,
                              std::initializer_list<catalog::Parameter> parameters) {
  return all_of(t.run("SELECT " + std::string(kKeyColumns) + " FROM kms_keys " + std::string(rest), parameters),
                key_of);
}

template <class T>
std::optional<T> first_of(std::vector<T> all) {
  return all.empty() ? std::nullopt : std::optional<T>(std::move(all.front()));
}

// Lists of words and maps are kept as lines; neither operations nor contexts hold line breaks unescaped.
std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '\n' ? std::string("\\n") : c == '\\' ? std::string("\\\\") : std::string{c};
  return out;
}
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(unescape(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
  return lines;
}

Grant grant_of(const catalog::Row& row) {
  Grant g;
  std::string* texts[] = {&g.id,   &g.token,   &g.account,  &g.region,         &g.key_id,
                          &g.name, &g.grantee, &g.retiring, &g.issuing_account};
  for (size_t i = 0; i < std::size(texts); ++i) *texts[i] = row.text(i);
  g.operations = lines_of(row.text(9));
  g.constraint = row.text(10);
  const auto pairs = lines_of(row.text(11));
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) g.context[pairs[i]] = pairs[i + 1];
  g.created = row.time(12);
  g.grantee_id = row.text(13);
  g.retiring_id = row.text(14);
  return g;
}

Result<std::vector<Grant>> grants(Transaction& t, std::string_view rest,
                                  std::initializer_list<catalog::Parameter> parameters) {
  return all_of(t.run("SELECT " + std::string(kGrantColumns) + " FROM kms_grants " + std::string(rest), parameters),
                grant_of);
}

Material material_of(const catalog::Row& row) {
  return {row.integer(0), row.blob(1), row.time(2), row.text(3), row.text(4)};
}
Alias alias_of(const catalog::Row& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.time(4), row.time(5)};
}

constexpr std::string_view kMaterial = "SELECT version, sealed, created, rotation, digest FROM kms_materials ";

Tag tag_of(const catalog::Row& row) { return {row.text(0), row.text(1)}; }

Result<std::vector<Alias>> aliases(Transaction& t, std::string_view rest,
                                   std::initializer_list<catalog::Parameter> parameters) {
  return all_of(
      t.run("SELECT account, region, name, key_id, created, updated FROM kms_aliases " + std::string(rest), parameters),
      alias_of);
}

}  // namespace

uint64_t changes() { return changes_so_far.load(std::memory_order_acquire); }

Result<std::optional<Key>> find_key(Transaction& t, std::string_view account, std::string_view region,
                                    std::string_view id) {
  COFFER_TRY(auto all, keys(t, "WHERE account = $1 AND region = $2 AND id = $3", {account, region, id}));
  return first_of(std::move(all));
}
Result<std::optional<Key>> find_key_by_id(Transaction& t, std::string_view region, std::string_view id) {
  COFFER_TRY(auto all, keys(t, "WHERE id = $1 AND region = $2", {id, region}));
  return first_of(std::move(all));
}
Result<std::vector<Key>> list_keys(Transaction& t, std::string_view account, std::string_view region,
                                   std::string_view after, int64_t limit) {
  return keys(t, "WHERE account = $1 AND region = $2 AND id > $3 ORDER BY id LIMIT $4",
              {account, region, after, limit});
}
Result<std::vector<Key>> replicas(Transaction& t, std::string_view account, std::string_view id) {
  return keys(t, "WHERE account = $1 AND id = $2 ORDER BY region", {account, id});
}
Result<std::vector<Key>> due(Transaction& t, WallTime now) {
  return keys(t, "WHERE deletion <= $1 OR (rotates = 1 AND next_rotation <= $1) OR valid_to <= $1 ORDER BY id, region",
              {now});
}
Status insert_key(Transaction& t, const Key& k) {
  return change(
      t,
      "INSERT INTO kms_keys (" + std::string(kKeyColumns) +
          ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
      {k.account,
       k.region,
       k.id,
       k.description,
       k.usage,
       k.spec,
       k.origin,
       k.state,
       k.policy,
       k.manager,
       k.created,
       k.deletion,
       k.pending_window_days,
       k.primary_region,
       k.material,
       k.rotates,
       k.rotation_days,
       k.next_rotation,
       k.valid_to,
       k.rotations_on_demand});
}
Status update_key(Transaction& t, const Key& k) {
  return change(
      t,
      "UPDATE kms_keys SET description = $4, state = $5, policy = $6, deletion = $7, pending_window = $8, "
      "primary_region = $9, material = $10, "
      "rotates = $11, rotation_days = $12, next_rotation = $13, valid_to = $14, rotations_on_demand = $15 "
      "WHERE account = $1 AND region = $2 AND id = $3",
      {k.account, k.region, k.id, k.description, k.state, k.policy, k.deletion, k.pending_window_days, k.primary_region,
       k.material, k.rotates, k.rotation_days, k.next_rotation, k.valid_to, k.rotations_on_demand});
}
Status remove_key(Transaction& t, const Key& k) {
  for (const char* table : {"kms_aliases", "kms_grants", "kms_tags"})
    COFFER_CHECK_OK(change(t,
                           "DELETE FROM " + std::string(table) + " WHERE account = $1 AND region = $2 AND key_id = $3",
                           {k.account, k.region, k.id}));
  COFFER_CHECK_OK(
      change(t, "DELETE FROM kms_keys WHERE account = $1 AND region = $2 AND id = $3", {k.account, k.region, k.id}));
  COFFER_TRY(auto left, replicas(t, k.account, k.id));
  return left.empty() ? remove_materials(t, k.account, k.id) : ok_status();
}

Result<std::vector<Material>> materials(Transaction& t, std::string_view account, std::string_view id) {
  return all_of(t.run(std::string(kMaterial) + "WHERE account = $1 AND id = $2 ORDER BY version", {account, id}),
                material_of);
}
Result<std::optional<Material>> material(Transaction& t, std::string_view account, std::string_view id,
                                         int64_t version) {
  COFFER_TRY(auto row, t.first(std::string(kMaterial) + "WHERE account = $1 AND id = $2 AND version = $3",
                               {account, id, version}));
  return row ? std::optional(material_of(*row)) : std::nullopt;
}
Status insert_material(Transaction& t, std::string_view account, std::string_view id, const Material& m) {
  return change(
      t,
      "INSERT INTO kms_materials (account, id, version, sealed, created, rotation, digest) VALUES ($1, $2, $3, "
      "$4, $5, $6, $7)",
      {account, id, m.version, m.sealed, m.created, m.rotation, m.digest});
}
Status remove_materials(Transaction& t, std::string_view account, std::string_view id) {
  return change(t, "DELETE FROM kms_materials WHERE account = $1 AND id = $2", {account, id});
}

Result<std::optional<Alias>> find_alias(Transaction& t, std::string_view account, std::string_view region,
                                        std::string_view name) {
  COFFER_TRY(auto all, aliases(t, "WHERE account = $1 AND region = $2 AND name = $3", {account, region, name}));
  return first_of(std::move(all));
}
Result<std::vector<Alias>> list_aliases(Transaction& t, std::string_view account, std::string_view region,
                                        std::string_view after, int64_t limit) {
  return aliases(t, "WHERE account = $1 AND region = $2 AND name > $3 ORDER BY name LIMIT $4",
                 {account, region, after, limit});
}
Result<std::vector<Alias>> aliases_of(Transaction& t, const Key& k) {
  return aliases(t, "WHERE account = $1 AND region = $2 AND key_id = $3 ORDER BY name", {k.account, k.region, k.id});
}
Status put_alias(Transaction& t, const Alias& a) {
  return change(
      t,
      "INSERT INTO kms_aliases (account, region, name, key_id, created, updated) VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT (account, region, name) DO UPDATE SET key_id = $4, updated = $6",
      {a.account, a.region, a.name, a.key_id, a.created, a.updated});
}
Status remove_alias(Transaction& t, const Alias& a) {
  return change(t, "DELETE FROM kms_aliases WHERE account = $1 AND region = $2 AND name = $3",
                {a.account, a.region, a.name});
}

Result<std::vector<Grant>> grants_of(Transaction& t, const Key& k) {
  return grants(t, "WHERE account = $1 AND region = $2 AND key_id = $3 ORDER BY id", {k.account, k.region, k.id});
}
Result<std::vector<Grant>> grants_retirable_by(Transaction& t, std::string_view region, std::string_view principal) {
  return grants(t, "WHERE region = $1 AND retiring = $2 ORDER BY id", {region, principal});
}
Result<std::optional<Grant>> find_grant(Transaction& t, std::string_view id) {
  COFFER_TRY(auto all, grants(t, "WHERE id = $1", {id}));
  return first_of(std::move(all));
}
Result<std::optional<Grant>> find_grant_by_token(Transaction& t, std::string_view token) {
  COFFER_TRY(auto all, grants(t, "WHERE token = $1", {token}));
  return first_of(std::move(all));
}
Status insert_grant(Transaction& t, const Grant& g) {
  std::string operations, context;
  for (const std::string& operation : g.operations) operations += escape(operation) + "\n";
  for (const auto& [key, value] : g.context) context += escape(key) + "\n" + escape(value) + "\n";
  return change(t,
                "INSERT INTO kms_grants (" + std::string(kGrantColumns) +
                    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
                {g.id, g.token, g.account, g.region, g.key_id, g.name, g.grantee, g.retiring, g.issuing_account,
                 operations, g.constraint, context, g.created, g.grantee_id, g.retiring_id});
}
Status remove_grant(Transaction& t, std::string_view id) {
  return change(t, "DELETE FROM kms_grants WHERE id = $1", {id});
}

Result<std::vector<Tag>> tags(Transaction& t, const Key& k) {
  return all_of(
      t.run(
          "SELECT tag_key, tag_value FROM kms_tags WHERE account = $1 AND region = $2 AND key_id = $3 ORDER BY tag_key",
          {k.account, k.region, k.id}),
      tag_of);
}
Status put_tag(Transaction& t, const Key& k, const Tag& tag) {
  return change(t,
                "INSERT INTO kms_tags (account, region, key_id, tag_key, tag_value) VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT (account, region, key_id, tag_key) DO UPDATE SET tag_value = $5",
                {k.account, k.region, k.id, tag.key, tag.value});
}
Status remove_tag(Transaction& t, const Key& k, std::string_view key) {
  return change(t, "DELETE FROM kms_tags WHERE account = $1 AND region = $2 AND key_id = $3 AND tag_key = $4",
                {k.account, k.region, k.id, key});
}

}  // namespace coffer::kms::rows

namespace coffer::kms {

std::span<const catalog::Migration> migrations() {
  static constexpr catalog::Migration kMigrations[] = {
      {200, "kms: keys, material, aliases, grants",
       "CREATE TABLE kms_keys (account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT "
       "NULL, key_usage TEXT NOT NULL, "
       "spec TEXT NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL, policy TEXT NOT NULL, manager TEXT NOT NULL, "
       "created BIGINT NOT NULL, "
       "deletion BIGINT, pending_window BIGINT NOT NULL, primary_region TEXT NOT NULL, material BIGINT NOT NULL, "
       "rotates BIGINT NOT NULL, "
       "rotation_days BIGINT NOT NULL, next_rotation BIGINT, valid_to BIGINT, rotations_on_demand BIGINT NOT NULL, "
       "PRIMARY KEY (id, region));\n"
       "CREATE INDEX kms_keys_account ON kms_keys (account, region, id);\n"
       "CREATE TABLE kms_materials (account TEXT NOT NULL, id TEXT NOT NULL, version BIGINT NOT NULL, sealed {blob} "
       "NOT NULL, created BIGINT NOT NULL, "
       "rotation TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (account, id, version));\n"
       "CREATE TABLE kms_aliases (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, key_id TEXT NOT "
       "NULL, created BIGINT NOT NULL, "
       "updated BIGINT NOT NULL, PRIMARY KEY (account, region, name));\n"
       "CREATE INDEX kms_aliases_key ON kms_aliases (account, region, key_id);\n"
       "CREATE TABLE kms_grants (id TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, account TEXT NOT NULL, region TEXT "
       "NOT NULL, key_id TEXT NOT NULL, "
       "name TEXT NOT NULL, grantee TEXT NOT NULL, retiring TEXT NOT NULL, issuing_account TEXT NOT NULL, operations "
       "TEXT NOT NULL, "
       "constraint_kind TEXT NOT NULL, context TEXT NOT NULL, created BIGINT NOT NULL);\n"
       "CREATE INDEX kms_grants_key ON kms_grants (account, region, key_id);\n"
       "CREATE INDEX kms_grants_retiring ON kms_grants (retiring, region);\n"
       "CREATE TABLE kms_tags (account TEXT NOT NULL, region TEXT NOT NULL, key_id TEXT NOT NULL, tag_key TEXT NOT "
       "NULL, tag_value TEXT NOT NULL, "
       "PRIMARY KEY (account, region, key_id, tag_key));\n"},
      {201, "kms: whom grants mean",
       "ALTER TABLE kms_grants ADD COLUMN grantee_id TEXT NOT NULL DEFAULT '';\n"
       "ALTER TABLE kms_grants ADD COLUMN retiring_id TEXT NOT NULL DEFAULT '';\n"}};
  return kMigrations;
}

}  // namespace coffer::kms
