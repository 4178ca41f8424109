#include "engine/store/s3_client.h"

#include <algorithm>
#include <array>

#include "engine/sigv4/sign.h"
#include "engine/sigv4/time.h"
#include "engine/xml/tree.h"

namespace coffer::store {
namespace {

constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
// The slowest line that a transfer is given time for.
constexpr uint64_t kSlowLineBytesPerSecond = 128 << 10;
// Who has never answered is probably not there: nobody waits minutes for a mistyped endpoint.
constexpr int kAttemptsUnreached = 4;
constexpr size_t kErrorSizeMax = 64 << 10;

template <size_t N>
bool is_one_of(std::string_view code, const std::array<std::string_view, N>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 9> kThrottlingCodes = {
    "SlowDown",        "SlowDownRead",         "SlowDownWrite",          "Throttling",      "ThrottlingException",
    "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded", "RequestThrottled"};
constexpr std::array<std::string_view, 6> kPassingCodes = {
    "InternalError",       "ServiceUnavailable",         "RequestTimeout",
    "InternalServerError", "XMinioServerNotInitialized", "ServerBusy"};
constexpr std::array<std::string_view, 2> kConflictCodes = {"ConditionalRequestConflict", "OperationAborted"};
constexpr std::array<std::string_view, 5> kUnauthenticatedCodes = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired", "InvalidSecurity"};
constexpr std::array<std::string_view, 4> kFullCodes = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage",
                                                        "XMinioAdminBucketQuotaExceeded"};

struct Fault {
  std::string code, message, region;
};

/// Nothing: this is no error document.
std::optional<Fault> read_fault(ByteView body) {
  if (body.empty() || body.size() > kErrorSizeMax) return std::nullopt;
  auto root = xml::parse(as_text(body));
  if (!root.ok() || root->name != "Error") return std::nullopt;
  return Fault{std::string(root->text_of("Code")), std::string(root->text_of("Message")),
               std::string(root->text_of("Region"))};
}

std::string target_of(const S3Location& location, const S3Request& request) {
  std::string target = location.base_path() + "/";
  if (!request.object.empty()) target += sigv4::percent_encode(request.object, true);
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    target += std::exchange(separator, '&');
    target += sigv4::percent_encode(name) + "=" + sigv4::percent_encode(value);
  }
  return target;
}

std::string shown(std::string_view text) {
  std::string out(text.substr(0, 300));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return out;
}

}  // namespace

S3Client::S3Client(Clock& clock, Entropy& entropy, FileSystem& files, const EnvironmentVariables& environment,
                   std::map<std::string, std::string> profile, S3Location location, S3Options options)
    : clock_(clock),
      entropy_(entropy),
      location_(std::move(location)),
      options_(options),
      connections_(open_connections(location_.ca_bundle_file)),
      credentials_(*connections_, clock, files, environment, std::move(profile)),
      window_(clock, options.requests_at_first, options.requests_most),
      region_(location_.region) {}

bool S3Client::goes_away(ErrorCode code) {
  return code == ErrorCode::kThrottled || code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded ||
         code == ErrorCode::kConflict;
}

std::string S3Client::region() {
  std::lock_guard lock(mutex_);
  return region_;
}

std::string S3Client::random_token() {
  std::lock_guard lock(mutex_);
  return to_hex(entropy_.array<16>());
}

Result<S3Answer> S3Client::send(const Context& context, const S3Request& request) {
  return repeat(context, [&](int number) { return attempt(context, request, number); });
}

bool S3Client::is_over(MonoTime begun, int number) const {
  if (!reached_ && number + 1 >= kAttemptsUnreached) return true;
  return clock_.mono() - begun >= options_.give_up_after;
}

Status S3Client::wait(const Context& context, int number) {
  const bool empty = !pace_.take();
  uint64_t random = 0;
  {
    std::lock_guard lock(mutex_);
    random = entropy_.u64();
  }
  return sleep_unless_stopped(context, clock_, backoff_delay(options_.backoff, number, empty, random));
}

Result<S3Answer> S3Client::attempt(const Context& context, const S3Request& request, int number) {
  COFFER_TRY(auto credentials, credentials_.get(context));
  COFFER_TRY(auto place, window_.enter(context));
  const std::string where = region();
  const std::string target = target_of(location_, request);
  HttpExchange exchange{.method = std::string(request.method),
                        .url = location_.origin(where) + target,
                        .headers = request.headers,
                        .body = request.body};
  exchange.answer_limit_bytes = request.answer_limit_bytes;
  exchange.fresh_connection = number > 0;
  const uint64_t bytes = std::max<uint64_t>(request.body.size(), request.expected_bytes);
  exchange.deadline = options_.attempt_deadline + std::chrono::seconds(bytes / kSlowLineBytesPerSecond);
  exchange.headers.emplace_back("Host", location_.host(where));
  const std::string_view hash =
      request.payload_sha256_hex.empty() ? kEmptySha256 : std::string_view(request.payload_sha256_hex);
  const auto signature =
      sigv4::sign({.method = request.method, .target = target, .headers = exchange.headers, .payload_sha256_hex = hash},
                  {credentials->access_key_id, credentials->secret_access_key, credentials->session_token}, where, "s3",
                  clock_.wall() + std::chrono::microseconds(clock_error_micros_));
  exchange.headers.insert(exchange.headers.end(), signature.begin(), signature.end());
  COFFER_TRY(HttpAnswer http, connections_->exchange(context, exchange));
  reached_ = true;
  return understand(request, std::move(http), credentials, number);
}

