// What each operation must be allowed. Vaults have a policy of their own, which also decides about the recovery points
// in them; roles that are handed over need iam:PassRole.
#include "services/backup/plan_documents.h"

namespace coffer::backup {
namespace {

using api::AccessRequest;
using Requests = std::vector<AccessRequest>;

std::string action_of(const Request& r) { return "backup:" + r.call().operation; }

Status add_tags(catalog::Transaction& t, std::string_view arn, AccessRequest& request) {
  COFFER_TRY(const rows::Tags tags, rows::tags(t, arn));
  for (const auto& [key, value] : tags)
    request.conditions.emplace_back("aws:ResourceTag/" + key, std::vector<std::string>{value});
  return ok_status();
}

void add_request_tags(const std::map<std::string, std::string>& tags, AccessRequest& request) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : tags) {
    request.conditions.emplace_back("aws:RequestTag/" + key, std::vector<std::string>{value});
    keys.push_back(key);
  }
  if (!keys.empty()) request.conditions.emplace_back("aws:TagKeys", std::move(keys));
}

/// What is made with tags needs the permission to tag.
void add_tagging(const std::map<std::string, std::string>& tags, const std::string& arn, Requests& requests) {
  if (tags.empty()) return;
  add_request_tags(tags, requests.front());
  AccessRequest request;
  request.action = "backup:TagResource";
  request.resource = arn;
  add_request_tags(tags, request);
  requests.push_back(std::move(request));
}

void add_pass_role(std::string_view role, Requests& requests) {
  if (!is_role_arn(role)) return;  // the operation refuses it
  AccessRequest pass;
  pass.action = "iam:PassRole";
  pass.resource = role;
  pass.resource_account = parse_arn(role)->account;
  pass.conditions.emplace_back("iam:PassedToService", std::vector<std::string>{std::string(kPrincipal)});
  requests.push_back(std::move(pass));
}

AccessRequest on(const Request& r, std::string resource) {
  AccessRequest request;
  request.action = action_of(r);
  request.resource = std::move(resource);
  return request;
}

std::string own_arn(const Request& r, const std::string& rest) {
  return "arn:aws:backup:" + r.region() + ":" + r.account() + ":" + rest;
}

/// A point's own ARN is asked about under the policy of its vault.
Result<AccessRequest> access_to_point(const Request& r, const rows::Vault& vault, std::string arn) {
  COFFER_TRY(AccessRequest request, access_to_vault(r.t(), vault, action_of(r)));
  request.resource = std::move(arn);
  request.conditions.clear();
  COFFER_CHECK_OK(add_tags(r.t(), request.resource, request));
  return request;
}

}  // namespace

Result<AccessRequest> access_to_vault(catalog::Transaction& t, const rows::Vault& vault, std::string action) {
  AccessRequest request;
  request.action = std::move(action);
  request.resource = vault.arn();
  request.resource_account = vault.account;
  COFFER_TRY(auto document, policy_of(vault));
  if (document) request.resource_policy = std::move(*document);
  COFFER_CHECK_OK(add_tags(t, request.resource, request));
  return request;
}

Result<Requests> access_plain(const Request& r) { return Requests{on(r, "*")}; }

Result<Requests> access_vault(const Request& r) {
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), r.account(), r.region(), r.text("BackupVaultName")));
  if (!vault) return Requests{on(r, own_arn(r, "backup-vault:" + r.text("BackupVaultName")))};
  COFFER_TRY(AccessRequest request, access_to_vault(r.t(), *vault, action_of(r)));
  return Requests{std::move(request)};
}

Result<Requests> access_new_vault(const Request& r) {
  const std::string arn = own_arn(r, "backup-vault:" + r.text("BackupVaultName"));
  Requests requests{on(r, arn)};
  add_tagging(r.input().text_map("BackupVaultTags"), arn, requests);
  return requests;
}

Result<Requests> access_plan(const Request& r) {
  AccessRequest request = on(r, own_arn(r, "backup-plan:" + r.text("BackupPlanId")));
  COFFER_CHECK_OK(add_tags(r.t(), request.resource, request));
  return Requests{std::move(request)};
}

