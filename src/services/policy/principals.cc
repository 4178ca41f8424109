#include "services/policy/principals.h"

#include <algorithm>

#include "services/policy/text.h"

namespace coffer::policy {
namespace {

using CallerKind = api::Caller::Kind;
using Form = Principal::Form;

/// Takes the text up to `end` off the left of `text`; nothing when there is no `end`.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return part;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || std::string_view("_+=,.@-").find(c) != std::string_view::npos;
  });
}
/// "path/with/parts/name".
bool is_path_and_name(std::string_view text) {
  const size_t slash = text.rfind('/');
  const std::string_view path = slash == std::string_view::npos ? "" : text.substr(0, slash);
  return is_name(text.substr(slash + 1)) && !has_wildcard(path) &&
         std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// "AIDA" or "AROA" and the rest of a unique id.
bool is_unique_id(std::string_view text) {
  constexpr size_t kSizeMin = 16, kSizeMax = 128;
  return (text.starts_with("AIDA") || text.starts_with("AROA")) && text.size() >= kSizeMin && text.size() <= kSizeMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); });
}

std::optional<Principal> parse_arn(PrincipalEntry entry) {
  std::string_view rest = entry.value;
  const auto arn = take_until(rest, ':'), partition = take_until(rest, ':'), service = take_until(rest, ':'),
             region = take_until(rest, ':'), account = take_until(rest, ':');
  if (arn != "arn" || !account || !is_account_id(*account) || !region->empty()) return std::nullopt;
  if (partition != "aws" && partition != "aws-cn" && partition != "aws-us-gov") return std::nullopt;
  if (service == "iam" && rest == "root") return Principal{Form::kAccount, std::string(*account), std::move(entry)};
  const std::optional<std::string_view> type = take_until(rest, '/');
  if (!type) return std::nullopt;
  std::string name = entry.value;
  if (service == "iam" && (type == "user" || type == "role") && is_path_and_name(rest))
    return Principal{type == "role" ? Form::kRole : Form::kPrincipal, std::move(name), std::move(entry)};
  if (service != "sts") return std::nullopt;
  if (type == "federated-user" && is_name(rest)) return Principal{Form::kPrincipal, std::move(name), std::move(entry)};
  if (type != "assumed-role") return std::nullopt;
  const std::optional<std::string_view> role = take_until(rest, '/');
  if (!role || !is_name(*role) || !is_name(rest)) return std::nullopt;
  return Principal{Form::kPrincipal, std::move(name), std::move(entry)};
}

/// "backup.amazonaws.com".
bool is_service(std::string_view text) {
  return text.find('.') != std::string_view::npos && text.front() != '.' && text.back() != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

bool has_account(const api::Caller& caller) {
  return caller.kind != CallerKind::kAnonymous && caller.kind != CallerKind::kService;
}

Named how_named(const Principal& principal, const api::Caller& caller) {
  switch (principal.form) {
    case Form::kAnyone: return Named::kLoosely;
    case Form::kAccount:
      if (!has_account(caller) || principal.name != caller.account) return Named::kNot;
      return caller.kind == CallerKind::kRoot ? Named::kExactly : Named::kAccount;
    case Form::kRole:
      return caller.kind == CallerKind::kRoleSession && principal.name == caller.principal_arn ? Named::kLoosely
                                                                                               : Named::kNot;
    case Form::kPrincipal: return has_account(caller) && principal.name == caller.arn ? Named::kExactly : Named::kNot;
    case Form::kUniqueId:
      if (!has_account(caller) || principal.name != caller.principal_id) return Named::kNot;
      return caller.kind == CallerKind::kUser ? Named::kExactly : Named::kLoosely;
    case Form::kService:
      return caller.kind == CallerKind::kService && principal.name == caller.arn ? Named::kExactly : Named::kNot;
    case Form::kForeign: break;
  }
  return Named::kNot;
}

}  // namespace

std::optional<Principal> parse_principal(PrincipalEntry entry) {
  using Type = PrincipalEntry::Type;
  std::string name = entry.value;
  switch (entry.type) {
    case Type::kAnyone: return Principal{Form::kAnyone, std::move(name), std::move(entry)};
    case Type::kAws:
      if (name == "*") {
        entry.type = Type::kAnyone;
        return Principal{Form::kAnyone, std::move(name), std::move(entry)};
      }
      if (is_account_id(name)) return Principal{Form::kAccount, std::move(name), std::move(entry)};
      if (is_unique_id(name)) return Principal{Form::kUniqueId, std::move(name), std::move(entry)};
      return parse_arn(std::move(entry));
    case Type::kService:
      if (name.empty() || !is_service(name)) return std::nullopt;
      return Principal{Form::kService, lower_case(name), std::move(entry)};
    case Type::kFederated:
    case Type::kCanonicalUser:
      if (name.empty() || has_wildcard(name)) return std::nullopt;
      return Principal{Form::kForeign, std::move(name), std::move(entry)};
  }
  return std::nullopt;
}

Named how_named(const std::vector<Principal>& principals, const api::Caller& caller) {
  Named closest = Named::kNot;
  for (const Principal& principal : principals) closest = std::max(closest, how_named(principal, caller));
  return closest;
}

bool is_exempt(const std::vector<Principal>& principals, const api::Caller& caller) {
  bool account = false, role = false, itself = false;
  for (const Principal& principal : principals) {
    if (how_named(principal, caller) == Named::kNot) continue;
    account |= principal.form == Form::kAccount;
    role |=
        principal.form == Form::kRole || (principal.form == Form::kUniqueId && caller.kind == CallerKind::kRoleSession);
    itself |= principal.form == Form::kPrincipal || principal.form == Form::kService ||
              (principal.form == Form::kUniqueId && caller.kind == CallerKind::kUser);
  }
  switch (caller.kind) {
    case CallerKind::kAnonymous: return false;
    case CallerKind::kService: return itself;
    case CallerKind::kRoot: return account;
    case CallerKind::kUser:
    case CallerKind::kFederatedUser: return account && itself;
    case CallerKind::kRoleSession: return account && role && itself;
  }
  return false;
}

}  // namespace coffer::policy
