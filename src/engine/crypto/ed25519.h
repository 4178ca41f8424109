// Ed25519 signatures (RFC 8032) by OpenSSL.
#pragma once
#include <array>

#include "base/bytes.h"

namespace coffer::crypto {

inline constexpr size_t kEd25519SeedSize = 32;
using Ed25519PublicKey = std::array<std::byte, 32>;
using Ed25519Signature = std::array<std::byte, 64>;

/// `seed` is the 32-byte private key of RFC 8032.
Ed25519PublicKey ed25519_public_key(ByteView seed);
Ed25519Signature ed25519_sign(ByteView seed, ByteView message);
/// False also for a key or signature of another size, and for a key that is no point of the curve.
bool ed25519_verify(ByteView public_key, ByteView message, ByteView signature);

}  // namespace coffer::crypto
