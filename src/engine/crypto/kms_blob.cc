#include "engine/crypto/kms_blob.h"

#include <openssl/evp.h>

#include "engine/crypto/digest.h"
#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

constexpr uint8_t kVersion = 1, kAlgorithm = 1;
constexpr size_t kNonceSize = 32, kCommitmentSize = 32, kTagSize = 16;
constexpr size_t kHeadSize = 22 + kNonceSize;            // all before the commitment
constexpr size_t kBodyAt = kHeadSize + kCommitmentSize;  // where the ciphertext begins

struct Keys {
  Bytes all;  // commitment, AES key, IV
  explicit Keys(Bytes derived) : all(std::move(derived)) {}
  ~Keys() { wipe(all); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  [[nodiscard]] ByteView commitment() const { return ByteView(all).first(kCommitmentSize); }
  [[nodiscard]] const unsigned char* key() const {
    return reinterpret_cast<const unsigned char*>(all.data()) + kCommitmentSize;
  }
  [[nodiscard]] const unsigned char* iv() const { return key() + 32; }
};

Keys derive(ByteView backing_key, ByteView head) {
  Bytes info = to_bytes("kms-blob v1");
  info.push_back(std::byte{0});
  append(info, head);
  return Keys(hkdf_expand_sha512(backing_key, info, kCommitmentSize + 32 + 12));
}

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }

}  // namespace

Bytes canonical_context(const EncryptionContext& context) {
  Bytes out;
  if (context.empty()) return out;
  ByteWriter writer(out);
  writer.u16(static_cast<uint16_t>(context.size()));
  for (const auto& [key, value] : context) {
    writer.string16(key);
    writer.string16(value);
  }
  return out;
}

std::optional<KmsBlobHeader> parse_kms_blob(ByteView blob) {
  if (blob.size() < kKmsBlobOverhead) return std::nullopt;
  ByteReader reader(blob);
  if (reader.u8() != kVersion || reader.u8() != kAlgorithm) return std::nullopt;
  KmsBlobHeader header;
  header.key_id = reader.array<16>();
  header.material_version = reader.u32();
  return header;
}

Bytes seal_kms_blob_with_nonce(ByteView backing_key, const KmsBlobHeader& header, const EncryptionContext& context,
                               ByteView plaintext, ByteView nonce) {
  COFFER_ASSERT(nonce.size() == kNonceSize && backing_key.size() == kKmsBackingKeySize);
  Bytes blob;
  blob.reserve(kKmsBlobOverhead + plaintext.size());
  ByteWriter writer(blob);
  writer.u8(kVersion);
  writer.u8(kAlgorithm);
  writer.bytes(header.key_id);
  writer.u32(header.material_version);
  writer.bytes(nonce);
  const Keys keys = derive(backing_key, blob);
  writer.bytes(keys.commitment());
  blob.resize(kBodyAt + plaintext.size() + kTagSize);
  const Bytes aad = canonical_context(context);
  const CipherContext cipher = new_cipher_context();
  int written = 0;
  COFFER_ASSERT(EVP_EncryptInit_ex(cipher.get(), aes_256_gcm_algorithm(), nullptr, keys.key(), keys.iv()) == 1);
  if (!aad.empty())
    COFFER_ASSERT(EVP_EncryptUpdate(cipher.get(), nullptr, &written, raw(aad.data()), static_cast<int>(aad.size())) ==
                  1);
  COFFER_ASSERT(EVP_EncryptUpdate(cipher.get(), raw(blob.data() + kBodyAt), &written, raw(plaintext.data()),
                                  static_cast<int>(plaintext.size())) == 1);
  COFFER_ASSERT(EVP_EncryptFinal_ex(cipher.get(), raw(blob.data() + kBodyAt + plaintext.size()), &written) == 1);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize,
                                    raw(blob.data() + kBodyAt + plaintext.size())) == 1);
  return blob;
}

Bytes seal_kms_blob(ByteView backing_key, const KmsBlobHeader& header, const EncryptionContext& context,
                    ByteView plaintext, Entropy& entropy) {
  return seal_kms_blob_with_nonce(backing_key, header, context, plaintext, entropy.array<kNonceSize>());
}

Result<Secret> open_kms_blob(ByteView backing_key, const EncryptionContext& context, ByteView blob) {
  const Error failed{ErrorCode::kCorruption, "authentication failed", {}};
  if (!parse_kms_blob(blob) || backing_key.size() != kKmsBackingKeySize) return failed;
  const Keys keys = derive(backing_key, blob.first(kHeadSize));
  if (!equal_constant_time(keys.commitment(), blob.subspan(kHeadSize, kCommitmentSize))) return failed;
  const Bytes aad = canonical_context(context);
  const size_t size = blob.size() - kKmsBlobOverhead;
  Bytes plain(size + 1);  // never empty, so that there is a place to write to
  Bytes tag = to_bytes(blob.last(kTagSize));
  const CipherContext cipher = new_cipher_context();
  int written = 0;
  COFFER_ASSERT(EVP_DecryptInit_ex(cipher.get(), aes_256_gcm_algorithm(), nullptr, keys.key(), keys.iv()) == 1);
  if (!aad.empty())
    COFFER_ASSERT(EVP_DecryptUpdate(cipher.get(), nullptr, &written, raw(aad.data()), static_cast<int>(aad.size())) ==
                  1);
  COFFER_ASSERT(EVP_DecryptUpdate(cipher.get(), raw(plain.data()), &written, raw(blob.data() + kBodyAt),
                                  static_cast<int>(size)) == 1);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1);
  const bool good = EVP_DecryptFinal_ex(cipher.get(), raw(plain.data() + size), &written) == 1;
  plain.resize(size);
  Secret secret(std::move(plain));
  if (!good) return failed;
  return secret;
}

}  // namespace coffer::crypto
