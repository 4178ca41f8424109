#include "engine/crypto/kms_blob.h"

#include <openssl/err.h>

#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/digest.h"

namespace coffer::crypto {
namespace {

constexpr uint8_t kVersion = 1, kAlgorithm = 1;
constexpr size_t kNonceSize = 32, kCommitmentSize = 32;
constexpr size_t kBoundSize = 54;  // up to the nonce's end: what the derivation takes in
constexpr size_t kPlainOffset = kBoundSize + kCommitmentSize;
constexpr std::string_view kLabel = "kms-blob v1";

static_assert(kPlainOffset + kGcmTagSize == kKmsBlobOverhead);

Error not_authentic() { return {ErrorCode::kCorruption, "authentication failed", {}}; }

/// Commitment, key and nonce of one blob.
class OneTimeKeys {
 public:
  OneTimeKeys(ByteView backing_key, ByteView bound) {
    COFFER_ASSERT(backing_key.size() == kBackingKeySize && bound.size() == kBoundSize);
    Bytes info;
    info.reserve(kLabel.size() + 1 + bound.size());
    append(info, as_bytes(kLabel));
    info.push_back(std::byte{0});
    append(info, bound);
    okm_ = Secret(hkdf_expand_sha512(backing_key, info, kCommitmentSize + kGcmKeySize + kGcmNonceSize));
  }
  [[nodiscard]] ByteView commitment() const { return okm_.view().first(kCommitmentSize); }
  [[nodiscard]] const unsigned char* key() const { return at(kCommitmentSize); }
  [[nodiscard]] const unsigned char* nonce() const { return at(kCommitmentSize + kGcmKeySize); }

 private:
  [[nodiscard]] const unsigned char* at(size_t offset) const {
    return reinterpret_cast<const unsigned char*>(okm_.view().data()) + offset;
  }
  Secret okm_;
};

const unsigned char* in_ptr(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }
unsigned char* out_ptr(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }

}  // namespace

Bytes encode_encryption_context(const std::map<std::string, std::string>& context) {
  Bytes out;
  if (context.empty()) return out;
  COFFER_ASSERT(context.size() <= 0xffff);
  ByteWriter writer(out);
  writer.u16(static_cast<uint16_t>(context.size()));
  for (const auto& [key, value] : context) {  // std::string compares by unsigned bytes
    writer.string16(key);
    writer.string16(value);
  }
  return out;
}

Bytes seal_kms_blob_with_nonce(ByteView backing_key, const KmsBlobHeader& header, ByteView plaintext, ByteView context,
                               ByteView nonce32) {
  COFFER_ASSERT(nonce32.size() == kNonceSize && plaintext.size() <= kGcmMessageSizeMax &&
                context.size() <= kGcmMessageSizeMax);
  Bytes blob;
  blob.reserve(kKmsBlobOverhead + plaintext.size());
  ByteWriter writer(blob);
  writer.u8(kVersion);
  writer.u8(kAlgorithm);
  writer.bytes(header.key_uuid);
  writer.u32(header.material_version);
  writer.bytes(nonce32);
  const OneTimeKeys keys(backing_key, blob);
  writer.bytes(keys.commitment());
  blob.resize(kKmsBlobOverhead + plaintext.size());

  const CipherContext cipher = new_cipher_context();
  EVP_CIPHER_CTX* c = cipher.get();
  int size = 0;
  COFFER_ASSERT(EVP_EncryptInit_ex(c, aes_256_gcm_algorithm(), nullptr, keys.key(), keys.nonce()) == 1);
  if (!context.empty())
    COFFER_ASSERT(EVP_EncryptUpdate(c, nullptr, &size, in_ptr(context), static_cast<int>(context.size())) == 1);
  std::byte* out = blob.data() + kPlainOffset;
  if (!plaintext.empty())
    COFFER_ASSERT(EVP_EncryptUpdate(c, out_ptr(out), &size, in_ptr(plaintext), static_cast<int>(plaintext.size())) ==
                  1);
  std::byte* tag = out + plaintext.size();
  COFFER_ASSERT(EVP_EncryptFinal_ex(c, out_ptr(tag), &size) == 1 && size == 0);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag) == 1);
  return blob;
}

Bytes seal_kms_blob(ByteView backing_key, const KmsBlobHeader& header, ByteView plaintext, ByteView context,
                    Entropy& entropy) {
  const auto nonce = entropy.array<kNonceSize>();
  return seal_kms_blob_with_nonce(backing_key, header, plaintext, context, nonce);
}

Result<KmsBlobHeader> parse_kms_blob(ByteView blob) {
  ByteReader reader(blob);
  const uint8_t version = reader.u8(), algorithm = reader.u8();
  KmsBlobHeader header;
  header.key_uuid = reader.array<16>();
  header.material_version = reader.u32();
  if (blob.size() < kKmsBlobOverhead || version != kVersion || algorithm != kAlgorithm) return not_authentic();
  return header;
}

Result<Secret> open_kms_blob(ByteView backing_key, ByteView blob, ByteView context) {
  COFFER_CHECK_OK(parse_kms_blob(blob));
  if (blob.size() > kGcmMessageSizeMax || context.size() > kGcmMessageSizeMax) return not_authentic();
  const OneTimeKeys keys(backing_key, blob.first(kBoundSize));
  if (!equal_constant_time(keys.commitment(), blob.subspan(kBoundSize, kCommitmentSize))) return not_authentic();

  const ByteView sealed = blob.subspan(kPlainOffset);
  const size_t plain_size = sealed.size() - kGcmTagSize;
  unsigned char tag[kGcmTagSize];
  std::memcpy(tag, sealed.data() + plain_size, sizeof tag);
  Bytes plain(plain_size);
  const CipherContext cipher = new_cipher_context();
  EVP_CIPHER_CTX* c = cipher.get();
  int size = 0;
  COFFER_ASSERT(EVP_DecryptInit_ex(c, aes_256_gcm_algorithm(), nullptr, keys.key(), keys.nonce()) == 1);
  COFFER_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag) == 1);
  if (!context.empty())
    COFFER_ASSERT(EVP_DecryptUpdate(c, nullptr, &size, in_ptr(context), static_cast<int>(context.size())) == 1);
  if (plain_size > 0)
    COFFER_ASSERT(EVP_DecryptUpdate(c, out_ptr(plain.data()), &size, in_ptr(sealed), static_cast<int>(plain_size)) ==
                  1);
  unsigned char nothing[kGcmTagSize];
  Secret opened(std::move(plain));
  if (EVP_DecryptFinal_ex(c, nothing, &size) == 1) return opened;
  ERR_clear_error();
  return not_authentic();
}

}  // namespace coffer::crypto
