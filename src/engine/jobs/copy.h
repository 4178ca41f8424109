// Copy: a recovery point of one vault becomes a recovery point of another, sealed bytes as they are.
//
// Vocabulary. mirror: the receiver's vault for the points of one source vault (engine/vault/mirror.h): same uuid, same
// roots, own slots; own commit log, leases, tombstones, indexes and attestations. The receiver pulls: it only reads the
// source, and trusts nothing that it reads. Where one receiver takes from several sources, each has its own mirror.
#pragma once
#include <cstdint>
#include <string>

#include "engine/jobs/environment.h"
#include "engine/vault/manifest.h"
#include "engine/vault/mirror.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

struct CopyOptions {
  std::string point_id;  // whole id of a live point of the source
  std::string name;      // what the receiver calls this copy; in the mirror's attestation of it
  /// What the receiver reads with its own slot, from its own store, before the point counts. kNew: every byte that
  /// arrived, and that everything else the point needs is there; kAll: every page of the point, which then is VERIFIED.
  enum class Verify { kNew, kAll };
  Verify verify = Verify::kAll;
  /// A lease in the source keeps its collector from what is being copied. A source that cannot be written to is copied
  /// without.
  bool lease_source = true;
  /// A point that was copied and forgotten in the mirror comes back, under its id with "-2", "-3" ... behind it: an id
  /// is never used twice. Its manifest is then sealed anew. Otherwise that is kFailedPrecondition.
  bool again = false;
};

struct CopyReport {
  vault::Manifest manifest;        // as it is in the mirror
  bool was_there = false;          // the point had been copied before; nothing was done but what `verify` asks for
  uint64_t packs_copied = 0;       // that travelled
  uint64_t bytes_copied = 0;       // sealed bytes of them, and of the manifest
  uint64_t chunks_new = 0;         // that the mirror did not have
  uint64_t chunks_sealed_new = 0;  // of these: sealed anew, because the mirror is about to remove the pack they are in
  uint64_t packs_repaired = 0;     // damaged in the mirror, replaced by the source's
  bool verified_all = false;
  int64_t verify_ms = 0, duration_ms = 0;
};

/// Afterwards the point is live in the mirror and needs the source no more; after a failure or a crash it is not
/// visible there, and the next call goes on with what arrived. A second call moves nothing; with kAll, a point that was
/// copied and whose newest check found damage is read again, and its damaged packs are replaced by the source's. So a
/// vault is also repaired from its mirror, by a copy the other way. Errors: kNotFound, the
/// point is not live in the source, or stopped to be while it was copied; kFailedPrecondition, it was copied and
/// forgotten here before (see `again`); kCorruption, naming the object: the source offers something else
/// under a name that was copied before, something that does not open, or something that is no part of the point.
Result<CopyReport> run_copy(const Context& context, const Environment& environment, const vault::Vault& source,
                            const vault::Vault& mirror, const CopyOptions& options);

}  // namespace coffer::jobs
