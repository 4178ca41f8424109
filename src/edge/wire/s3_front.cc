#include "edge/wire/s3_front.h"

#include <algorithm>

#include "edge/wire/authenticate.h"
#include "edge/wire/codec.h"
#include "edge/wire/s3_address.h"
#include "edge/wire/s3_answer.h"
#include "edge/wire/s3_body.h"
#include "edge/wire/s3_cors.h"
#include "edge/wire/s3_form.h"
#include "edge/wire/s3_input.h"
#include "edge/wire/s3_post.h"
#include "edge/wire/sigv2.h"
#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

/// Of documents: 1000 keys to delete, or a policy, fit in the first; 10 000 parts with their checksums in the second.
constexpr size_t kDocumentSizeMax = size_t{2} << 20;
constexpr size_t kPartListSizeMax = size_t{4} << 20;
constexpr size_t kKeySizeMax = 1024;
constexpr std::string_view kAuthTypes[] = {"REST-HEADER", "REST-QUERY-STRING"};

/// Their documents may come without any digest, whatever the model says: clients of many years send none.
constexpr std::string_view kNoDigestNeeded[] = {
    "PutBucketAccelerateConfiguration",
    "PutBucketAcl",
    "PutBucketEncryption",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketPolicy",
    "PutBucketOwnershipControls",
    "PutBucketRequestPayment",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutObjectAcl",
    "PutPublicAccessBlock",
    "UpdateObjectEncryption",
};

bool streams(const OperationModel& operation) {
  if (!operation.input || operation.input->payload.empty()) return false;
  const Member& payload = member_of(*operation.input, operation.input->payload);
  return payload.streaming || payload.shape->streaming;
}

bool needs_digest(const OperationModel& operation) {
  return operation.checksum_required &&
         std::find(std::begin(kNoDigestNeeded), std::end(kNoDigestNeeded), operation.name) == std::end(kNoDigestNeeded);
}

bool is_v2(const SignatureClaim& claim) { return claim.version == SignatureClaim::Version::k2; }

/// How conditions of policies tell it.
api::Signature signature_of(const SignatureClaim& claim, std::string_view auth_type, std::string_view payload_hash) {
  if (!is_v2(claim)) return {std::string(auth_type), claim.time, std::string(payload_hash)};
  return {std::string(auth_type), std::nullopt, std::string(payload_hash), "AWS"};
}

/// Version 2 covers no payload, and has no keys for the signatures of chunks. Empty: nothing is said.
Result<std::string> v2_payload_hash_of(const SignatureClaim& claim) {
  if (claim.payload_hash.empty()) return std::string();
  COFFER_TRY(std::string hash, payload_hash_of(claim));
  if (!hash.starts_with("STREAMING-") || hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return hash;
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest",
                    "Chunks that are signed need a request that is signed with AWS4-HMAC-SHA256.");
}

/// What helps whoever wrote a client to find where it signs differently. Nothing of it is secret to the sender.
void add_debug_elements(const Request& request, const SignatureClaim& claim, std::string_view payload_hash,
                        std::string_view resource_path, const Error& error, Progress& at) {
  ErrorElements& elements = at.reply.error_elements;
  if (error.name == "InvalidClientTokenId" || error.name == "InvalidAccessKeyId")
    elements.emplace_back("AWSAccessKeyId", claim.access_key_id);
  if (error.name == "RequestTimeTooSkewed") {
    elements.emplace_back("RequestTime", claim.timestamp);
    elements.emplace_back("ServerTime", format_utc(at.call.time));
    elements.emplace_back("MaxAllowedSkewMilliseconds", "900000");
  }
  if (error.name == "RequestExpired" && claim.expires) {
    elements.emplace_back("X-Amz-Expires", std::to_string(claim.expires->count()));
    elements.emplace_back("Expires", format_utc(claim.time + *claim.expires));
    elements.emplace_back("ServerTime", format_utc(at.call.time));
  }
  if (error.name == "RequestExpired" && is_v2(claim)) {
    elements.emplace_back("Expires", format_utc(claim.time));
    elements.emplace_back("ServerTime", format_utc(at.call.time));
  }
  if (error.name != "SignatureDoesNotMatch") return;
  if (is_v2(claim)) {
    const Result<std::string> text = v2_string_to_sign(request, claim, resource_path);
    if (!text.ok()) return;
    elements.emplace_back("AWSAccessKeyId", claim.access_key_id);
    elements.emplace_back("StringToSign", *text);
    elements.emplace_back("SignatureProvided", claim.signature);
    return;
  }
  const Result<std::string> canonical = canonical_request(request, claim, payload_hash);
  if (!canonical.ok()) return;
  elements.emplace_back("AWSAccessKeyId", claim.access_key_id);
  elements.emplace_back("StringToSign", string_to_sign(claim, *canonical));
  elements.emplace_back("SignatureProvided", claim.signature);
  elements.emplace_back("CanonicalRequest", *canonical);
}

}  // namespace

