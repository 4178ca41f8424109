// AES key wrap with padding (RFC 5649) under a 256-bit key: how large key material is wrapped for import.
#pragma once
#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace coffer::crypto {

/// `key` is 32 bytes, `plain` at least one.
Bytes wrap_key_padded(ByteView key, ByteView plain);
/// kCorruption for anything that wrap_key_padded did not write with this key.
Result<Secret> unwrap_key_padded(ByteView key, ByteView wrapped);

}  // namespace coffer::crypto
