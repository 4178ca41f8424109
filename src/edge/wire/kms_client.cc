#include "edge/wire/kms_client.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/base64.h"
#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"

namespace coffer::wire {
namespace {

namespace json = boost::json;
using Environment = std::map<std::string, std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string variable(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return found->second;
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

/// One profile of a shared credentials file.
std::map<std::string, std::string> profile_of(std::string_view file, std::string_view profile) {
  std::map<std::string, std::string> values;
  bool inside = false;
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    const std::string_view line = trimmed(file.substr(0, end));
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      inside = trimmed(line.substr(1, line.find(']') - 1)) == profile;
    } else if (const size_t equals = line.find('='); inside && equals != std::string_view::npos) {
      values[std::string(trimmed(line.substr(0, equals)))] = std::string(trimmed(line.substr(equals + 1)));
    }
  }
  return values;
}

class NetworkKey final : public kms::KeyClient {
 public:
  NetworkKey(HttpClient& http, Clock& clock, const Context& context, AwsSettings settings)
      : http_(http), clock_(clock), context_(context), settings_(std::move(settings)) {}

  Result<Bytes> encrypt(std::string_view key_id, ByteView plaintext, const Pairs& context) override {
    json::object body{
        {"KeyId", key_id}, {"Plaintext", base64_encode(plaintext)}, {"EncryptionContext", context_of(context)}};
    COFFER_TRY(json::object answer, call("Encrypt", std::move(body)));
    return blob_of(answer, "CiphertextBlob");
  }

  Result<Secret> decrypt(std::string_view key_id, ByteView ciphertext, const Pairs& context) override {
    json::object body{
        {"KeyId", key_id}, {"CiphertextBlob", base64_encode(ciphertext)}, {"EncryptionContext", context_of(context)}};
    COFFER_TRY(json::object answer, call("Decrypt", std::move(body)));
    COFFER_TRY(Bytes plaintext, blob_of(answer, "Plaintext"));
    return Secret(std::move(plaintext));
  }

 private:
  static json::object context_of(const Pairs& pairs) {
    json::object object;
    for (const auto& [name, value] : pairs) object[name] = value;
    return object;
  }

  static Result<Bytes> blob_of(const json::object& answer, std::string_view name) {
    const json::value* member = answer.if_contains(name);
    std::optional<Bytes> bytes = member && member->is_string() ? base64_decode(member->get_string()) : std::nullopt;
    if (!bytes) return Error{ErrorCode::kUnavailable, "the key service's answer has no " + std::string(name), {}};
    return std::move(*bytes);
  }

  Result<json::object> call(std::string_view operation, json::object body) {
    Request request;
    request.method = "POST";
    request.target = "/";
    request.body = json::serialize(body);
    request.headers.add("Host", host());
    request.headers.add("Content-Type", "application/x-amz-json-1.1");
    request.headers.add("X-Amz-Target", "TrentService." + std::string(operation));
    const SigningKeys keys{settings_.access_key_id, settings_.secret_access_key, settings_.session_token};
    sign_request(request, keys, settings_.region, "kms", clock_.wall(), to_hex(crypto::sha256(as_bytes(request.body))));
    Result<Response> response = http_.send(context_, settings_.endpoint, request);
    wipe({reinterpret_cast<std::byte*>(request.body.data()), request.body.size()});
    if (!response.ok()) return std::move(response).error().in("kms:" + std::string(operation));
    boost::system::error_code failed;
    json::value answer = json::parse(response->body.empty() ? "{}" : response->body, failed);
    wipe({reinterpret_cast<std::byte*>(response->body.data()), response->body.size()});
    if (failed || !answer.is_object())
      return Error{ErrorCode::kUnavailable, settings_.endpoint + " does not answer as a key service does",
                   "check AWS_ENDPOINT_URL"};
    if (response->status != 200) return refusal(operation, answer.get_object());
    return std::move(answer.get_object());
  }

  [[nodiscard]] std::string host() const {
    const size_t begin = settings_.endpoint.find("://");
    return settings_.endpoint.substr(begin == std::string::npos ? 0 : begin + 3);
  }

  static Error refusal(std::string_view operation, const json::object& answer) {
    const auto text = [&](std::string_view name) {
      const json::value* member = answer.if_contains(name);
      return member && member->is_string() ? std::string(member->get_string()) : std::string();
    };
    std::string name = text("__type");
    name = name.substr(name.find('#') == std::string::npos ? 0 : name.find('#') + 1);
    const std::string message = text("message").empty() ? text("Message") : text("message");
    ErrorCode code = ErrorCode::kFailedPrecondition;
    if (name == "NotFoundException") code = ErrorCode::kNotFound;
    if (name == "AccessDeniedException") code = ErrorCode::kPermissionDenied;
    if (name == "InvalidCiphertextException" || name == "IncorrectKeyException" ||
        name == "UnrecognizedClientException" || name == "InvalidSignatureException" || name == "ExpiredTokenException")
      code = ErrorCode::kUnauthenticated;
    if (name == "ThrottlingException") code = ErrorCode::kThrottled;
    return Error{code, "kms:" + std::string(operation) + ": " + name + ": " + message, {}};
  }

  HttpClient& http_;
  Clock& clock_;
  Context context_;
  AwsSettings settings_;
};

}  // namespace

Result<AwsSettings> aws_settings(FileSystem& files, const Environment& environment, std::string_view region) {
  AwsSettings settings;
  settings.region = region.empty() ? variable(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}) : std::string(region);
  if (settings.region.empty())
    return Error{ErrorCode::kInvalidArgument, "no Region is known for the key",
                 "set AWS_REGION, or name the key by its ARN"};
  settings.endpoint = variable(environment, {"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"});
  if (settings.endpoint.empty()) settings.endpoint = "https://kms." + settings.region + ".amazonaws.com";
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  settings.access_key_id = variable(environment, {"AWS_ACCESS_KEY_ID"});
  std::string secret = variable(environment, {"AWS_SECRET_ACCESS_KEY"});
  settings.session_token = variable(environment, {"AWS_SESSION_TOKEN"});
  if (settings.access_key_id.empty() || secret.empty()) {
    std::string file = variable(environment, {"AWS_SHARED_CREDENTIALS_FILE"});
    if (file.empty()) file = variable(environment, {"HOME"}) + "/.aws/credentials";
    std::string profile = variable(environment, {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"});
    if (profile.empty()) profile = "default";
    Result<Bytes> text = files.read_file(file, 1 << 20);
    auto values = text.ok() ? profile_of(as_text(*text), profile) : std::map<std::string, std::string>();
    if (text.ok()) wipe(*text);
    settings.access_key_id = values["aws_access_key_id"];
    secret = values["aws_secret_access_key"];
    settings.session_token = values["aws_session_token"];
    if (settings.access_key_id.empty() || secret.empty())
      return Error{ErrorCode::kUnauthenticated,
                   "no credentials for the key service: profile " + profile + " of " + file + " has none",
                   "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE"};
  }
  settings.secret_access_key = Secret::copy_of(as_bytes(secret));
  wipe({reinterpret_cast<std::byte*>(secret.data()), secret.size()});
  return settings;
}

std::unique_ptr<kms::KeyClient> kms_client(HttpClient& http, Clock& clock, const Context& context,
                                           AwsSettings settings) {
  return std::make_unique<NetworkKey>(http, clock, context, std::move(settings));
}

}  // namespace coffer::wire
