// AWS Signature Version 4: signing and verifying, by header, by query (presigned) and by chunk. Rules: wire-protocols,
// "SigV4 in full"; AWS General Reference, "Signature Version 4".
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "edge/wire/http.h"
#include "engine/sigv4/sign.h"

namespace coffer::wire {

/// What a request says about its signature, before it is checked. Views into nothing: all owned.
struct SignatureClaim {
  enum class Version { k2, k4 };
  Version version = Version::k4;
  enum class Place { kHeader, kQuery };
  Place place = Place::kHeader;
  std::string access_key_id, date, region, service;  // the credential scope
  std::vector<std::string> signed_headers;           // lower case, sorted
  std::string signature;                             // 64 hex digits; of Version 2 base64
  std::string timestamp;                             // YYYYMMDDTHHMMSSZ; of Version 2 the date, or Expires, as sent
  WallTime time;                                     // of a URL presigned in Version 2: its end, for it has no other
  std::string session_token;
  std::optional<std::chrono::seconds> expires;  // presigned
  /// x-amz-content-sha256 as sent; empty when absent.
  std::string payload_hash;
};

/// Nothing: the request is not signed. An Error has the names of the S3 column ("AuthorizationHeaderMalformed",
/// "AuthorizationQueryParametersError", "InvalidRequest" for two mechanisms at once or an older one, "NotImplemented"
/// for SigV4a, "AccessDenied" without a date); edge/wire/error_names translates.
Result<std::optional<SignatureClaim>> read_signature_claim(const Request& request);

/// Checks time window and signature. `payload_sha256_hex`: of the body that arrived, or the special string in force.
/// Error names: "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired" (presigned), "AccessDenied" (host or
/// an x-amz-* header not signed; a presigned request before its time), "InvalidURI".
Status verify_signature(const Request& request, const SignatureClaim& claim, ByteView secret_access_key,
                        std::string_view payload_sha256_hex, WallTime now);

/// Canonical request of `request` for `claim`, as shown in S3's SignatureDoesNotMatch.
Result<std::string> canonical_request(const Request& request, const SignatureClaim& claim,
                                      std::string_view payload_sha256_hex);
std::string string_to_sign(const SignatureClaim& claim, std::string_view canonical_request);

using sigv4::SigningKeys;
/// Adds X-Amz-Date, X-Amz-Security-Token, for S3 X-Amz-Content-Sha256, and Authorization to `request` (host must be
/// set). Signs host, content-type, x-amz-* and what `also_sign` names.
void sign_request(Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                  WallTime now, std::string_view payload_sha256_hex, std::span<const std::string_view> also_sign = {});
/// The target with the presigning parameters and signature. The payload is UNSIGNED-PAYLOAD for S3 (unless the request
/// has x-amz-content-sha256), else request.body.
std::string presign(const Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                    WallTime now, std::chrono::seconds expires);

/// Decodes an aws-chunked body as it is read, checking each chunk's signature and the trailer. `claim.payload_hash`
/// says which variant. Bytes of a chunk are given out before its signature was seen, so nothing of a body may be kept
/// unless a read returned 0, its end; after that `trailers()` is whole (names in lower case). Errors:
/// "SignatureDoesNotMatch", "IncompleteBody", "InvalidChunkSizeError", "MalformedTrailerError", "NotImplemented".
class ChunkedBody : public BodySource {
 public:
  [[nodiscard]] virtual const Headers& trailers() const = 0;
};
std::unique_ptr<ChunkedBody> open_chunked_body(BodySource& body, const SignatureClaim& claim,
                                               ByteView secret_access_key, uint64_t decoded_length);

}  // namespace coffer::wire
