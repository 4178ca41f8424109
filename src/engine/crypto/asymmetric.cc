#include "engine/crypto/asymmetric.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string_view>

#include "engine/crypto/hashes.h"

namespace coffer::crypto {
namespace {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(PKCS8_PRIV_KEY_INFO* p) const { PKCS8_PRIV_KEY_INFO_free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free>;

const unsigned char* in_ptr(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }
unsigned char* out_ptr(Bytes& b) { return reinterpret_cast<unsigned char*>(b.data()); }

struct Traits {
  std::string_view algorithm, group;
  int bits;
};
Traits traits_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::kRsa2048: return {"RSA", "", 2048};
    case KeyKind::kRsa3072: return {"RSA", "", 3072};
    case KeyKind::kRsa4096: return {"RSA", "", 4096};
    case KeyKind::kP256: return {"EC", "prime256v1", 256};
    case KeyKind::kP384: return {"EC", "secp384r1", 384};
    case KeyKind::kP521: return {"EC", "secp521r1", 521};
    case KeyKind::kSecp256k1: return {"EC", "secp256k1", 256};
    case KeyKind::kEd25519: return {"ED25519", "", 253};
  }
  return {};
}

bool is_of_kind(EVP_PKEY* key, KeyKind kind) {
  const Traits traits = traits_of(kind);
  if (!EVP_PKEY_is_a(key, traits.algorithm.data())) return false;
  if (kind == KeyKind::kEd25519) return true;
  if (EVP_PKEY_get_bits(key) != traits.bits) return false;
  if (is_rsa(kind)) return true;
  char group[64];
  size_t size = 0;
  return EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 && std::string_view(group, size) == traits.group;
}

KeyContext context_for(EVP_PKEY* key) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  COFFER_ASSERT(context != nullptr);
  return context;
}

/// The key, if all of `der` is a SubjectPublicKeyInfo.
Key parse_public(ByteView der) {
  const unsigned char* at = in_ptr(der);
  Key key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (key && at != in_ptr(der) + der.size()) key.reset();
  return key;
}

void set_up_signature(EVP_PKEY_CTX* context, SignatureScheme scheme, Hash hash) {
  COFFER_ASSERT(EVP_PKEY_CTX_set_signature_md(context, algorithm_of(hash)) == 1);
  if (scheme == SignatureScheme::kRsaPkcs1)
    COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1);
  if (scheme == SignatureScheme::kRsaPss) {
    COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1);
    COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
    COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_mgf1_md(context, algorithm_of(hash)) == 1);
  }
}

bool verify_by(EVP_PKEY* key, SignatureScheme scheme, Hash hash, ByteView digest, ByteView signature) {
  int valid = 0;
  if (scheme == SignatureScheme::kEd25519) {
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    COFFER_ASSERT(context &&
                  EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1);
    valid = EVP_DigestVerify(context.get(), in_ptr(signature), signature.size(), in_ptr(digest), digest.size());
  } else {
    if (digest.size() != hash_size(hash)) return false;
    const KeyContext context = context_for(key);
    COFFER_ASSERT(EVP_PKEY_verify_init(context.get()) == 1);
    set_up_signature(context.get(), scheme, hash);
    valid = EVP_PKEY_verify(context.get(), in_ptr(signature), signature.size(), in_ptr(digest), digest.size());
  }
  ERR_clear_error();
  return valid == 1;
}

void set_up_oaep(EVP_PKEY_CTX* context, Hash hash) {
  COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1);
  COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_oaep_md(context, algorithm_of(hash)) == 1);
  COFFER_ASSERT(EVP_PKEY_CTX_set_rsa_mgf1_md(context, algorithm_of(hash)) == 1);
}

