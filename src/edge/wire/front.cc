#include "edge/wire/front.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "edge/wire/authenticate.h"
#include "edge/wire/front_progress.h"
#include "edge/wire/model.h"
#include "edge/wire/s3_access.h"
#include "edge/wire/s3_front.h"
#include "edge/wire/server_answer.h"
#include "edge/wire/sigv2.h"
#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kGlobalRegion = "us-east-1";
/// Services whose requests may be larger than what is read at once: a function's zip in base64, a batch of log events.
constexpr std::pair<std::string_view, size_t> kLargeBodies[] = {{"lambda", 71 << 20}, {"logs", 4 << 20}};
constexpr double kBucketsSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
constexpr size_t kBuckets = std::size(kBucketsSeconds);

/// Requests by service, operation and code; durations by service.
class Metrics {
 public:
  void count(std::string_view service, std::string_view operation, std::string_view code, double duration_seconds) {
    std::lock_guard lock(mutex_);
    ++requests_[{std::string(service), std::string(operation), std::string(code)}];
    Histogram& histogram = durations_[std::string(service)];
    ++histogram.count;
    histogram.sum += duration_seconds;
    for (size_t i = 0; i < kBuckets; ++i) histogram.buckets[i] += duration_seconds <= kBucketsSeconds[i];
  }
  void count_refusal(std::string_view code) {
    std::lock_guard lock(mutex_);
    ++refusals_[std::string(code)];
  }
  [[nodiscard]] std::string text() const {
    std::lock_guard lock(mutex_);
    std::string out = "# TYPE coffer_api_requests_total counter\n";
    for (const auto& [key, value] : requests_) {
      const auto& [service, operation, code] = key;
      out += "coffer_api_requests_total{service=\"" + service + "\",operation=\"" + operation + "\",code=\"" + code +
             "\"} " + std::to_string(value) + "\n";
    }
    out += "# TYPE coffer_auth_failures_total counter\n";
    for (const auto& [code, value] : refusals_)
      out += "coffer_auth_failures_total{code=\"" + code + "\"} " + std::to_string(value) + "\n";
    out += "# TYPE coffer_api_request_duration_seconds histogram\n";
    for (const auto& [service, histogram] : durations_) {
      const std::string label = "{service=\"" + service + "\"";
      for (size_t i = 0; i < kBuckets; ++i) {
        std::string bound = std::to_string(kBucketsSeconds[i]);
        bound.erase(bound.find_last_not_of('0') + 1);
        if (bound.ends_with('.')) bound.pop_back();
        out += "coffer_api_request_duration_seconds_bucket" + label + ",le=\"" + bound + "\"} " +
               std::to_string(histogram.buckets[i]) + "\n";
      }
      out += "coffer_api_request_duration_seconds_bucket" + label + ",le=\"+Inf\"} " + std::to_string(histogram.count) +
             "\n";
      out += "coffer_api_request_duration_seconds_sum" + label + "} " + std::to_string(histogram.sum) + "\n";
      out += "coffer_api_request_duration_seconds_count" + label + "} " + std::to_string(histogram.count) + "\n";
    }
    return out;
  }

 private:
  struct Histogram {
    uint64_t count = 0;
    double sum = 0;
    uint64_t buckets[kBuckets] = {};
  };
  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, std::string>, uint64_t> requests_;
  std::map<std::string, uint64_t> refusals_;
  std::map<std::string, Histogram> durations_;
};

const ServiceModel* find_by_signing_name(std::string_view name) {
  for (const ServiceModel& service : service_models()) {
    if (service.signing_name == name) return &service;
  }
  return nullptr;
}

/// For the log: one line, of a bounded length.
std::string loggable(std::string_view text) {
  constexpr size_t kSizeMax = 1000;
  std::string line(text.substr(0, kSizeMax));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line + (text.size() > kSizeMax ? "..." : "");
}

Response plain(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

}  // namespace

