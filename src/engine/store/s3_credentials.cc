#include "engine/store/s3_credentials.h"

#include <nlohmann/json.hpp>

namespace coffer::store {
namespace {

constexpr std::chrono::minutes kRefreshAhead{5};
constexpr std::chrono::seconds kRefreshPause{10};
constexpr std::chrono::milliseconds kMetadataDeadline{1'000};
constexpr uint64_t kDocumentSizeMax = 64 << 10;
constexpr std::string_view kContainerHost = "http://169.254.170.2";
constexpr std::string_view kInstanceHost = "http://169.254.169.254";
constexpr std::string_view kRolesPath = "/latest/meta-data/iam/security-credentials/";

Credentials credentials_of(std::string id, std::string_view secret, std::string token) {
  Credentials found;
  found.access_key_id = std::move(id);
  found.secret_access_key = Secret::copy_of(as_bytes(secret));
  found.session_token = std::move(token);
  return found;
}

/// A token that goes to an address over plain HTTP may only go to this machine or its cloud's own addresses.
bool may_be_asked(std::string_view url) {
  if (url.starts_with("https://")) return true;
  if (!url.starts_with("http://")) return false;
  std::string_view host = url.substr(7);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) return false;
  if (host.starts_with('[')) {
    host = host.substr(0, host.find(']') + 1);
    return host == "[::1]" || host == "[fd00:ec2::23]";
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1" || host == "169.254.170.2" || host == "169.254.170.23";
}

}  // namespace

Result<Credentials> parse_credentials_document(ByteView text) {
  const auto nonsense = [](std::string_view why) {
    return Error{ErrorCode::kCorruption, "the credentials' document " + std::string(why), {}};
  };
  const std::string_view view = as_text(text);
  const auto json = nlohmann::json::parse(view.begin(), view.end(), nullptr, false);
  if (!json.is_object()) return nonsense("is no JSON object");
  const auto string = [&](const char* name) {
    auto it = json.find(name);
    return it == json.end() || !it->is_string() ? std::string() : it->get<std::string>();
  };
  if (const std::string code = string("Code"); !code.empty() && code != "Success")
    return nonsense("says '" + code.substr(0, 100) + "'");
  std::string secret = string("SecretAccessKey");
  Credentials found = credentials_of(string("AccessKeyId"), secret, string("Token"));
  wipe(MutableByteView(reinterpret_cast<std::byte*>(secret.data()), secret.size()));
  if (found.access_key_id.empty() || found.secret_access_key.empty()) return nonsense("lacks a key");
  if (const std::string expires = string("Expiration"); !expires.empty()) {
    auto time = parse_utc(expires);
    if (!time.ok()) return nonsense("has an expiration that is none");
    found.expires = *time;
  }
  return found;
}

CredentialChain::CredentialChain(HttpConnections& connections, Clock& clock, FileSystem& files,
                                 EnvironmentVariables environment, std::map<std::string, std::string> profile)
    : connections_(connections),
      clock_(clock),
      files_(files),
      environment_(std::move(environment)),
      profile_(std::move(profile)) {}

Result<std::shared_ptr<const Credentials>> CredentialChain::get(const Context& context) {
  std::lock_guard lock(mutex_);
  if (current_) {
    if (!current_->expires) return current_;
    const WallTime now = clock_.wall();
    if (now + kRefreshAhead < *current_->expires) return current_;
    if (now < *current_->expires && clock_.mono() < next_try_) return current_;
  }
  auto found = find(context);
  if (found.ok()) {
    current_ = *found;
  } else if (current_ && current_->expires && clock_.wall() < *current_->expires) {
    next_try_ = {clock_.mono().nanos + std::chrono::nanoseconds(kRefreshPause).count()};
    return current_;
  }
  return found;
}

void CredentialChain::refuse(const std::shared_ptr<const Credentials>& used) {
  std::lock_guard lock(mutex_);
  if (current_ == used) current_.reset();
}

Result<std::shared_ptr<const Credentials>> CredentialChain::find(const Context& context) {
  const auto shared = [](Credentials found) { return std::make_shared<const Credentials>(std::move(found)); };
  if (auto found = from_environment()) return shared(std::move(*found));
  if (auto found = from_profile()) return shared(std::move(*found));
  COFFER_TRY(auto container, from_container(context));
  if (container) return shared(std::move(*container));
  COFFER_TRY(auto instance, from_instance(context));
  if (instance) return shared(std::move(*instance));
  return Error{ErrorCode::kUnauthenticated,
               "there are no credentials for S3 in the environment, in the AWS configuration files, at a container's "
               "endpoint or in the instance metadata",
               "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"};
}

std::string CredentialChain::variable(const std::string& name) const {
  auto found = environment_.find(name);
  return found == environment_.end() ? std::string() : found->second;
}

std::optional<Credentials> CredentialChain::from_environment() const {
  const std::string id = variable("AWS_ACCESS_KEY_ID"), secret = variable("AWS_SECRET_ACCESS_KEY");
  if (id.empty() || secret.empty()) return std::nullopt;
  return credentials_of(id, secret, variable("AWS_SESSION_TOKEN"));
}

std::optional<Credentials> CredentialChain::from_profile() const {
  const auto id = profile_.find("aws_access_key_id"), secret = profile_.find("aws_secret_access_key"),
             token = profile_.find("aws_session_token");
  if (id == profile_.end() || secret == profile_.end() || id->second.empty() || secret->second.empty())
    return std::nullopt;
  return credentials_of(id->second, secret->second, token == profile_.end() ? std::string() : token->second);
}

Result<Bytes> CredentialChain::ask(const Context& context, HttpExchange exchange) {
  exchange.no_proxy = true;
  exchange.deadline = exchange.connect_deadline = kMetadataDeadline;
  exchange.answer_limit_bytes = kDocumentSizeMax;
  COFFER_TRY(HttpAnswer answer, connections_.exchange(context, exchange));
  if (answer.status == 200) return std::move(answer.body);
  return Error{ErrorCode::kUnavailable, exchange.url + " answers with status " + std::to_string(answer.status), {}};
}

Result<std::optional<Credentials>> CredentialChain::from_container(const Context& context) {
  const std::string relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url =
      relative.empty() ? variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") : std::string(kContainerHost) + relative;
  if (url.empty()) return std::optional<Credentials>();
  if (!may_be_asked(url))
    return Error{ErrorCode::kInvalidArgument,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine or its container "
                 "host",
                 {}};
  HttpExchange exchange{.method = "GET", .url = url, .headers = {}, .body = {}};
  std::string token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file_name = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file_name.empty()) {
    COFFER_TRY(auto file, files_.open_file(file_name));
    Bytes text(kDocumentSizeMax);
    COFFER_TRY(size_t size, file->read_at(0, text));
    token = sigv4::trimmed(as_text(ByteView(text).first(size)));
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  }
  if (token.find_first_of("\r\n") != std::string::npos)
    return Error{ErrorCode::kInvalidArgument, "the container's authorization token has more than one line", {}};
  if (!token.empty()) exchange.headers.emplace_back("Authorization", token);
  auto text = ask(context, exchange);
  if (!text.ok()) return std::move(text).error().in("asking the container's endpoint for credentials");
  COFFER_TRY(Credentials found, parse_credentials_document(*text));
  return std::optional<Credentials>(std::move(found));
}

Result<std::optional<Credentials>> CredentialChain::from_instance(const Context& context) {
  if (variable("AWS_EC2_METADATA_DISABLED") == "true") return std::optional<Credentials>();
  std::string host = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (host.empty()) host = kInstanceHost;
  while (host.ends_with('/')) host.pop_back();
  HttpExchange for_token{.method = "PUT",
                         .url = host + "/latest/api/token",
                         .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}, {"Content-Type", "text/plain"}},
                         .body = {}};
  auto token = ask(context, for_token);
  // No such service here: this machine is no instance of a cloud.
  if (!token.ok() && token.code() == ErrorCode::kCancelled) return std::move(token).error();
  if (!token.ok()) return std::optional<Credentials>();
  HttpExchange exchange{.method = "GET",
                        .url = host + std::string(kRolesPath),
                        .headers = {{"X-aws-ec2-metadata-token", to_text(*token)}},
                        .body = {}};
  auto roles = ask(context, exchange);
  if (!roles.ok()) return std::optional<Credentials>();
  const std::string role(as_text(*roles).substr(0, as_text(*roles).find('\n')));
  if (role.empty()) return std::optional<Credentials>();
  exchange.url += sigv4::percent_encode(role);
  auto text = ask(context, exchange);
  if (!text.ok()) return std::move(text).error().in("asking the instance metadata for credentials");
  COFFER_TRY(Credentials found, parse_credentials_document(*text));
  return std::optional<Credentials>(std::move(found));
}

}  // namespace coffer::store
