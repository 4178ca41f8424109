#include "support/control_file_builder.h"

#include <cstring>

#include "engine/crypto/digest.h"

namespace coffer::testing_support {
namespace {

template <class T>
void put(std::string& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

}  // namespace

std::string control_file_bytes(uint64_t system_identifier, uint32_t control_version, uint32_t catalog_version) {
  std::string bytes(8192, '\0');
  put<uint64_t>(bytes, 0, system_identifier);
  put<uint32_t>(bytes, 8, control_version);
  put<uint32_t>(bytes, 12, catalog_version);
  put<int32_t>(bytes, 16, 6);
  put<uint64_t>(bytes, 32, 0x2000060);
  put<uint64_t>(bytes, 40, 0x2000028);
  put<uint32_t>(bytes, 48, 1);
  put<int32_t>(bytes, 172, 1);
  put<int32_t>(bytes, 180, 100);
  put<int32_t>(bytes, 184, 8);
  put<int32_t>(bytes, 188, 10);
  put<int32_t>(bytes, 196, 64);
  put<uint32_t>(bytes, 216, 8192);
  put<uint32_t>(bytes, 220, 131072);
  put<uint32_t>(bytes, 224, 8192);
  put<uint32_t>(bytes, 228, 16 << 20);
  put<uint32_t>(bytes, 252, 1);
  seal_control_file(bytes);
  return bytes;
}

void seal_control_file(std::string& bytes) {
  uint32_t version = 0;
  std::memcpy(&version, bytes.data() + 8, sizeof version);
  size_t at = version == 1800 ? 292 : 288;
  put<uint32_t>(bytes, at, crypto::crc32c(as_bytes(std::string_view(bytes).substr(0, at))));
}

}  // namespace coffer::testing_support
