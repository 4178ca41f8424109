// What hangs on users, groups and roles: permissions boundary, attached and inline policies.
#include <algorithm>

#include "services/iam/arns.h"
#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;

namespace {

/// A policy that may be attached in the caller's account.
Result<rows::ManagedPolicy> attachable(const Request& r, const std::string& arn) {
  if (const AwsPolicy* known = find_aws_policy(arn)) return row_of(*known);
  COFFER_TRY(auto policy, rows::find_policy(r.t(), arn));
  if (policy && policy->account == r.account()) return std::move(*policy);
  if (!arn.starts_with("arn:aws:iam::") || arn.find(":policy/") == std::string::npos)
    return invalid_input("ARN " + arn + " is not valid.");
  return no_such_entity("Policy " + arn + " does not exist or is not attachable.");
}

Error no_such_inline(Kind kind, const std::string& name) {
  return no_such_entity("The " + std::string(words_of(kind).kind) + " policy with name " + name + " cannot be found.");
}

/// PolicyName and PolicyArn of an attached policy. The ARN is enough: its last part is the name.
Value attached_value(const std::string& arn) {
  return Value::object({{"PolicyName", arn.substr(arn.rfind('/') + 1)}, {"PolicyArn", arn}});
}

/// "/path/" of a policy's ARN.
std::string_view path_of(std::string_view arn) {
  const size_t begin = arn.find('/');
  return arn.substr(begin, arn.rfind('/') + 1 - begin);
}

/// Policies of one account have different names; one of AWS may have the same.
std::string attached_key(const std::string& arn) {
  return rows::lower(arn.substr(arn.rfind('/') + 1)) + (arn.starts_with(kAwsPolicyPrefix) ? "/aws" : "/");
}

}  // namespace

Result<std::string> boundary_of_input(const Request& r) {
  const std::string arn = r.text("PermissionsBoundary");
  auto policy = attachable(r, arn);
  if (policy.ok()) return arn;
  if (policy.code() != ErrorCode::kNotFound) return std::move(policy).error();
  return no_such_entity("Scope ARN: " + arn + " does not exist or is not attachable.");
}

Result<std::vector<Value>> attached_values(const Request& r, const Entity& e) {
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  std::vector<Value> values;
  for (const std::string& arn : arns) values.push_back(attached_value(arn));
  return values;
}

template <Kind K>
Result<Value> Policies<K>::put_boundary(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(e.boundary, boundary_of_input(r));
  COFFER_CHECK_OK(rows::update(r.t(), e));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Policies<K>::delete_boundary(const Request& r) {
  const Words& words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  if (e.boundary.empty()) {
    return no_such_entity("The " + std::string(words.kind) + " with name " + e.name +
                          " does not have a permissions boundary.");
  }
  e.boundary.clear();
  COFFER_CHECK_OK(rows::update(r.t(), e));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Policies<K>::attach(const Request& r) {
  const Words& words = words_of(K);
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(rows::ManagedPolicy policy, attachable(r, r.text("PolicyArn")));
  if (policy.aws && policy.path.starts_with("/aws-service-role/"))
    return not_attachable("Cannot attach a Service Role Policy to a Customer " + std::string(words.noun) + ".");
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  if (std::find(arns.begin(), arns.end(), policy.arn) != arns.end()) return Value::object();
  if (static_cast<int64_t>(arns.size()) >= quotas::kAttachedPolicies)
    return quota_exceeded("PoliciesPer" + std::string(words.noun), quotas::kAttachedPolicies);
  COFFER_CHECK_OK(rows::attach(r.t(), e.id, policy.arn));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Policies<K>::detach(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  COFFER_TRY(bool was_attached, rows::detach(r.t(), e.id, r.text("PolicyArn")));
  if (!was_attached) return no_such_entity("Policy " + r.text("PolicyArn") + " was not found.");
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Policies<K>::list_attached(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_TRY(auto arns, rows::attached(r.t(), e.id));
  std::vector<PageItem> items;
  for (const std::string& arn : arns) {
    if (!path_of(arn).starts_with(r.text("PathPrefix"))) continue;
    items.push_back({attached_key(arn), [arn]() -> Result<Value> { return attached_value(arn); }});
  }
  return page_of(r, "AttachedPolicies", std::move(items));
}

template <Kind K>
Result<Value> Policies<K>::put_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  const std::string name = r.text("PolicyName"), document = r.text("PolicyDocument");
  COFFER_CHECK_OK(policy::Document::parse(document, policy::Kind::kIdentity));
  size_t size = policy::size_without_whitespace(document);
  COFFER_TRY(auto others, rows::inline_policies(r.t(), e.id));
  for (const auto& other : others) {
    if (other.name != name) size += policy::size_without_whitespace(other.document);
  }
  const int64_t most = quotas::inline_size(K);
  if (size > static_cast<size_t>(most)) {
    return limit_exceeded("Maximum policy size of " + std::to_string(most) + " bytes exceeded for " +
                          std::string(words_of(K).kind) + " " + e.name);
  }
  COFFER_CHECK_OK(rows::put_inline(r.t(), e.id, name, document));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template <Kind K>
Result<Value> Policies<K>::get_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  const std::string name = r.text("PolicyName");
  COFFER_TRY(auto document, rows::inline_policy(r.t(), e.id, name));
  if (!document) return no_such_inline(K, name);
  return Value::object(
      {{std::string(words_of(K).name), e.name}, {"PolicyName", name}, {"PolicyDocument", std::move(*document)}});
}

template <Kind K>
Result<Value> Policies<K>::list_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_TRY(auto inlines, rows::inline_policies(r.t(), e.id));
  std::vector<PageItem> items;
  for (const auto& one : inlines)
    items.push_back({one.name, [name = one.name]() -> Result<Value> { return Value(name); }});
  return page_of(r, "PolicyNames", std::move(items));
}

template <Kind K>
Result<Value> Policies<K>::delete_inline(const Request& r) {
  COFFER_TRY(Entity e, entity_named(r, K));
  COFFER_CHECK_OK(check_modifiable(e));
  const std::string name = r.text("PolicyName");
  COFFER_TRY(auto document, rows::inline_policy(r.t(), e.id, name));
  if (!document) return no_such_inline(K, name);
  COFFER_CHECK_OK(rows::remove_inline(r.t(), e.id, name));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

template struct Policies<Kind::kUser>;
template struct Policies<Kind::kGroup>;
template struct Policies<Kind::kRole>;

}  // namespace coffer::iam
