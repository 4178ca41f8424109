// STS: temporary credentials. A session lives in its token alone; nothing is written for it.
#include "services/iam/sts.h"

#include <algorithm>
#include <set>

#include "services/iam/arns.h"
#include "services/iam/aws_policies.h"
#include "services/iam/faults.h"
#include "services/iam/service.h"

namespace coffer::iam::sts {
namespace {

using api::Value;
using CallerKind = api::Caller::Kind;

constexpr int64_t kHour = 3600;
constexpr int64_t kSessionDefault = 12 * kHour;  // GetSessionToken and GetFederationToken
constexpr size_t kTagsMax = 50;
constexpr size_t kPolicyArnsMax = 10;
constexpr size_t kPolicySizeMax = 2048;
/// What policies and tags may take in a token, in bytes; PackedPolicySize is a part of this in percent.
constexpr size_t kPackedSizeMax = 4096;

Error denied(std::string message) { return Error{ErrorCode::kPermissionDenied, std::move(message), {}}; }

/// "ASIA", five letters and more of chance behind eight that hold the account, so that GetAccessKeyInfo needs no row.
std::string new_session_key_id(std::string_view account, Entropy& entropy) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  uint64_t number = 0;
  for (char c : account) number = number * 10 + static_cast<uint64_t>(c - '0');
  std::string id = "ASIA";
  for (int shift = 35; shift >= 0; shift -= 5) id += kDigits[number >> shift & 31];
  return new_id(id, entropy, 8);
}

std::optional<std::string> account_of_session_key(std::string_view id) {
  if (id.size() != 20 || !id.starts_with("ASIA")) return std::nullopt;
  uint64_t number = 0;
  for (char c : id.substr(4, 8)) {
    const bool letter = c >= 'A' && c <= 'Z';
    if (!letter && (c < '2' || c > '7')) return std::nullopt;
    number = number << 5 | static_cast<uint64_t>(letter ? c - 'A' : c - '2' + 26);
  }
  if (number >= 1'000'000'000'000) return std::nullopt;
  std::string digits = std::to_string(number);
  return std::string(12 - digits.size(), '0') + digits;
}

/// Session policies of a call, into the session. Returns how much of the token's room policies and tags take, in
/// percent; nothing when there are neither.
Result<std::optional<int64_t>> take_policies(const Request& r, std::string_view account, Session& session) {
  size_t size = 0;
  if (r.input().has("Policy")) {
    const std::string text = r.text("Policy");
    if (text.size() > kPolicySizeMax) {
      return validation_error(
          "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have "
          "length less than or equal to 2048");
    }
    COFFER_CHECK_OK(policy::Document::parse(text, policy::Kind::kIdentity));
    session.has_policies = true;
    session.policies.push_back(text);
    size += policy::size_without_whitespace(text);
  }
  const api::List& arns = r.input().list("PolicyArns");
  if (arns.size() > kPolicyArnsMax) return validation_error("A session takes at most 10 managed policies.");
  for (const Value& one : arns) {
    const std::string arn(one.text("arn"));
    COFFER_TRY(auto document, managed_document(r.t(), arn));
    const bool usable = document && (arn.starts_with(kAwsPolicyPrefix) || account_of_arn(arn) == account);
    if (!usable)
      return validation_error("The policy " + arn + " does not exist or is not of the account " + std::string(account) +
                              ".");
    session.has_policies = true;
    session.policy_arns.push_back(arn);
    size += arn.size();
  }
  for (const auto& [key, value] : session.caller.tags) size += key.size() + value.size() + 4;
  if (size == 0) return std::optional<int64_t>();
  if (size > kPackedSizeMax) {
    return api::fault(ErrorCode::kInvalidArgument, "PackedPolicyTooLarge",
                      "Packed size of session tags and policies consumes " +
                          std::to_string(size * 100 / kPackedSizeMax) + "% of allotted space.");
  }
  return std::optional<int64_t>(static_cast<int64_t>((size * 100 + kPackedSizeMax - 1) / kPackedSizeMax));
}

/// Session tags of a call. Those that the calling session passes on cannot be set again.
Status take_tags(const Request& r, Session& session) {
  const api::Caller& caller = r.caller();
  std::set<std::string> keys;
  for (const Value& tag : r.input().list("Tags")) {
    const std::string key(tag.text("Key"));
    if (rows::lower(key).starts_with("aws:")) return validation_error("Session tags may not begin with aws:.");
    if (!keys.insert(rows::lower(key)).second)
      return validation_error("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    session.caller.tags[key] = tag.text("Value");
  }
  for (const std::string& key : r.input().texts("TransitiveTagKeys")) {
    if (!keys.contains(rows::lower(key)))
      return validation_error("The transitive tag key " + key + " is not among the session's tags.");
    session.transitive_tags.push_back(key);
  }
  for (const std::string& key : caller.transitive_tags) {
    if (keys.contains(rows::lower(key))) {
      return validation_error(
          "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
          "the calling session.");
    }
    const auto inherited = caller.tags.find(key);
    if (inherited == caller.tags.end()) continue;
    session.caller.tags[key] = inherited->second;
    session.transitive_tags.push_back(key);
  }
  if (session.caller.tags.size() > kTagsMax) return validation_error("A session has at most 50 tags.");
  return ok_status();
}

/// Gives the session its key and seals it.
SessionCredentials seal(Session session, std::chrono::seconds duration, ByteView root, WallTime now, Entropy& entropy) {
  session.caller.token_issued = now;
  session.expires = now + duration;
  session.caller.access_key_id = new_session_key_id(session.caller.account, entropy);
  session.secret_access_key = new_secret_access_key(entropy);
  return {session.caller.access_key_id, to_text(session.secret_access_key.view()), seal_session(root, session, entropy),
          session.expires};
}

/// The same, shown as `Credentials`.
Value issue(const Request& r, Session session, int64_t seconds) {
  const SessionCredentials made =
      seal(std::move(session), std::chrono::seconds(seconds), r.setting.root, r.now(), r.setting.entropy);
  return Value::object({{"AccessKeyId", made.access_key_id},
                        {"SecretAccessKey", made.secret_access_key},
                        {"SessionToken", made.session_token},
                        {"Expiration", made.expires}});
}

Result<int64_t> duration_of_role(const Request& r, const rows::Entity& role) {
  const bool chained = r.caller().token_issued && r.caller().kind == CallerKind::kRoleSession;
  const int64_t seconds = r.input().integer("DurationSeconds").value_or(kHour);
  if (chained && seconds > kHour) {
    return validation_error(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  }
  if (seconds > role.max_session_s)
    return validation_error("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  if (seconds < 900) return validation_error("DurationSeconds must be at least 900.");
  return seconds;
}

/// The root may have an hour, users 36.
Result<int64_t> duration_of_token(const Request& r) {
  const int64_t most = r.caller().kind == CallerKind::kRoot ? kHour : 36 * kHour;
  const int64_t seconds = r.input().integer("DurationSeconds").value_or(std::min(kSessionDefault, most));
  if (seconds < 900) return validation_error("DurationSeconds must be at least 900.");
  return std::min(seconds, most);
}

Status check_no_mfa(const Request& r) {
  if (!r.input().has("SerialNumber") && !r.input().has("TokenCode")) return ok_status();
  return denied("MultiFactorAuthentication failed: this installation has no MFA devices.");
}

}  // namespace

Result<Value> assume_role(const Request& r) {
  const api::Caller& caller = r.caller();
  if (caller.kind == CallerKind::kRoot) return denied("Roles may not be assumed by root accounts.");
  COFFER_CHECK_OK(check_no_mfa(r));
  COFFER_TRY(auto role, role_of_arn(r.t(), r.text("RoleArn")));
  if (!role) {
    return denied("User: " + caller.arn +
                  " is not authorized to perform: sts:AssumeRole on resource: " + r.text("RoleArn"));
  }
  COFFER_TRY(int64_t seconds, duration_of_role(r, *role));

  Session session;
  api::Caller& assumed = session.caller;
  assumed.kind = CallerKind::kRoleSession;
  assumed.account = role->account;
  assumed.session_name = r.text("RoleSessionName");
  assumed.arn = "arn:aws:sts::" + role->account + ":assumed-role/" + role->name + "/" + assumed.session_name;
  assumed.principal_arn = role->arn();
  assumed.principal_id = role->id;
  assumed.user_id = role->id + ":" + assumed.session_name;
  assumed.service_linked = role->service_linked();
  assumed.source_identity = r.text("SourceIdentity");
  if (!caller.source_identity.empty()) {
    // Whoever began the chain stays known to its end.
    if (!assumed.source_identity.empty() && assumed.source_identity != caller.source_identity)
      return validation_error("The source identity of the calling session cannot be changed.");
    assumed.source_identity = caller.source_identity;
  }
  COFFER_CHECK_OK(take_tags(r, session));
  COFFER_TRY(auto packed, take_policies(r, role->account, session));

  Value output =
      Value::object({{"AssumedRoleUser", Value::object({{"AssumedRoleId", assumed.user_id}, {"Arn", assumed.arn}})}});
  if (packed) output.set("PackedPolicySize", *packed);
  if (!assumed.source_identity.empty()) output.set("SourceIdentity", assumed.source_identity);
  output.set("Credentials", issue(r, std::move(session), seconds));
  r.setting.authority.note_use(role->id, "sts", r.operation.call.region, r.now());
  return output;
}

Result<Value> get_caller_identity(const Request& r) {
  const api::Caller& caller = r.caller();
  return Value::object({{"UserId", caller.user_id}, {"Account", caller.account}, {"Arn", caller.arn}});
}

Result<Value> get_session_token(const Request& r) {
  COFFER_CHECK_OK(check_no_mfa(r));
  COFFER_TRY(int64_t seconds, duration_of_token(r));
  Session session;
  session.caller = r.caller();
  session.caller.tags.clear();  // the user's own are read anew with each use
  return Value::object({{"Credentials", issue(r, std::move(session), seconds)}});
}

Result<Value> get_federation_token(const Request& r) {
  COFFER_TRY(int64_t seconds, duration_of_token(r));
  const api::Caller& caller = r.caller();
  Session session;
  api::Caller& federated = session.caller;
  federated.kind = CallerKind::kFederatedUser;
  federated.account = caller.account;
  federated.session_name = r.text("Name");
  federated.arn = federated.principal_arn =
      "arn:aws:sts::" + caller.account + ":federated-user/" + federated.session_name;
  federated.principal_id = caller.principal_id;
  federated.user_id = caller.account + ":" + federated.session_name;
  COFFER_CHECK_OK(take_tags(r, session));
  COFFER_TRY(auto packed, take_policies(r, caller.account, session));
  session.has_policies = true;  // without a policy it gets nothing of the user's
  Value output = Value::object(
      {{"FederatedUser", Value::object({{"FederatedUserId", federated.user_id}, {"Arn", federated.arn}})}});
  if (packed) output.set("PackedPolicySize", *packed);
  output.set("Credentials", issue(r, std::move(session), seconds));
  return output;
}

Result<Value> get_access_key_info(const Request& r) {
  const std::string id = r.text("AccessKeyId");
  if (const auto account = account_of_session_key(id)) {
    COFFER_TRY(bool known, rows::account_exists(r.t(), *account));
    if (known) return Value::object({{"Account", *account}});
  }
  COFFER_TRY(auto key, rows::find_access_key(r.t(), id));
  if (!key) return validation_error("The access key id " + id + " is not one of this installation.");
  return Value::object({{"Account", key->account}});
}

Result<Value> decode_authorization_message(const Request& r) {
  COFFER_TRY(std::string json, open_message(r.setting.root, r.input().text("EncodedMessage")));
  return Value::object({{"DecodedMessage", std::move(json)}});
}

}  // namespace coffer::iam::sts

namespace coffer::iam {

SessionCredentials issue_credentials(const Identity& role, std::string_view session_name, std::chrono::seconds duration,
                                     ByteView sealing_root, WallTime now, Entropy& entropy) {
  Session session;
  api::Caller& caller = session.caller;
  caller = role.caller;
  COFFER_ASSERT(caller.kind == api::Caller::Kind::kRoleSession);
  caller.session_name = session_name;
  caller.arn = caller.arn.substr(0, caller.arn.rfind('/') + 1) + caller.session_name;
  caller.user_id = caller.principal_id + ":" + caller.session_name;
  caller.tags.clear();  // the role's own are read anew with each use
  return sts::seal(std::move(session), duration, sealing_root, now, entropy);
}

}  // namespace coffer::iam
