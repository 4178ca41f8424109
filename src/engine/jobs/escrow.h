// Escrow as a job: the drill, which opens a vault by shares alone and reads a point.
#pragma once
#include <string>
#include <vector>

#include "engine/crypto/escrow.h"
#include "engine/jobs/environment.h"
#include "engine/jobs/restore.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

/// How long an escrow may go untried before doctor warns.
inline constexpr std::chrono::hours kEscrowDrillDue{365 * 24};

struct EscrowDrill {
  std::string slot;                // that the shares opened
  std::vector<uint8_t> shares;     // their indexes
  std::string point_id;            // the newest, read whole; empty: the vault has none
  vault::Attestation attestation;  // what was written down in the vault
};
/// `vault` was opened with these shares. Reads every page of the newest point with what they opened and writes down
/// that it was done, also when the point is damaged.
Result<EscrowDrill> run_escrow_drill(const Context& context, const Environment& environment, const vault::Vault& vault,
                                     const std::vector<crypto::EscrowShare>& shares);

}  // namespace coffer::jobs