struct Front::State {
  gate::Gate& gate;
  iam::Authority& authority;
  Clock& clock;
  Entropy& entropy;
  Options options;
  S3Front s3;
  Metrics metrics;

  /// Nothing only when it must be `brief`.
  std::optional<Response> handle(const Context& context, Request& request, bool brief);

  Result<Response> answer(const Context& context, Request& request, Progress& at) {
    try {
      COFFER_TRY(Response response, try_to_answer(context, request, at));
      if (at.service && at.service->id == "s3") s3.add_cors(context, request, at, response);
      if (!is_sendable(response)) return Error{ErrorCode::kInternal, "its header fields cannot be sent", {}};
      return response;
    } catch (const std::exception& thrown) {
      return Error{ErrorCode::kInternal, thrown.what(), {}};
    } catch (...) {
      return Error{ErrorCode::kInternal, "what was thrown says nothing", {}};
    }
  }

  Response refuse(const Context& context, const Request& request, const Progress& at, const Error& error) const {
    if (!at.service || at.service->id != "s3")
      return encode_error(at.service, at.route.operation, error, at.call.request_id);
    Response response = s3.refuse(at, error);
    s3.add_cors(context, request, at, response);
    return is_sendable(response) ? std::move(response)
                                 : encode_error(at.service, at.route.operation, error, at.call.request_id);
  }

  /// Without the caller, the input and the headers: what is secret among them nobody knows here.
  void log_failure(const Progress& at, const Error& error) const {
    if (!options.log) return;
    std::string text = "request " + at.call.request_id + ": ";
    text.append(at.service ? at.service->id : "unknown service").append(" ");
    text.append(at.route.operation ? at.route.operation->name : "unknown operation");
    text.append(", while ").append(at.doing).append(": ").append(loggable(error.message));
    const bool elsewhere = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded ||
                           error.code == ErrorCode::kCancelled || error.code == ErrorCode::kThrottled;
    options.log(elsewhere ? "warning" : "error", text);
  }

  /// Of Version 4, or of Version 2 when it may be for S3, in the Region that answers those who name none.
  [[nodiscard]] Result<std::optional<SignatureClaim>> read_claim(const Request& request) const {
    if (request.headers.has("x-amz-target")) return read_signature_claim(request);
    COFFER_TRY(std::optional<SignatureClaim> claim, read_v2_claim(request));
    if (!claim) return read_signature_claim(request);
    claim->region = options.regions.front();
    return claim;
  }

