// Drills: what was tried with a key that nobody uses from day to day. They outlive the points they were tried on.
#pragma once
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/points.h"

namespace coffer::vault {

/// `drills/<time>-<random>`: sealed like an attestation, of which it has the form. Facts: "slot", "shares".
Status write_drill(const Context& context, const Vault& vault, const Attestation& drill);
/// Newest first.
Result<std::vector<Attestation>> read_drills(const Context& context, const Vault& vault);

}  // namespace coffer::vault
