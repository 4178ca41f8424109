// pg_control from anywhere: parsed or refused, never a crash, and what is parsed has possible sizes.
#include <bit>
#include <cstdlib>
#include <cstring>

#include "engine/crypto/digest.h"
#include "engine/postgres/control_file.h"

namespace {

using namespace coffer;
using namespace coffer::postgres;

void try_control_file(ByteView input) {
  Result<ControlFile> control = parse_control_file(input);
  if (!control.ok()) return;
  if (!std::has_single_bit(control->wal_segment_size_bytes) || control->block_size_bytes != 8192) std::abort();
  (void)control_state_name(control->state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  try_control_file(input);
  // Once more with the checksum right, which no fuzzer would find.
  for (size_t at : {size_t{288}, size_t{292}}) {
    if (size < at + 4) continue;
    Bytes sealed = to_bytes(input);
    uint32_t crc = crypto::crc32c(input.first(at));
    std::memcpy(sealed.data() + at, &crc, sizeof crc);
    try_control_file(sealed);
  }
  return 0;
}
