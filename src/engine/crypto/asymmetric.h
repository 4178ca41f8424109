// Asymmetric keys as KMS has them: RSA, elliptic curves, Ed25519. Private keys travel as PKCS #8, public ones as
// SubjectPublicKeyInfo, signatures as DER (ECDSA) or raw (RSA, Ed25519), all DER where there is a choice.
//
// Key generation, PSS salts, OAEP seeds and ECDSA nonces come from OpenSSL's own generator, not from Entropy: it offers
// no way to hand bytes in.
#pragma once
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "engine/crypto/hmac.h"

namespace coffer::crypto {

enum class KeyKind { kRsa2048, kRsa3072, kRsa4096, kP256, kP384, kP521, kSecp256k1, kEd25519 };

[[nodiscard]] constexpr bool is_rsa(KeyKind kind) {
  return kind == KeyKind::kRsa2048 || kind == KeyKind::kRsa3072 || kind == KeyKind::kRsa4096;
}

/// How a signature is made. The hash of kEd25519 is part of it and not looked at.
enum class SignatureScheme { kRsaPkcs1, kRsaPss, kEcdsa, kEd25519 };

/// A key pair. Immutable, safe from many threads at once; the private half is wiped with it.
class KeyPair {
 public:
  static KeyPair generate(KeyKind kind);
  /// kInvalidArgument when these bytes are no private key of this kind, or something follows them.
  static Result<KeyPair> from_pkcs8(KeyKind kind, ByteView der);
  /// The same for what pkcs8() wrote and nobody can have changed since: whether the two halves belong together, which
  /// takes a good part of a second for the largest keys, is not looked at again.
  static Result<KeyPair> from_own_pkcs8(KeyKind kind, ByteView der);
  KeyPair(KeyPair&&) noexcept;
  KeyPair& operator=(KeyPair&&) noexcept;
  ~KeyPair();

  [[nodiscard]] KeyKind kind() const;
  [[nodiscard]] Secret pkcs8() const;
  [[nodiscard]] Bytes public_key() const;  // SubjectPublicKeyInfo

  /// `digest` is the hash of the message (of the hash's size); for kEd25519 the message itself.
  [[nodiscard]] Bytes sign(SignatureScheme scheme, Hash hash, ByteView digest) const;
  [[nodiscard]] bool verify(SignatureScheme scheme, Hash hash, ByteView digest, ByteView signature) const;

  /// OAEP, MGF1 with the same hash. kInvalidArgument when the plaintext is too long for the key.
  [[nodiscard]] Result<Bytes> encrypt_oaep(Hash hash, ByteView plaintext) const;
  /// kCorruption for anything encrypt_oaep did not write for this key.
  [[nodiscard]] Result<Secret> decrypt_oaep(Hash hash, ByteView ciphertext) const;

  /// ECDH: the x coordinate, of the field's size. kInvalidArgument when `peer` is no public key of the same curve.
  [[nodiscard]] Result<Secret> derive(ByteView peer) const;

 private:
  struct State;
  static Result<KeyPair> read(KeyKind kind, ByteView der, bool is_own);
  explicit KeyPair(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

/// OAEP with a public key alone, as somebody does who sends us key material.
Result<Bytes> encrypt_oaep_to(ByteView subject_public_key_info, Hash hash, ByteView plaintext);
/// A signature against a public key alone.
bool verify_with(ByteView subject_public_key_info, SignatureScheme scheme, Hash hash, ByteView digest,
                 ByteView signature);

}  // namespace coffer::crypto
