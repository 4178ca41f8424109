#include "engine/jobs/escrow.h"

#include <algorithm>

#include "engine/jobs/vault_access.h"
#include "engine/jobs/verify_content.h"
#include "engine/vault/drill.h"
#include "engine/vault/lease.h"

namespace coffer::jobs {

using namespace vault;

Result<EscrowDrill> run_escrow_drill(const Context& context, const Environment& env, const Vault& vault,
                                     const std::vector<crypto::EscrowShare>& shares) {
  EscrowDrill drill;
  const crypto::Keyset& keyset = vault.keysets().back();
  for (const crypto::KeySlot& slot : keyset.slots) {
    auto info = crypto::escrow_slot_info(slot);
    if (info.ok() && !shares.empty() && crypto::is_share_of(*info, shares.front())) drill.slot = slot.name;
  }
  if (drill.slot.empty())
    return Error{ErrorCode::kInvalidArgument, "these shares are of no escrow slot of this vault", {}};
  std::string indexes;
  for (const crypto::EscrowShare& share : shares) {
    drill.shares.push_back(share.index);
    indexes += (indexes.empty() ? "" : ", ") + std::to_string(share.index);
  }
  Attestation& a = drill.attestation;
  a.kind = ProofKind::kVerified;
  a.facts["slot"] = drill.slot;
  a.facts["shares"] = indexes;
  COFFER_TRY(auto log, CommitLog::load(context, vault));
  COFFER_TRY(auto lease, Lease::acquire(context, vault, *log, "escrow drill"));
  COFFER_CHECK_OK(log->refresh(context));
  if (log->state().live.empty()) {
    a.point_id = "none";
    a.success = true;
    a.summary = "the shares open the vault; it has no point to read";
  } else {
    drill.point_id = a.point_id = log->state().live.back().id;
    COFFER_TRY(const Manifest manifest, read_manifest(context, vault, log->state(), drill.point_id));
    COFFER_TRY(const auto index, open_index(context, env, vault, log->state()));
    COFFER_TRY(const VerifyReport read, verify_content(context, env, vault, *index, manifest));
    a.success = read.clean();
    a.size_bytes = read.size_bytes;
    a.duration_ms = read.duration_ms;
    a.summary = a.success ? "opened by shares alone; every page has its fingerprint"
                          : "opened by shares alone; " + std::to_string(read.findings.size()) + " damaged objects";
    for (const VerifyFinding& f : read.findings)
      if (a.findings.size() < 100) a.findings.push_back(f.object + ": " + f.problem);
  }
  a.time = env.clock.wall();
  COFFER_CHECK_OK(write_drill(context, vault, a));
  if (auto released = lease->release(context); !released.ok())
    env.progress.note("the lease was not released and will expire: " + released.error().message);
  return drill;
}

}  // namespace coffer::jobs
