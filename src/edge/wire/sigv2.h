// AWS Signature Version 2 of S3 (HMAC-SHA1), which SDKs still use for presigned URLs and forms: verifying only. It
// covers neither the payload nor the host, nor parameters that select within a listing. Rules: S3 User Guide, "Signing
// and authenticating REST requests (Signature Version 2)".
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "edge/wire/sigv4.h"

namespace coffer::wire {

/// Nothing: the request is not signed so. For S3 alone: its service is "s3", its Region empty, because the signature
/// has none. Errors: "InvalidRequest" for two mechanisms at once (also one of each version), "InvalidArgument" for a
/// header that is malformed, "AccessDenied" without a date, or for a query that is incomplete or malformed.
Result<std::optional<SignatureClaim>> read_v2_claim(const Request& request);

/// `resource_path` is the request's path in path style, not decoded.
Result<std::string> v2_string_to_sign(const Request& request, const SignatureClaim& claim,
                                      std::string_view resource_path);

/// Base64 of the HMAC-SHA1 of `text`: that of a request, or a form's policy document.
std::string v2_signature(ByteView secret_access_key, std::string_view text);

/// Checks time and signature. Error names: "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired",
/// "InvalidURI".
Status verify_v2_signature(const Request& request, const SignatureClaim& claim, ByteView secret_access_key,
                           std::string_view resource_path, WallTime now);

/// The headers that a presigned URL carries as parameters (content-type, content-md5, x-amz-*) become headers, unless
/// the request has these itself. Only for what is verified.
void take_v2_headers_from_query(Request& request);

}  // namespace coffer::wire
