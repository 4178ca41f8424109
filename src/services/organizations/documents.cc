#include "services/organizations/documents.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "services/organizations/effective.h"
#include "services/organizations/faults.h"
#include "services/organizations/names.h"

namespace coffer::organizations {
namespace {

struct TypeLimits {
  std::string_view type;
  size_t characters_max;
  int64_t policies_max, attachments_max;
  std::string_view top_key;  // of management policies; empty: not checked
};
constexpr TypeLimits kTypes[] = {
    {kServiceControl, 5120, 10000, 5, ""},
    {kResourceControl, 5120, 1000, 5, ""},
    {"TAG_POLICY", 10000, 1000, 10, "tags"},
    {"BACKUP_POLICY", 10000, 1000, 10, "plans"},
    {"AISERVICES_OPT_OUT_POLICY", 2500, 1000, 5, "services"},
};
constexpr TypeLimits kOtherType{"", 10000, 1000, 10, ""};

const TypeLimits& limits_of(std::string_view type) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& t) { return t.type == type; });
  return found == std::end(kTypes) ? kOtherType : *found;
}

size_t count_characters(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// What the User Guide lists for delegation policies.
constexpr std::string_view kDelegable[] = {"AttachPolicy",
                                           "CreatePolicy",
                                           "DeletePolicy",
                                           "DescribeAccount",
                                           "DescribeCreateAccountStatus",
                                           "DescribeEffectivePolicy",
                                           "DescribeOrganization",
                                           "DescribeOrganizationalUnit",
                                           "DescribePolicy",
                                           "DescribeResourcePolicy",
                                           "DetachPolicy",
                                           "DisablePolicyType",
                                           "EnablePolicyType",
                                           "ListAWSServiceAccessForOrganization",
                                           "ListAccounts",
                                           "ListAccountsForParent",
                                           "ListChildren",
                                           "ListCreateAccountStatus",
                                           "ListDelegatedAdministrators",
                                           "ListDelegatedServicesForAccount",
                                           "ListHandshakesForAccount",
                                           "ListHandshakesForOrganization",
                                           "ListOrganizationalUnitsForParent",
                                           "ListParents",
                                           "ListPolicies",
                                           "ListPoliciesForTarget",
                                           "ListRoots",
                                           "ListTagsForResource",
                                           "ListTargetsForPolicy",
                                           "TagResource",
                                           "UntagResource",
                                           "UpdatePolicy"};

bool names_delegable_action(std::string_view action) {
  constexpr std::string_view kPrefix = "organizations:";
  if (lower_case(action.substr(0, kPrefix.size())) != kPrefix) return false;
  const std::string_view pattern = action.substr(kPrefix.size());
  return std::any_of(std::begin(kDelegable), std::end(kDelegable),
                     [&](std::string_view name) { return policy::glob_match(pattern, name, true); });
}

/// The strings of an element that may be one or a list; the document has been parsed, so it is one of these.
std::vector<std::string> one_or_many(const boost::json::value& element) {
  std::vector<std::string> all;
  const auto add = [&](const boost::json::value& v) {
    if (v.is_string()) all.emplace_back(v.get_string().data(), v.get_string().size());
  };
  if (element.is_array()) {
    for (const auto& item : element.get_array()) add(item);
  } else {
    add(element);
  }
  return all;
}

Status check_delegated_actions(std::string_view content) {
  boost::system::error_code failed;
  const auto document = boost::json::parse(boost::json::string_view(content.data(), content.size()), failed);
  if (failed || !document.is_object())
    return invalid_input("INVALID_RESOURCE_POLICY_JSON", "The provided resource policy is not JSON.");
  const boost::json::value* statements = document.get_object().if_contains("Statement");
  if (!statements) return ok_status();
  const auto check = [](const boost::json::value& statement) -> Status {
    const auto unsupported = [](const std::string& what) {
      return invalid_input("UNSUPPORTED_ACTION_IN_RESOURCE_POLICY",
                           "The provided resource policy contains an unsupported action: " + what);
    };
    if (!statement.is_object()) return ok_status();
    if (statement.get_object().contains("NotAction")) return unsupported("NotAction");
    const boost::json::value* actions = statement.get_object().if_contains("Action");
    if (!actions) return ok_status();
    for (const std::string& action : one_or_many(*actions)) {
      if (!names_delegable_action(action)) return unsupported(action);
    }
    return ok_status();
  };
  if (!statements->is_array()) return check(*statements);
  for (const auto& statement : statements->get_array()) COFFER_CHECK_OK(check(statement));
  return ok_status();
}

}  // namespace

int64_t policies_max(std::string_view type) { return limits_of(type).policies_max; }
int64_t attachments_max(std::string_view type) { return limits_of(type).attachments_max; }

Status check_content(std::string_view type, std::string_view content) {
  const TypeLimits& limits = limits_of(type);
  if (count_characters(content) > limits.characters_max)
    return constraint("POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the allowed size of a policy of this type: " +
                                                           std::to_string(limits.characters_max) + " characters.");
  if (type != kServiceControl && type != kResourceControl) return check_management_policy(content, limits.top_key);
  const auto kind = type == kServiceControl ? policy::Kind::kService : policy::Kind::kResourceControl;
  auto document = policy::Document::parse(content, kind);
  if (document.ok()) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "MalformedPolicyDocumentException", document.error().message);
}

Result<std::shared_ptr<const policy::Document>> parsed_document(std::string_view content, policy::Kind kind) {
  // Keyed by what was parsed, never by an id: nothing here can be out of date.
  constexpr size_t kEntriesMax = 1024;
  static std::mutex mutex;
  static std::map<std::pair<policy::Kind, std::string>, std::shared_ptr<const policy::Document>> cache;
  std::pair<policy::Kind, std::string> key(kind, content);
  {
    std::lock_guard lock(mutex);
    if (const auto found = cache.find(key); found != cache.end()) return found->second;
  }
  COFFER_TRY(auto document, policy::Document::parse(content, kind));
  std::lock_guard lock(mutex);
  if (cache.size() >= kEntriesMax) cache.clear();
  cache.emplace(std::move(key), document);
  return document;
}

Status check_resource_policy(std::string_view content) {
  auto document = policy::Document::parse(content, policy::Kind::kResource);
  if (!document.ok()) return invalid_input("INVALID_RESOURCE_POLICY_JSON", document.error().message);
  for (const policy::PrincipalEntry& principal : (*document)->principals()) {
    if (principal.type != policy::PrincipalEntry::Type::kAws)
      return invalid_input("INVALID_PRINCIPAL",
                           "The provided resource policy contains an invalid principal: only AWS "
                           "accounts and their users and roles may be named.");
  }
  return check_delegated_actions(content);
}

}  // namespace coffer::organizations
