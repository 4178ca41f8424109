#include "services/iam/principals.h"

#include "services/api/fault.h"
#include "services/organizations/service.h"

namespace coffer::iam {
namespace {

using policy::Document;
using policy::Kind;
using policy::NamedDocument;

/// A stored document was valid when it was stored; should it not be now, nobody gets anything by it, and a Deny in it
/// must not be lost: so the whole decision fails.
Result<NamedDocument> named(std::string id, std::string_view text) {
  COFFER_TRY(auto document, Document::parse(text, Kind::kIdentity));
  return NamedDocument{std::move(id), "IAM Policy", std::move(document)};
}

Status add_organization(catalog::Transaction& t, Identity& identity, policy::PrincipalPolicies& policies) {
  const std::string& account = identity.caller.account;
  COFFER_TRY(auto membership, organizations::membership(t, account));
  if (!membership) return ok_status();
  identity.organization_id = membership->organization_id;
  identity.organization_path = membership->path;
  COFFER_TRY(policies.service_control, organizations::service_control_levels(t, account));
  return ok_status();
}

std::map<std::string, std::string> tag_map(const std::vector<rows::Tag>& tags) {
  std::map<std::string, std::string> map;
  for (const rows::Tag& tag : tags) map[tag.key] = tag.value;
  return map;
}

Result<Identity> finished(catalog::Transaction& t, Identity identity, policy::PrincipalPolicies policies) {
  COFFER_CHECK_OK(add_organization(t, identity, policies));
  identity.policies = std::make_shared<const policy::PrincipalPolicies>(std::move(policies));
  return identity;
}

}  // namespace

Result<std::optional<NamedDocument>> managed_document(catalog::Transaction& t, std::string_view arn) {
  for (const AwsPolicy& known : aws_policies()) {
    if (known.arn != arn) continue;
    COFFER_TRY(NamedDocument document, named(std::string(arn), known.document));
    return std::optional(std::move(document));
  }
  COFFER_TRY(auto policy, rows::find_policy(t, arn));
  if (!policy) return std::optional<NamedDocument>();
  COFFER_TRY(auto version, rows::version(t, arn, policy->default_version));
  if (!version) return std::optional<NamedDocument>();
  COFFER_TRY(NamedDocument document, named(std::string(arn), version->document));
  return std::optional(std::move(document));
}

Status collect_policies(catalog::Transaction& t, const rows::Entity& entity, std::vector<NamedDocument>& into) {
  COFFER_TRY(auto names, rows::inline_names(t, entity.id));
  for (const std::string& name : names) {
    COFFER_TRY(auto text, rows::inline_policy(t, entity.id, name));
    COFFER_TRY(NamedDocument document,
               named(std::string(rows::kind_name(entity.kind)) + "_" + entity.name + "_" + name, text.value_or("")));
    into.push_back(std::move(document));
  }
  COFFER_TRY(auto arns, rows::attached(t, entity.id));
  for (const std::string& arn : arns) {
    COFFER_TRY(auto document, managed_document(t, arn));
    if (document) into.push_back(std::move(*document));
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
    COFFER_TRY(auto boundary, managed_document(t, entity.boundary));
    // A boundary that is gone bounds everything away.
    COFFER_TRY(auto nothing,
               Document::parse(R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})", Kind::kIdentity));
    policies.boundary =
        boundary ? std::move(*boundary) : NamedDocument{entity.boundary, "IAM Policy", std::move(nothing)};
  }
  return policies;
}

Result<Identity> identity_of_root(catalog::Transaction& t, std::string_view account) {
  Identity identity;
  api::Caller& caller = identity.caller;
  caller.kind = api::Caller::Kind::kRoot;
  caller.account = account;
  caller.arn = caller.principal_arn = "arn:aws:iam::" + std::string(account) + ":root";
  caller.principal_id = caller.user_id = account;
  return finished(t, std::move(identity), {});
}

Result<Identity> identity_of_user(catalog::Transaction& t, const rows::Entity& user) {
  Identity identity;
  api::Caller& caller = identity.caller;
  caller.kind = api::Caller::Kind::kUser;
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
  const Error gone = api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId",
                                "The security token included in the request is invalid.");
  Identity identity;
  identity.caller = session.caller;
  policy::PrincipalPolicies policies;
  if (session.caller.principal_id != session.caller.account) {  // root's own sessions have no row
    COFFER_TRY(auto entity, rows::find_by_id(t, session.caller.principal_id));
    if (!entity) return gone;
    COFFER_TRY(policies, policies_of(t, *entity));
    COFFER_TRY(auto tags, rows::tags(t, entity->id));
    identity.caller.tags = tag_map(tags);
    for (const auto& [key, value] : session.caller.tags) identity.caller.tags[key] = value;
    if (entity->kind == rows::Kind::kRole) identity.caller.principal_arn = entity->arn();
  }
  if (session.has_policies) {
    policies.session.emplace();
    for (const std::string& text : session.policies) {
      COFFER_TRY(NamedDocument document, named("SessionPolicy", text));
      policies.session->push_back(std::move(document));
    }
    for (const std::string& arn : session.policy_arns) {
      COFFER_TRY(auto document, managed_document(t, arn));
      if (document) policies.session->push_back(std::move(*document));
    }
  }
  return finished(t, std::move(identity), std::move(policies));
}

Result<std::shared_ptr<const Document>> trust_document(const rows::Entity& role) {
  return Document::parse(role.trust_resolved, Kind::kTrust);
}

