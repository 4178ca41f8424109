#include "edge/wire/sigv4.h"

#include <algorithm>

#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_keys.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::chrono::minutes kSkewMax{15};

Error denied(std::string message) {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", std::move(message));
}

Status check_time(const SignatureClaim& claim, WallTime now) {
  if (!claim.expires) {
    if (claim.time >= now - kSkewMax && claim.time <= now + kSkewMax) return ok_status();
    return api::fault(ErrorCode::kUnauthenticated, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.");
  }
  if (now < claim.time - kSkewMax) return denied("Request is not valid yet");
  if (now > claim.time + *claim.expires)
    return api::fault(ErrorCode::kUnauthenticated, "RequestExpired", "Request has expired");
  return ok_status();
}

/// Whoever carries the request could add or change a header that is not signed, so those with meaning must be.
Status check_signed_headers(const Request& request, const SignatureClaim& claim) {
  const auto is_signed = [&](std::string_view name) {
    return std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(), name, std::less<>());
  };
  bool all_are = is_signed("host");
  for (const auto& [name, value] : request.headers.fields())
    if (name.size() > 6 && same_name(std::string_view(name).substr(0, 6), "x-amz-"))
      all_are = all_are && is_signed(lower_case(name));
  if (all_are) return ok_status();
  return denied("There were headers present in the request which were not signed");
}

}  // namespace

Result<std::string> canonical_request(const Request& request, const SignatureClaim& claim,
                                      std::string_view payload_sha256_hex) {
  auto text = canonical_text({.method = request.method,
                              .target = request.target,
                              .headers = request.headers,
                              .signed_headers = claim.signed_headers,
                              .payload_hash = payload_sha256_hex,
                              .path = path_rule(claim.service)});
  if (!text) return api::fault(ErrorCode::kInvalidArgument, "InvalidURI", "Couldn't parse the specified URI.");
  return std::move(*text);
}

std::string string_to_sign(const SignatureClaim& claim, std::string_view canonical_request) {
  std::string out = "AWS4-HMAC-SHA256\n" + claim.timestamp + '\n';
  out.append(claim.date).append("/").append(claim.region).append("/").append(claim.service).append("/aws4_request\n");
  return out + to_hex(crypto::sha256(as_bytes(canonical_request)));
}

Status verify_signature(const Request& request, const SignatureClaim& claim, ByteView secret_access_key,
                        std::string_view payload_sha256_hex, WallTime now) {
  COFFER_CHECK_OK(check_time(claim, now));
  COFFER_CHECK_OK(check_signed_headers(request, claim));
  COFFER_TRY(const std::string canonical, canonical_request(request, claim, payload_sha256_hex));
  const SigningKey key =
      signing_keys().get(secret_access_key, {.date = claim.date, .region = claim.region, .service = claim.service});
  const std::string signature = to_hex(key->of(as_bytes(string_to_sign(claim, canonical))));
  if (crypto::equal_constant_time(as_bytes(signature), as_bytes(claim.signature))) return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method.");
}

}  // namespace coffer::wire
