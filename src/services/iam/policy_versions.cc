// Versions of managed policies: at most five, one of which counts.
#include <algorithm>

#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"
#include "services/iam/pages.h"
#include "services/iam/quotas.h"

namespace coffer::iam {

using api::Value;
using rows::ManagedPolicy;
using rows::PolicyVersion;

namespace {

/// "v7" is 7.
std::optional<int64_t> version_number(std::string_view name) {
  constexpr size_t kDigitsMax = 12;
  if (name.size() < 2 || name.size() > kDigitsMax || name[0] != 'v' || name[1] == '0') return std::nullopt;
  int64_t number = 0;
  for (char c : name.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

Result<PolicyVersion> version_named(const Request& r, const ManagedPolicy& p) {
  const std::optional<int64_t> number = version_number(r.text("VersionId"));
  COFFER_TRY(auto all, versions_of(r, p));
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const PolicyVersion& v) { return number && v.number == *number; });
  if (found != all.end()) return *found;
  return no_such_entity("Policy " + p.arn + " version " + r.text("VersionId") +
                        " does not exist or is not attachable.");
}

}  // namespace

std::string version_name(int64_t number) { return "v" + std::to_string(number); }

Result<std::string> managed_document_of_input(const Request& r) {
  std::string document = r.text("PolicyDocument");
  COFFER_CHECK_OK(policy::Document::parse(document, policy::Kind::kIdentity));
  if (policy::size_without_whitespace(document) > static_cast<size_t>(quotas::kManagedPolicySize))
    return quota_exceeded("PolicySize", quotas::kManagedPolicySize);
  return document;
}

Result<std::vector<PolicyVersion>> versions_of(const Request& r, const ManagedPolicy& p) {
  if (!p.aws) return rows::versions(r.t(), p.arn);
  return std::vector<PolicyVersion>{{1, std::string(find_aws_policy(p.arn)->text), p.created}};
}

Value described(const ManagedPolicy& p, const PolicyVersion& v, bool with_document) {
  Value value = Value::object({{"VersionId", version_name(v.number)},
                               {"IsDefaultVersion", v.number == p.default_version},
                               {"CreateDate", v.created}});
  if (with_document) value.set("Document", v.document);
  return value;
}

Result<Value> create_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(std::string document, managed_document_of_input(r));
  COFFER_TRY(auto there, rows::versions(r.t(), p.arn));
  if (static_cast<int64_t>(there.size()) >= quotas::kVersionsPerPolicy) {
    return limit_exceeded(
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing "
        "version.");
  }
  const PolicyVersion made{p.next_version, std::move(document), r.now()};
  COFFER_CHECK_OK(rows::insert_version(r.t(), p.arn, made));
  ++p.next_version;
  if (r.input().flag("SetAsDefault")) p.default_version = made.number;
  p.updated = r.now();
  COFFER_CHECK_OK(rows::update_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object({{"PolicyVersion", described(p, made, false)}});
}

Result<Value> get_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r));
  COFFER_TRY(PolicyVersion version, version_named(r, p));
  return Value::object({{"PolicyVersion", described(p, version, true)}});
}

Result<Value> list_policy_versions(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r));
  COFFER_TRY(auto all, versions_of(r, p));
  std::vector<PageItem> items;
  for (const PolicyVersion& version : all) {
    const auto newest_first = static_cast<size_t>(99'999'999 - version.number);
    items.push_back(
        {index_key(newest_first), [p, version]() -> Result<Value> { return described(p, version, false); }});
  }
  return page_of(r, "Versions", std::move(items));
}

Result<Value> delete_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(PolicyVersion version, version_named(r, p));
  if (version.number == p.default_version) return delete_conflict("Cannot delete the default version of a policy.");
  COFFER_CHECK_OK(rows::remove_version(r.t(), p.arn, version.number));
  return Value::object();
}

Result<Value> set_default_policy_version(const Request& r) {
  COFFER_TRY(ManagedPolicy p, policy_named(r, true));
  COFFER_TRY(PolicyVersion version, version_named(r, p));
  p.default_version = version.number;
  p.updated = r.now();
  COFFER_CHECK_OK(rows::update_policy(r.t(), p));
  COFFER_CHECK_OK(rows::changed(r.t()));
  return Value::object();
}

}  // namespace coffer::iam