Result<std::string> resolve_principals(catalog::Transaction& t, const Document& document) {
  std::string text = document.text();
  for (const policy::PrincipalEntry& entry : document.principals()) {
    if (entry.type != policy::PrincipalEntry::Type::kAws) continue;
    const std::string& value = entry.value;
    const Error unknown = api::fault(ErrorCode::kInvalidArgument, "MalformedPolicyDocument",
                                     "Invalid principal in policy: \"AWS\":\"" + value + "\"");
    if (value.size() == 12 || value.ends_with(":root")) {
      COFFER_TRY(bool exists, rows::account_exists(t, value.size() == 12 ? value : value.substr(13, 12)));
      // Accounts of other installations are not known here; they may be named.
      static_cast<void>(exists);
      continue;
    }
    if (!value.starts_with("arn:")) {
      COFFER_TRY(auto entity, rows::find_by_id(t, value));
      if (!entity) return unknown;
      continue;
    }
    if (value.starts_with("arn:aws:sts::")) continue;  // sessions need not exist yet
    const std::string account = value.substr(13, 12);
    COFFER_TRY(bool ours, rows::account_exists(t, account));
    if (!ours) continue;
    const std::string resource = value.substr(26);
    const bool user = resource.starts_with("user/");
    if (!user && !resource.starts_with("role/")) return unknown;
    COFFER_TRY(auto entity, rows::find(t, user ? rows::Kind::kUser : rows::Kind::kRole, account,
                                       resource.substr(resource.rfind('/') + 1)));
    if (!entity || entity->arn() != value) return unknown;
    const std::string quoted = "\"" + value + "\"";
    for (size_t at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at + 1))
      text.replace(at, quoted.size(), "\"" + entity->id + "\"");
  }
  return text;
}

std::span<const AwsPolicy> aws_policies() {
  static constexpr std::string_view kAll =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]})";
  static constexpr AwsPolicy kPolicies[] = {
      {"arn:aws:iam::aws:policy/AdministratorAccess", "AdministratorAccess", "/",
       "Provides full access to all services and resources.", kAll},
      {"arn:aws:iam::aws:policy/PowerUserAccess", "PowerUserAccess", "/",
       "Full access except to users, groups and the organization.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*"],"Resource":"*"},{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]})"},
      {"arn:aws:iam::aws:policy/ReadOnlyAccess", "ReadOnlyAccess", "/", "Reads everything.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["backup:Describe*","backup:Get*","backup:List*","cloudtrail:LookupEvents","events:Describe*","events:List*","iam:Get*","iam:List*","kms:Describe*","kms:Get*","kms:List*","lambda:Get*","lambda:List*","logs:Describe*","logs:Get*","organizations:Describe*","organizations:List*","rds:Describe*","rds:List*","s3:Get*","s3:List*","sts:GetCallerIdentity"],"Resource":"*"}]})"},
      {"arn:aws:iam::aws:policy/IAMFullAccess", "IAMFullAccess", "/", "Full access to IAM.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]})"},
      {"arn:aws:iam::aws:policy/IAMReadOnlyAccess", "IAMReadOnlyAccess", "/", "Reads IAM.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","iam:Simulate*"],"Resource":"*"}]})"},
      {"arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser", "AWSKeyManagementServicePowerUser", "/",
       "Makes and uses KMS keys.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom","kms:Get*","kms:List*","kms:TagResource","kms:UntagResource"],"Resource":"*"}]})"},
      {"arn:aws:iam::aws:policy/AWSBackupFullAccess", "AWSBackupFullAccess", "/", "Full access to backups.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["backup:*","backup-storage:*","rds:Describe*","kms:DescribeKey","kms:ListAliases","kms:ListKeys","iam:ListRoles","iam:GetRole"],"Resource":"*"},{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}},{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/*AwsBackup*","Condition":{"StringLike":{"iam:PassedToService":"backup.amazonaws.com"}}}]})"},
      {"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
       "AWSBackupServiceRolePolicyForBackup", "/service-role/",
       "What the backup service needs to take backups.", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:AddTagsToResource","rds:CopyDBSnapshot","rds:CreateDBSnapshot","rds:DeleteDBSnapshot","rds:DescribeDBInstances","rds:DescribeDBSnapshots","rds:ListTagsForResource","rds:ModifyDBInstance","rds:ModifyDBSnapshotAttribute","backup:DescribeBackupVault","backup:CopyIntoBackupVault","tag:GetResources","kms:DescribeKey"],"Resource":"*"},{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*"],"Resource":"*","Condition":{"StringLike":{"kms:ViaService":["rds.*.amazonaws.com","backup.*.amazonaws.com"]}}},{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}]})"},
      {"arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
       "AWSBackupServiceRolePolicyForRestores", "/service-role/", "What the backup service needs to restore.",
       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:AddTagsToResource","rds:CreateDBInstance","rds:DeleteDBInstance","rds:DescribeDBInstances","rds:DescribeDBSnapshots","rds:RestoreDBInstanceFromDBSnapshot","rds:RestoreDBInstanceToPointInTime","kms:DescribeKey"],"Resource":"*"},{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey*","kms:ReEncrypt*"],"Resource":"*","Condition":{"StringLike":{"kms:ViaService":["rds.*.amazonaws.com","backup.*.amazonaws.com"]}}},{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}]})"},
  };
  return kPolicies;
}

}  // namespace coffer::iam
