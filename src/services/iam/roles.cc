// What only roles have: trust policy and description.
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/trust.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;

Result<Value> update_assume_role_policy(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole));
  COFFER_CHECK_OK(check_modifiable(role));
  role.trust = r.text("PolicyDocument");
  COFFER_TRY(role.trust_resolved, resolve_trust(r.t(), role.trust));
  COFFER_CHECK_OK(rows::update(r.t(), role));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

Result<Value> update_role_description(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole));
  role.description = r.text("Description");
  COFFER_CHECK_OK(rows::update(r.t(), role));
  COFFER_TRY(Value value, described(r, role, Detail::kWhole));
  return Value::object({{"Role", std::move(value)}});
}

Result<Value> list_instance_profiles_for_role(const Request& r) {
  COFFER_CHECK_OK(entity_named(r, Kind::kRole));
  // There are no instances here; clients ask before they delete a role.
  return Value::object({{"InstanceProfiles", api::List{}}, {"IsTruncated", false}});
}

}  // namespace coffer::iam
