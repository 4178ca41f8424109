// Tombstones: sealed lists of packs that are to go. `tombstones/<id>`; the log entry carries the SHA-256 of the plain
// bytes. Plain bytes: "COFRTMB1", u32 count, then each pack's 16-byte id and u64 sealed size, ascending by id.
#pragma once
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/index.h"

namespace coffer::vault {

inline constexpr std::string_view kTombstonePrefix = "tombstones/";
std::string tombstone_key(std::string_view id);
Bytes encode_tombstone(const std::vector<IndexedPack>& packs);
/// kCorruption for anything that encode_tombstone does not write.
Result<std::vector<IndexedPack>> decode_tombstone(ByteView bytes);
/// The packs of one open tombstone, its bytes compared with the log. kNotFound when another program has collected it.
Result<std::vector<IndexedPack>> read_tombstone(const Context& context, const Vault& vault,
                                                const LogState::Tombstone& tombstone);

}  // namespace coffer::vault