  Result<Response> try_to_answer(const Context& context, Request& request, Progress& at) {
    at.call.context = context;
    at.call.time = clock.wall();
    at.call.source_ip = request.remote_ip;
    at.call.user_agent = std::string(request.headers.get("user-agent"));
    at.call.secure_transport = request.secure;

    Result<std::optional<SignatureClaim>> read = read_claim(request);
    if (!read.ok() || !read->has_value()) at.service = guess_service(request);
    COFFER_TRY(std::optional<SignatureClaim> claim, std::move(read));
    if (claim) {
      at.service = find_by_signing_name(claim->service);
      if (!at.service) {
        return api::fault(
            ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
            "Credential should be scoped to a service that this installation has, not '" + claim->service + "'.");
      }
    }
    const ServiceModel* const buckets = find_service("s3");
    const bool is_unsigned_to_s3 = !claim && (!at.service ? !request.headers.has("x-amz-target") : s3.claims(request));
    if (is_unsigned_to_s3) at.service = buckets;
    if (!at.service) {
      return api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken", "Missing Authentication Token");
    }
    at.call.service = std::string(at.service->signing_name);
    at.call.region = claim ? claim->region : options.regions.front();
    if (at.brief && at.service == buckets) return too_long(at);
    if (at.service == buckets) return s3.answer(context, request, claim, at);
    if (request.stream) {
      at.doing = "reading the request";
      COFFER_CHECK_OK(read_large_body(context, request, *at.service, claim, at.call.time));
    }
    std::shared_ptr<const iam::Identity> identity;
    if (claim) {
      at.doing = "checking the signature";
      COFFER_CHECK_OK(check_region(*at.service, *claim));
      const std::string hash = to_hex(crypto::sha256(as_bytes(request.body)));
      const auto check = [&](ByteView secret) { return verify_signature(request, *claim, secret, hash, at.call.time); };
      COFFER_TRY(iam::Credential credential, authenticate(gate, authority, *claim, check, at));
      identity = std::move(credential.identity);
    }
    at.doing = "finding the operation";
    COFFER_TRY(at.route, find_route(*at.service, request));
    at.call.operation = std::string(at.route.operation->name);
    const api::Action* action = gate.find(at.call.service, at.call.operation);
    if (!action) {
      return api::fault(
          ErrorCode::kInvalidArgument,
          at.service->protocol == ProtocolKind::kQuery ? "InvalidAction" : "UnknownOperationException",
          "The operation " + at.call.operation + " is not part of this installation: see docs/aws-coverage.md.");
    }
    if (!identity && !action->anonymous)
      return api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken", "Missing Authentication Token");
    at.doing = "reading the input";
    COFFER_TRY(api::Value input, decode_input(at.route, request));
    COFFER_CHECK_OK(validate(*at.service, *at.route.operation, input));
    if (at.brief && !gate.is_brief(*action, input)) return too_long(at);
    at.doing = "running it";
    COFFER_TRY(api::Value output, gate.run(at.call, identity.get(), input));
    at.doing = action->changes ? "encoding the answer, after its effect" : "encoding the answer";
    return encode_output(at.route, output, at.call.request_id);
  }

  /// Of the services that take more than other requests have. It is kept in memory for who has a key of ours: what is
  /// signed is known only when all of it is there.
  Status read_large_body(const Context& context, Request& request, const ServiceModel& service,
                         const std::optional<SignatureClaim>& claim, WallTime now) {
    const auto limit = std::find_if(std::begin(kLargeBodies), std::end(kLargeBodies),
                                    [&](const auto& one) { return one.first == service.id; });
    const Error refused = api::fault(ErrorCode::kInvalidArgument,
                                     service.id == "lambda" ? "RequestTooLargeException" : "RequestEntityTooLarge",
                                     "The request body is larger than any operation of this service takes.");
    if (limit == std::end(kLargeBodies) || request.content_length.value_or(0) > limit->second) return refused;
    if (!claim)
      return api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken", "Missing Authentication Token");
    COFFER_CHECK_OK(authority.find_credential(context, claim->access_key_id, claim->session_token, now));
    request.body.reserve(request.content_length.value_or(0));
    Bytes piece(64 << 10);
    for (;;) {
      COFFER_TRY(const size_t size, request.stream->read(context, piece));
      if (size == 0) break;
      if (request.body.size() + size > limit->second) return refused;
      request.body.append(as_text(ByteView(piece).first(size)));
    }
    request.stream.reset();
    return ok_status();
  }

  static Error too_long(Progress& at) {
    at.is_too_long = true;
    return Error{ErrorCode::kUnavailable, "not in brief", {}};
  }

  /// Whether it is worth trying: by the operation that the request seems to ask for.
  [[nodiscard]] bool may_be_brief(const Request& request) const {
    std::string_view operation = request.headers.get("x-amz-target");
    if (!operation.empty()) return gate.may_be_brief(operation.substr(operation.rfind('.') + 1));
    constexpr std::string_view kAction = "Action=";
    operation = std::string_view(request.body).substr(0, 1024);
    const size_t begin = operation.find(kAction);
    if (begin == std::string_view::npos) return false;
    operation.remove_prefix(begin + kAction.size());
    return gate.may_be_brief(operation.substr(0, operation.find('&')));
  }