Result<Requests> access_new_plan(const Request& r) {
  const std::string arn = own_arn(r, "backup-plan:*");
  Requests requests{on(r, arn)};
  add_tagging(r.input().text_map("BackupPlanTags"), arn, requests);
  return requests;
}

Result<Requests> access_new_selection(const Request& r) {
  COFFER_TRY(Requests requests, access_plan(r));
  if (const api::Value* selection = r.input().find("BackupSelection"))
    add_pass_role(selection->text("IamRoleArn"), requests);
  return requests;
}

Result<Requests> access_point(const Request& r) {
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), r.account(), r.region(), r.text("BackupVaultName")));
  if (!vault) return Requests{on(r, r.text("RecoveryPointArn"))};
  COFFER_TRY(AccessRequest request, access_to_point(r, *vault, r.text("RecoveryPointArn")));
  return Requests{std::move(request)};
}

Result<Requests> access_start_backup(const Request& r) {
  COFFER_TRY(Requests requests, access_vault(r));
  add_pass_role(r.input().text("IamRoleArn"), requests);
  return requests;
}

Result<Requests> access_start_copy(const Request& r) {
  Requests requests{on(r, r.text("RecoveryPointArn"))};
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), r.account(), r.region(), r.text("SourceBackupVaultName")));
  if (vault) {
    COFFER_TRY(requests.front(), access_to_point(r, *vault, r.text("RecoveryPointArn")));
    COFFER_TRY(AccessRequest from, access_to_vault(r.t(), *vault, "backup:CopyFromBackupVault"));
    // Nobody needs this permission; a policy may deny it.
    from.granted = true;
    requests.push_back(std::move(from));
  }
  add_pass_role(r.input().text("IamRoleArn"), requests);
  return requests;
}

Result<Requests> access_start_restore(const Request& r) {
  Requests requests{on(r, r.text("RecoveryPointArn"))};
  COFFER_TRY(const auto point, rows::find_point(r.t(), r.text("RecoveryPointArn")));
  if (point && point->account == r.account()) {
    COFFER_TRY(const auto vault, rows::find_vault(r.t(), point->account, point->region, point->vault));
    if (vault) {
      COFFER_TRY(requests.front(), access_to_point(r, *vault, point->arn));
    }
  }
  add_pass_role(r.input().text("IamRoleArn"), requests);
  return requests;
}

Result<Requests> access_new_hold(const Request& r) {
  const std::string arn = own_arn(r, "legal-hold:*");
  Requests requests{on(r, arn)};
  add_tagging(r.input().text_map("Tags"), arn, requests);
  return requests;
}

Result<Requests> access_hold(const Request& r) {
  AccessRequest request = on(r, own_arn(r, "legal-hold:" + r.text("LegalHoldId")));
  COFFER_CHECK_OK(add_tags(r.t(), request.resource, request));
  return Requests{std::move(request)};
}

Result<Requests> access_tags(const Request& r) {
  const std::string arn = r.text("ResourceArn");
  AccessRequest request = on(r, arn);
  COFFER_TRY(const auto vault, rows::find_vault(r.t(), arn));
  COFFER_TRY(const auto point, rows::find_point(r.t(), arn));
  if (vault && vault->account == r.account()) {
    COFFER_TRY(request, access_to_vault(r.t(), *vault, action_of(r)));
  } else if (point && point->account == r.account()) {
    COFFER_TRY(const auto holder, rows::find_vault(r.t(), point->account, point->region, point->vault));
    if (holder) {
      COFFER_TRY(request, access_to_point(r, *holder, arn));
    }
  } else {
    COFFER_CHECK_OK(add_tags(r.t(), arn, request));
  }
  add_request_tags(r.input().text_map("Tags"), request);
  if (const auto keys = r.input().texts("TagKeyList"); !keys.empty())
    request.conditions.emplace_back("aws:TagKeys", keys);
  return Requests{std::move(request)};
}

}  // namespace coffer::backup
