// Signing a request of our own with AWS Signature Version 4. Verifying one is edge/wire's.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "engine/sigv4/canonical.h"

namespace coffer::sigv4 {

struct SigningKeys {
  std::string access_key_id;
  const Secret& secret_access_key;
  std::string session_token;
};

/// A moment and a place that a signature is good for.
struct Scope {
  std::string timestamp;  // YYYYMMDDTHHMMSSZ
  std::string date, region, service;
};
Scope scope_at(WallTime now, std::string_view region, std::string_view service);
/// "AKID/20130524/us-east-1/s3/aws4_request".
std::string credential(std::string_view access_key_id, const Scope& scope);
std::string string_to_sign(const Scope& scope, std::string_view canonical_request);
/// 64 hexadecimal digits.
std::string signature(ByteView secret_access_key, const Scope& scope, std::string_view canonical_request);

/// Lower case, sorted: host, content-type, x-amz-* and what `more` names, as far as `headers` has them.
std::vector<std::string> headers_to_sign(const HeaderFields& headers, std::span<const std::string_view> more);

/// Borrows everything.
struct Unsigned {
  std::string_view method, target;
  const HeaderFields& headers;  // with host
  std::string_view payload_sha256_hex;
};
/// What is to be set on the request (and replaces fields of these names): X-Amz-Date, X-Amz-Security-Token, for S3
/// X-Amz-Content-Sha256, and Authorization. A target with a broken escape is a bug of the caller.
HeaderFields sign(const Unsigned& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                  WallTime now, std::span<const std::string_view> also_sign = {});

/// The target with the presigning parameters and the signature.
std::string presign(const Unsigned& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                    WallTime now, std::chrono::seconds expires);

}  // namespace coffer::sigv4
