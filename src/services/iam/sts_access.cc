// What must be allowed for the operations of STS.
#include "services/iam/arns.h"
#include "services/iam/sts.h"
#include "services/iam/trust.h"

namespace coffer::iam::sts {
namespace {

using api::AccessRequest;
using rows::Entity;

/// Nobody matches it. Stands in for the trust policy of a role that does not exist, so that the answer does not tell
/// that from a role that does not trust the caller.
Result<std::shared_ptr<const policy::Document>> trusts_nobody() {
  return policy::Document::parse(
      R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"nobody.amazonaws.com"},"Action":"sts:AssumeRole"}})",
      policy::Kind::kTrust);
}

void add_request_tags(const Request& r, api::ConditionKeys& conditions) {
  std::vector<std::string> keys;
  for (const api::Value& tag : r.input().list("Tags")) {
    keys.emplace_back(tag.text("Key"));
    conditions.emplace_back("aws:RequestTag/" + keys.back(), std::vector{std::string(tag.text("Value"))});
  }
  if (!keys.empty()) conditions.emplace_back("aws:TagKeys", std::move(keys));
}

api::ConditionKeys conditions_of_assuming(const Request& r) {
  api::ConditionKeys conditions;
  conditions.emplace_back("sts:RoleSessionName", std::vector{r.text("RoleSessionName")});
  if (r.input().has("ExternalId")) conditions.emplace_back("sts:ExternalId", std::vector{r.text("ExternalId")});
  const std::string& inherited = r.caller().source_identity;
  if (r.input().has("SourceIdentity") || !inherited.empty()) {
    conditions.emplace_back("sts:SourceIdentity",
                            std::vector{inherited.empty() ? r.text("SourceIdentity") : inherited});
  }
  if (auto keys = r.input().texts("TransitiveTagKeys"); !keys.empty())
    conditions.emplace_back("sts:TransitiveTagKeys", std::move(keys));
  add_request_tags(r, conditions);
  return conditions;
}

/// A federated user does its work and makes no further sessions.
Status check_not_federated(const Request& r) {
  if (r.caller().kind != api::Caller::Kind::kFederatedUser) return ok_status();
  return Error{ErrorCode::kPermissionDenied,
               "Cannot call " + r.operation.call.operation + " with the credentials of a federated user",
               {}};
}

/// GetSessionToken and GetFederationToken are for long-term credentials.
Status check_long_term(const Request& r) {
  if (!r.caller().token_issued) return ok_status();
  return Error{
      ErrorCode::kPermissionDenied, "Cannot call " + r.operation.call.operation + " with session credentials", {}};
}

}  // namespace

Result<std::vector<AccessRequest>> access_to_assume_role(const Request& r) {
  COFFER_CHECK_OK(check_not_federated(r));
  AccessRequest assume;
  assume.action = "sts:AssumeRole";
  assume.resource = r.text("RoleArn");
  assume.resource_policy_required = true;
  COFFER_TRY(auto role, role_of_arn(r.t(), assume.resource));
  if (role) {
    assume.resource_account = role->account;
    COFFER_TRY(assume.resource_policy, trust_document(*role));
    COFFER_TRY(auto tags, rows::tags(r.t(), role->id));
    for (const rows::Tag& tag : tags) {
      assume.conditions.emplace_back("aws:ResourceTag/" + tag.key, std::vector{tag.value});
      assume.conditions.emplace_back("iam:ResourceTag/" + tag.key, std::vector{tag.value});
    }
  } else {
    assume.resource_account = account_of_arn(assume.resource);
    COFFER_TRY(assume.resource_policy, trusts_nobody());
  }
  for (auto& condition : conditions_of_assuming(r)) assume.conditions.push_back(std::move(condition));

  std::vector<AccessRequest> requests{assume};
  if (!r.input().list("Tags").empty() || r.input().has("TransitiveTagKeys")) {
    requests.push_back(assume);
    requests.back().action = "sts:TagSession";
  }
  if (r.input().has("SourceIdentity")) {
    requests.push_back(assume);
    requests.back().action = "sts:SetSourceIdentity";
  }
  return requests;
}

Result<std::vector<AccessRequest>> access_to_get_session_token(const Request& r) {
  COFFER_CHECK_OK(check_long_term(r));
  return std::vector<AccessRequest>{};  // no policy can refuse it; what the session may do is the user's own
}

Result<std::vector<AccessRequest>> access_to_get_federation_token(const Request& r) {
  COFFER_CHECK_OK(check_long_term(r));
  AccessRequest federate;
  federate.action = "sts:GetFederationToken";
  federate.resource = "arn:aws:sts::" + r.account() + ":federated-user/" + r.text("Name");
  add_request_tags(r, federate.conditions);
  std::vector<AccessRequest> requests{federate};
  if (!r.input().list("Tags").empty()) {
    requests.push_back(std::move(federate));
    requests.back().action = "sts:TagSession";
  }
  return requests;
}

}  // namespace coffer::iam::sts
