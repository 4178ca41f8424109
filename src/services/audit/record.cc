#include <algorithm>
#include <array>
#include <map>

#include "services/audit/audit_log.h"

namespace coffer::audit {
namespace {

constexpr size_t kParametersSizeMax = 100 << 10;
constexpr std::string_view kHidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
constexpr std::array<std::string_view, 12> kSecretMembers = {
    "SecretAccessKey",      "SessionToken",       "Plaintext", "PrivateKeyPlaintext",
    "EncryptedKeyMaterial", "ImportToken",        "Password",  "NewPassword",
    "OldPassword",          "MasterUserPassword", "TokenCode", "SharedSecret"};

void append_string(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += {'\\', 'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

/// CloudTrail writes parameters with a small first letter.
std::string small(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

void append_value(const api::Value& value, std::string& out) {
  if (value.is_object()) {
    std::map<std::string, const api::Value*> members;
    bool hidden = false;
    for (const auto& [name, one] : value.entries()) {
      if (!one.is_null() && !one.get_if<Bytes>()) members[small(name)] = &one;
    }
    out += '{';
    for (const auto& [name, one] : members) {
      if (out.back() != '{') out += ',';
      append_string(name, out);
      out += ':';
      hidden = std::any_of(kSecretMembers.begin(), kSecretMembers.end(),
                           [&](std::string_view secret) { return small(secret) == name; });
      hidden ? append_string(kHidden, out) : append_value(*one, out);
    }
    out += '}';
  } else if (value.is_list()) {
    out += '[';
    for (const api::Value& item : value.items()) {
      if (out.back() != '[') out += ',';
      append_value(item, out);
    }
    out += ']';
  } else if (const auto* text = value.get_if<std::string>()) {
    append_string(*text, out);
  } else if (const auto* flag = value.get_if<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = value.get_if<int64_t>()) {
    out += std::to_string(*number);
  } else if (const auto* real = value.get_if<double>()) {
    out += std::to_string(*real);
  } else if (const auto* time = value.get_if<WallTime>()) {
    append_string(format_utc(*time), out);
  } else {
    out += "null";
  }
}

/// Writes members in the order in which they are added: callers add them sorted.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    append_string(value, out_);
  }
  void raw(std::string_view name, std::string_view json) {
    key(name);
    out_ += json;
  }
  void end() { out_ += '}'; }

 private:
  void key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    append_string(name, out_);
    out_ += ':';
  }
  std::string& out_;
};

std::string user_identity(const api::Caller& caller, const std::string& via_service) {
  static constexpr std::string_view kTypes[] = {"Unknown",     "Root",          "IAMUser",
                                                "AssumedRole", "FederatedUser", "AWSService"};
  std::string out;
  ObjectWriter object(out);
  const bool service = caller.kind == api::Caller::Kind::kService;
  object.text("accessKeyId", caller.access_key_id);
  object.text("accountId", caller.account);
  if (!service) object.text("arn", caller.arn);
  object.text("invokedBy", service ? caller.arn : via_service);
  object.text("principalId", caller.user_id);
  if (caller.kind == api::Caller::Kind::kRoleSession) {
    std::string context;
    ObjectWriter session(context);
    if (caller.token_issued)
      session.raw("attributes", "{\"creationDate\":\"" + format_utc(*caller.token_issued) + "\"}");
    std::string issuer;
    ObjectWriter from(issuer);
    from.text("accountId", caller.account);
    from.text("arn", caller.principal_arn);
    from.text("principalId", caller.principal_id);
    from.text("type", "Role");
    from.end();
    session.raw("sessionIssuer", issuer);
    session.text("sourceIdentity", caller.source_identity);
    session.end();
    object.raw("sessionContext", context);
  }
  object.text("type", kTypes[static_cast<size_t>(caller.kind)]);
  object.text("userName", caller.user_name);
  object.end();
  return out;
}

}  // namespace

std::string loggable_json(const api::Value& value) {
  std::string out;
  append_value(value, out);
  if (out == "{}") return "null";
  if (out.size() > kParametersSizeMax) return "{\"omitted\":true,\"originalSize\":" + std::to_string(out.size()) + "}";
  return out;
}

std::string record_json(const Record& record) {
  std::string out;
  ObjectWriter object(out);
  object.text("awsRegion", record.region);
  object.text("errorCode", record.error_code);
  object.text("errorMessage", record.error_message);
  object.text("eventID", record.event_id);
  object.text("eventName", record.operation.empty() ? std::string_view("Unknown") : std::string_view(record.operation));
  object.text("eventSource", record.service.empty() ? "unknown" : record.service + ".amazonaws.com");
  object.text("eventTime", format_utc(record.time, true));
  object.text("eventType", "AwsApiCall");
  object.text("eventVersion", "1.08");
  object.raw("readOnly", record.read_only ? "true" : "false");
  object.text("recipientAccountId", record.account);
  object.text("requestID", record.request_id);
  object.raw("requestParameters", record.request_parameters.empty() ? "null" : record.request_parameters);
  std::string resources = "[";
  for (const std::string& arn : record.resources) {
    if (resources.size() > 1) resources += ',';
    resources += "{\"ARN\":";
    append_string(arn, resources);
    resources += '}';
  }
  if (resources.size() > 1) object.raw("resources", resources + "]");
  object.raw("responseElements", record.response_elements.empty() ? "null" : record.response_elements);
  object.text("sourceIPAddress", record.via_service.empty() ? record.source_ip : record.via_service);
  object.text("userAgent", record.user_agent);
  object.raw("userIdentity", user_identity(record.caller, record.via_service));
  object.end();
  return out;
}

}  // namespace coffer::audit
