// Reading all of a point: what run_verify() does with a committed one, and a copy before it commits.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/jobs/restore.h"
#include "engine/vault/index.h"
#include "engine/vault/manifest.h"

namespace coffer::jobs {

/// Every page against its fingerprint, every file against its digest, the counts against the manifest's. `findings` is
/// the damage; an error means that the check could not go on. The point need not be in the log.
Result<VerifyReport> verify_content(const Context& context, const Environment& environment, const vault::Vault& vault,
                                    const vault::IndexSet& index, const vault::Manifest& manifest);

}  // namespace coffer::jobs
