#include "edge/cli/account_api.h"

#include "base/base64.h"
#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"

namespace coffer::cli {

using nlohmann::json;

namespace {

constexpr std::string_view kIamVersion = "2010-05-08", kStsVersion = "2011-06-15";

Error not_understood(const std::string& what) {
  return Error{ErrorCode::kUnavailable, what + ": the answer is not one of this service", "check --endpoint"};
}

class SignedApi final : public AccountApi {
 public:
  SignedApi(wire::HttpClient& http, Clock& clock, const Context& context, wire::AwsSettings settings)
      : http_(http), clock_(clock), context_(context), settings_(std::move(settings)) {}

  Result<json> call(std::string_view service, std::string_view target, const json& input) override {
    wire::Request request = post(input.dump());
    request.headers.add("Content-Type", "application/x-amz-json-1.1");
    request.headers.add("X-Amz-Target", std::string(target));
    return json_answer(service, std::string(target), std::move(request));
  }

  Result<json> get(std::string_view service, const std::string& path) override {
    return json_answer(service, std::string(service) + " " + path, getting(path));
  }

  Result<xml::Element> get_xml(const std::string& path) override {
    COFFER_TRY(const wire::Response response, send("s3", "s3 " + path, getting(path)));
    return xml_answer("s3 " + path, response);
  }

  Result<xml::Element> query(std::string_view service, const std::string& action, const Parameters& input) override {
    std::string body = "Action=" + action + "&Version=" + std::string(service == "sts" ? kStsVersion : kIamVersion);
    for (const auto& [name, value] : input) body += "&" + name + "=" + wire::percent_encode(value);
    wire::Request request = post(std::move(body));
    request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    COFFER_TRY(const wire::Response response, send(service, action, std::move(request)));
    COFFER_TRY(const xml::Element root, xml_answer(action, response));
    const xml::Element* result = root.child(action + "Result");
    if (!result) return not_understood(action);
    return *result;
  }

  Result<Bytes> download(const std::string& url) override {
    constexpr std::string_view kInline = "data:application/zip;base64,";
    if (url.starts_with(kInline)) {
      auto bytes = base64_decode(std::string_view(url).substr(kInline.size()));
      if (!bytes) return Error{ErrorCode::kUnavailable, "the service's address holds no base64", {}};
      return std::move(*bytes);
    }
    const size_t scheme = url.find("://");
    const size_t path = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
    if (path == std::string::npos) return Error{ErrorCode::kInvalidArgument, "the service gave no usable address", {}};
    wire::Request request;
    request.method = "GET";
    request.target = url.substr(path);
    request.headers.add("Host", url.substr(scheme + 3, path - scheme - 3));
    COFFER_TRY(const wire::Response response, http_.send(context_, url.substr(0, path), request));
    if (response.status != 200)
      return Error{ErrorCode::kUnavailable, "the address answers " + std::to_string(response.status), {}};
    return to_bytes(response.body);
  }

 private:
  static wire::Request getting(const std::string& path) {
    wire::Request request;
    request.method = "GET";
    request.target = path;
    return request;
  }

  static wire::Request post(std::string body) {
    wire::Request request;
    request.method = "POST";
    request.target = "/";
    request.body = std::move(body);
    return request;
  }

  Result<wire::Response> send(std::string_view service, const std::string& what, wire::Request request) {
    const size_t scheme = settings_.endpoint.find("://");
    request.headers.set("Host", settings_.endpoint.substr(scheme == std::string::npos ? 0 : scheme + 3));
    const wire::SigningKeys keys{settings_.access_key_id, settings_.secret_access_key, settings_.session_token};
    wire::sign_request(request, keys, settings_.region, service, clock_.wall(),
                       to_hex(crypto::sha256(as_bytes(request.body))));
    auto response = http_.send(context_, settings_.endpoint, request);
    if (!response.ok()) return std::move(response).error().in(what);
    return response;
  }

  static Error refusal(const std::string& what, int status, std::string name, const std::string& message) {
    name = name.substr(name.find('#') == std::string::npos ? 0 : name.find('#') + 1);
    name = name.substr(0, name.find(':'));
    ErrorCode code = ErrorCode::kFailedPrecondition;
    if (status == 404 || name.find("NotFound") != std::string::npos || name.starts_with("NoSuch"))
      code = ErrorCode::kNotFound;
    if (status == 403 || name.starts_with("AccessDenied")) code = ErrorCode::kPermissionDenied;
    if (status >= 500) code = ErrorCode::kUnavailable;
    return Error{code, what + ": " + (name.empty() ? std::to_string(status) : name) + ": " + message, {}, name};
  }

  Result<json> json_answer(std::string_view service, const std::string& what, wire::Request request) {
    COFFER_TRY(const wire::Response response, send(service, what, std::move(request)));
    json answer = json::parse(response.body.empty() ? "{}" : response.body, nullptr, false);
    if (!answer.is_object()) return not_understood(what);
    if (response.status >= 200 && response.status < 300) return answer;
    const auto text = [&](const char* name) {
      return answer.contains(name) && answer[name].is_string() ? answer[name].get<std::string>() : std::string();
    };
    std::string name(response.headers.get("x-amzn-errortype"));
    if (name.empty()) name = text("__type");
    return refusal(what, response.status, name, text("message").empty() ? text("Message") : text("message"));
  }

  static Result<xml::Element> xml_answer(const std::string& what, const wire::Response& response) {
    auto root = xml::parse(response.body);
    if (response.status >= 200 && response.status < 300) return root.ok() ? std::move(root) : not_understood(what);
    if (!root.ok()) return refusal(what, response.status, "", "");
    // S3 answers <Error>, the query protocol <ErrorResponse><Error>.
    const xml::Element* error = root->child("Error");
    if (!error) error = &*root;
    return refusal(what, response.status, std::string(error->text_of("Code")), std::string(error->text_of("Message")));
  }

  wire::HttpClient& http_;
  Clock& clock_;
  const Context& context_;
  wire::AwsSettings settings_;
};

}  // namespace

std::unique_ptr<AccountApi> open_account_api(wire::HttpClient& http, Clock& clock, const Context& context,
                                             wire::AwsSettings settings) {
  return std::make_unique<SignedApi>(http, clock, context, std::move(settings));
}

std::vector<std::string> profiles_of(std::string_view file) {
  std::vector<std::string> profiles;
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    const size_t close = line.find(']');
    if (line.starts_with('[') && close != std::string_view::npos) profiles.emplace_back(line.substr(1, close - 1));
  }
  return profiles;
}

}  // namespace coffer::cli
