// The table-driven CRC-32C for processors without the instruction, visible so that tests hold it against the fast one.
#pragma once
#include "base/bytes.h"

namespace coffer::crypto {

/// As crc32c() and crc32c_combine() of digest.h.
uint32_t crc32c_portable(ByteView data, uint32_t crc = 0);
uint32_t crc32c_combine_portable(uint32_t first, uint32_t second, uint64_t second_size_bytes);

}  // namespace coffer::crypto
