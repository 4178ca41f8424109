// Ed25519 signatures (RFC 8032), for checkpoints of logs.
#pragma once
#include <array>

#include "base/bytes.h"

namespace coffer::crypto {

using Ed25519PublicKey = std::array<std::byte, 32>;
using Ed25519Signature = std::array<std::byte, 64>;

/// `seed`: 32 bytes, the private key as RFC 8032 has it.
Ed25519PublicKey ed25519_public_key(ByteView seed);
Ed25519Signature ed25519_sign(ByteView seed, ByteView message);
/// False also for a key or signature of another length.
bool ed25519_verify(ByteView public_key, ByteView message, ByteView signature);

}  // namespace coffer::crypto
