// Moving sealed packs from a source into a mirror, several at a time.
#pragma once
#include <cstdint>
#include <set>

#include "engine/jobs/copy_needs.h"

namespace coffer::jobs {

struct MovedPacks {
  std::set<vault::PackId> packs;
  uint64_t bytes = 0, chunks = 0, repaired = 0;
};
/// Each pack is read from the source once, into memory, and checked there with the mirror's keys, chunk by chunk,
/// before the mirror's store sees it: a source that lies cannot put other bytes under the id of a chunk that older
/// points need. What the mirror has under the name already is compared; where that is damaged it is replaced, and where
/// it is sound and different the copy is refused (kCorruption names the pack). Errors of the source say so.
Result<MovedPacks> move_packs(const Context& context, const Environment& environment, const vault::Vault& source,
                              const vault::Vault& mirror, const MirrorPacks& packs, const CopyNeeds& needs,
                              const vault::Manifest& manifest);

}  // namespace coffer::jobs
