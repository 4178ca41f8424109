// HMAC with the hashes that KMS offers. For SHA-256 under a key that stays, HmacSha256 of digest.h is faster.
#pragma once
#include "base/bytes.h"

namespace coffer::crypto {

enum class Hash { kSha1, kSha224, kSha256, kSha384, kSha512 };

size_t hash_size(Hash hash);
Bytes hash_of(Hash hash, ByteView data);
Bytes hmac_of(Hash hash, ByteView key, ByteView data);

}  // namespace coffer::crypto
