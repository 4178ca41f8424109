// Packs: building, reading. docs/format.md "Pack".
//
// Plain bytes of a pack: frames back to back; then the table of contents:
//   per frame: u32 offset, u32 stored size, u32 plain size, u8 codec, u16 chunk count, then per chunk: 32-byte id, u32
//   size;
// then u32 frame count, u32 size of the table, "COFRTOC1". Chunks of a frame lie one behind the other in the plain
// frame. A stored frame is: kNone the bytes; kZstd one zstd frame with its content size; kLz4 u32 plain size, then one
// lz4 block.
#pragma once
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/chunk.h"
#include "engine/vault/vault.h"

namespace coffer::vault {

struct PackFrame {
  uint32_t offset = 0, stored_size = 0, plain_size = 0;
  Codec codec = Codec::kNone;
  struct Chunk {
    ChunkId id;
    uint32_t size = 0;
  };
  std::vector<Chunk> chunks;
};

/// The table of contents at the end of a pack's plain bytes. Offsets, sums and order are checked; kCorruption else.
Bytes encode_pack_table(const std::vector<PackFrame>& frames);
Result<std::vector<PackFrame>> parse_pack_table(ByteView table_and_footer, uint64_t plain_size);
/// Reads the table of an opened pack.
Result<std::vector<PackFrame>> read_pack_table(const crypto::SealedReader& pack);

inline constexpr size_t kPackFooterSize = 16;

/// Compresses `plain` into `out` (cleared first) by `codec` and `level`, stores it plain (kNone) when that is not
/// smaller, then decompresses and compares: kCorruption if they differ (rule R11). Reuses per-thread state.
Result<Codec> compress_frame(Codec codec, int level, ByteView plain, Bytes& out);
/// Exactly `plain_size` bytes or kCorruption.
Status decompress_frame(Codec codec, ByteView stored, MutableByteView plain);

/// The plain size that a stored frame decompresses to, from its own header; kCorruption beyond kFramePlainMax.
Result<uint32_t> frame_plain_size(Codec codec, ByteView stored);

/// What a manifest says of a pack's bytes: SHA-256 over the sealed header and the tag of each segment. The tags
/// authenticate the segments under the object's own key, so this names the content at a five-hundredth of the cost of
/// hashing all of it. kCorruption when `sealed` cannot be a sealed object.
Result<crypto::Digest256> sealed_digest(ByteView sealed);

/// Checks one whole pack: every segment authentic, table sound, every frame decompresses, every chunk has its id.
/// Errors name the key.
struct PackCheck {
  uint64_t sealed_size_bytes = 0, chunks = 0, plain_size_bytes = 0;
};
Result<PackCheck> check_pack(const Context& context, const Vault& vault, const PackId& id);
/// The same of bytes in memory that were given as the pack `id`, from wherever they come.
Result<PackCheck> check_sealed_pack(const Context& context, const Vault& vault, const PackId& id, ByteView sealed);

}  // namespace coffer::vault
