#include "edge/wire/peer_calls.h"

#include <algorithm>
#include <array>

#include "edge/wire/peer_signature.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"
#include "services/api/value_json.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kPath = "/.coffer/peer/v1/";
constexpr size_t kInputSizeMax = 64 * 1024;
constexpr std::string_view kOperations[] = {"ReplicateObject", "ReplicateMetadata"};

constexpr std::array kCodes{ErrorCode::kInvalidArgument, ErrorCode::kUnauthenticated,   ErrorCode::kPermissionDenied,
                            ErrorCode::kNotFound,        ErrorCode::kAlreadyExists,     ErrorCode::kFailedPrecondition,
                            ErrorCode::kConflict,        ErrorCode::kResourceExhausted, ErrorCode::kThrottled,
                            ErrorCode::kUnavailable,     ErrorCode::kDeadlineExceeded,  ErrorCode::kInternal};

ErrorCode code_of(std::string_view name) {
  const auto found =
      std::find_if(kCodes.begin(), kCodes.end(), [&](ErrorCode code) { return error_code_name(code) == name; });
  return found == kCodes.end() ? ErrorCode::kInternal : *found;
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied: return 403;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kConflict: return 409;
    case ErrorCode::kThrottled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded: return 503;
    case ErrorCode::kInternal:
    case ErrorCode::kCorruption: return 500;
    default: return 400;
  }
}

Error malformed(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedInput", std::move(message));
}

/// The request's body from wherever it is.
class Incoming final : public api::RequestBody {
 public:
  explicit Incoming(Request& request) : request_(request) {}
  Result<size_t> read(const Context& context, MutableByteView out) override {
    size_t got = 0;
    if (request_.stream) {
      COFFER_TRY(got, request_.stream->read(context, out));
    } else {
      got = std::min(out.size(), request_.body.size() - at_);
      std::copy_n(as_bytes(request_.body).begin() + static_cast<std::ptrdiff_t>(at_), got, out.begin());
      at_ += got;
    }
    if (left_) {
      if (got > *left_ || (got == 0 && *left_ > 0)) return incomplete();
      *left_ -= got;
    }
    return got;
  }
  Status read_exactly(const Context& context, MutableByteView out) {
    while (!out.empty()) {
      COFFER_TRY(const size_t got, read(context, out));
      if (got == 0) return incomplete();
      out = out.subspan(got);
    }
    return ok_status();
  }
  /// What follows is the body proper, of this size.
  void announce(uint64_t size) { left_ = size_bytes_ = size; }
  [[nodiscard]] std::optional<uint64_t> size() const override { return size_bytes_; }

 private:
  static Error incomplete() {
    return api::fault(ErrorCode::kInvalidArgument, "IncompleteBody", "The body is not as long as it was announced.");
  }
  Request& request_;
  size_t at_ = 0;
  std::optional<uint64_t> left_, size_bytes_;
};

/// The frame of the input, then the bytes.
class Outgoing final : public BodySource {
 public:
  Outgoing(std::string frame, api::RequestBody* body) : frame_(std::move(frame)), body_(body) {}
  Result<size_t> read(const Context& context, MutableByteView out) override {
    if (at_ == frame_.size()) return body_ ? body_->read(context, out) : Result<size_t>(0);
    const size_t size = std::min(out.size(), frame_.size() - at_);
    std::copy_n(as_bytes(frame_).begin() + static_cast<std::ptrdiff_t>(at_), size, out.begin());
    at_ += size;
    return size;
  }

 private:
  std::string frame_;
  size_t at_ = 0;
  api::RequestBody* body_;
};

std::string frame_of(std::string_view input) {
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>((input.size() >> shift) & 0xFF);
  frame += input;
  return frame;
}

/// The sender has checked what its role may do; here the resource's side decides.
std::shared_ptr<const policy::PrincipalPolicies> decided_by_the_sender() {
  auto document =
      policy::Document::parse(R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
                              policy::Kind::kIdentity);
  auto policies = std::make_shared<policy::PrincipalPolicies>();
  policies->identity.push_back({"peer", "IAM Policy", document.value()});
  return policies;
}

api::Caller caller_of(const PeerClaim& claim) {
  api::Caller caller;
  caller.kind = api::Caller::Kind::kRoleSession;
  caller.account = claim.account;
  caller.arn = claim.principal_arn;
  caller.principal_arn = claim.role_arn;
  caller.principal_id = claim.role_id;
  caller.session_name = claim.principal_arn.substr(claim.principal_arn.rfind('/') + 1);
  caller.user_id = claim.role_id + ":" + caller.session_name;
  return caller;
}

Response respond(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

}  // namespace

PeerFront::PeerFront(gate::Gate& gate, Clock& clock, Entropy& entropy, Options options)
    : gate_(gate), clock_(clock), entropy_(entropy), options_(std::move(options)), policies_(decided_by_the_sender()) {}

bool PeerFront::takes(const Request& request) { return request.path().starts_with(kPath); }

