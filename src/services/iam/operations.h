// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include "services/iam/principals.h"
#include "services/iam/rows.h"

namespace coffer::iam {

/// What every operation works with.
struct Setting {
  Authority& authority;
  ByteView root;
  Clock& clock;
  Entropy& entropy;
};
struct Request {
  const Setting& setting;
  const api::Operation& operation;
  [[nodiscard]] catalog::Transaction& t() const { return operation.transaction; }
  [[nodiscard]] const api::Value& input() const { return operation.input; }
  [[nodiscard]] const api::Caller& caller() const { return operation.call.caller; }
  [[nodiscard]] const std::string& account() const { return operation.call.caller.account; }
  [[nodiscard]] std::string text(std::string_view name) const { return std::string(operation.input.text(name)); }
  [[nodiscard]] WallTime now() const { return operation.call.time; }
};
using Run = Result<api::Value> (*)(const Request&);

/// How the three kinds of entities are called in operations and members.
struct Words {
  std::string_view noun, name, list, id_prefix;  // "User", "UserName", "Users", "AIDA"
  std::string_view kind;                         // "user"
};
const Words& words_of(rows::Kind kind);

// users, groups and roles: entities.cc
/// The entity that the input member UserName, GroupName or RoleName names; "NoSuchEntity" otherwise.
Result<rows::Entity> entity_named(const Request&, rows::Kind kind);
/// The same for users; the calling user when the member is absent.
Result<rows::Entity> user_or_self(const Request&);
enum class Detail { kInList, kWhole };
Result<api::Value> described(const Request&, const rows::Entity&, Detail detail);
/// A service's own role is changed by the service alone: "UnmodifiableEntity".
Status check_modifiable(const rows::Entity&);
Status check_path(std::string_view path);

template <rows::Kind K>
struct Entities {
  static Result<api::Value> create(const Request&);
  static Result<api::Value> get(const Request&);
  static Result<api::Value> list(const Request&);
  static Result<api::Value> update(const Request&);
  static Result<api::Value> remove(const Request&);
  static Result<api::Value> tag(const Request&);
  static Result<api::Value> untag(const Request&);
  static Result<api::Value> list_tags(const Request&);
};
// what hangs on them: entity_policies.cc
/// The input's PermissionsBoundary, which must exist.
Result<std::string> boundary_of_input(const Request&);
Result<std::vector<api::Value>> attached_values(const Request&, const rows::Entity&);

template <rows::Kind K>
struct Policies {
  static Result<api::Value> put_boundary(const Request&);
  static Result<api::Value> delete_boundary(const Request&);
  static Result<api::Value> attach(const Request&);
  static Result<api::Value> detach(const Request&);
  static Result<api::Value> list_attached(const Request&);
  static Result<api::Value> put_inline(const Request&);
  static Result<api::Value> get_inline(const Request&);
  static Result<api::Value> list_inline(const Request&);
  static Result<api::Value> delete_inline(const Request&);
};

// groups.cc
Result<api::Value> add_user_to_group(const Request&);
Result<api::Value> remove_user_from_group(const Request&);
Result<api::Value> list_groups_for_user(const Request&);
// roles.cc
Result<api::Value> update_assume_role_policy(const Request&);
Result<api::Value> update_role_description(const Request&);
Result<api::Value> list_instance_profiles_for_role(const Request&);
// service_linked_roles.cc
Result<api::Value> create_service_linked_role(const Request&);
Result<api::Value> delete_service_linked_role(const Request&);
Result<api::Value> service_linked_role_deletion_status(const Request&);

// managed_policies.cc
/// The policy that PolicyArn names: the account's or AWS's. `to_change`: AWS's are refused.
Result<rows::ManagedPolicy> policy_named(const Request&, bool to_change = false);
Result<api::Value> described(const Request&, const rows::ManagedPolicy&, Detail detail);
Result<api::Value> create_policy(const Request&);
Result<api::Value> get_policy(const Request&);
Result<api::Value> list_policies(const Request&);
Result<api::Value> delete_policy(const Request&);
Result<api::Value> list_entities_for_policy(const Request&);
Result<api::Value> tag_policy(const Request&);
Result<api::Value> untag_policy(const Request&);
Result<api::Value> list_policy_tags(const Request&);
// policy_versions.cc
/// PolicyDocument of the input, which must be an identity policy of bearable size.
Result<std::string> managed_document_of_input(const Request&);
std::string version_name(int64_t number);
Result<std::vector<rows::PolicyVersion>> versions_of(const Request&, const rows::ManagedPolicy&);
api::Value described(const rows::ManagedPolicy&, const rows::PolicyVersion&, bool with_document);
Result<api::Value> create_policy_version(const Request&);
Result<api::Value> get_policy_version(const Request&);
Result<api::Value> list_policy_versions(const Request&);
Result<api::Value> delete_policy_version(const Request&);
Result<api::Value> set_default_policy_version(const Request&);

// access_keys.cc
Result<api::Value> create_access_key(const Request&);
Result<api::Value> list_access_keys(const Request&);
Result<api::Value> update_access_key(const Request&);
Result<api::Value> delete_access_key(const Request&);
Result<api::Value> access_key_last_used(const Request&);

// accounts.cc, account_details.cc
Result<api::Value> create_account_alias(const Request&);
Result<api::Value> list_account_aliases(const Request&);
Result<api::Value> delete_account_alias(const Request&);
Result<api::Value> account_summary(const Request&);
Result<api::Value> account_authorization_details(const Request&);

// simulate.cc
Result<api::Value> simulate_custom_policy(const Request&);
Result<api::Value> simulate_principal_policy(const Request&);
Result<api::Value> context_keys_for_custom_policy(const Request&);
Result<api::Value> context_keys_for_principal_policy(const Request&);

}  // namespace coffer::iam
