// The ciphertext blob of a symmetric KMS key, version 1 (docs/format.md, "KMS ciphertext blob"): names its key and key
// material, commits to the key, and is bound to its encryption context.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "engine/crypto/sealed_object.h"

namespace coffer::crypto {

inline constexpr size_t kKmsBlobOverhead = 102;
inline constexpr size_t kKmsBackingKeySize = 64;

using EncryptionContext = std::map<std::string, std::string>;

struct KmsBlobHeader {
  KeyId key_id{};  // the 16 bytes of the key's UUID, or of "mrk-" + 32 digits
  uint32_t material_version = 0;
};
/// What a blob says of its key; nothing when these are not the bytes of a blob.
std::optional<KmsBlobHeader> parse_kms_blob(ByteView blob);

/// `backing_key`: kKmsBackingKeySize bytes. A fresh nonce is drawn for every blob.
Bytes seal_kms_blob(ByteView backing_key, const KmsBlobHeader& header, const EncryptionContext& context,
                    ByteView plaintext, Entropy& entropy);
/// The same with a given nonce (32 bytes); only for test vectors.
Bytes seal_kms_blob_with_nonce(ByteView backing_key, const KmsBlobHeader& header, const EncryptionContext& context,
                               ByteView plaintext, ByteView nonce);
/// kCorruption for every kind of failure: another key, another context, changed bytes.
Result<Secret> open_kms_blob(ByteView backing_key, const EncryptionContext& context, ByteView blob);

/// The canonical bytes of a context: nothing for an empty one; else u16 count and per entry, sorted by key, u16 length
/// and bytes of key and value.
Bytes canonical_context(const EncryptionContext& context);

}  // namespace coffer::crypto