struct S3Front::State {
  gate::Gate& gate;
  iam::Authority& authority;
  Options options;

  /// The target in path style, which all but the signature goes by; `at` learns what it names.
  [[nodiscard]] std::string find_address(const Request& request, Progress& at) const {
    const std::optional<S3Host> host = s3_host(request.headers.get("host"), options.domains);
    at.bucket_in_host = host && !host->bucket.empty();
    std::string target = at.bucket_in_host ? path_style_target(request.target, host->bucket) : request.target;
    const S3Path path = s3_path(std::string_view(target).substr(0, target.find('?')));
    at.bucket = path.bucket;
    at.key = path.key;
    at.resource = path.key.empty() ? "/" + path.bucket : "/" + path.bucket + "/" + path.key;
    return target;
  }

  Status check_region(const SignatureClaim& claim, Progress& at) const {
    const auto& regions = options.regions;
    if (std::find(regions.begin(), regions.end(), claim.region) != regions.end()) return ok_status();
    at.reply.error_elements.emplace_back("Region", regions.front());
    const bool by_header = claim.place == SignatureClaim::Place::kHeader;
    return api::fault(ErrorCode::kUnauthenticated,
                      by_header ? "AuthorizationHeaderMalformed" : "AuthorizationQueryParametersError",
                      (by_header ? "The authorization header is malformed; the region '"
                                 : "Error parsing the X-Amz-Credential parameter; the region '") +
                          claim.region + "' is wrong; expecting '" + regions.front() + "'");
  }

