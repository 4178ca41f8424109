// Whose request it is.
#pragma once
#include <functional>

#include "edge/wire/front_progress.h"
#include "edge/wire/sigv4.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"

namespace coffer::wire {

/// Looks up the key of `claim`, has the signature checked with its secret, and fills in the caller of `at`. A wrong
/// signature with a known key is recorded for its owner.
Result<iam::Credential> authenticate(gate::Gate& gate, iam::Authority& authority, const SignatureClaim& claim,
                                     const std::function<Status(ByteView secret_access_key)>& check, Progress& at);

}  // namespace coffer::wire
