// The slot keys that need nothing but this machine: key files and passphrases.
//
// Both end in a 32-byte secret of the holder. From it, a label, a random salt and the binding HKDF-Expand-SHA-512 gives
// a key and a nonce that are used for exactly one AES-256-GCM message: the root.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <optional>

#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/keyset.h"
#include "engine/crypto/slot_wrap.h"

namespace coffer::crypto {
namespace {

constexpr size_t kSaltSize = 32;
constexpr size_t kHolderKeySize = 32;
constexpr std::string_view kKeyFileLabel = "coffer key-file slot v1";
constexpr std::string_view kPassphraseLabel = "coffer passphrase slot v1";
constexpr std::string_view kKeyFilePrefix = "coffer-key-v1:";

struct WrappingKey {
  Secret okm;
  [[nodiscard]] ByteView key() const { return okm.view().first(kGcmKeySize); }
  [[nodiscard]] GcmNonce nonce() const {
    GcmNonce nonce;
    std::memcpy(nonce.data(), okm.view().data() + kGcmKeySize, nonce.size());
    return nonce;
  }
};

WrappingKey wrapping_key(ByteView holder_key, std::string_view label, ByteView salt, ByteView binding) {
  Bytes info = to_bytes(label);
  info.push_back(std::byte{0});
  append(info, salt);
  append(info, binding);
  return {Secret(hkdf_expand_sha512(holder_key, info, kGcmKeySize + kGcmNonceSize))};
}

Bytes wrap_root(const WrappingKey& wrapping, ByteView root) {
  COFFER_ASSERT(root.size() == kRootSize);
  Bytes wrapped(root.size() + kGcmTagSize);
  GcmSealer(wrapping.key()).seal(wrapping.nonce(), root, wrapped.data());
  return wrapped;
}

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

Result<Secret> unwrap_root(const WrappingKey& wrapping, const KeySlot& slot) {
  Bytes root(kRootSize);
  bool opened = slot.wrapped.size() == kRootSize + kGcmTagSize &&
                GcmOpener(wrapping.key()).open(wrapping.nonce(), slot.wrapped, root.data());
  Secret secret(std::move(root));
  if (!opened) {
    return Error{
        ErrorCode::kUnauthenticated, "this " + slot.type + " does not open the keyset's slot " + quoted(slot.name), {}};
  }
  return secret;
}

}  // namespace

Bytes wrap_root_with(ByteView holder_key, std::string_view label, ByteView salt, ByteView binding, ByteView root) {
  return wrap_root(wrapping_key(holder_key, label, salt, binding), root);
}

Result<Secret> unwrap_root_with(ByteView holder_key, std::string_view label, ByteView salt, ByteView binding,
                                const KeySlot& slot) {
  return unwrap_root(wrapping_key(holder_key, label, salt, binding), slot);
}

namespace {

Error bad_parameters(const KeySlot& slot, std::string_view what) {
  return {
      ErrorCode::kCorruption, "keyset: slot " + quoted(slot.name) + " (" + slot.type + "): " + std::string(what), {}};
}

Status check_type(const KeySlot& slot, std::string_view type) {
  if (slot.type == type) return ok_status();
  return Error{
      ErrorCode::kUnauthenticated,
      "the keyset's slot " + quoted(slot.name) + " is no " + std::string(type) + " slot but a " + slot.type + " slot",
      {}};
}

class KeyFileSlot final : public SlotKey {
 public:
  explicit KeyFileSlot(Secret key) : key_(std::move(key)) { COFFER_ASSERT(key_.size() == kHolderKeySize); }

  std::string type() const override { return "key-file"; }

  Result<KeySlot> wrap(std::string_view slot_name, ByteView root, ByteView binding, Entropy& entropy) override {
    auto salt = entropy.array<kSaltSize>();
    return KeySlot{.type = type(),
                   .name = std::string(slot_name),
                   .parameters = to_bytes(salt),
                   .wrapped = wrap_root(wrapping_key(key_.view(), kKeyFileLabel, salt, binding), root)};
  }

  Result<Secret> unwrap(const KeySlot& slot, ByteView binding) override {
    COFFER_CHECK_OK(check_type(slot, type()));
    if (slot.parameters.size() != kSaltSize) return bad_parameters(slot, "the salt does not have 32 bytes");
    return unwrap_root(wrapping_key(key_.view(), kKeyFileLabel, slot.parameters, binding), slot);
  }

 private:
  Secret key_;
};

/// Parameters of a passphrase slot as they are stored: log2 N, r, p, one byte each, then the salt.
struct ScryptParameters {
  static constexpr uint8_t kLog2NMin = 10, kLog2NMax = 22;  // 1 MiB to 4 GiB
  static constexpr uint8_t kR = 8, kP = 1;

  uint8_t log2_n = 0;
  std::array<std::byte, kSaltSize> salt{};

  [[nodiscard]] uint64_t memory_bytes() const { return (uint64_t{128} * kR) << log2_n; }

  [[nodiscard]] Bytes encode() const {
    Bytes out;
    ByteWriter writer(out);
    writer.u8(log2_n);
    writer.u8(kR);
    writer.u8(kP);
    writer.bytes(salt);
    return out;
  }

