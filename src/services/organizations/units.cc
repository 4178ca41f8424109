// Organizational units and who is whose child.
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;

constexpr int64_t kDepthMax = 5;
constexpr int64_t kUnitsMax = 2000;

Error duplicate_name() {
  return already_exists("DuplicateOrganizationalUnitException", "An OU with the same name already exists.");
}

Result<rows::Unit> find_unit(const Request& r) {
  COFFER_TRY(auto unit, rows::unit(r.transaction(), r.input().text("OrganizationalUnitId")));
  if (!unit || unit->organization != r.organization().id)
    return not_found("OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist.");
  return std::move(*unit);
}

Result<Value> unit_output(const Request& r, const rows::Unit& unit) {
  COFFER_TRY(Value shape, unit_shape(r, unit));
  return Value::object({{"OrganizationalUnit", std::move(shape)}});
}

}  // namespace

Result<Value> create_organizational_unit(const Request& r) {
  COFFER_TRY(rows::Tags tags, read_tags(r.input()));
  COFFER_TRY(auto parent, find_parent(r, r.input().text("ParentId")));
  if (!parent) return parent_not_found();
  if (parent->depth >= kDepthMax)
    return constraint("OU_DEPTH_LIMIT_EXCEEDED",
                      "You have exceeded the allowed depth of the organizational unit tree: 5 levels.");
  COFFER_TRY(int64_t count, rows::count_units(r.transaction(), r.organization().id));
  if (count >= kUnitsMax)
    return constraint("OU_NUMBER_LIMIT_EXCEEDED",
                      "You have exceeded the allowed number of organizational units in your organization.");
  const std::string name(r.input().text("Name"));
  COFFER_TRY(auto twin, rows::unit_by_name(r.transaction(), parent->id, name));
  if (twin) return duplicate_name();
  rows::Unit unit;
  unit.id = random_id(r.installation.entropy, "ou-" + r.organization().root.substr(2) + "-", 8);
  unit.organization = r.organization().id;
  unit.parent = parent->id;
  unit.name = name;
  unit.depth = parent->depth + 1;
  COFFER_CHECK_OK(rows::insert(r.transaction(), unit));
  COFFER_CHECK_OK(rows::attach_defaults(r.transaction(), unit.organization, unit.id, r.now));
  COFFER_CHECK_OK(store_tags(r, unit.id, tags));
  return unit_output(r, unit);
}

Result<Value> describe_organizational_unit(const Request& r) {
  COFFER_TRY(rows::Unit unit, find_unit(r));
  return unit_output(r, unit);
}

Result<Value> update_organizational_unit(const Request& r) {
  COFFER_TRY(rows::Unit unit, find_unit(r));
  const std::string name = r.input().text_if("Name").value_or(unit.name);
  if (name != unit.name) {
    COFFER_TRY(auto twin, rows::unit_by_name(r.transaction(), unit.parent, name));
    if (twin) return duplicate_name();
    COFFER_CHECK_OK(rows::rename_unit(r.transaction(), unit.id, name));
    unit.name = name;
  }
  return unit_output(r, unit);
}

Result<Value> delete_organizational_unit(const Request& r) {
  COFFER_TRY(rows::Unit unit, find_unit(r));
  COFFER_TRY(auto units, rows::units_of_parent(r.transaction(), unit.id, "", 1));
  COFFER_TRY(auto accounts, rows::accounts_of_parent(r.transaction(), unit.id, "", 1));
  if (!units.empty() || !accounts.empty())
    return failed_precondition("OrganizationalUnitNotEmptyException",
                               "The organizational unit is not empty. Move all accounts to another root or to other "
                               "OUs, remove all child OUs, and try the operation again.");
  COFFER_CHECK_OK(rows::remove_unit(r.transaction(), unit.id));
  return Value::object();
}

Result<Value> list_organizational_units_for_parent(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto parent, find_parent(r, r.input().text("ParentId")));
  if (!parent) return parent_not_found();
  COFFER_TRY(auto units, rows::units_of_parent(r.transaction(), parent->id, page.after(), page.wanted()));
  std::vector<Page::Item> items;
  for (const rows::Unit& unit : units) {
    COFFER_TRY(Value shape, unit_shape(r, unit));
    items.push_back({unit.id, std::move(shape)});
  }
  return page.output("OrganizationalUnits", std::move(items));
}

Result<Value> list_parents(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  const std::string child(r.input().text("ChildId"));
  std::string parent;
  if (child.starts_with("ou-")) {
    COFFER_TRY(auto unit, rows::unit(r.transaction(), child));
    if (unit && unit->organization == r.organization().id) parent = unit->parent;
  } else {
    COFFER_TRY(auto account, rows::account(r.transaction(), child));
    if (account && account->organization == r.organization().id) parent = account->parent;
  }
  if (parent.empty()) return not_found("ChildNotFoundException", "You specified a child that doesn't exist.");
  std::vector<Page::Item> items;
  const char* type = parent == r.organization().root ? "ROOT" : "ORGANIZATIONAL_UNIT";
  items.push_back({parent, Value::object({{"Id", parent}, {"Type", type}})});
  return page.output("Parents", std::move(items));
}

Result<Value> list_children(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  COFFER_TRY(auto parent, find_parent(r, r.input().text("ParentId")));
  if (!parent) return parent_not_found();
  const std::string type(r.input().text("ChildType"));
  std::vector<Page::Item> items;
  const auto add = [&](const std::string& id) { items.push_back({id, Value::object({{"Id", id}, {"Type", type}})}); };
  if (type == "ACCOUNT") {
    COFFER_TRY(auto accounts, rows::accounts_of_parent(r.transaction(), parent->id, page.after(), page.wanted()));
    for (const rows::Account& account : accounts) add(account.id);
  } else {
    COFFER_TRY(auto units, rows::units_of_parent(r.transaction(), parent->id, page.after(), page.wanted()));
    for (const rows::Unit& unit : units) add(unit.id);
  }
  return page.output("Children", std::move(items));
}

}  // namespace coffer::organizations