Response PeerFront::handle(const Context& context, Request& request) {
  const std::string request_id = random_uuid(entropy_);
  Result<api::Value> answered = answer(context, request, request_id);
  if (answered.ok()) return respond(200, api::to_json(*answered));
  const Error& error = answered.error();
  // An outsider learns nothing of what went wrong inside.
  const bool ours = error.code == ErrorCode::kInternal || error.code == ErrorCode::kCorruption;
  return respond(status_of(error.code),
                 api::to_json(api::Value::object({{"Code", error_code_name(error.code)},
                                                  {"Name", error.name},
                                                  {"Message", ours ? std::string("internal error") : error.message},
                                                  {"RequestId", request_id}})));
}

Result<api::Value> PeerFront::answer(const Context& context, Request& request, const std::string& request_id) {
  if (request.method != "POST") return malformed("A peer asks with POST.");
  COFFER_TRY(auto claim, read_peer_claim(request));
  if (!claim) {
    return api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken",
                      "This path is for other installations, which sign as " + std::string(kPeerScheme) + ".");
  }
  const auto enrolled = options_.accounts.find(claim->account);
  if (enrolled == options_.accounts.end()) {
    return api::fault(ErrorCode::kUnauthenticated, "InvalidAccessKeyId",
                      "Account " + claim->account + " is not enrolled as a peer here.");
  }
  if (!options_.is_ours(claim->to_account)) {
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "Account " + claim->to_account + " is none of this installation.");
  }
  const WallTime now = clock_.wall();
  COFFER_CHECK_OK(verify_peer(request, *claim, enrolled->second, now));

  const std::string_view operation = request.path().substr(kPath.size());
  if (std::find(std::begin(kOperations), std::end(kOperations), operation) == std::end(kOperations) ||
      !gate_.find("s3", operation))
    return api::fault(ErrorCode::kNotFound, "UnknownOperationException", "Peers have no such operation.");
  Incoming body(request);
  std::array<std::byte, 4> prefix{};
  COFFER_CHECK_OK(body.read_exactly(context, prefix));
  size_t size = 0;
  for (const std::byte byte : prefix) size = size << 8 | std::to_integer<size_t>(byte);
  if (size > kInputSizeMax) return malformed("The input is longer than 64 KiB.");
  std::string text(size, '\0');
  COFFER_CHECK_OK(body.read_exactly(context, MutableByteView(reinterpret_cast<std::byte*>(text.data()), size)));
  if (request.headers.get("x-coffer-input-sha256") != to_hex(crypto::sha256(as_bytes(text))))
    return malformed("The input is not the one that was signed.");
  Result<api::Value> input = api::from_json(text);
  if (!input.ok()) return malformed("The input cannot be read.");
  if (!request.content_length || *request.content_length < 4 + size) return malformed("The length is not announced.");
  body.announce(*request.content_length - 4 - size);

  const auto identity = std::make_shared<iam::Identity>(iam::Identity{caller_of(*claim), policies_, {}, {}, {}});
  api::Call call;
  call.context = context;
  call.caller = identity->caller;
  call.service = "s3";
  call.operation = std::string(operation);
  call.region = options_.region;
  call.request_id = request_id;
  call.source_ip = request.remote_ip;
  call.user_agent = std::string(request.headers.get("user-agent"));
  call.secure_transport = request.secure;
  call.time = now;
  return gate_.run(call, identity.get(), *input, &body);
}

Result<api::Value> call_peer(HttpClient& client, const PeerAddress& address, ByteView seed, const api::Call& call,
                             const api::Value& input, api::RequestBody* body, WallTime now) {
  const std::string text = api::to_json(input);
  std::string frame = frame_of(text);
  Request request;
  request.method = "POST";
  request.target = std::string(kPath) + call.operation;
  std::string_view host = address.endpoint;
  if (const size_t scheme = host.find("://"); scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
  request.headers.set("Host", std::string(host));
  request.headers.set("Content-Type", "application/octet-stream");
  request.headers.set("X-Coffer-Input-Sha256", to_hex(crypto::sha256(as_bytes(text))));
  sign_as_peer(request,
               {.account = call.caller.account,
                .to_account = address.to_account,
                .principal_arn = call.caller.arn,
                .role_arn = call.caller.principal_arn,
                .role_id = call.caller.principal_id,
                .seed = seed},
               now);
  request.content_length = frame.size() + (body ? body->size().value_or(0) : 0);
  request.stream = std::make_unique<Outgoing>(std::move(frame), body);
  COFFER_TRY(Response response, client.send(call.context, address.endpoint, request));
  Result<api::Value> answer = api::from_json(response.body);
  if (!answer.ok()) {
    return Error{ErrorCode::kUnavailable,
                 address.endpoint + " does not answer as a peer (HTTP status " + std::to_string(response.status) + ")",
                 "is this the endpoint of a Coffer installation?"};
  }
  if (response.status == 200) return answer;
  return Error{
      code_of(answer->text("Code")), std::string(answer->text("Message")), {}, std::string(answer->text("Name"))};
}

}  // namespace coffer::wire
