// What a request says about its signature: the Authorization header, or the parameters of a presigned URL.
#include <algorithm>
#include <charconv>

#include "edge/wire/signature_rules.h"
#include "edge/wire/sigv4.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_time.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kAsymmetric = "AWS4-ECDSA-P256-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr int64_t kExpiresMaxSeconds = 604'800;

Error header_malformed(std::string_view why) {
  return api::fault(ErrorCode::kUnauthenticated, "AuthorizationHeaderMalformed",
                    "The authorization header is malformed; " + std::string(why));
}

Error query_malformed(std::string_view why) {
  return api::fault(ErrorCode::kUnauthenticated, "AuthorizationQueryParametersError", std::string(why));
}

Error asymmetric_refused() {
  return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                    "The AWS4-ECDSA-P256-SHA256 signing algorithm (Signature Version 4A) is not supported. Please use "
                    "AWS4-HMAC-SHA256.");
}

Error mechanism_refused() {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest",
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.");
}

Error malformed(SignatureClaim::Place place, std::string_view why) {
  if (place == SignatureClaim::Place::kHeader) return header_malformed(why);
  return query_malformed("Error parsing the X-Amz-Credential parameter; " + std::string(why));
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_lower_hex(std::string_view text, size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// <access key>/<date>/<region>/<service>/aws4_request
Status read_credential(std::string_view text, SignatureClaim& claim) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= text.size() && parts.size() < 6;) {
    size_t end = std::min(text.find('/', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 5 || !std::all_of(parts.begin(), parts.end(), is_word))
    return malformed(claim.place,
                     R"(the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".)");
  if (parts[4] != kTerminator)
    return malformed(claim.place, "incorrect terminal \"" + std::string(parts[4]) +
                                      "\". This endpoint belongs to \"aws4_request\".");
  if (!parse_signing_time(std::string(parts[1]) + "T000000Z"))
    return malformed(claim.place, "incorrect date format \"" + std::string(parts[1]) +
                                      "\". This date in the credential must be in the format \"yyyyMMdd\".");
  claim.access_key_id = parts[0], claim.date = parts[1], claim.region = parts[2], claim.service = parts[3];
  return ok_status();
}

Status check_date(const SignatureClaim& claim) {
  std::string_view day = std::string_view(claim.timestamp).substr(0, 8);
  if (day == claim.date) return ok_status();
  return malformed(claim.place, "Invalid credential date \"" + claim.date +
                                    "\". This date is not the same as X-Amz-Date: \"" + std::string(day) + "\".");
}

/// X-Amz-Date, else Date, which may have either spelling.
Status read_header_time(const Request& request, SignatureClaim& claim) {
  std::string_view text = trimmed(request.headers.get("x-amz-date"));
  if (text.empty()) text = trimmed(request.headers.get("date"));
  auto time = parse_signing_time(text);
  if (!time && !request.headers.has("x-amz-date")) time = parse_http_date(text);
  if (!time)
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "AWS authentication requires a valid Date or x-amz-date header");
  claim.time = *time;
  claim.timestamp = format_signing_time(*time);
  return ok_status();
}

Result<SignatureClaim> read_header(const Request& request, std::string_view text) {
  SignatureClaim claim;
  std::string_view credential, signed_headers;
  text.remove_prefix(kAlgorithm.size());
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view item = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return header_malformed("a component is not in the form name=value.");
    const std::string_view name = trimmed(item.substr(0, equals)), value = trimmed(item.substr(equals + 1));
    std::string_view* view = name == "Credential" ? &credential : name == "SignedHeaders" ? &signed_headers : nullptr;
    const bool is_twice = view ? !view->empty() : name == "Signature" && !claim.signature.empty();
    if (is_twice) return header_malformed("the " + std::string(name) + " component stands there twice.");
    if (view) *view = value;
    if (name == "Signature") claim.signature = value;
  }
  if (credential.empty() || signed_headers.empty() || claim.signature.empty())
    return header_malformed(
        "the authorization header requires three components: Credential, SignedHeaders, and Signature.");
  COFFER_CHECK_OK(read_credential(credential, claim));
  if (!read_signed_headers(signed_headers, claim.signed_headers))
    return header_malformed("the SignedHeaders are mal-formed.");
  if (!is_lower_hex(claim.signature, 64)) return header_malformed("the Signature is mal-formed.");
  COFFER_CHECK_OK(read_header_time(request, claim));
  COFFER_CHECK_OK(check_date(claim));
  claim.session_token = trimmed(request.headers.get("x-amz-security-token"));
  claim.payload_hash = trimmed(request.headers.get("x-amz-content-sha256"));
  return claim;
}

/// The parameters of a presigned URL, decoded.
struct QueryParameters {
  std::optional<std::string> algorithm, credential, date, expires, signed_headers, token, signature, content_hash;

