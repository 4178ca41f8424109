// CRC-32 (as zlib has it) and CRC-64/NVME: reflected CRCs whose initial value and final XOR are all ones, applied
// inside. The portable forms are visible so that tests hold them against the fast ones.
#pragma once
#include "base/bytes.h"

namespace coffer::crypto {

/// `crc` continues an earlier value (0 to begin).
uint32_t crc32(ByteView data, uint32_t crc = 0);
uint64_t crc64_nvme(ByteView data, uint64_t crc = 0);
uint32_t crc32_portable(ByteView data, uint32_t crc = 0);
uint64_t crc64_nvme_portable(ByteView data, uint64_t crc = 0);

/// The CRC of two byte strings joined, from their own and the length of the second.
uint32_t crc32_combine(uint32_t first, uint32_t second, uint64_t second_size_bytes);
uint64_t crc64_nvme_combine(uint64_t first, uint64_t second, uint64_t second_size_bytes);

}  // namespace coffer::crypto
