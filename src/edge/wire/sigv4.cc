#include "edge/wire/sigv4.h"

#include <algorithm>

#include "edge/wire/signature_rules.h"
#include "edge/wire/sigv4_canonical.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

Error denied(std::string message) {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", std::move(message));
}

Status check_time(const SignatureClaim& claim, WallTime now) {
  if (!claim.expires) return check_signing_time(claim.time, now);
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

sigv4::Scope scope_of(const SignatureClaim& claim) {
  return {.timestamp = claim.timestamp, .date = claim.date, .region = claim.region, .service = claim.service};
}

}  // namespace

Result<std::string> canonical_request(const Request& request, const SignatureClaim& claim,
                                      std::string_view payload_sha256_hex) {
  auto text = canonical_text({.method = request.method,
                              .target = request.target,
                              .headers = request.headers.fields(),
                              .signed_headers = claim.signed_headers,
                              .payload_hash = payload_sha256_hex,
                              .path = path_rule(claim.service)});
  if (!text) return api::fault(ErrorCode::kInvalidArgument, "InvalidURI", "Couldn't parse the specified URI.");
  return std::move(*text);
}

std::string string_to_sign(const SignatureClaim& claim, std::string_view canonical_request) {
  return sigv4::string_to_sign(scope_of(claim), canonical_request);
}

Status verify_signature(const Request& request, const SignatureClaim& claim, ByteView secret_access_key,
                        std::string_view payload_sha256_hex, WallTime now) {
  COFFER_CHECK_OK(check_time(claim, now));
  COFFER_CHECK_OK(check_signed_headers(request, claim));
  COFFER_TRY(const std::string canonical, canonical_request(request, claim, payload_sha256_hex));
  const std::string signature = sigv4::signature(secret_access_key, scope_of(claim), canonical);
  if (crypto::equal_constant_time(as_bytes(signature), as_bytes(claim.signature))) return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method.");
}

}  // namespace coffer::wire