Result<S3Answer> S3Client::understand(const S3Request& request, HttpAnswer http,
                                      const std::shared_ptr<const Credentials>& credentials, int number) {
  const bool success = http.status >= 200 && http.status < 300;
  // Who reads an object reads whatever bytes it has. Any other success may be a failure that was found out too late.
  const bool carries_object = success && request.method == "GET" && !request.object.empty();
  std::optional<Fault> fault = carries_object ? std::nullopt : read_fault(http.body);
  if (success && !fault) {
    window_.succeeded();
    return S3Answer{http.status, {}, std::move(http)};
  }
  const std::string code = fault ? fault->code : std::string();
  const bool names_nothing = code.empty() && http.status == 404;
  if (http.status == 412 || http.status == 416 || code == "NoSuchKey" || names_nothing) {
    window_.succeeded();
    return S3Answer{code == "NoSuchKey" ? 404 : http.status, code, std::move(http)};
  }
  if (http.status == 429 || is_one_of(code, kThrottlingCodes) || (http.status == 503 && code.empty()))
    window_.too_fast();
  if (code == "ExpiredToken" || code == "InvalidAccessKeyId" || code == "InvalidToken") {
    credentials_.refuse(credentials);
    // Their source may have newer ones; it is asked once.
    if (number == 0) return Error{ErrorCode::kUnavailable, location_.describe() + ": " + code, {}};
  }
  if (code == "RequestTimeTooSkewed") learn_time(http);
  std::string moved(http.header("x-amz-bucket-region"));
  if (moved.empty() && code == "AuthorizationHeaderMalformed" && fault) moved = fault->region;
  if (!moved.empty() && http.status != 403 && adopt_region(moved))
    return Error{ErrorCode::kUnavailable, location_.describe() + " is in the region " + shown(moved), {}};
  return explain(request, http.status, code, fault ? fault->message : std::string());
}

bool S3Client::adopt_region(std::string_view region) {
  std::lock_guard lock(mutex_);
  if (region.size() > 64 || region == region_ ||
      region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string_view::npos)
    return false;
  region_ = region;
  return true;
}

void S3Client::learn_time(const HttpAnswer& http) {
  if (auto theirs = sigv4::parse_http_date(http.header("date")))
    clock_error_micros_ = (*theirs - clock_.wall()).count();
}

Error S3Client::explain(const S3Request& request, int status, std::string_view code, std::string_view message) {
  const std::string what = location_.describe() + ": " + std::string(request.method) +
                           (request.object.empty() ? std::string() : " " + request.object) + " answered " +
                           std::to_string(status) + (code.empty() ? "" : " " + shown(code)) +
                           (message.empty() ? "" : ": " + shown(message));
  if (code == "NoSuchBucket")
    return {ErrorCode::kFailedPrecondition, "there is no bucket " + location_.bucket + " (" + what + ")",
            "make the bucket, or check endpoint and region"};
  if (status == 429 || is_one_of(code, kThrottlingCodes)) return {ErrorCode::kThrottled, what, {}};
  if (is_one_of(code, kConflictCodes)) return {ErrorCode::kConflict, what, {}};
  if (code == "RequestTimeTooSkewed") return {ErrorCode::kUnavailable, what, "set this machine's clock"};
  if (code == "ExpiredToken") return {ErrorCode::kUnauthenticated, what, "get new credentials"};
  if (is_one_of(code, kFullCodes) || status == 507) return {ErrorCode::kResourceExhausted, what, {}};
  if (is_one_of(code, kUnauthenticatedCodes) || status == 401)
    return {ErrorCode::kUnauthenticated, what, "check the credentials: AWS_ACCESS_KEY_ID, AWS_PROFILE"};
  // A success that turned out to be a failure is one whose reason may pass.
  if (status >= 500 || status == 408 || status < 300 || is_one_of(code, kPassingCodes)) {
    if (status == 501 || code == "NotImplemented") return {ErrorCode::kFailedPrecondition, what, {}};
    return {ErrorCode::kUnavailable, what, {}};
  }
  if (status == 403)
    return {ErrorCode::kPermissionDenied, what,
            "the credentials need s3:ListBucket on the bucket and s3:GetObject, s3:PutObject and s3:DeleteObject on "
            "its objects"};
  if (status == 301 || status == 307 || status == 308)
    return {ErrorCode::kUnavailable, what, "give the bucket's own endpoint and region"};
  return {ErrorCode::kFailedPrecondition, what, {}};
}

}  // namespace coffer::store
