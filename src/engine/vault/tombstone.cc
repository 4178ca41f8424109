#include "engine/vault/tombstone.h"

#include <algorithm>

#include "engine/crypto/digest.h"
#include "engine/vault/collector.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kMagic = "COFRTMB1";
constexpr size_t kEntrySize = 24;

Error bad_tombstone(const std::string& what) { return Error{ErrorCode::kCorruption, "tombstone: " + what, {}}; }

}  // namespace

std::string tombstone_key(std::string_view id) { return std::string(kTombstonePrefix) + std::string(id); }

Bytes encode_tombstone(const std::vector<IndexedPack>& packs) {
  std::vector<IndexedPack> sorted = packs;
  std::sort(sorted.begin(), sorted.end(), [](const IndexedPack& a, const IndexedPack& b) { return a.id < b.id; });
  Bytes out;
  ByteWriter w(out);
  w.bytes(as_bytes(kMagic));
  w.u32(static_cast<uint32_t>(sorted.size()));
  for (const IndexedPack& pack : sorted) {
    w.bytes(pack.id);
    w.u64(pack.sealed_size_bytes);
  }
  return out;
}

Result<std::vector<IndexedPack>> decode_tombstone(ByteView bytes) {
  ByteReader r(bytes);
  if (as_text(r.bytes(kMagic.size())) != kMagic) return bad_tombstone("not a list of packs");
  const uint32_t count = r.u32();
  if (!r.ok() || r.left() != size_t{count} * kEntrySize) return bad_tombstone("its count does not fit its size");
  std::vector<IndexedPack> packs(count);
  for (IndexedPack& pack : packs) {
    pack.id = r.array<16>();
    pack.sealed_size_bytes = r.u64();
    if (&pack != packs.data() && pack.id <= (&pack - 1)->id) return bad_tombstone("its packs are not in order");
  }
  return packs;
}

Result<std::vector<IndexedPack>> read_tombstone(const Context& context, const Vault& vault,
                                                const LogState::Tombstone& tombstone) {
  const std::string key = tombstone_key(tombstone.id);
  COFFER_TRY(const Bytes plain, vault.get_sealed(context, key, crypto::ObjectKind::kTombstone));
  if (crypto::sha256(plain) != tombstone.sha256) {
    return Error{ErrorCode::kCorruption, key + ": its bytes are not those that the commit log names", {}};
  }
  auto packs = decode_tombstone(plain);
  if (!packs.ok()) return std::move(packs).error().in(key);
  return packs;
}

Result<std::set<PackId>> tombstoned_packs(const Context& context, const Vault& vault, const LogState& state) {
  std::set<PackId> packs;
  for (const LogState::Tombstone& tombstone : state.open_tombstones) {
    auto named = read_tombstone(context, vault, tombstone);
    if (!named.ok() && named.code() == ErrorCode::kNotFound)
      continue;  // collected since `state`: no index names its packs
    if (!named.ok()) return std::move(named).error().advise("run 'coffer collect', which drops a damaged tombstone");
    for (const IndexedPack& pack : *named) packs.insert(pack.id);
  }
  return packs;
}

}  // namespace coffer::vault
