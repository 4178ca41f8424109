// IAM's rows. Names are unique without regard to case, so rows are found by the lower-case name and keep the given one.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/catalog/database.h"

namespace coffer::iam::rows {

using catalog::Transaction;

enum class Kind { kUser, kGroup, kRole };
std::string_view kind_name(Kind kind);  // "user"

/// A user, group or role. What only one kind has is empty in the others.
struct Entity {
  Kind kind = Kind::kUser;
  std::string account, name, path = "/", id;
  WallTime created;
  std::string boundary;  // policy ARN; users and roles
  // Roles:
  std::string description, trust, trust_resolved;
  int64_t max_session_s = 3600;
  std::optional<WallTime> last_used;
  std::string last_used_region;

  [[nodiscard]] std::string arn() const;
  [[nodiscard]] bool service_linked() const { return path.starts_with("/aws-service-role/"); }
};

std::string lower(std::string_view name);

Result<std::optional<Entity>> find(Transaction&, Kind, std::string_view account, std::string_view name);
Result<std::optional<Entity>> find_by_id(Transaction&, std::string_view id);
/// Ascending by name, after `after` (a lower-case name), at most `limit`, with this path prefix.
Result<std::vector<Entity>> list(Transaction&, Kind, std::string_view account, std::string_view path_prefix,
                                 std::string_view after, int64_t limit);
Result<int64_t> count(Transaction&, Kind, std::string_view account);
Status insert(Transaction&, const Entity&);  // kAlreadyExists
/// Everything but kind, account, id, and its last use; what hangs on it hangs on the id and stays.
Status update(Transaction&, const Entity&);
Status note_role_use(Transaction&, std::string_view id, std::string_view region, WallTime at);
Status remove(Transaction&, const Entity&);

// What hangs on an entity or a policy, by its unique id.
struct Tag {
  std::string key, value;
};
Result<std::vector<Tag>> tags(Transaction&, std::string_view owner_id);
Status put_tag(Transaction&, std::string_view owner_id, const Tag&);
Status remove_tag(Transaction&, std::string_view owner_id, std::string_view key);

struct InlinePolicy {
  std::string name, document;
};
Result<std::vector<InlinePolicy>> inline_policies(Transaction&, std::string_view owner_id);  // ascending by name
Result<std::optional<std::string>> inline_policy(Transaction&, std::string_view owner_id, std::string_view name);
Status put_inline(Transaction&, std::string_view owner_id, std::string_view name, std::string_view document);
Status remove_inline(Transaction&, std::string_view owner_id, std::string_view name);

Result<std::vector<std::string>> attached(Transaction&, std::string_view owner_id);  // policy ARNs, ascending
Status attach(Transaction&, std::string_view owner_id, std::string_view policy_arn);
/// False when it was not attached.
Result<bool> detach(Transaction&, std::string_view owner_id, std::string_view policy_arn);
Result<std::vector<Entity>> attached_to(Transaction&, std::string_view account, std::string_view policy_arn);
Result<std::vector<Entity>> bounded_by(Transaction&, std::string_view account, std::string_view policy_arn);
Result<int64_t> count_attached(Transaction&, std::string_view account, std::string_view policy_arn);
Result<int64_t> count_bounded(Transaction&, std::string_view account, std::string_view policy_arn);

Result<std::vector<Entity>> groups_of(Transaction&, std::string_view user_id);
Result<std::vector<Entity>> members_of(Transaction&, std::string_view group_id);
Status add_member(Transaction&, std::string_view group_id, std::string_view user_id);
Result<bool> remove_member(Transaction&, std::string_view group_id, std::string_view user_id);

struct ManagedPolicy {
  std::string account, name, path = "/", id, arn, description;
  WallTime created, updated;
  int64_t default_version = 1, next_version = 2;
  bool aws = false;
};
struct PolicyVersion {
  int64_t number = 1;
  std::string document;
  WallTime created;
};
Result<std::optional<ManagedPolicy>> find_policy(Transaction&, std::string_view arn);
Result<std::vector<ManagedPolicy>> list_policies(Transaction&, std::string_view account);
Result<bool> policy_name_taken(Transaction&, std::string_view account, std::string_view name);
Result<int64_t> count_policies(Transaction&, std::string_view account);
Status insert_policy(Transaction&, const ManagedPolicy&);
Status update_policy(Transaction&, const ManagedPolicy&);
Status remove_policy(Transaction&, const ManagedPolicy&);
Result<std::vector<PolicyVersion>> versions(Transaction&, std::string_view policy_arn);
Result<std::optional<PolicyVersion>> version(Transaction&, std::string_view policy_arn, int64_t number);
Status insert_version(Transaction&, std::string_view policy_arn, const PolicyVersion&);
Status remove_version(Transaction&, std::string_view policy_arn, int64_t number);

struct AccessKey {
  std::string id, account, user_id;  // user_id empty: the account's root
  Bytes sealed_secret;
  bool active = true;
  WallTime created;
  std::optional<WallTime> last_used;
  std::string last_service, last_region;
};
Result<std::optional<AccessKey>> find_access_key(Transaction&, std::string_view id);
Result<std::vector<AccessKey>> access_keys_of(Transaction&, std::string_view account, std::string_view user_id);
Status insert_access_key(Transaction&, const AccessKey&);
Status set_access_key_active(Transaction&, std::string_view id, bool active);
Status remove_access_key(Transaction&, std::string_view id);
Status note_access_key_use(Transaction&, std::string_view id, std::string_view service, std::string_view region,
                           WallTime at);

struct Account {
  std::string id, name;
  WallTime created;
  std::optional<std::string> alias;
};
Result<std::optional<Account>> find_account(Transaction&, std::string_view id);
Result<std::vector<Account>> list_accounts(Transaction&);
Status insert_account(Transaction&, const Account&);
Status set_alias(Transaction&, std::string_view account, const std::optional<std::string>& alias);
Result<bool> alias_taken(Transaction&, std::string_view alias);
Result<bool> account_exists(Transaction&, std::string_view account);

/// Every change of what a decision may depend on ends with this.
Status changed(Transaction&);

}  // namespace coffer::iam::rows