  /// Global services are signed for us-east-1 by clients that know them as global, and for their own Region by others.
  [[nodiscard]] Status check_region(const ServiceModel& service, const SignatureClaim& claim) const {
    const auto& regions = options.regions;
    if (std::find(regions.begin(), regions.end(), claim.region) != regions.end()) return ok_status();
    if (service.global && claim.region == kGlobalRegion) return ok_status();
    return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                      "Credential should be scoped to a valid region, not '" + claim.region +
                          "'. This installation has " + regions.front() + (regions.size() > 1 ? " and others." : "."));
  }
};

Front::Front(gate::Gate& gate, iam::Authority& authority, Clock& clock, Entropy& entropy, Options options)
    : state_(new State{gate,
                       authority,
                       clock,
                       entropy,
                       options,
                       S3Front(gate, authority, {options.regions, options.s3_domains, options.s3_cors}),
                       {}}) {}
Front::~Front() = default;

Response Front::handle(const Context& context, Request& request) { return *state_->handle(context, request, false); }

std::optional<Response> Front::handle_briefly(const Context& context, Request& request) {
  return state_->handle(context, request, true);
}

std::optional<Response> Front::State::handle(const Context& context, Request& request, bool brief) {
  State& state = *this;
  // Not when it is an object of such a name that is asked for.
  const bool is_signed = request.headers.has("authorization") || request.query().find("X-Amz-") != std::string::npos ||
                         request.query().find("AWSAccessKeyId") != std::string::npos;
  if ((request.method == "GET" || request.method == "HEAD") && !is_signed && !state.s3.claims(request)) {
    const std::string_view path = request.path();
    if (path == "/healthz") return plain(200, "ok\n");
    if (brief) return std::nullopt;
    if (path == "/readyz") {
      Status ready = state.options.ready ? state.options.ready() : ok_status();
      return ready.ok() ? plain(200, "ready\n") : plain(503, "not ready: " + ready.error().message + "\n");
    }
    if (path == "/metrics") {
      std::string text = "# TYPE coffer_build_info gauge\ncoffer_build_info{version=\"" + state.options.version +
                         "\"} 1\n" + state.metrics.text();
      if (state.options.metrics) text += state.options.metrics();
      Response response = plain(200, std::move(text));
      response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      return response;
    }
  }
  if (brief && !may_be_brief(request)) return std::nullopt;
  const MonoTime begun = state.clock.mono();
  Progress at;
  at.brief = brief;
  at.call.request_id = random_uuid(state.entropy);
  std::string target = options.s3_access_wanted ? request.target : std::string();  // S3's way rewrites it
  Result<Response> answer = state.answer(context, request, at);
  if (at.is_too_long) return std::nullopt;
  const double seconds = std::chrono::duration<double>(state.clock.mono() - begun).count();
  const std::string_view service = at.service ? at.service->id : std::string_view("unknown");
  const std::string_view operation = at.route.operation ? at.route.operation->name : std::string_view("unknown");
  const auto tell_access = [&](const Response& response, std::string error_code) {
    if (options.s3_access_wanted && service == "s3" && !at.bucket.empty() && options.s3_access_wanted(at.bucket))
      options.s3_access(access_record_of(at, request, std::move(target), response, std::move(error_code), seconds));
  };
  if (answer.ok()) {
    state.metrics.count(service, operation, "200", seconds);
    tell_access(*answer, {});
    return std::move(answer).value();
  }
  Response response = state.refuse(context, request, at, answer.error());
  tell_access(response, answer.error().name.empty() ? "InternalError" : answer.error().name);
  state.metrics.count(service, operation, std::to_string(response.status), seconds);
  // Of what this installation does not have, whoever asks learns by name: nothing failed.
  if (response.status >= 500 && response.status != 501) state.log_failure(at, answer.error());
  if (!at.authenticated && answer.error().code == ErrorCode::kUnauthenticated)
    state.metrics.count_refusal(answer.error().name.empty() ? "Unauthenticated" : answer.error().name);
  return response;
}

}  // namespace coffer::wire
