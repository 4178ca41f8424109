#include <algorithm>
#include <utility>

#include "edge/wire/sigv4.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_keys.h"
#include "edge/wire/sigv4_time.h"
#include "engine/crypto/digest.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ";").append(name);
  return out;
}

std::vector<std::string> headers_to_sign(const Headers& headers, std::span<const std::string_view> more) {
  std::vector<std::string> names;
  for (const auto& [name, value] : headers.fields()) {
    std::string lower = lower_case(name);
    const bool wanted = std::any_of(more.begin(), more.end(), [&](auto other) { return same_name(other, lower); });
    if (lower == "host" || lower == "content-type" || lower.starts_with("x-amz-") || wanted)
      names.push_back(std::move(lower));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

SignatureClaim claim_for(const SigningKeys& keys, std::string_view region, std::string_view service, WallTime now) {
  SignatureClaim claim;
  claim.access_key_id = keys.access_key_id;
  claim.region = region;
  claim.service = service;
  claim.time = now;
  claim.timestamp = format_signing_time(now);
  claim.date = claim.timestamp.substr(0, 8);
  return claim;
}

std::string credential(const SignatureClaim& claim) {
  return claim.access_key_id + '/' + claim.date + '/' + claim.region + '/' + claim.service + "/aws4_request";
}

std::string signature_of(const SigningKeys& keys, const SignatureClaim& claim, std::string_view canonical) {
  const SigningKey key = signing_keys().get(keys.secret_access_key.view(),
                                            {.date = claim.date, .region = claim.region, .service = claim.service});
  return to_hex(key->of(as_bytes(string_to_sign(claim, canonical))));
}

/// Our own requests have targets without broken escapes: one that has is a bug of the caller.
std::string canonical_or_throw(const CanonicalParts& parts) {
  auto text = canonical_text(parts);
  COFFER_ASSERT(text.has_value());
  return std::move(*text);
}

}  // namespace

void sign_request(Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                  WallTime now, std::string_view payload_sha256_hex, std::span<const std::string_view> also_sign) {
  SignatureClaim claim = claim_for(keys, region, service, now);
  request.headers.set("X-Amz-Date", claim.timestamp);
  if (!keys.session_token.empty()) request.headers.set("X-Amz-Security-Token", keys.session_token);
  if (service == "s3") request.headers.set("X-Amz-Content-Sha256", std::string(payload_sha256_hex));
  claim.signed_headers = headers_to_sign(request.headers, also_sign);
  claim.signature = signature_of(keys, claim,
                                 canonical_or_throw({.method = request.method,
                                                     .target = request.target,
                                                     .headers = request.headers,
                                                     .signed_headers = claim.signed_headers,
                                                     .payload_hash = payload_sha256_hex,
                                                     .path = path_rule(service)}));
  request.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + credential(claim) + ", SignedHeaders=" +
                                           joined(claim.signed_headers) + ", Signature=" + claim.signature);
}

std::string presign(const Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                    WallTime now, std::chrono::seconds expires) {
  SignatureClaim claim = claim_for(keys, region, service, now);
  claim.signed_headers = headers_to_sign(request.headers, {});
  std::string target = request.target;
  auto add = [&target, separator = target.find('?') == std::string::npos ? '?' : '&'](std::string_view name,
                                                                                      std::string_view value) mutable {
    target.append(1, std::exchange(separator, '&')).append(name).append("=").append(percent_encode(value));
  };
  add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
  add("X-Amz-Credential", credential(claim));
  add("X-Amz-Date", claim.timestamp);
  add("X-Amz-Expires", std::to_string(expires.count()));
  if (!keys.session_token.empty()) add("X-Amz-Security-Token", keys.session_token);
  add("X-Amz-SignedHeaders", joined(claim.signed_headers));
  std::string hash(request.headers.get("x-amz-content-sha256"));
  if (hash.empty())
    hash = service == "s3" ? std::string(kUnsignedPayload) : to_hex(crypto::sha256(as_bytes(request.body)));
  claim.signature = signature_of(keys, claim,
                                 canonical_or_throw({.method = request.method,
                                                     .target = target,
                                                     .headers = request.headers,
                                                     .signed_headers = claim.signed_headers,
                                                     .payload_hash = hash,
                                                     .path = path_rule(service)}));
  add("X-Amz-Signature", claim.signature);
  return target;
}

}  // namespace coffer::wire