Result<Bytes> encrypt_oaep_by(EVP_PKEY* key, Hash hash, ByteView plaintext) {
  const size_t modulus_size = static_cast<size_t>(EVP_PKEY_get_size(key));
  const size_t plain_size_max = modulus_size - 2 * hash_size(hash) - 2;
  if (plaintext.size() > plain_size_max)
    return Error{ErrorCode::kInvalidArgument,
                 "the plaintext is longer than the " + std::to_string(plain_size_max) + " bytes that this key takes",
                 {}};
  const KeyContext context = context_for(key);
  COFFER_ASSERT(EVP_PKEY_encrypt_init(context.get()) == 1);
  set_up_oaep(context.get(), hash);
  Bytes out(modulus_size);
  size_t size = out.size();
  COFFER_ASSERT(EVP_PKEY_encrypt(context.get(), out_ptr(out), &size, in_ptr(plaintext), plaintext.size()) == 1);
  out.resize(size);
  return out;
}

}  // namespace

struct KeyPair::State {
  KeyKind kind;
  Key key;
};

KeyPair::KeyPair(std::unique_ptr<State> state) : state_(std::move(state)) {}
KeyPair::KeyPair(KeyPair&&) noexcept = default;
KeyPair& KeyPair::operator=(KeyPair&&) noexcept = default;
KeyPair::~KeyPair() = default;
KeyKind KeyPair::kind() const { return state_->kind; }

KeyPair KeyPair::generate(KeyKind kind) {
  const Traits traits = traits_of(kind);
  const char* algorithm = traits.algorithm.data();
  Key key;
  if (is_rsa(kind)) {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm, static_cast<size_t>(traits.bits)));
  } else if (kind == KeyKind::kEd25519) {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm));
  } else {
    key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm, traits.group.data()));
  }
  COFFER_ASSERT(key != nullptr);
  return KeyPair(std::make_unique<State>(State{kind, std::move(key)}));
}

Result<KeyPair> KeyPair::from_pkcs8(KeyKind kind, ByteView der) { return read(kind, der, false); }
Result<KeyPair> KeyPair::from_own_pkcs8(KeyKind kind, ByteView der) { return read(kind, der, true); }

Result<KeyPair> KeyPair::read(KeyKind kind, ByteView der, bool is_own) {
  const unsigned char* at = in_ptr(der);
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, Free> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  Key key;
  if (info && at == in_ptr(der) + der.size()) key.reset(EVP_PKCS82PKEY(info.get()));
  bool good = key && is_of_kind(key.get(), kind);
  if (good && !is_own) {
    // A key from outside may be any numbers: the pair must belong together.
    const KeyContext context = context_for(key.get());
    good = EVP_PKEY_pairwise_check(context.get()) == 1;
  }
  ERR_clear_error();
  if (!good) return Error{ErrorCode::kInvalidArgument, "these bytes are no private key of the right kind", {}};
  return KeyPair(std::make_unique<State>(State{kind, std::move(key)}));
}

Secret KeyPair::pkcs8() const {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, Free> info(EVP_PKEY2PKCS8(state_->key.get()));
  COFFER_ASSERT(info != nullptr);
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
  COFFER_ASSERT(size > 0);
  Bytes der(static_cast<size_t>(size));
  unsigned char* at = out_ptr(der);
  COFFER_ASSERT(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at) == size);
  return Secret(std::move(der));
}

Bytes KeyPair::public_key() const {
  const int size = i2d_PUBKEY(state_->key.get(), nullptr);
  COFFER_ASSERT(size > 0);
  Bytes der(static_cast<size_t>(size));
  unsigned char* at = out_ptr(der);
  COFFER_ASSERT(i2d_PUBKEY(state_->key.get(), &at) == size);
  return der;
}

