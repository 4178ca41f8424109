#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"

namespace coffer::wire {

void sign_request(Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                  WallTime now, std::string_view payload_sha256_hex, std::span<const std::string_view> also_sign) {
  auto added = sigv4::sign({.method = request.method,
                            .target = request.target,
                            .headers = request.headers.fields(),
                            .payload_sha256_hex = payload_sha256_hex},
                           keys, region, service, now, also_sign);
  for (auto& [name, value] : added) request.headers.set(name, std::move(value));
}

std::string presign(const Request& request, const SigningKeys& keys, std::string_view region, std::string_view service,
                    WallTime now, std::chrono::seconds expires) {
  std::string hash(request.headers.get("x-amz-content-sha256"));
  if (hash.empty()) hash = service == "s3" ? "UNSIGNED-PAYLOAD" : to_hex(crypto::sha256(as_bytes(request.body)));
  return sigv4::presign({.method = request.method,
                         .target = request.target,
                         .headers = request.headers.fields(),
                         .payload_sha256_hex = hash},
                        keys, region, service, now, expires);
}

}  // namespace coffer::wire
