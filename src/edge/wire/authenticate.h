// Whose request it is.
#pragma once
#include <memory>
#include <string_view>

#include "edge/wire/front_progress.h"
#include "edge/wire/sigv4.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"

namespace coffer::wire {

/// Looks up the key of `claim`, checks the signature over `payload_hash`, and fills in the caller of `at`. A wrong
/// signature with a known key is recorded for its owner.
Result<iam::Credential> authenticate(gate::Gate& gate, iam::Authority& authority, const Request& request,
                                     const SignatureClaim& claim, std::string_view payload_hash, Progress& at);

}  // namespace coffer::wire