  /// Null: none of ours.
  std::optional<std::string>* slot(std::string_view name) {
    if (name == "X-Amz-Algorithm") return &algorithm;
    if (name == "X-Amz-Credential") return &credential;
    if (name == "X-Amz-Date") return &date;
    if (name == "X-Amz-Expires") return &expires;
    if (name == "X-Amz-SignedHeaders") return &signed_headers;
    if (name == "X-Amz-Security-Token") return &token;
    if (name == "X-Amz-Signature") return &signature;
    if (name == "X-Amz-Content-Sha256") return &content_hash;
    return nullptr;
  }
  [[nodiscard]] bool is_complete() const {
    return algorithm && credential && date && expires && signed_headers && signature;
  }
};

Result<std::chrono::seconds> read_expires(std::string_view text) {
  int64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc::result_out_of_range) seconds = text.front() == '-' ? -1 : kExpiresMaxSeconds + 1;
  if (error == std::errc::invalid_argument || end != text.data() + text.size())
    return query_malformed("X-Amz-Expires should be a number");
  if (seconds < 0) return query_malformed("X-Amz-Expires must be non-negative");
  if (seconds == 0) return query_malformed("X-Amz-Expires must be greater than zero");
  if (seconds > kExpiresMaxSeconds)
    return query_malformed(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
        "604800 seconds");
  return std::chrono::seconds(seconds);
}

Result<SignatureClaim> read_query(const Request& request, const QueryParameters& found) {
  SignatureClaim claim;
  claim.place = SignatureClaim::Place::kQuery;
  if (!found.is_complete())
    return query_malformed(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  if (*found.algorithm != kAlgorithm)
    return query_malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"");
  COFFER_CHECK_OK(read_credential(*found.credential, claim));
  auto time = parse_signing_time(*found.date);
  if (!time) return query_malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  claim.time = *time;
  claim.timestamp = *found.date;
  COFFER_CHECK_OK(check_date(claim));
  COFFER_TRY(claim.expires, read_expires(*found.expires));
  if (!read_signed_headers(*found.signed_headers, claim.signed_headers))
    return query_malformed("X-Amz-SignedHeaders is mal-formed.");
  if (!is_lower_hex(*found.signature, 64)) return query_malformed("X-Amz-Signature is mal-formed.");
  claim.signature = *found.signature;
  claim.session_token = found.token.value_or("");
  claim.payload_hash = found.content_hash ? *found.content_hash : trimmed(request.headers.get("x-amz-content-sha256"));
  return claim;
}

bool has_signing_parameter(std::string_view query) {
  return query.find("X-Amz-") != std::string_view::npos || query.find("AWSAccessKeyId") != std::string_view::npos ||
         query.find('%') != std::string_view::npos;  // a name may itself be escaped
}

/// Nothing: the query carries no signature.
Result<std::optional<QueryParameters>> find_parameters(std::string_view query) {
  if (!has_signing_parameter(query)) return std::optional<QueryParameters>();
  auto pairs = parse_query(query, false);
  // A broken escape is told by whoever reads the query for what it means.
  if (!pairs) return std::optional<QueryParameters>();
  QueryParameters found;
  bool has_old_key = false, has_old_signature = false;
  for (auto& [name, value] : *pairs) {
    has_old_key |= name == "AWSAccessKeyId";
    has_old_signature |= name == "Signature";
    auto* slot = found.slot(name);
    if (slot == nullptr) continue;
    if (slot->has_value()) return query_malformed("The parameter " + name + " stands there twice.");
    *slot = std::move(value);
  }
  if (has_old_key && has_old_signature) return mechanism_refused();
  if (!found.algorithm && !found.credential && !found.signature) return std::optional<QueryParameters>();
  return std::optional<QueryParameters>(std::move(found));
}

bool begins_with_scheme(std::string_view text, std::string_view scheme) {
  return text.substr(0, scheme.size()) == scheme &&
         (text.size() == scheme.size() || text[scheme.size()] == ' ' || text[scheme.size()] == '\t');
}

}  // namespace

Result<std::optional<SignatureClaim>> read_signature_claim(const Request& request) {
  const auto is_authorization = [](const auto& field) { return same_name(field.first, "authorization"); };
  const auto& fields = request.headers.fields();
  const auto count = std::count_if(fields.begin(), fields.end(), is_authorization);
  COFFER_TRY(auto parameters, find_parameters(request.query()));
  if (count + (parameters ? 1 : 0) > 1) return one_mechanism_only();
  if (parameters) {
    if (parameters->algorithm == kAsymmetric) return asymmetric_refused();
    COFFER_TRY(SignatureClaim claim, read_query(request, *parameters));
    return std::optional<SignatureClaim>(std::move(claim));
  }
  if (count == 0) return std::optional<SignatureClaim>();
  const std::string_view text = trimmed(std::find_if(fields.begin(), fields.end(), is_authorization)->second);
  if (begins_with_scheme(text, kAsymmetric)) return asymmetric_refused();
  if (!begins_with_scheme(text, kAlgorithm)) return mechanism_refused();
  COFFER_TRY(SignatureClaim claim, read_header(request, text));
  return std::optional<SignatureClaim>(std::move(claim));
}

}  // namespace coffer::wire
