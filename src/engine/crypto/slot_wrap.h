// What all slot types that end in a 32-byte secret of the holder share: HKDF-Expand-SHA-512 over label, salt and
// binding gives a key and a nonce for exactly one AES-256-GCM message, the root.
#pragma once
#include <string_view>

#include "base/secret.h"
#include "engine/crypto/keyset.h"

namespace coffer::crypto {

Bytes wrap_root_with(ByteView holder_key, std::string_view label, ByteView salt, ByteView binding, ByteView root);
/// kUnauthenticated when this key does not open `slot`.
Result<Secret> unwrap_root_with(ByteView holder_key, std::string_view label, ByteView salt, ByteView binding,
                                const KeySlot& slot);

}  // namespace coffer::crypto
