#include <algorithm>
#include <charconv>
#include <vector>

#include "services/audit/audit_log.h"
#include "services/audit/canonical_json.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

constexpr size_t kParametersSizeMax = 100 << 10;
constexpr size_t kTextSizeMax = 1024;  // of a user agent, an error message: CloudTrail's own limit
constexpr size_t kResourcesMax = 100;
constexpr int kValueDepthMax = JsonCursor::kDepthMax - 4;
constexpr std::string_view kHidden = "HIDDEN_DUE_TO_SECURITY_REASONS";

// As small() has them, sorted. What a caller proves itself with, and what only the caller may know.
constexpr std::string_view kSecretMembers[] = {
    "authenticationCode1",
    "authenticationCode2",
    "authorizationToken",
    "base32StringSeed",
    "conninfo",
    "encryptedKeyMaterial",
    "importToken",
    "keyMaterial",
    "logEventMessages",
    "logEvents",
    "masterUserPassword",
    "newPassword",
    "oldPassword",
    "passphrase",
    "password",
    "plaintext",
    "privateKey",
    "privateKeyPlaintext",
    "sAMLAssertion",
    "secretAccessKey",
    "secretString",
    "sessionToken",
    "sharedSecret",
    "tokenCode",
    "userPassword",
    "variables",
    "webIdentityToken",
};
static_assert(std::is_sorted(std::begin(kSecretMembers), std::end(kSecretMembers)));

// Maps, whose keys are the user's words and stay as they are.
constexpr std::string_view kMaps[] = {
    "attributes", "context", "encryptionContext", "encryptionContextEquals", "encryptionContextSubset", "tags"};

/// CloudTrail writes the names of members with a small first letter.
std::string small(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

template <size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::binary_search(std::begin(names), std::end(names), name);
}

void append_number(double number, std::string& out) {
  char text[32];
  const auto [end, failed] = std::to_chars(text, text + sizeof text, number);
  // NaN and the infinities are none in JSON.
  failed == std::errc() && number - number == 0 ? out.append(text, end) : out.append("null");
}

void append_value(const api::Value& value, std::string& out, int depth, bool is_map) {
  if (depth > kValueDepthMax) {
    out += "null";
  } else if (value.is_object()) {
    std::vector<std::pair<std::string, const api::Value*>> members;
    members.reserve(value.entries().size());
    for (const auto& [name, member] : value.entries()) {
      if (!member.is_null() && !member.get_if<Bytes>()) members.emplace_back(is_map ? name : small(name), &member);
    }
    // Of two that have one name when they are written small, the later one counts.
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto is_hidden = [&](const auto& at) { return at + 1 != members.end() && (at + 1)->first == at->first; };
    ObjectWriter object(out);
    for (auto at = members.begin(); at != members.end(); ++at) {
      if (is_hidden(at)) continue;
      const auto& [name, member] = *at;
      object.key(name);
      if (!is_map && is_one_of(kSecretMembers, name)) {
        append_json_string(kHidden, out);
      } else {
        append_value(*member, out, depth + 1, !is_map && is_one_of(kMaps, name));
      }
    }
    object.end();
  } else if (value.is_list()) {
    bool first = true;
    out += '[';
    for (const api::Value& item : value.items()) {
      if (item.is_null() || item.get_if<Bytes>()) continue;
      if (!first) out += ',';
      first = false;
      append_value(item, out, depth + 1, false);
    }
    out += ']';
  } else if (const auto* text = value.get_if<std::string>()) {
    append_json_string(*text, out);
  } else if (const auto* flag = value.get_if<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = value.get_if<int64_t>()) {
    out += std::to_string(*number);
  } else if (const auto* real = value.get_if<double>()) {
    append_number(*real, out);
  } else if (const auto* time = value.get_if<WallTime>()) {
    append_json_string(format_utc(*time), out);
  } else {
    out += "null";
  }
}

std::string_view type_of(api::Caller::Kind kind) {
  switch (kind) {
    case api::Caller::Kind::kAnonymous: return "AWSAccount";
    case api::Caller::Kind::kRoot: return "Root";
    case api::Caller::Kind::kUser: return "IAMUser";
    case api::Caller::Kind::kRoleSession: return "AssumedRole";
    case api::Caller::Kind::kFederatedUser: return "FederatedUser";
    case api::Caller::Kind::kService: return "AWSService";
  }
  return "Unknown";
}

