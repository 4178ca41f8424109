#include "edge/wire/sigv2.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/base64.h"
#include "edge/wire/s3_input.h"
#include "edge/wire/signature_rules.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_time.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/hmac.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kScheme = "AWS";
constexpr int64_t kExpiresMax = 253'402'300'799;  // the end of the year 9999

/// The parameters that say what is asked for. Every one that selects an operation must be here: whoever carries a URL
/// could otherwise make another request of it. Sorted.
constexpr std::string_view kSubresources[] = {
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "attributes",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};
static_assert(std::is_sorted(std::begin(kSubresources), std::end(kSubresources)));

Error denied(std::string message) {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", std::move(message));
}

Error incomplete_query() {
  return denied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters");
}

Error malformed_header() {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                    "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature");
}

Error invalid_uri() {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidURI", "Couldn't parse the specified URI.");
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool is_key_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool has_scheme(std::string_view text) {
  return text.starts_with(kScheme) &&
         (text.size() == kScheme.size() || text[kScheme.size()] == ' ' || text[kScheme.size()] == '\t');
}

/// Whether a parameter, its name in lower case, stands for a header of that name.
bool is_header_parameter(std::string_view lower) {
  return lower.starts_with("x-amz-") || lower == "content-type" || lower == "content-md5";
}

/// Headers are lines of what is signed, so a parameter that stands for one must not look like more than one of them.
bool can_be_header(std::string_view lower, std::string_view value) {
  return std::none_of(value.begin(), value.end(), is_control) && std::all_of(lower.begin(), lower.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// Nothing: no parameter of a signature can be in it, or an escape in it is broken, which others report.
Parameters parameters_of(const Request& request) {
  const std::string_view query = request.query();
  const bool is_worth_it = query.find("AWSAccessKeyId") != std::string_view::npos ||
                           query.find("Signature") != std::string_view::npos ||
                           query.find("X-Amz-") != std::string_view::npos ||
                           query.find('%') != std::string_view::npos;  // a name may itself be escaped
  if (!is_worth_it) return {};
  return parse_query(query, false).value_or(Parameters());
}

size_t count_of(const Parameters& parameters, std::string_view name) {
  return static_cast<size_t>(std::count_if(parameters.begin(), parameters.end(),
                                           [&](const auto& parameter) { return parameter.first == name; }));
}

std::string_view value_of(const Parameters& parameters, std::string_view name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const auto& parameter) { return parameter.first == name; });
  return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

/// That of HTTP, also with the zone as e-mail writes it, or that of Version 4.
std::optional<WallTime> parse_date(std::string_view text) {
  if (const auto time = parse_signing_time(text)) return time;
  std::string in_gmt(text);
  for (std::string_view zone : {" +0000", " -0000", " UTC"}) {
    if (in_gmt.ends_with(zone)) in_gmt.replace(in_gmt.size() - zone.size(), zone.size(), " GMT");
  }
  return parse_http_date(in_gmt);
}

SignatureClaim empty_claim(SignatureClaim::Place place) {
  SignatureClaim claim;
  claim.version = SignatureClaim::Version::k2;
  claim.place = place;
  claim.service = "s3";
  return claim;
}

Result<SignatureClaim> read_header(const Request& request, std::string_view text) {
  SignatureClaim claim = empty_claim(SignatureClaim::Place::kHeader);
  text = trimmed(text.substr(kScheme.size()));
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return malformed_header();
  claim.access_key_id = text.substr(0, colon);
  claim.signature = text.substr(colon + 1);
  if (!is_key_id(claim.access_key_id) || claim.signature.empty()) return malformed_header();
  const bool has_own_date = request.headers.has("x-amz-date");
  claim.timestamp = trimmed(request.headers.get(has_own_date ? "x-amz-date" : "date"));
  const std::optional<WallTime> time = parse_date(claim.timestamp);
  if (!time) return denied("AWS authentication requires a valid Date or x-amz-date header");
  claim.time = *time;
  claim.session_token = trimmed(request.headers.get("x-amz-security-token"));
  claim.payload_hash = trimmed(request.headers.get("x-amz-content-sha256"));
  return claim;
}

Result<SignatureClaim> read_query(const Request& request, const Parameters& parameters) {
  SignatureClaim claim = empty_claim(SignatureClaim::Place::kQuery);
  for (std::string_view name : {"AWSAccessKeyId", "Signature", "Expires"}) {
    if (count_of(parameters, name) != 1 || value_of(parameters, name).empty()) return incomplete_query();
  }
  for (const auto& [name, value] : parameters) {
    const std::string lower = lower_case(name);
    if (is_header_parameter(lower) && !can_be_header(lower, value))
      return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                        "A parameter of the query string cannot be the header that it stands for.");
    if (lower == "x-amz-security-token" && claim.session_token.empty()) claim.session_token = value;
  }
  claim.access_key_id = value_of(parameters, "AWSAccessKeyId");
  claim.signature = value_of(parameters, "Signature");
  claim.timestamp = value_of(parameters, "Expires");
  if (!is_key_id(claim.access_key_id))
    return api::fault(ErrorCode::kUnauthenticated, "InvalidAccessKeyId",
                      "The AWS Access Key Id you provided does not exist in our records.");
  int64_t until = -1;
  const std::string& text = claim.timestamp;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), until);
  if (failed != std::errc() || end != text.data() + text.size() || until < 0 || until > kExpiresMax)
    return denied("Invalid date (should be seconds since epoch): " + text.substr(0, 100));
  claim.time = WallTime{until * 1'000'000};
  if (request.headers.has("x-amz-security-token"))
    claim.session_token = trimmed(request.headers.get("x-amz-security-token"));
  claim.payload_hash = trimmed(request.headers.get("x-amz-content-sha256"));
  return claim;
}

