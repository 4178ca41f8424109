// Mirrors: a second vault for the points of a first one, under the receiver's own key slots.
//
// Sealed objects are bound to the vault's uuid and opened by its roots, so what is copied byte by byte opens only in a
// vault of the same uuid and roots. A mirror has both, and nothing else in common with its source: whoever writes to
// one can change nothing in the other. Its keysets hold the receiver's slots alone.
#pragma once
#include <memory>
#include <vector>

#include "engine/vault/vault.h"

namespace coffer::vault {

/// Opens the mirror of `source` at `store` with the first of `slots`; makes it when there is none, with all of them,
/// and after a creation that was cut off goes on with it. Epochs that the source got since are added with all of
/// `slots`. `clock` and `entropy` outlive the vault, as does `store`. kFailedPrecondition: another vault is there, or
/// anything else; or a keyset of this uuid has another root, which a forged source has. kUnauthenticated: the mirror is
/// there, and this key opens no slot of it.
Result<std::unique_ptr<Vault>> open_mirror(const Context& context, const Vault& source, store::ObjectStore& store,
                                           Clock& clock, Entropy& entropy, const std::vector<NewSlot>& slots);

}  // namespace coffer::vault