void append_session(const api::Caller& caller, std::string& out) {
  ObjectWriter session(out);
  if (caller.token_issued) {
    ObjectWriter attributes(session.key("attributes"));
    attributes.text("creationDate", format_utc(*caller.token_issued));
    attributes.text("mfaAuthenticated", "false");
    attributes.end();
  }
  ObjectWriter issuer(session.key("sessionIssuer"));
  issuer.text("accountId", caller.account);
  issuer.text("arn", caller.principal_arn);
  issuer.text("principalId", caller.principal_id);
  issuer.text("type", caller.kind == api::Caller::Kind::kRoleSession ? "Role" : "IAMUser");
  issuer.text("userName", caller.principal_arn.substr(caller.principal_arn.rfind('/') + 1));
  issuer.end();
  session.text("sourceIdentity", caller.source_identity);
  session.end();
}

void append_identity(const Record& record, std::string& out) {
  using Kind = api::Caller::Kind;
  const api::Caller& caller = record.caller;
  ObjectWriter identity(out);
  identity.text("accessKeyId", caller.access_key_id);
  identity.text("accountId", caller.kind == Kind::kAnonymous ? "ANONYMOUS_PRINCIPAL" : caller.account);
  if (caller.kind != Kind::kService) identity.text("arn", caller.arn);
  identity.text("invokedBy", caller.kind == Kind::kService ? caller.arn : record.via_service);
  identity.text("principalId", caller.user_id);
  if (caller.kind == Kind::kRoleSession || caller.kind == Kind::kFederatedUser)
    append_session(caller, identity.key("sessionContext"));
  identity.text("type", type_of(caller.kind));
  identity.text("userName", caller.user_name);
  identity.end();
}

void append_resources(const std::vector<std::string>& arns, std::string& out) {
  out += '[';
  for (size_t i = 0; i < std::min(arns.size(), kResourcesMax); ++i) {
    if (i > 0) out += ',';
    const std::string arn = clean_text(arns[i], kTextSizeMax);
    ObjectWriter resource(out);
    resource.text("ARN", arn);
    resource.text("accountId", account_of_arn(arn));
    resource.text("type", resource_type(arn));
    resource.end();
  }
  out += ']';
}

}  // namespace

std::string loggable_json(const api::Value& value) {
  std::string out;
  append_value(value, out, 0, false);
  if (out == "{}") return "null";
  if (out.size() > kParametersSizeMax) return "{\"omitted\":true,\"originalSize\":" + std::to_string(out.size()) + "}";
  return out;
}

std::string record_json(const Record& record) {
  std::string out;
  out.reserve(1024 + record.request_parameters.size() + record.response_elements.size());
  const auto short_text = [](std::string_view text) { return clean_text(text, kTextSizeMax); };
  const auto or_null = [](const std::string& json) {
    JsonCursor cursor(json);
    cursor.skip();
    return cursor.done() ? std::string_view(json) : std::string_view("null");
  };
  const bool via = !record.via_service.empty();
  ObjectWriter object(out);
  object.text("awsRegion", short_text(record.region));
  object.text("errorCode", short_text(record.error_code));
  object.text("errorMessage", short_text(record.error_message));
  object.text("eventCategory", "Management");
  object.text("eventID", record.event_id);
  object.text("eventName", record.operation.empty() ? "Unknown" : short_text(record.operation));
  object.text("eventSource", short_text(record.service.empty() ? "unknown" : record.service) + ".amazonaws.com");
  object.text("eventTime", format_utc(record.time));
  object.text("eventType", "AwsApiCall");
  object.text("eventVersion", "1.08");
  object.raw("managementEvent", "true");
  object.raw("readOnly", record.read_only ? "true" : "false");
  object.text("recipientAccountId", record.account);
  object.text("requestID", short_text(record.request_id));
  object.raw("requestParameters", or_null(record.request_parameters));
  if (!record.resources.empty()) append_resources(record.resources, object.key("resources"));
  object.raw("responseElements", or_null(record.response_elements));
  object.text("sourceIPAddress", via ? record.via_service : short_text(record.source_ip));
  object.text("userAgent", via ? record.via_service : short_text(record.user_agent));
  append_identity(record, object.key("userIdentity"));
  object.end();
  return out;
}

}  // namespace coffer::audit