  Result<const api::Action*> find_action(Progress& at, const Request& request) const {
    at.doing = "finding the operation";
    COFFER_TRY(at.route, find_route(*at.service, request));
    at.call.operation = std::string(at.route.operation->name);
    if (const api::Action* action = gate.find(at.call.service, at.call.operation)) return action;
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header or query you provided implies functionality that is not implemented: " +
                          at.call.operation + ". See docs/aws-coverage.md.");
  }

  static Status check_caller(const api::Action& action, const iam::Identity* identity) {
    if (identity || action.anonymous) return ok_status();
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Access Denied");
  }

  /// How an object is encrypted is said when it is written.
  static Status check_no_encryption(const OperationModel& operation, const Request& request) {
    if (operation.name != "GetObject" && operation.name != "HeadObject") return ok_status();
    if (!request.headers.has("x-amz-server-side-encryption")) return ok_status();
    return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                      "x-amz-server-side-encryption header is not supported for this operation.");
  }

  static Status check_key(Progress& at) {
    if (at.key.size() <= kKeySizeMax) return ok_status();
    at.reply.error_elements.emplace_back("Size", std::to_string(at.key.size()));
    at.reply.error_elements.emplace_back("MaxSizeAllowed", std::to_string(kKeySizeMax));
    return api::fault(ErrorCode::kInvalidArgument, "KeyTooLongError", "Your key is too long");
  }

  Result<Response> run(Progress& at, const api::Action& action, const iam::Identity* identity, const api::Value& input,
                       api::RequestBody* body) {
    at.doing = "running it";
    COFFER_TRY(api::Value output, gate.run(at.call, identity, input, body, &at.reply));
    at.doing = action.changes ? "encoding the answer, after its effect" : "encoding the answer";
    return encode_s3_output(at, output);
  }

  Result<Response> answer_preflight(const Context& context, const Request& request, const Progress& at) const {
    COFFER_TRY(const CorsQuestion question, preflight_question(request));
    api::Value configuration;
    if (options.cors && !at.bucket.empty()) {
      COFFER_TRY(configuration, options.cors(context, at.bucket));
    }
    if (configuration.is_null())
      return api::fault(ErrorCode::kPermissionDenied, "AccessForbidden",
                        "CORSResponse: CORS is not enabled for this bucket.");
    Response response;
    if (allow_cors(configuration, question, response)) return response;
    return api::fault(ErrorCode::kPermissionDenied, "AccessForbidden",
                      "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of "
                      "Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are "
                      "not whitelisted by the resource's CORS spec.");
  }

  /// A form brings its own signature, over its policy document.
  Result<Response> answer_form(const Context& context, Request& request, Progress& at) {
    if (at.bucket.empty() || !at.key.empty())
      return api::fault(ErrorCode::kInvalidArgument, "MethodNotAllowed",
                        "The specified method is not allowed against this resource.");
    S3BodyOptions plain;
    COFFER_TRY(auto body, open_s3_body(request, plain));
    COFFER_TRY(S3Post post, S3Post::read(context, *body, request, at));
    std::shared_ptr<const iam::Identity> identity;
    if (std::optional<SignatureClaim> claim = post.claim()) {
      at.doing = "checking the signature";
      if (is_v2(*claim)) claim->region = options.regions.front();
      COFFER_CHECK_OK(check_region(*claim, at));
      at.call.region = claim->region;
      at.call.caller.access_key_id = claim->access_key_id;
      COFFER_TRY(iam::Credential credential,
                 authority.find_credential(context, claim->access_key_id, claim->session_token, at.call.time));
      if (Status verified = post.verify(*claim, credential.secret_access_key->view()); !verified.ok()) {
        at.call.caller.account = credential.identity->caller.account;
        gate.record_refusal(at.call, verified.error());
        return std::move(verified).error();
      }
      identity = credential.identity;
      at.call.caller = identity->caller;
      at.call.caller.access_key_id = claim->access_key_id;
      at.call.signature = signature_of(*claim, "POST", {});
      at.authenticated = true;
      authority.note_use(claim->access_key_id, claim->service, claim->region, at.call.time);
    }
    COFFER_CHECK_OK(post.check_policy(at.call.time));
    Request put = post.as_put();
    at.key = s3_path(put.path()).key;
    at.resource = "/" + at.bucket + "/" + at.key;
    COFFER_CHECK_OK(check_key(at));
    COFFER_TRY(const api::Action* action, find_action(at, put));
    COFFER_CHECK_OK(check_caller(*action, identity.get()));
    at.doing = "reading the input";
    COFFER_TRY(api::Value input, decode_input(at.route, put));
    COFFER_CHECK_OK(post.add_tags(input));
    COFFER_CHECK_OK(validate_s3(*at.route.operation, input, at.reply.error_elements));
    COFFER_TRY(Response stored, run(at, *action, identity.get(), input, &post.file()));
    return post.answer(std::move(stored), at);
  }
};

S3Front::S3Front(gate::Gate& gate, iam::Authority& authority, Options options)
    : state_(new State{gate, authority, std::move(options)}) {}
S3Front::~S3Front() = default;

bool S3Front::claims(const Request& request) const {
  if (request.headers.has("x-amz-target")) return false;
  const std::optional<S3Host> host = s3_host(request.headers.get("host"), state_->options.domains);
  return (host && !host->bucket.empty()) || is_form_upload(request);
}

