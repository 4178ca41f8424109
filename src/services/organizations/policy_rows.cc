#include "services/organizations/policy_rows.h"

#include "services/organizations/names.h"
#include "services/organizations/rows.h"

namespace coffer::organizations::rows {
namespace {

using catalog::Row;

constexpr std::string_view kColumns =
    "SELECT id, organization, type, name, description, content, updated FROM org_policy ";

Policy make_policy(const Row& r) {
  return {r.text(0), r.text(1), r.text(2), r.text(3), r.text(4), r.text(5), r.time(6)};
}
Result<std::optional<Policy>> first_policy(Transaction& t, const std::string& sql,
                                           std::initializer_list<catalog::Parameter> parameters) {
  COFFER_TRY(auto row, t.first(sql, parameters));
  if (!row) return std::optional<Policy>();
  return std::optional(make_policy(*row));
}

const Policy kFullAccessPolicy{
    std::string(kFullAccess),
    {},
    std::string(kServiceControl),
    "FullAWSAccess",
    "Allows access to every operation",
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]})",
    {}};
const Policy kResourceFullAccessPolicy{
    std::string(kResourceFullAccess),
    {},
    std::string(kResourceControl),
    "RCPFullAWSAccess",
    "Allows access to every resource",
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]})",
    {}};

}  // namespace

const Policy* default_policy(std::string_view type) {
  if (type == kServiceControl) return &kFullAccessPolicy;
  if (type == kResourceControl) return &kResourceFullAccessPolicy;
  return nullptr;
}

Result<std::optional<Policy>> policy(Transaction& t, std::string_view organization, std::string_view id) {
  for (const Policy* own : {&kFullAccessPolicy, &kResourceFullAccessPolicy}) {
    if (own->id == id) return std::optional(*own);
  }
  static const std::string kQuery = std::string(kColumns) + "WHERE id = $1 AND organization = $2";
  return first_policy(t, kQuery, {id, organization});
}
Result<std::optional<Policy>> policy_by_name(Transaction& t, std::string_view organization, std::string_view type,
                                             std::string_view name) {
  if (const Policy* own = default_policy(type); own && own->name == name) return std::optional(*own);
  static const std::string kQuery = std::string(kColumns) + "WHERE organization = $1 AND type = $2 AND name = $3";
  return first_policy(t, kQuery, {organization, type, name});
}
Result<std::vector<Policy>> policies(Transaction& t, std::string_view organization, std::string_view type,
                                     std::string_view after, int64_t limit) {
  static const std::string kQuery =
      std::string(kColumns) + "WHERE organization = $1 AND type = $2 AND id > $3 ORDER BY id LIMIT $4";
  COFFER_TRY(auto rows, t.run(kQuery, {organization, type, after, limit}));
  std::vector<Policy> all;
  for (const Row& row : rows) all.push_back(make_policy(row));
  return all;
}
Result<int64_t> count_policies(Transaction& t, std::string_view organization, std::string_view type) {
  COFFER_TRY(auto row,
             t.first("SELECT COUNT(*) FROM org_policy WHERE organization = $1 AND type = $2", {organization, type}));
  return row->integer(0);
}
Status insert(Transaction& t, const Policy& p) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO org_policy (id, organization, type, name, description, content, updated) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            {p.id, p.organization, p.type, p.name, p.description, p.content, p.updated}));
  return ok_status();
}
Status update(Transaction& t, const Policy& p) {
  COFFER_CHECK_OK(t.run("UPDATE org_policy SET name = $2, description = $3, content = $4, updated = $5 WHERE id = $1",
                        {p.id, p.name, p.description, p.content, p.updated}));
  return ok_status();
}
Status remove_policy(Transaction& t, std::string_view id) {
  COFFER_CHECK_OK(remove_tags(t, id));
  COFFER_CHECK_OK(t.run("DELETE FROM org_policy WHERE id = $1", {id}));
  return ok_status();
}

