#include "engine/sigv4/sign.h"

#include <algorithm>
#include <utility>

#include "engine/crypto/digest.h"
#include "engine/sigv4/keys.h"
#include "engine/sigv4/time.h"

namespace coffer::sigv4 {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ";").append(name);
  return out;
}

/// Our own requests have targets without broken escapes: one that has is a bug of the caller.
std::string canonical_or_throw(const CanonicalParts& parts) {
  auto text = canonical_text(parts);
  COFFER_ASSERT(text.has_value());
  return std::move(*text);
}

}  // namespace

Scope scope_at(WallTime now, std::string_view region, std::string_view service) {
  std::string timestamp = format_signing_time(now);
  std::string date = timestamp.substr(0, 8);
  return {.timestamp = std::move(timestamp),
          .date = std::move(date),
          .region = std::string(region),
          .service = std::string(service)};
}

std::string credential(std::string_view access_key_id, const Scope& scope) {
  return std::string(access_key_id) + '/' + scope.date + '/' + scope.region + '/' + scope.service + "/aws4_request";
}

std::string string_to_sign(const Scope& scope, std::string_view canonical_request) {
  std::string out = "AWS4-HMAC-SHA256\n" + scope.timestamp + '\n';
  out.append(scope.date).append("/").append(scope.region).append("/").append(scope.service).append("/aws4_request\n");
  return out + to_hex(crypto::sha256(as_bytes(canonical_request)));
}

std::string signature(ByteView secret_access_key, const Scope& scope, std::string_view canonical_request) {
  const SigningKey key =
      signing_keys().get(secret_access_key, {.date = scope.date, .region = scope.region, .service = scope.service});
  return to_hex(key->of(as_bytes(string_to_sign(scope, canonical_request))));
}

std::vector<std::string> headers_to_sign(const HeaderFields& headers, std::span<const std::string_view> more) {
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) {
    std::string lower = lower_case(name);
    const bool wanted = std::any_of(more.begin(), more.end(), [&](auto other) { return same_name(other, lower); });
    if (lower == "host" || lower == "content-type" || lower.starts_with("x-amz-") || wanted)
      names.push_back(std::move(lower));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

HeaderFields sign(const Unsigned& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                  WallTime now, std::span<const std::string_view> also_sign) {
  const Scope scope = scope_at(now, region, service);
  HeaderFields added = {{"X-Amz-Date", scope.timestamp}};
  if (!keys.session_token.empty()) added.emplace_back("X-Amz-Security-Token", keys.session_token);
  if (service == "s3") added.emplace_back("X-Amz-Content-Sha256", request.payload_sha256_hex);
  HeaderFields headers = request.headers;
  std::erase_if(headers, [&](const auto& field) {
    return std::any_of(added.begin(), added.end(),
                       [&](const auto& other) { return same_name(other.first, field.first); });
  });
  headers.insert(headers.end(), added.begin(), added.end());
  const std::vector<std::string> names = headers_to_sign(headers, also_sign);
  const std::string canonical = canonical_or_throw({.method = request.method,
                                                    .target = request.target,
                                                    .headers = headers,
                                                    .signed_headers = names,
                                                    .payload_hash = request.payload_sha256_hex,
                                                    .path = path_rule(service)});
  added.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + credential(keys.access_key_id, scope) +
                                          ", SignedHeaders=" + joined(names) +
                                          ", Signature=" + signature(keys.secret_access_key.view(), scope, canonical));
  return added;
}

std::string presign(const Unsigned& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                    WallTime now, std::chrono::seconds expires) {
  const Scope scope = scope_at(now, region, service);
  const std::vector<std::string> names = headers_to_sign(request.headers, {});
  std::string target(request.target);
  auto add = [&target, separator = target.find('?') == std::string::npos ? '?' : '&'](std::string_view name,
                                                                                      std::string_view value) mutable {
    target.append(1, std::exchange(separator, '&')).append(name).append("=").append(percent_encode(value));
  };
  add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
  add("X-Amz-Credential", credential(keys.access_key_id, scope));
  add("X-Amz-Date", scope.timestamp);
  add("X-Amz-Expires", std::to_string(expires.count()));
  if (!keys.session_token.empty()) add("X-Amz-Security-Token", keys.session_token);
  add("X-Amz-SignedHeaders", joined(names));
  const std::string canonical = canonical_or_throw({.method = request.method,
                                                    .target = target,
                                                    .headers = request.headers,
                                                    .signed_headers = names,
                                                    .payload_hash = request.payload_sha256_hex,
                                                    .path = path_rule(service)});
  add("X-Amz-Signature", signature(keys.secret_access_key.view(), scope, canonical));
  return target;
}

}  // namespace coffer::sigv4
