// The collector: frees what no live point needs. Two proofs and a grace period lie between "unneeded" and "gone" (rule
// R12).
//
// Round one marks from the manifests of all live points (never from a listing), finds packs no mark reaches, and
// appends a tombstone that names them. Round two, after the grace period, marks anew; what is still unreached, and was
// tombstoned before every running lease began, is removed. Writers never adopt chunks of tombstoned packs. A lease
// whose term has passed is fenced in the log before it is ignored.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/filesystem.h"
#include "base/progress.h"
#include "base/result.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/index.h"
#include "engine/vault/lease.h"
#include "engine/vault/manifest.h"

namespace coffer::vault {

struct CollectOptions {
  std::chrono::seconds grace = std::chrono::hours(24);
  bool dry_run = false;
  /// Packs of which less than this share (in bytes of chunks) is live are rewritten: their live chunks go to new packs,
  /// and the old pack becomes unneeded once the new index is durable. 0 switches it off.
  double rewrite_below = 0.5;
  size_t sort_memory_bytes = 32 << 20;  // of each of at most two sorts at a time
};
struct CollectResult {
  uint64_t live_points = 0, live_chunks = 0;
  uint64_t packs_before = 0, packs_tombstoned = 0, packs_removed = 0, packs_rewritten = 0;
  uint64_t bytes_tombstoned = 0, bytes_removed = 0, bytes_rewritten = 0;
  uint64_t objects_removed = 0;           // manifests, attestations, leases, indexes, orphans beside packs
  std::vector<std::string> kept_because;  // "lease 12ab of host pid 7 (backup) is running", "grace ends 2026-..."
};

/// `scratch` holds the spilled marks. Errors leave the vault as it was or with less garbage; never with less than live
/// data. One run does both rounds, each for what the other left: what it tombstones itself is removed by a later run.
/// While another collector runs it does nothing and says so in `kept_because`. kCorruption: an index is damaged, or
/// something that a live point needs is missing; nothing was removed. kFailedPrecondition: more than half of the packs
/// that live points wrote seem unneeded although no point was forgotten since the last tombstone that was collected (no
/// purge when no point was removed); nothing was tombstoned. Memory: the sorts, about 64 bytes for each 8 MiB of
/// distinct file content, about 100 bytes a pack.
Result<CollectResult> collect(const Context& context, const Vault& vault, CommitLog& log, Directory& scratch,
                              const CollectOptions& options, Progress& progress);

/// The packs named by tombstones that are open in `state`: writers must not adopt from them. The order is part of the
/// safety of a writer: take the lease, refresh the log, ask this, load the index (and tell it to avoid() these packs).
/// Readers that tell their index to avoid() them are never led to a pack that goes while they read. kCorruption names
/// the tombstone.
Result<std::set<PackId>> tombstoned_packs(const Context& context, const Vault& vault, const LogState& state);

/// Every chunk id that a point needs: list blocks, map roots, map blocks, data. `visit` may see an id more than once.
/// Whole map blocks whose id was `seen` before are skipped (the caller's filter over block ids; may be null).
Status mark_point(const Context& context, const Vault& vault, const IndexSet& index, const Manifest& manifest,
                  const std::function<bool(const ChunkId&)>& first_time,
                  const std::function<Status(const ChunkId&)>& visit);

}  // namespace coffer::vault
