// What all operations share: failures, ARNs, pages, roles.
#include <algorithm>

#include "base/base64.h"
#include "services/api/page_marker.h"
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

constexpr std::string_view kPageKey = "page_key";

std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.region(), r.input(), {"NextToken", "MaxResults"});
}

Result<Bytes> page_key(const Request& r) {
  COFFER_TRY(const auto stored, rows::setting(r.t(), "", "", kPageKey));
  if (!stored) return Bytes();
  const auto bytes = base64_decode(stored->value);
  return bytes ? Result<Bytes>(*bytes) : Result<Bytes>(Error{ErrorCode::kCorruption, "the key of page tokens", {}});
}

}  // namespace

Error not_found(std::string message) {
  return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", std::move(message));
}
Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterValueException", std::move(message));
}
Error missing(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "MissingParameterValueException", std::move(message));
}
Error refused(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "InvalidRequestException", std::move(message));
}
Error already_exists(std::string message) {
  return api::fault(ErrorCode::kAlreadyExists, "AlreadyExistsException", std::move(message));
}
Error limit_exceeded(std::string message) {
  return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException", std::move(message));
}
Error invalid_state(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "InvalidResourceStateException", std::move(message));
}

Result<rows::Vault> vault_of(const Request& r, std::string_view member) {
  const std::string name = r.text(member);
  // Vaults of other accounts are shared by a service that this installation does not have.
  const std::string owner = r.text("BackupVaultAccountId");
  if (owner.empty() || owner == r.account()) {
    COFFER_TRY(auto vault, rows::find_vault(r.t(), r.account(), r.region(), name));
    if (vault) return std::move(*vault);
  }
  return not_found("Backup vault " + name + " does not exist.");
}

Lock lock_of(const rows::Vault& vault) {
  return {vault.locked, vault.immutable, vault.min_days, vault.max_days, vault.lock_date};
}

rds::VaultPlace place_of(const rows::Vault& vault) { return {vault.account, vault.region, vault.name, vault.key_arn}; }

Result<WallTime> latest_time(catalog::Transaction& t, WallTime now) {
  COFFER_TRY(const auto time, rows::first<rows::Time>(t, "WHERE id = $1", {1}));
  return time ? std::max(time->latest, now) : now;
}

std::string new_job_id(Entropy& entropy) {
  std::string id = random_uuid(entropy);
  for (char& c : id) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return id;
}

bool is_passing(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kThrottled:
    case ErrorCode::kConflict:
    case ErrorCode::kCancelled:
    case ErrorCode::kResourceExhausted: return true;
    default: return false;
  }
}

Result<Assumed> assume(const Setting& s, const Context& context, catalog::Transaction& t, std::string_view role,
                       std::string_view account, std::string_view region, std::string_view source_arn, WallTime now) {
  Assumed assumed;
  assumed.call.context = context;
  assumed.call.service = "backup";
  assumed.call.region = region;
  assumed.call.request_id = random_uuid(s.entropy);
  assumed.call.user_agent = kPrincipal;
  assumed.call.secure_transport = true;
  assumed.call.time = now;
  assumed.call.source_arn = source_arn;
  assumed.call.source_account = account;
  COFFER_TRY(assumed.identity, s.authority.assume_for_service(t, role, kPrincipal, assumed.call));
  assumed.call.caller = assumed.identity->caller;
  assumed.call.source_arn.clear();
  assumed.call.source_account.clear();
  return assumed;
}

Status make_page_key(const Request& r) {
  COFFER_TRY(const auto stored, rows::setting(r.t(), "", "", kPageKey));
  if (stored) return ok_status();
  return rows::put_setting(r.t(), "", "", kPageKey, base64_encode(r.setting.entropy.array<32>()), r.now());
}

Result<Page> page_of(const Request& r) {
  Page page;
  if (const auto limit = r.input().integer("MaxResults"))
    page.limit = static_cast<size_t>(std::clamp<int64_t>(*limit, 1, 1000));
  if (!r.input().has("NextToken")) return page;
  COFFER_TRY(const Bytes key, page_key(r));
  auto after = key.empty() ? std::nullopt : api::open_page_marker(key, scope_of(r), r.input().text("NextToken"));
  if (!after) return invalid("Invalid NextToken.");
  page.after = std::move(*after);
  return page;
}

Status set_next(const Request& r, api::Value& output, std::string_view after) {
  COFFER_TRY(const Bytes key, page_key(r));
  if (key.empty()) return Error{ErrorCode::kCorruption, "the key of page tokens is missing", {}};
  output.set("NextToken", api::make_page_marker(key, scope_of(r), after));
  return ok_status();
}

std::string time_key(WallTime time, std::string_view id) { return std::to_string(time.micros) + "/" + std::string(id); }
std::pair<int64_t, std::string> open_time_key(std::string_view key) {
  const size_t slash = std::min(key.find('/'), key.size());
  int64_t micros = 0;
  for (char c : key.substr(0, slash)) {
    if (c >= '0' && c <= '9') micros = micros * 10 + (c - '0');
  }
  return {micros, std::string(key.substr(std::min(slash + 1, key.size())))};
}

}  // namespace coffer::backup
