// Roles that services make for themselves: known by service, changed by nobody.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/operations.h"

namespace coffer::iam {

using api::Value;
using rows::Entity;
using rows::Kind;

namespace {

struct KnownService {
  std::string_view principal, role, policy;
};
constexpr KnownService kServices[] = {
    {"backup.amazonaws.com", "AWSServiceRoleForBackup", "AWSBackupServiceLinkedRolePolicyForBackup"},
    {"reports.backup.amazonaws.com", "AWSServiceRoleForBackupReports", "AWSBackupServiceLinkedRolePolicyForBackup"},
    {"restore-testing.backup.amazonaws.com", "AWSServiceRoleForBackupRestoreTesting",
     "AWSBackupServiceLinkedRolePolicyForBackup"},
    {"rds.amazonaws.com", "AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"},
    {"organizations.amazonaws.com", "AWSServiceRoleForOrganizations", "AWSOrganizationsServiceTrustPolicy"},
    {"mrk.kms.amazonaws.com", "AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
     "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy"},
};

constexpr std::string_view kPathPrefix = "/aws-service-role/", kTaskPrefix = "task/aws-service-role/";

/// A deletion is done when DeleteServiceLinkedRole answers, so a task is nothing but its id: chance, and a code that
/// shows that this account was given it. It looks like a UUID.
std::string task_id(const Request& r, std::string_view role, ByteView chance8) {
  const Secret key(crypto::hkdf_expand_sha512(r.setting.root, as_bytes("iam deletion tasks v1"), 32));
  Bytes message = to_bytes(r.account() + "/" + std::string(role) + "/");
  append(message, chance8);
  Bytes id = to_bytes(chance8);
  append(id, ByteView(crypto::HmacSha256(key.view()).of(message)).first(8));
  std::string text = to_hex(id);
  for (size_t at : {20U, 16U, 12U, 8U}) text.insert(at, 1, '-');
  return std::string(kTaskPrefix) + std::string(role) + "/" + text;
}

}  // namespace

Result<Value> create_service_linked_role(const Request& r) {
  const std::string service = r.text("AWSServiceName");
  const auto* known = std::find_if(std::begin(kServices), std::end(kServices),
                                   [&](const KnownService& k) { return k.principal == service; });
  if (known == std::end(kServices))
    return invalid_input("Service Principal " + service + " has no service-linked role in this installation.");
  if (r.input().has("CustomSuffix")) return invalid_input("Custom suffix is not allowed for " + service);
  Entity role;
  role.kind = Kind::kRole;
  role.account = r.account();
  role.name = known->role;
  role.path = std::string(kPathPrefix) + service + "/";
  role.created = r.now();
  role.description = r.text("Description");
  role.trust = role.trust_resolved =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":")" + service +
      R"("},"Action":"sts:AssumeRole"}]})";
  COFFER_TRY(auto taken, rows::find(r.t(), Kind::kRole, role.account, role.name));
  if (taken) {
    return invalid_input("Service role name " + role.name +
                         " has been taken in this account, please try a different suffix.");
  }
  role.id = new_id("AROA", r.setting.entropy, 17);
  COFFER_CHECK_OK(rows::insert(r.t(), role));
  COFFER_CHECK_OK(
      rows::attach(r.t(), role.id, std::string(kAwsPolicyPrefix) + "aws-service-role/" + std::string(known->policy)));
  COFFER_CHECK_OK(rows::changed(r.t()));
  COFFER_TRY(Value value, described(r, role, Detail::kInList));
  return Value::object({{"Role", std::move(value)}});
}

Result<Value> delete_service_linked_role(const Request& r) {
  COFFER_TRY(Entity role, entity_named(r, Kind::kRole));
  if (!role.service_linked())
    return no_such_entity("The role with name " + role.name + " is not a service-linked role.");
  COFFER_CHECK_OK(rows::remove(r.t(), role));
  COFFER_CHECK_OK(rows::changed(r.t()));
  const std::string under_service = role.path.substr(kPathPrefix.size()) + role.name;
  return Value::object({{"DeletionTaskId", task_id(r, under_service, r.setting.entropy.array<8>())}});
}

Result<Value> service_linked_role_deletion_status(const Request& r) {
  const std::string task = r.text("DeletionTaskId");
  const size_t uuid = task.rfind('/') + 1;
  if (!task.starts_with(kTaskPrefix) || uuid <= kTaskPrefix.size())
    return invalid_input("The deletion task id " + task + " is not valid.");
  std::string digits = task.substr(uuid);
  std::erase(digits, '-');
  const auto id = from_hex(digits);
  const std::string role = task.substr(kTaskPrefix.size(), uuid - 1 - kTaskPrefix.size());
  if (!id.ok() || id->size() != 16 || task_id(r, role, ByteView(*id).first(8)) != task)
    return no_such_entity("The deletion task " + task + " cannot be found.");
  return Value::object({{"Status", "SUCCEEDED"}});
}

}  // namespace coffer::iam
