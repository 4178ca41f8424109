// Opening a vault's data side for a job: indexes that cover every pack, the parent point of a cluster.
#pragma once
#include <memory>
#include <optional>

#include "engine/jobs/environment.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/index.h"
#include "engine/vault/manifest.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

/// Indexes above this number are merged into one by the next backup.
inline constexpr size_t kIndexesMax = 12;

/// Loads the indexes; packs that no healthy index covers (a killed backup's, a lost index's) are indexed anew from
/// their tables of contents and noted in `progress`. What cannot be read is a note too: the chunks in it will be missed
/// by whoever needs them.
/// Where a chunk lies in several packs, one without a tombstone in `state` is preferred: the other may go at any time.
Result<std::unique_ptr<vault::IndexSet>> open_index(const Context& context, const Environment& environment,
                                                    const vault::Vault& vault, const vault::LogState& state);

/// How many tasks a job that waits for the vault's store should have: one a worker, and more where each call is a
/// journey.
int tasks_for(const Environment& environment, const vault::Vault& vault);

/// The newest live point of the cluster that is not damaged; nothing when there is none.
Result<std::optional<vault::Manifest>> newest_point_of(const Context& context, const vault::Vault& vault,
                                                       const vault::LogState& state, uint64_t system_identifier);

}  // namespace coffer::jobs
