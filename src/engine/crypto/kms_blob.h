// KMS ciphertext blob v1: what Encrypt and GenerateDataKey of services/kms answer with (docs/format.md, "KMS ciphertext
// blob").
//
// version, algorithm, key uuid, version of the key's material, nonce, commitment, ciphertext, tag. A one-time key,
// nonce and commitment come from HKDF-Expand-SHA-512 over the backing key and everything before the commitment; the
// encryption context is the associated data. Every failure to open is one kind: kCorruption "authentication failed".
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"

namespace coffer::crypto {

inline constexpr size_t kBackingKeySize = 64;
inline constexpr size_t kKmsBlobOverhead = 102;  // bytes that a blob has more than its plaintext

/// What names the key in a blob. Neither Region nor account: replicas of a multi-Region key open each other's blobs.
struct KmsBlobHeader {
  std::array<std::byte, 16> key_uuid{};
  uint32_t material_version = 0;
  friend bool operator==(const KmsBlobHeader&, const KmsBlobHeader&) = default;
};

/// The associated data of a context: nothing for an empty one, else count and length-prefixed pairs, sorted by the
/// bytes of the keys. Keys, values and their count are under 64 Ki each (asserted).
Bytes encode_encryption_context(const std::map<std::string, std::string>& context);

/// `backing_key` is kBackingKeySize bytes. A fresh nonce is drawn by every call.
Bytes seal_kms_blob(ByteView backing_key, const KmsBlobHeader& header, ByteView plaintext, ByteView context,
                    Entropy& entropy);
/// The same with a given nonce; only for test vectors.
Bytes seal_kms_blob_with_nonce(ByteView backing_key, const KmsBlobHeader& header, ByteView plaintext, ByteView context,
                               ByteView nonce32);
/// Which key to open it with. Nothing of it is trusted before the blob was opened.
Result<KmsBlobHeader> parse_kms_blob(ByteView blob);
Result<Secret> open_kms_blob(ByteView backing_key, ByteView blob, ByteView context);

}  // namespace coffer::crypto
