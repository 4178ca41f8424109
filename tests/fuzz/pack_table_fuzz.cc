// A pack's table of contents, of a pack as large as its own first frames say and of a small one: refused, or every
// frame and chunk lies inside. The frames' own headers are read as well.

#include "engine/vault/pack.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::vault;

void check_table(ByteView bytes, uint64_t plain_size) {
  auto frames = parse_pack_table(bytes, plain_size);
  if (!frames.ok()) return;
  for (const PackFrame& frame : *frames) {
    require(uint64_t{frame.offset} + frame.stored_size + bytes.size() <= plain_size);
    require(frame.plain_size <= kFramePlainMax);
    uint64_t sum = 0;
    for (const auto& chunk : frame.chunks) sum += chunk.size;
    require(sum == frame.plain_size);
  }
  require(equal(encode_pack_table(*frames), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  ByteReader r(bytes);
  const uint64_t first_offset = r.u32(), first_size = r.u32();
  check_table(bytes, first_offset + first_size + size);
  check_table(bytes, 1000 + size);
  check_table(bytes, kPackSizeMax);
  for (const Codec codec : {Codec::kNone, Codec::kZstd, Codec::kLz4}) {
    auto plain_size = frame_plain_size(codec, bytes);
    if (!plain_size.ok()) continue;
    require(*plain_size <= kFramePlainMax);
    Bytes plain(*plain_size);
    (void)decompress_frame(codec, bytes, plain);
  }
  return 0;
}
