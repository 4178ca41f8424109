#include "engine/vault/pack.h"

#include <lz4.h>
#include <zstd.h>

#include <memory>

namespace coffer::vault {

namespace {

constexpr std::string_view kFooterMagic = "COFRTOC1";

Error damaged(std::string what) {
  return Error{ErrorCode::kCorruption, "table of contents of a pack: " + std::move(what), {}};
}

struct ZstdState {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compress{ZSTD_createCCtx(), &ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompress{ZSTD_createDCtx(), &ZSTD_freeDCtx};
  int level = 0;  // that `compress` is set to

  // Level 1 looks for matches of 7 bytes in inputs of this size. Database pages are full of shorter repeats: with 5 the
  // same effort stores 4 % less (docs/performance.md).
  void set_level(int wanted) {
    constexpr int kShortMatches = 5;
    if (level == wanted) return;
    ZSTD_CCtx_reset(compress.get(), ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(compress.get(), ZSTD_c_compressionLevel, wanted);
    if (wanted == 1) ZSTD_CCtx_setParameter(compress.get(), ZSTD_c_minMatch, kShortMatches);
    level = wanted;
  }
};

// One set of compression state a thread: making it anew for each frame would cost more than small frames themselves.
ZstdState& zstd() {
  thread_local ZstdState state;
  return state;
}

constexpr size_t kLz4Header = 4;

bool compress_into(Codec codec, int level, ByteView plain, Bytes& out) {
  if (codec == Codec::kZstd) {
    // Compressed into memory that stays as large as it ever was: growing `out` each time would first fill it with
    // zeros.
    thread_local Bytes room;
    if (room.size() < ZSTD_compressBound(plain.size())) room.resize(ZSTD_compressBound(plain.size()));
    zstd().set_level(level);
    size_t n = ZSTD_compress2(zstd().compress.get(), room.data(), room.size(), plain.data(), plain.size());
    if (ZSTD_isError(n)) return false;
    out.assign(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(n));
    return true;
  }
  COFFER_ASSERT(codec == Codec::kLz4);
  ByteWriter(out).u32(static_cast<uint32_t>(plain.size()));
  int bound = LZ4_compressBound(static_cast<int>(plain.size()));
  out.resize(kLz4Header + static_cast<size_t>(bound));
  int n = LZ4_compress_default(reinterpret_cast<const char*>(plain.data()),
                               reinterpret_cast<char*>(out.data()) + kLz4Header, static_cast<int>(plain.size()), bound);
  if (n <= 0) return false;
  out.resize(kLz4Header + static_cast<size_t>(n));
  return true;
}

}  // namespace

Bytes encode_pack_table(const std::vector<PackFrame>& frames) {
  Bytes out;
  ByteWriter w(out);
  for (const PackFrame& f : frames) {
    w.u32(f.offset);
    w.u32(f.stored_size);
    w.u32(f.plain_size);
    w.u8(static_cast<uint8_t>(f.codec));
    COFFER_ASSERT(f.chunks.size() <= 0xffff);
    w.u16(static_cast<uint16_t>(f.chunks.size()));
    for (const auto& c : f.chunks) {
      w.bytes(c.id.bytes);
      w.u32(c.size);
    }
  }
  auto table_size = static_cast<uint32_t>(out.size());
  w.u32(static_cast<uint32_t>(frames.size()));
  w.u32(table_size);
  w.bytes(as_bytes(kFooterMagic));
  return out;
}

Result<std::vector<PackFrame>> parse_pack_table(ByteView table_and_footer, uint64_t plain_size) {
  if (table_and_footer.size() < kPackFooterSize) return damaged("shorter than its footer");
  ByteReader footer(table_and_footer.last(kPackFooterSize));
  uint32_t frame_count = footer.u32();
  uint32_t table_size = footer.u32();
  if (as_text(footer.bytes(8)) != kFooterMagic) return damaged("footer without its magic");
  if (table_size != table_and_footer.size() - kPackFooterSize) return damaged("size does not fit");
  if (plain_size < table_and_footer.size()) return damaged("larger than the pack");
  const uint64_t frames_end = plain_size - table_and_footer.size();
  ByteReader r(table_and_footer.first(table_size));
  std::vector<PackFrame> frames;
  uint64_t next_offset = 0;
  for (uint32_t i = 0; i < frame_count; ++i) {
    PackFrame f;
    f.offset = r.u32();
    f.stored_size = r.u32();
    f.plain_size = r.u32();
    uint8_t codec = r.u8();
    uint16_t chunk_count = r.u16();
    if (!r.ok()) return damaged("ends inside frame " + std::to_string(i));
    if (codec > static_cast<uint8_t>(Codec::kLz4)) return damaged("unknown codec");
    f.codec = static_cast<Codec>(codec);
    if (f.offset != next_offset || f.stored_size == 0 || f.plain_size == 0 || f.plain_size > kFramePlainMax ||
        f.stored_size >= 1U << 24 || f.offset + uint64_t{f.stored_size} > frames_end)
      return damaged("frame " + std::to_string(i) + " lies outside the pack");
    next_offset = f.offset + uint64_t{f.stored_size};
    if (chunk_count == 0 || r.left() < size_t{chunk_count} * 36)
      return damaged("ends inside frame " + std::to_string(i));
    f.chunks.resize(chunk_count);
    uint64_t sum = 0;
    for (auto& c : f.chunks) {
      c.id.bytes = r.array<32>();
      c.size = r.u32();
      if (c.size == 0 || c.size > kChunkSizeMax) return damaged("a chunk of impossible size");
      sum += c.size;
    }
    if (sum != f.plain_size) return damaged("chunks of frame " + std::to_string(i) + " do not add up");
    frames.push_back(std::move(f));
  }
  if (!r.done() || next_offset != frames_end) return damaged("bytes that belong to no frame");
  return frames;
}

Result<std::vector<PackFrame>> read_pack_table(const crypto::SealedReader& pack) {
  const uint64_t plain_size = pack.plain_size();
  if (plain_size < kPackFooterSize || plain_size > kPackSizeMax) return damaged("pack of impossible size");
  Bytes footer(kPackFooterSize);
  COFFER_CHECK_OK(pack.read_plain(plain_size - kPackFooterSize, footer));
  ByteReader r(footer);
  r.u32();
  uint64_t whole = uint64_t{r.u32()} + kPackFooterSize;
  if (whole > plain_size) return damaged("larger than the pack");
  Bytes table(whole);
  COFFER_CHECK_OK(pack.read_plain(plain_size - whole, table));
  return parse_pack_table(table, plain_size);
}

Result<Codec> compress_frame(Codec codec, int level, ByteView plain, Bytes& out) {
  out.clear();
  if (codec != Codec::kNone && (!compress_into(codec, level, plain, out) || out.size() >= plain.size()))
    codec = Codec::kNone;
  if (codec == Codec::kNone) {
    out.assign(plain.begin(), plain.end());
    return Codec::kNone;
  }
  thread_local Bytes check;
  check.resize(plain.size());
  COFFER_CHECK_OK(decompress_frame(codec, out, check));
  if (!equal(check, plain))
    return Error{ErrorCode::kCorruption, "a compressed frame did not decompress to what was compressed",
                 "this machine's memory or processor may be faulty: test it before trusting backups made here"};
  return codec;
}

Result<uint32_t> frame_plain_size(Codec codec, ByteView stored) {
  uint64_t size = 0;
  switch (codec) {
    case Codec::kNone: size = stored.size(); break;
    case Codec::kZstd: size = ZSTD_getFrameContentSize(stored.data(), stored.size()); break;  // errors are huge values
    case Codec::kLz4: size = ByteReader(stored).u32(); break;
  }
  if (size == 0 || size > kFramePlainMax) return Error{ErrorCode::kCorruption, "a frame of impossible size", {}};
  return static_cast<uint32_t>(size);
}

Status decompress_frame(Codec codec, ByteView stored, MutableByteView plain) {
  const Error bad{ErrorCode::kCorruption, "a frame does not decompress", {}};
  COFFER_TRY(uint32_t size, frame_plain_size(codec, stored));
  if (size != plain.size()) return bad;
  switch (codec) {
    case Codec::kNone: std::memcpy(plain.data(), stored.data(), plain.size()); return ok_status();
    case Codec::kZstd: {
      size_t n = ZSTD_decompressDCtx(zstd().decompress.get(), plain.data(), plain.size(), stored.data(), stored.size());
      if (ZSTD_isError(n) || n != plain.size()) return bad;
      return ok_status();
    }
    case Codec::kLz4: {
      ByteView block = stored.subspan(kLz4Header);
      int n = LZ4_decompress_safe(reinterpret_cast<const char*>(block.data()), reinterpret_cast<char*>(plain.data()),
                                  static_cast<int>(block.size()), static_cast<int>(plain.size()));
      if (n != static_cast<int>(plain.size())) return bad;
      return ok_status();
    }
  }
  return bad;
}

Result<crypto::Digest256> sealed_digest(ByteView sealed) {
  if (sealed.size() < crypto::kSealedHeaderSize)
    return Error{ErrorCode::kCorruption, "shorter than a sealed object's header", {}};
  COFFER_TRY(crypto::SealedHeader header, crypto::parse_sealed_header(sealed.first(crypto::kSealedHeaderSize)));
  crypto::Sha256 hash;
  hash.update(sealed.first(crypto::kSealedHeaderSize));
  const size_t step = (size_t{1} << header.segment_log2) + crypto::kSealedTagSize;
  size_t at = crypto::kSealedHeaderSize;
  while (at < sealed.size()) {
    size_t n = std::min(step, sealed.size() - at);
    if (n < crypto::kSealedTagSize) return Error{ErrorCode::kCorruption, "a sealed object is cut inside a tag", {}};
    hash.update(sealed.subspan(at + n - crypto::kSealedTagSize, crypto::kSealedTagSize));
    at += n;
  }
  return hash.finish();
}

namespace {

/// A table and a footer at the end of all plain bytes of a pack.
Result<std::vector<PackFrame>> table_of(ByteView plain) {
  if (plain.size() < kPackFooterSize || plain.size() > kPackSizeMax) return damaged("pack of impossible size");
  ByteReader r(plain.last(kPackFooterSize));
  r.u32();
  const uint64_t whole = uint64_t{r.u32()} + kPackFooterSize;
  if (whole > plain.size()) return damaged("larger than the pack");
  return parse_pack_table(plain.last(whole), plain.size());
}

Status check_frame(const Vault& vault, const PackFrame& frame, ByteView pack, Bytes& plain) {
  plain.resize(frame.plain_size);
  COFFER_CHECK_OK(decompress_frame(frame.codec, pack.subspan(frame.offset, frame.stored_size), plain));
  size_t offset = 0;
  for (const auto& c : frame.chunks) {
    COFFER_TRY(const EpochKeys* keys, vault.epoch(c.id.epoch()));
    const auto mac = keys->chunk_ids->of(ByteView(plain).subspan(offset, c.size));
    if (std::memcmp(mac.data(), c.id.bytes.data(), 30) != 0)
      return Error{ErrorCode::kCorruption, "chunk " + c.id.hex() + " has other bytes than its id says", {}};
    offset += c.size;
  }
  return ok_status();
}

}  // namespace

Result<PackCheck> check_sealed_pack(const Context& context, const Vault& vault, const PackId& id, ByteView sealed) {
  const std::string key = pack_key(id);
  auto at = [&](Error e) { return std::move(e).in(key); };
  auto header = crypto::parse_sealed_header(sealed.first(std::min(sealed.size(), crypto::kSealedHeaderSize)));
  if (!header.ok()) return at(std::move(header).error());
  if (header->object_id != id) return at(Error{ErrorCode::kCorruption, "it says to be another pack", {}});
  auto keys = vault.epoch_of(header->key_id);
  if (!keys.ok()) return at(std::move(keys).error());
  auto pack = crypto::open_sealed((*keys)->root.view(), crypto::ObjectKind::kPack, vault.place(key), sealed);
  if (!pack.ok()) return at(std::move(pack).error());
  auto frames = table_of(*pack);
  if (!frames.ok()) return at(std::move(frames).error());
  PackCheck result;
  result.sealed_size_bytes = sealed.size();
  Bytes plain;
  for (const PackFrame& frame : *frames) {
    COFFER_CHECK_OK(context.check());
    if (auto good = check_frame(vault, frame, *pack, plain); !good.ok()) return at(std::move(good).error());
    result.chunks += frame.chunks.size();
    result.plain_size_bytes += frame.plain_size;
  }
  return result;
}

Result<PackCheck> check_pack(const Context& context, const Vault& vault, const PackId& id) {
  const std::string key = pack_key(id);
  auto view = vault.store().view(context, key);
  if (!view.ok()) return std::move(view).error().in(key);
  return check_sealed_pack(context, vault, id, (*view)->bytes());
}

}  // namespace coffer::vault
