// CreateOrganization, DescribeOrganization, DeleteOrganization, ListRoots.
#include "services/organizations/faults.h"
#include "services/organizations/operations.h"
#include "services/organizations/page.h"
#include "services/organizations/shapes.h"

namespace coffer::organizations {
namespace {

using api::Value;

Result<Value> organization_output(const Request& r, const rows::Organization& o) {
  COFFER_TRY(auto contact, rows::contact(r.transaction(), o.management));
  Value shape = organization_shape(o);
  if (contact) shape.set("MasterAccountEmail", contact->email);
  return Value::object({{"Organization", std::move(shape)}});
}

/// Root ids are short and every organization of the installation has one.
Result<std::string> free_root_id(const Request& r) {
  for (;;) {
    std::string id = random_id(r.installation.entropy, "r-", 4);
    COFFER_TRY(bool taken, rows::root_exists(r.transaction(), id));
    if (!taken) return id;
  }
}

Status make_page_key(const Request& r) {
  COFFER_TRY(auto key, rows::page_key(r.transaction()));
  if (key) return ok_status();
  const auto fresh = r.installation.entropy.array<32>();
  return rows::set_page_key(r.transaction(), fresh);
}

}  // namespace

Result<Value> create_organization(const Request& r) {
  if (r.seat.organization)
    return failed_precondition("AlreadyInOrganizationException",
                               "The provided account is already a member of an organization.");
  rows::Organization o;
  o.id = random_id(r.installation.entropy, "o-", 10);
  o.management = r.caller();
  COFFER_TRY(o.root, free_root_id(r));
  o.feature_set = r.input().text_if("FeatureSet").value_or(std::string(kAllFeatures));
  o.created = r.now;
  COFFER_CHECK_OK(rows::insert(r.transaction(), o));
  COFFER_CHECK_OK(make_page_key(r));
  // As AWS does: no policy type is enabled in the new root, whatever the API reference says of service control
  // policies.
  COFFER_CHECK_OK(join(r, o, o.management, "INVITED"));
  return organization_output(r, o);
}

Result<Value> describe_organization(const Request& r) { return organization_output(r, r.organization()); }

Result<Value> delete_organization(const Request& r) {
  const rows::Organization& o = r.organization();
  COFFER_TRY(int64_t accounts, rows::count_accounts(r.transaction(), o.id));
  if (accounts > 1)
    return failed_precondition(
        "OrganizationNotEmptyException",
        "To delete an organization you must first remove all member accounts (except the master).");
  COFFER_TRY(auto pending, rows::pending_handshakes(r.transaction(), o.id, "", "", r.now));
  for (const rows::Handshake& h : pending) {
    COFFER_CHECK_OK(rows::set_handshake_state(r.transaction(), h.id, "CANCELED", r.now));
    COFFER_CHECK_OK(rows::remove_tags(r.transaction(), h.id));
  }
  COFFER_CHECK_OK(rows::remove_organization(r.transaction(), o.id));
  return Value::object();
}

Result<Value> list_roots(const Request& r) {
  COFFER_TRY(Page page, Page::open(r.operation));
  std::vector<Page::Item> items;
  if (page.after().empty()) {
    COFFER_TRY(Value root, root_shape(r));
    items.push_back({r.organization().root, std::move(root)});
  }
  return page.output("Roots", std::move(items));
}

}  // namespace coffer::organizations
