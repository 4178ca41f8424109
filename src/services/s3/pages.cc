// Tokens that continue a list.
#include "base/base64.h"
#include "engine/crypto/sealed_object.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {

std::string seal_token(const Request& r, std::string_view list, std::string_view after) {
  crypto::SealParameters parameters;
  parameters.object_id = r.setting.entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kCredential;
  parameters.place = "s3/marker/" + std::string(list);
  parameters.segment_log2 = 12;
  return base64_encode(crypto::seal(r.setting.sealing_root, parameters, as_bytes(after), r.setting.entropy));
}

Result<std::string> open_token(const Request& r, std::string_view list) {
  const std::string token = r.text("ContinuationToken");
  if (token.empty()) return std::string();
  const std::optional<Bytes> sealed = base64_decode(token);
  const std::string place = "s3/marker/" + std::string(list);
  Result<Bytes> plain =
      sealed ? crypto::open_sealed(r.setting.sealing_root, crypto::ObjectKind::kCredential, place, *sealed)
             : Result<Bytes>(Error{});
  if (!plain.ok())
    return invalid_argument(r, "continuation-token", token, "The continuation token provided is incorrect");
  return to_text(*plain);
}

}  // namespace coffer::s3