Result<Response> S3Front::answer(const Context& context, Request& request, const std::optional<SignatureClaim>& claim,
                                 Progress& at) {
  State& state = *state_;
  std::string target = state.find_address(request, at);
  if (request.method == "OPTIONS") return state.answer_preflight(context, request, at);

  S3BodyOptions with;
  std::optional<iam::Credential> credential;
  const iam::Identity* identity = nullptr;
  if (claim) {
    at.doing = "checking the signature";
    COFFER_CHECK_OK(state.check_region(*claim, at));
    const bool old = is_v2(*claim);
    COFFER_TRY(with.payload_hash, old ? v2_payload_hash_of(*claim) : payload_hash_of(*claim));
    const std::string_view path = std::string_view(target).substr(0, target.find('?'));
    const auto check = [&](ByteView secret) {
      return old ? verify_v2_signature(request, *claim, secret, path, at.call.time)
                 : verify_signature(request, *claim, secret, with.payload_hash, at.call.time);
    };
    Result<iam::Credential> proved = authenticate(state.gate, state.authority, *claim, check, at);
    if (!proved.ok()) {
      add_debug_elements(request, *claim, with.payload_hash, path, proved.error(), at);
      return std::move(proved).error();
    }
    credential = std::move(*proved);
    identity = credential->identity.get();
    with.claim = &*claim;
    with.secret_access_key = credential->secret_access_key->view();
    const bool presigned = claim->place == SignatureClaim::Place::kQuery;
    at.call.signature =
        signature_of(*claim, kAuthTypes[presigned], with.payload_hash.empty() ? "UNSIGNED-PAYLOAD" : with.payload_hash);
    if (presigned && old) take_v2_headers_from_query(request);
    if (presigned && !old) take_headers_from_query(request);
  }
  request.target = std::move(target);
  if (!claim && is_form_upload(request)) return state.answer_form(context, request, at);
  COFFER_TRY(const api::Action* action, state.find_action(at, request));
  COFFER_CHECK_OK(State::check_caller(*action, identity));
  COFFER_CHECK_OK(State::check_key(at));
  at.doing = "reading the input";
  const OperationModel& operation = *at.route.operation;
  const bool has_stream = streams(operation);
  with.input = operation.input;
  with.length_required = has_stream;
  COFFER_CHECK_OK(State::check_no_encryption(operation, request));
  COFFER_TRY(const auto body, open_s3_body(request, with));
  if (!has_stream) {
    const bool is_part_list = operation.name == "CompleteMultipartUpload";
    COFFER_TRY(std::string document, read_document(context, *body, is_part_list ? kPartListSizeMax : kDocumentSizeMax));
    // The checksum beside a list of parts is that of the object.
    if (!is_part_list)
      COFFER_CHECK_OK(check_document(request, body->trailing_members(), document, needs_digest(operation)));
    request.body = std::move(document);
  }
  COFFER_TRY(api::Value input, decode_input(at.route, request));
  COFFER_CHECK_OK(validate_s3(operation, input, at.reply.error_elements));
  return state.run(at, *action, identity, input, has_stream ? body.get() : nullptr);
}

Response S3Front::refuse(const Progress& at, const Error& error) const { return encode_s3_error(at, error); }

void S3Front::add_cors(const Context& context, const Request& request, const Progress& at, Response& response) const {
  const std::string_view origin = request.headers.get("origin");
  if (origin.empty() || at.bucket.empty() || !state_->options.cors || request.method == "OPTIONS") return;
  const Result<api::Value> configuration = state_->options.cors(context, at.bucket);
  // A browser that is told nothing keeps the answer to itself: no reason to fail for others.
  if (!configuration.ok() || configuration->is_null()) return;
  static_cast<void>(allow_cors(*configuration, {origin, request.method, {}}, response));
}

}  // namespace coffer::wire