Result<bool> is_attached(Transaction& t, std::string_view policy, std::string_view target) {
  COFFER_TRY(auto row,
             t.first("SELECT policy FROM org_attachment WHERE target = $1 AND policy = $2", {target, policy}));
  return row.has_value();
}
Result<int64_t> count_attached(Transaction& t, std::string_view target, std::string_view type) {
  COFFER_TRY(auto row, t.first("SELECT COUNT(*) FROM org_attachment WHERE target = $1 AND type = $2", {target, type}));
  return row->integer(0);
}
Result<std::vector<Attachment>> attached_to(Transaction& t, std::string_view target, std::string_view type) {
  COFFER_TRY(auto rows, t.run("SELECT policy, target, attached FROM org_attachment WHERE target = $1 AND type = $2 "
                              "ORDER BY sequence",
                              {target, type}));
  std::vector<Attachment> all;
  for (const Row& row : rows) all.push_back({row.text(0), row.text(1), row.time(2)});
  return all;
}
Result<std::vector<std::string>> policies_of_target(Transaction& t, std::string_view target, std::string_view type,
                                                    std::string_view after, int64_t limit) {
  COFFER_TRY(auto rows, t.run("SELECT policy FROM org_attachment WHERE target = $1 AND type = $2 AND policy > $3 "
                              "ORDER BY policy LIMIT $4",
                              {target, type, after, limit}));
  std::vector<std::string> all;
  for (const Row& row : rows) all.push_back(row.text(0));
  return all;
}
Result<std::vector<std::string>> targets_of_policy(Transaction& t, std::string_view organization,
                                                   std::string_view policy, std::string_view after, int64_t limit) {
  COFFER_TRY(auto rows, t.run("SELECT target FROM org_attachment WHERE organization = $1 AND policy = $2 AND "
                              "target > $3 ORDER BY target LIMIT $4",
                              {organization, policy, after, limit}));
  std::vector<std::string> all;
  for (const Row& row : rows) all.push_back(row.text(0));
  return all;
}
Status attach(Transaction& t, std::string_view organization, std::string_view policy, std::string_view type,
              std::string_view target, WallTime now) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO org_attachment (organization, policy, type, target, attached, sequence) "
            "VALUES ($1, $2, $3, $4, $5, "
            "(SELECT COALESCE(MAX(sequence), 0) + 1 FROM org_attachment WHERE target = $4))",
            {organization, policy, type, target, now}));
  return ok_status();
}
Status detach(Transaction& t, std::string_view policy, std::string_view target) {
  COFFER_CHECK_OK(t.run("DELETE FROM org_attachment WHERE target = $1 AND policy = $2", {target, policy}));
  return ok_status();
}
Status detach_all_of_target(Transaction& t, std::string_view target) {
  COFFER_CHECK_OK(t.run("DELETE FROM org_attachment WHERE target = $1", {target}));
  return ok_status();
}

Result<std::vector<std::string>> enabled_types(Transaction& t, std::string_view organization) {
  COFFER_TRY(auto rows,
             t.run("SELECT type FROM org_policy_type WHERE organization = $1 ORDER BY type", {organization}));
  std::vector<std::string> all;
  for (const Row& row : rows) all.push_back(row.text(0));
  return all;
}
Status enable_type(Transaction& t, std::string_view organization, std::string_view type, WallTime now) {
  COFFER_CHECK_OK(t.run("INSERT INTO org_policy_type (organization, type) VALUES ($1, $2)", {organization, type}));
  const Policy* own = default_policy(type);
  if (!own) return ok_status();
  for (std::string_view targets :
       {"SELECT root AS id FROM org_organization WHERE id = $1", "SELECT id FROM org_unit WHERE organization = $1",
        "SELECT account AS id FROM org_account WHERE organization = $1"}) {
    COFFER_TRY(auto rows, t.run(targets, {organization}));
    for (const Row& row : rows) COFFER_CHECK_OK(attach(t, organization, own->id, type, row.text(0), now));
  }
  return ok_status();
}
Status disable_type(Transaction& t, std::string_view organization, std::string_view type) {
  COFFER_CHECK_OK(t.run("DELETE FROM org_attachment WHERE organization = $1 AND type = $2", {organization, type}));
  COFFER_CHECK_OK(t.run("DELETE FROM org_policy_type WHERE organization = $1 AND type = $2", {organization, type}));
  return ok_status();
}
Status attach_defaults(Transaction& t, std::string_view organization, std::string_view target, WallTime now) {
  COFFER_TRY(std::vector<std::string> types, enabled_types(t, organization));
  for (const std::string& type : types) {
    if (const Policy* own = default_policy(type)) COFFER_CHECK_OK(attach(t, organization, own->id, type, target, now));
  }
  return ok_status();
}

}  // namespace coffer::organizations::rows