  /// A keyset can come from anywhere: a cost that we would not choose is refused before memory is asked for.
  static std::optional<ScryptParameters> decode(ByteView bytes) {
    ByteReader reader(bytes);
    ScryptParameters parameters;
    parameters.log2_n = reader.u8();
    bool known = reader.u8() == kR;
    known &= reader.u8() == kP;
    parameters.salt = reader.array<kSaltSize>();
    known &= parameters.log2_n >= kLog2NMin && parameters.log2_n <= kLog2NMax;
    if (!known || !reader.done()) return std::nullopt;
    return parameters;
  }
};

Result<Secret> scrypt(const Secret& passphrase, const ScryptParameters& cost) {
  if (passphrase.empty()) return Error{ErrorCode::kInvalidArgument, "the passphrase is empty", {}};
  const KdfContext context(EVP_KDF_CTX_new(scrypt_algorithm()));
  COFFER_ASSERT(context != nullptr);
  uint64_t n = uint64_t{1} << cost.log2_n;
  uint32_t r = ScryptParameters::kR, p = ScryptParameters::kP;
  uint64_t memory_max_bytes = cost.memory_bytes() + (uint64_t{1} << 20);  // OpenSSL counts its scratch blocks too
  ByteView password = passphrase.view();
  // OSSL_PARAM has no const; password and salt are only read.
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, const_cast<std::byte*>(password.data()),
                                        password.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<std::byte*>(cost.salt.data()),
                                        cost.salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max_bytes),
      OSSL_PARAM_construct_end(),
  };
  Bytes key(kHolderKeySize);
  if (EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(key.data()), key.size(), parameters) != 1) {
    ERR_clear_error();  // all parameters are in range, so what is missing is memory
    return Error{ErrorCode::kResourceExhausted,
                 "scrypt needs " + std::to_string(cost.memory_bytes() >> 20) + " MiB of memory",
                 "run this where that much memory is free"};
  }
  return Secret(std::move(key));
}

class PassphraseSlot final : public SlotKey {
 public:
  PassphraseSlot(Secret passphrase, uint8_t log2_n) : passphrase_(std::move(passphrase)), log2_n_(log2_n) {}

  std::string type() const override { return "passphrase"; }

  Result<KeySlot> wrap(std::string_view slot_name, ByteView root, ByteView binding, Entropy& entropy) override {
    if (log2_n_ < ScryptParameters::kLog2NMin || log2_n_ > ScryptParameters::kLog2NMax) {
      return Error{ErrorCode::kInvalidArgument, "the scrypt cost is 10 to 22 (log2 of N)", {}};
    }
    ScryptParameters cost{.log2_n = log2_n_, .salt = entropy.array<kSaltSize>()};
    COFFER_TRY(Secret key, scrypt(passphrase_, cost));
    return KeySlot{.type = type(),
                   .name = std::string(slot_name),
                   .parameters = cost.encode(),
                   .wrapped = wrap_root(wrapping_key(key.view(), kPassphraseLabel, cost.salt, binding), root)};
  }

  Result<Secret> unwrap(const KeySlot& slot, ByteView binding) override {
    COFFER_CHECK_OK(check_type(slot, type()));
    auto cost = ScryptParameters::decode(slot.parameters);
    if (!cost) return bad_parameters(slot, "these are no scrypt parameters that this program accepts");
    COFFER_TRY(Secret key, scrypt(passphrase_, *cost));
    return unwrap_root(wrapping_key(key.view(), kPassphraseLabel, cost->salt, binding), slot);
  }

 private:
  Secret passphrase_;
  uint8_t log2_n_;
};

Error bad_key_file(std::string what) {
  return {ErrorCode::kInvalidArgument, "not a coffer key file: " + std::move(what), {}};
}

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

std::unique_ptr<SlotKey> key_file_slot(Secret key_32_bytes) {
  return std::make_unique<KeyFileSlot>(std::move(key_32_bytes));
}

std::unique_ptr<SlotKey> passphrase_slot(Secret passphrase, uint8_t log2_n) {
  return std::make_unique<PassphraseSlot>(std::move(passphrase), log2_n);
}

std::string format_key_file(ByteView key_32_bytes) {
  COFFER_ASSERT(key_32_bytes.size() == kHolderKeySize);
  return std::string(kKeyFilePrefix) + to_hex(key_32_bytes) + "\n";
}

// Messages give positions and sizes only: the contents may be most of a key.
Result<Secret> parse_key_file(ByteView contents) {
  std::string_view text = as_text(contents);
  if (text.empty()) return bad_key_file("it is empty");
  if (!text.starts_with(kKeyFilePrefix)) return bad_key_file("it does not begin with " + quoted(kKeyFilePrefix));
  std::string_view digits = text.substr(kKeyFilePrefix.size());
  size_t digit_count = 0;
  while (digit_count < digits.size() && is_lower_hex(digits[digit_count])) ++digit_count;
  std::string_view rest = digits.substr(digit_count);
  if (rest.empty() || rest.front() == '\n') {
    if (digit_count != 2 * kHolderKeySize) {
      return bad_key_file("it has " + std::to_string(digit_count) + " hexadecimal digits, not 64");
    }
    if (rest.empty()) return bad_key_file("the newline at its end is missing");
    if (rest.size() > 1) return bad_key_file("something follows its first line");
  } else if (digit_count >= 2 * kHolderKeySize) {
    return bad_key_file("something follows its 64 digits");
  } else {
    return bad_key_file("character " + std::to_string(kKeyFilePrefix.size() + digit_count + 1) +
                        " is no lower-case hexadecimal digit");
  }
  COFFER_TRY(Bytes key, from_hex(digits.substr(0, digit_count)));
  return Secret(std::move(key));
}

}  // namespace coffer::crypto
