#include "services/iam/principals.h"

#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/organizations/service.h"

namespace coffer::iam {
namespace {

using policy::Document;
using policy::Kind;
using policy::NamedDocument;
using CallerKind = api::Caller::Kind;

constexpr std::string_view kSourceType = "IAM Policy";

/// A stored document was valid when it was stored; should it not be now, nobody gets anything by it, and a Deny in it
/// must not be lost: so the whole decision fails.
Result<NamedDocument> named(std::string id, std::string_view text) {
  auto document = Document::parse(text, Kind::kIdentity);
  if (!document.ok()) return Error{ErrorCode::kCorruption, "policy " + id + ": " + document.error().message, {}};
  return NamedDocument{std::move(id), std::string(kSourceType), std::move(*document)};
}

/// Stands where a policy was that limited somebody and is gone.
Result<NamedDocument> nothing(std::string id) {
  return named(std::move(id), R"({"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})");
}

std::map<std::string, std::string> tag_map(const std::vector<rows::Tag>& tags) {
  std::map<std::string, std::string> map;
  for (const rows::Tag& tag : tags) map[tag.key] = tag.value;
  return map;
}

/// Session tags win over those of the role or user; keys are the same in any case.
void add_session_tags(std::map<std::string, std::string>& tags, const std::map<std::string, std::string>& of_session) {
  for (const auto& [key, value] : of_session) {
    std::erase_if(tags, [name = rows::lower(key)](const auto& tag) { return rows::lower(tag.first) == name; });
    tags[key] = value;
  }
}

Result<std::vector<NamedDocument>> session_policies(catalog::Transaction& t, const Session& session) {
  std::vector<NamedDocument> documents;
  for (const std::string& text : session.policies) {
    COFFER_TRY(NamedDocument document, named("SessionPolicy", text));
    documents.push_back(std::move(document));
  }
  for (const std::string& arn : session.policy_arns) {
    COFFER_TRY(auto document, managed_document(t, arn));
    if (document) documents.push_back(std::move(*document));  // one that is gone allows nothing
  }
  return documents;
}

/// Adds where the account stands in an organization.
Result<Identity> finished(catalog::Transaction& t, Identity identity, policy::PrincipalPolicies policies) {
  COFFER_TRY(auto membership, organizations::membership(t, identity.caller.account));
  if (membership) {
    identity.organization_id = membership->organization_id;
    identity.organization_path = membership->path;
    COFFER_TRY(policies.service_control, organizations::service_control_levels(t, identity.caller.account));
    COFFER_TRY(identity.resource_control, organizations::resource_control_levels(t, identity.caller.account));
  }
  identity.policies = std::make_shared<const policy::PrincipalPolicies>(std::move(policies));
  return identity;
}

}  // namespace

Result<std::optional<NamedDocument>> managed_document(catalog::Transaction& t, std::string_view arn) {
  if (const AwsPolicy* known = find_aws_policy(arn))
    return std::optional(NamedDocument{std::string(arn), std::string(kSourceType), document_of(*known)});
  COFFER_TRY(auto policy, rows::find_policy(t, arn));
  if (!policy) return std::optional<NamedDocument>();
  COFFER_TRY(auto version, rows::version(t, arn, policy->default_version));
  if (!version) return Error{ErrorCode::kCorruption, "policy " + std::string(arn) + " lacks its default version", {}};
  COFFER_TRY(NamedDocument document, named(std::string(arn), version->document));
  return std::optional(std::move(document));
}

Status collect_policies(catalog::Transaction& t, const rows::Entity& entity, std::vector<NamedDocument>& into) {
  COFFER_TRY(auto inlines, rows::inline_policies(t, entity.id));
  for (const rows::InlinePolicy& one : inlines) {
    COFFER_TRY(NamedDocument document,
               named(std::string(rows::kind_name(entity.kind)) + "_" + entity.name + "_" + one.name, one.document));
    into.push_back(std::move(document));
  }
  COFFER_TRY(auto arns, rows::attached(t, entity.id));
  for (const std::string& arn : arns) {
    COFFER_TRY(auto document, managed_document(t, arn));
    if (!document) {
      COFFER_TRY(document, nothing(arn));  // what it denied is not known any more
    }
    into.push_back(std::move(*document));
  }
  return ok_status();
}

Result<policy::PrincipalPolicies> policies_of(catalog::Transaction& t, const rows::Entity& entity) {
  policy::PrincipalPolicies policies;
  COFFER_CHECK_OK(collect_policies(t, entity, policies.identity));
  if (entity.kind == rows::Kind::kUser) {
    COFFER_TRY(auto groups, rows::groups_of(t, entity.id));
    for (const rows::Entity& group : groups) COFFER_CHECK_OK(collect_policies(t, group, policies.identity));
  }
  if (!entity.boundary.empty()) {
    COFFER_TRY(policies.boundary, managed_document(t, entity.boundary));
    if (!policies.boundary) {
      COFFER_TRY(policies.boundary, nothing(entity.boundary));
    }
  }
  return policies;
}

Result<Identity> identity_of_root(catalog::Transaction& t, std::string_view account) {
  Identity identity;
  api::Caller& caller = identity.caller;
  caller.kind = CallerKind::kRoot;
  caller.account = account;
  caller.arn = caller.principal_arn = "arn:aws:iam::" + std::string(account) + ":root";
  caller.principal_id = caller.user_id = account;
  return finished(t, std::move(identity), {});
}

Result<Identity> identity_of_user(catalog::Transaction& t, const rows::Entity& user) {
  Identity identity;
  api::Caller& caller = identity.caller;
  caller.kind = CallerKind::kUser;
  caller.account = user.account;
  caller.arn = caller.principal_arn = user.arn();
  caller.principal_id = caller.user_id = user.id;
  caller.user_name = user.name;
  COFFER_TRY(auto tags, rows::tags(t, user.id));
  caller.tags = tag_map(tags);
  COFFER_TRY(auto policies, policies_of(t, user));
  return finished(t, std::move(identity), std::move(policies));
}

Result<Identity> identity_of_session(catalog::Transaction& t, const Session& session) {
  Identity identity;
  api::Caller& caller = identity.caller;
  caller = session.caller;
  caller.transitive_tags = session.transitive_tags;
  policy::PrincipalPolicies policies;
  if (caller.principal_id != caller.account) {  // the root user's sessions have no row behind them
    COFFER_TRY(auto entity, rows::find_by_id(t, caller.principal_id));
    if (!entity) return invalid_token();
    COFFER_TRY(policies, policies_of(t, *entity));
    if (caller.kind != CallerKind::kFederatedUser) {  // which has its session's tags alone
      COFFER_TRY(auto tags, rows::tags(t, entity->id));
      caller.tags = tag_map(tags);
      add_session_tags(caller.tags, session.caller.tags);
    }
    if (caller.kind == CallerKind::kRoleSession) caller.principal_arn = entity->arn();
    if (caller.kind == CallerKind::kUser) {  // perhaps renamed since
      caller.arn = caller.principal_arn = entity->arn();
      caller.user_name = entity->name;
    }
  }
  if (session.has_policies) {
    COFFER_TRY(policies.session, session_policies(t, session));
  }
  return finished(t, std::move(identity), std::move(policies));
}

}  // namespace coffer::iam
