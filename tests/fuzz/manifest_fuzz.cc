// Manifests from anywhere: decoded or refused as corruption, never a crash; what is decoded has one encoding.
#include <cstdlib>

#include "engine/vault/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace coffer;
  using namespace coffer::vault;
  auto require = [](bool promise) {
    if (!promise) std::abort();
  };
  auto manifest = decode_manifest(std::as_bytes(std::span(data, size)));
  if (!manifest.ok()) {
    require(manifest.code() == ErrorCode::kCorruption);
    return 0;
  }
  require(is_point_id(manifest->id));
  const Bytes encoded = encode_manifest(*manifest);
  auto again = decode_manifest(encoded);
  require(again.ok());
  require(equal(encode_manifest(*again), encoded));
  return 0;
}
