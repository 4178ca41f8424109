// The operations behind actions.cc and sts_actions.cc, by area. For the files of this folder.
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
  [[nodiscard]] const std::string& account() const { return operation.call.caller.account; }
  [[nodiscard]] std::string text(std::string_view name) const { return std::string(operation.input.text(name)); }
  [[nodiscard]] WallTime now() const { return operation.call.time; }
};
using Run = Result<api::Value> (*)(const Request&);

Error no_such(std::string_view kind, std::string_view name);
/// The entity that an input member names; "NoSuchEntity" otherwise.
Result<rows::Entity> entity_named(const Request&, rows::Kind kind, std::string_view member);
/// The same; the calling user when the member is absent.
Result<rows::Entity> user_or_self(const Request&);
Result<api::Value> described(const Request&, const rows::Entity&, bool with_tags);
Result<std::shared_ptr<const policy::Document>> parse_document(std::string_view text, policy::Kind kind);

/// A page of `all`, which is sorted: output members, Marker and IsTruncated. `key_of` gives what the marker holds.
Result<api::Value> page_of(const Request&, std::string_view member,
                           const std::vector<std::pair<std::string, api::Value>>& all);

// Kind-generic: K is "User", "Group" or "Role" in the names of operations and members.
template <rows::Kind K>
struct EntityOperations {
  static Result<api::Value> create(const Request&);
  static Result<api::Value> get(const Request&);
  static Result<api::Value> list(const Request&);
  static Result<api::Value> update(const Request&);
  static Result<api::Value> remove(const Request&);
  static Result<api::Value> tag(const Request&);
  static Result<api::Value> untag(const Request&);
  static Result<api::Value> list_tags(const Request&);
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

Result<api::Value> add_user_to_group(const Request&);
Result<api::Value> remove_user_from_group(const Request&);
Result<api::Value> list_groups_for_user(const Request&);
Result<api::Value> update_assume_role_policy(const Request&);
Result<api::Value> update_role_description(const Request&);
Result<api::Value> create_service_linked_role(const Request&);
Result<api::Value> delete_service_linked_role(const Request&);
Result<api::Value> service_linked_role_deletion_status(const Request&);
Result<api::Value> list_instance_profiles_for_role(const Request&);

Result<api::Value> create_policy(const Request&);
Result<api::Value> get_policy(const Request&);
Result<api::Value> list_policies(const Request&);
Result<api::Value> delete_policy(const Request&);
Result<api::Value> create_policy_version(const Request&);
Result<api::Value> get_policy_version(const Request&);
Result<api::Value> list_policy_versions(const Request&);
Result<api::Value> delete_policy_version(const Request&);
Result<api::Value> set_default_policy_version(const Request&);
Result<api::Value> list_entities_for_policy(const Request&);
Result<api::Value> tag_policy(const Request&);
Result<api::Value> untag_policy(const Request&);
Result<api::Value> list_policy_tags(const Request&);

Result<api::Value> create_access_key(const Request&);
Result<api::Value> list_access_keys(const Request&);
Result<api::Value> update_access_key(const Request&);
Result<api::Value> delete_access_key(const Request&);
Result<api::Value> access_key_last_used(const Request&);

Result<api::Value> create_account_alias(const Request&);
Result<api::Value> list_account_aliases(const Request&);
Result<api::Value> delete_account_alias(const Request&);
Result<api::Value> account_summary(const Request&);
Result<api::Value> account_authorization_details(const Request&);

Result<api::Value> simulate_custom_policy(const Request&);
Result<api::Value> simulate_principal_policy(const Request&);
Result<api::Value> context_keys_for_custom_policy(const Request&);
Result<api::Value> context_keys_for_principal_policy(const Request&);

}  // namespace coffer::iam