Status check_time(const SignatureClaim& claim, WallTime now) {
  if (claim.place == SignatureClaim::Place::kQuery) {
    if (now <= claim.time) return ok_status();
    return api::fault(ErrorCode::kUnauthenticated, "RequestExpired", "Request has expired");
  }
  return check_signing_time(claim.time, now);
}

void append_joined(std::map<std::string, std::string>& values, std::string name, std::string_view value) {
  const auto [at, is_new] = values.try_emplace(std::move(name), value);
  if (!is_new) at->second.append(",").append(value);
}

}  // namespace

Result<std::optional<SignatureClaim>> read_v2_claim(const Request& request) {
  const std::optional<SignatureClaim> none;
  size_t mechanisms = 0;
  std::optional<std::string_view> header;
  for (const auto& [name, value] : request.headers.fields()) {
    if (!same_name(name, "authorization")) continue;
    ++mechanisms;
    if (has_scheme(trimmed(value))) header = trimmed(value);
  }
  const Parameters parameters = parameters_of(request);
  const auto has = [&](std::string_view name) { return count_of(parameters, name) > 0; };
  const bool has_v4 = has("X-Amz-Algorithm") || has("X-Amz-Credential") || has("X-Amz-Signature");
  // "SignatureVersion" belongs to the query services, which had a Version 2 of their own.
  const bool has_both = has("AWSAccessKeyId") && has("Signature");
  const bool has_any = has("AWSAccessKeyId") || has("Signature");
  const bool by_query = !has("SignatureVersion") && (mechanisms > 0 || has_v4 ? has_both : has_any);
  if (!header && !by_query) return none;
  mechanisms += (by_query ? 1U : 0U) + (has_v4 ? 1U : 0U);
  if (mechanisms > 1) return one_mechanism_only();
  COFFER_TRY(SignatureClaim claim, header ? read_header(request, *header) : read_query(request, parameters));
  return std::optional<SignatureClaim>(std::move(claim));
}

Result<std::string> v2_string_to_sign(const Request& request, const SignatureClaim& claim,
                                      std::string_view resource_path) {
  const auto parameters = parse_query(request.query(), false);
  if (!parameters) return invalid_uri();
  std::map<std::string, std::string> headers;  // those that are signed, in lower case
  for (const auto& [name, value] : request.headers.fields()) {
    std::string lower = lower_case(name);
    if (is_header_parameter(lower)) append_joined(headers, std::move(lower), trimmed(value));
  }
  const bool by_query = claim.place == SignatureClaim::Place::kQuery;
  std::vector<std::pair<std::string_view, std::string_view>> selecting;
  for (const auto& [name, value] : *parameters) {
    if (std::binary_search(std::begin(kSubresources), std::end(kSubresources), std::string_view(name)))
      selecting.emplace_back(name, value);
    std::string lower = lower_case(name);
    if (by_query && is_header_parameter(lower) && !request.headers.has(lower))
      append_joined(headers, std::move(lower), trimmed(value));
  }
  const auto header = [&](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  };
  const bool has_own_date = !by_query && headers.contains("x-amz-date");
  std::string text = request.method + "\n" + header("content-md5") + "\n" + header("content-type") + "\n" +
                     (has_own_date ? "" : claim.timestamp) + "\n";
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-")) text.append(name).append(":").append(value).append("\n");
  }
  text += resource_path;
  std::stable_sort(selecting.begin(), selecting.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  char separator = '?';
  for (const auto& [name, value] : selecting) {
    text.append(1, separator).append(name);
    if (!value.empty()) text.append("=").append(value);
    separator = '&';
  }
  return text;
}

std::string v2_signature(ByteView secret_access_key, std::string_view text) {
  return base64_encode(crypto::hmac_of(crypto::Hash::kSha1, secret_access_key, as_bytes(text)));
}

Status verify_v2_signature(const Request& request, const SignatureClaim& claim, ByteView secret_access_key,
                           std::string_view resource_path, WallTime now) {
  COFFER_CHECK_OK(check_time(claim, now));
  COFFER_TRY(const std::string text, v2_string_to_sign(request, claim, resource_path));
  const std::string signature = v2_signature(secret_access_key, text);
  if (crypto::equal_constant_time(as_bytes(signature), as_bytes(claim.signature))) return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method.");
}

void take_v2_headers_from_query(Request& request) {
  take_headers_from_query(request);
  const auto query = parse_query(request.query(), false);
  if (!query) return;
  for (const auto& [name, value] : *query) {
    std::string lower = lower_case(name);
    const bool is_plain = lower == "content-type" || lower == "content-md5";
    if (is_plain && !request.headers.has(lower)) request.headers.add(std::move(lower), value);
  }
}

}  // namespace coffer::wire
