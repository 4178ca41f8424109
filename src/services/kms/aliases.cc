#include "services/api/fault.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

using api::Value;
using rows::Alias;
using rows::Key;

constexpr size_t kAliasesPerKey = 50;

Status check_name(const Request& r, const std::string& name) {
  if (!name.starts_with("alias/") || name.size() == 6)
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "Invalid identifier. Identifiers must start with alias/.");
  if (name.starts_with("alias/aws/") && r.call().caller.kind != api::Caller::Kind::kService)
    return api::fault(ErrorCode::kInvalidArgument, "NotAuthorizedException",
                      "Aliases that begin with alias/aws/ are reserved for AWS.");
  return ok_status();
}

/// What an alias stays with: a program that uses it must not need another algorithm family.
enum class Type { kSymmetric, kHmac, kAsymmetric };
Type type_of(const Key& key) {
  if (key.symmetric()) return Type::kSymmetric;
  return key.spec.starts_with("HMAC_") ? Type::kHmac : Type::kAsymmetric;
}

Result<Alias> alias_named(const Request& r) {
  COFFER_TRY(auto alias, rows::find_alias(r.t(), r.account(), r.call().region, r.text("AliasName")));
  if (alias) return std::move(*alias);
  return api::fault(
      ErrorCode::kNotFound, "NotFoundException",
      "Alias arn:aws:kms:" + r.call().region + ":" + r.account() + ":" + r.text("AliasName") + " is not found.");
}

Result<Key> own_target(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias, "TargetKeyId"));
  COFFER_CHECK_OK(check_own(r, key));
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  return key;
}

Status check_room(const Request& r, const Key& key) {
  COFFER_TRY(auto there, rows::aliases_of(r.t(), key));
  if (there.size() < kAliasesPerKey) return ok_status();
  return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException", "A key has at most 50 aliases.");
}

}  // namespace

Result<Value> create_alias(const Request& r) {
  const std::string name = r.text("AliasName");
  COFFER_CHECK_OK(check_name(r, name));
  COFFER_TRY(Key key, own_target(r));
  Alias alias{r.account(), r.call().region, name, key.id, r.now(), r.now()};
  COFFER_TRY(auto taken, rows::find_alias(r.t(), alias.account, alias.region, name));
  if (taken)
    return api::fault(ErrorCode::kAlreadyExists, "AlreadyExistsException",
                      "An alias with the name " + alias.arn() + " already exists");
  COFFER_CHECK_OK(check_room(r, key));
  COFFER_CHECK_OK(rows::put_alias(r.t(), alias));
  return Value();
}

Result<Value> update_alias(const Request& r) {
  COFFER_TRY(Alias alias, alias_named(r));
  COFFER_TRY(Key target, own_target(r));
  COFFER_TRY(auto current, rows::find_key(r.t(), alias.account, alias.region, alias.key_id));
  if (current && (type_of(*current) != type_of(target) || current->usage != target.usage))
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "The new key must have the type and usage of the old one.");
  if (alias.key_id != target.id) COFFER_CHECK_OK(check_room(r, target));
  alias.key_id = target.id;
  alias.updated = r.now();
  COFFER_CHECK_OK(rows::put_alias(r.t(), alias));
  return Value();
}

Result<Value> delete_alias(const Request& r) {
  COFFER_TRY(Alias alias, alias_named(r));
  COFFER_CHECK_OK(rows::remove_alias(r.t(), alias));
  return Value();
}

Result<Value> list_aliases(const Request& r) {
  const auto limit = static_cast<size_t>(r.input().integer("Limit").value_or(50));
  COFFER_TRY(std::string after, begin_of_page(r));
  std::vector<Alias> aliases;
  if (r.input().has("KeyId")) {
    COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
    COFFER_CHECK_OK(check_own(r, key));
    COFFER_TRY(aliases, rows::aliases_of(r.t(), key));
    std::erase_if(aliases, [&](const Alias& alias) { return alias.name <= after; });
  } else {
    COFFER_TRY(aliases,
               rows::list_aliases(r.t(), r.account(), r.call().region, after, static_cast<int64_t>(limit) + 1));
  }
  api::List list;
  for (const Alias& alias : aliases) {
    if (list.size() == limit) break;
    list.push_back(Value::object({{"AliasName", alias.name},
                                  {"AliasArn", alias.arn()},
                                  {"TargetKeyId", alias.key_id},
                                  {"CreationDate", alias.created},
                                  {"LastUpdatedDate", alias.updated}}));
  }
  const bool more = aliases.size() > limit;
  Value output = Value::object({{"Aliases", std::move(list)}, {"Truncated", more}});
  if (more) output.set("NextMarker", marker_behind(r, aliases[limit - 1].name));
  return output;
}

}  // namespace coffer::kms