Bytes KeyPair::sign(SignatureScheme scheme, Hash hash, ByteView digest) const {
  EVP_PKEY* key = state_->key.get();
  Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key)));
  size_t size = signature.size();
  if (scheme == SignatureScheme::kEd25519) {
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    COFFER_ASSERT(context &&
                  EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1);
    COFFER_ASSERT(EVP_DigestSign(context.get(), out_ptr(signature), &size, in_ptr(digest), digest.size()) == 1);
  } else {
    COFFER_ASSERT(digest.size() == hash_size(hash));
    const KeyContext context = context_for(key);
    COFFER_ASSERT(EVP_PKEY_sign_init(context.get()) == 1);
    set_up_signature(context.get(), scheme, hash);
    COFFER_ASSERT(EVP_PKEY_sign(context.get(), out_ptr(signature), &size, in_ptr(digest), digest.size()) == 1);
  }
  signature.resize(size);
  return signature;
}

bool KeyPair::verify(SignatureScheme scheme, Hash hash, ByteView digest, ByteView signature) const {
  return verify_by(state_->key.get(), scheme, hash, digest, signature);
}

Result<Bytes> KeyPair::encrypt_oaep(Hash hash, ByteView plaintext) const {
  return encrypt_oaep_by(state_->key.get(), hash, plaintext);
}

Result<Secret> KeyPair::decrypt_oaep(Hash hash, ByteView ciphertext) const {
  EVP_PKEY* key = state_->key.get();
  const Error refused{ErrorCode::kCorruption, "the ciphertext does not open", {}};
  if (ciphertext.size() != static_cast<size_t>(EVP_PKEY_get_size(key))) return refused;
  const KeyContext context = context_for(key);
  COFFER_ASSERT(EVP_PKEY_decrypt_init(context.get()) == 1);
  set_up_oaep(context.get(), hash);
  Bytes out(ciphertext.size());
  size_t size = out.size();
  const int done = EVP_PKEY_decrypt(context.get(), out_ptr(out), &size, in_ptr(ciphertext), ciphertext.size());
  ERR_clear_error();
  Secret whole(std::move(out));
  if (done != 1) return refused;
  return Secret::copy_of(whole.view().first(size));
}

Result<Secret> KeyPair::derive(ByteView peer) const {
  const Key other = parse_public(peer);
  if (!other || is_rsa(kind()) || kind() == KeyKind::kEd25519 || !is_of_kind(other.get(), kind()))
    return Error{ErrorCode::kInvalidArgument, "not a public key of the same curve", {}};
  const KeyContext context = context_for(state_->key.get());
  COFFER_ASSERT(EVP_PKEY_derive_init(context.get()) == 1);
  size_t size = 0;
  Bytes out;
  // With validation: a point that is not on the curve would give bits of our key away.
  bool done = EVP_PKEY_derive_set_peer_ex(context.get(), other.get(), 1) == 1 &&
              EVP_PKEY_derive(context.get(), nullptr, &size) == 1;
  if (done) {
    out.resize(size);
    done = EVP_PKEY_derive(context.get(), out_ptr(out), &size) == 1;
    out.resize(done ? size : 0);
  }
  ERR_clear_error();
  if (!done) return Error{ErrorCode::kInvalidArgument, "not a valid point of the curve", {}};
  return Secret(std::move(out));
}

Result<Bytes> encrypt_oaep_to(ByteView subject_public_key_info, Hash hash, ByteView plaintext) {
  const Key key = parse_public(subject_public_key_info);
  if (!key || !EVP_PKEY_is_a(key.get(), "RSA")) return Error{ErrorCode::kInvalidArgument, "not an RSA public key", {}};
  return encrypt_oaep_by(key.get(), hash, plaintext);
}

bool verify_with(ByteView subject_public_key_info, SignatureScheme scheme, Hash hash, ByteView digest,
                 ByteView signature) {
  const Key key = parse_public(subject_public_key_info);
  if (!key) return false;
  const bool rsa = EVP_PKEY_is_a(key.get(), "RSA");
  const bool fits = scheme == SignatureScheme::kEd25519 ? EVP_PKEY_is_a(key.get(), "ED25519")
                    : scheme == SignatureScheme::kEcdsa ? EVP_PKEY_is_a(key.get(), "EC")
                                                        : rsa;
  return fits && verify_by(key.get(), scheme, hash, digest, signature);
}

}  // namespace coffer::crypto
