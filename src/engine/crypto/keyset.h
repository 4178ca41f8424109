// Keysets: one 64-byte root per key epoch, wrapped once per slot. A slot is opened by its holder: a key file, a
// passphrase, and (from the AWS front on) a KMS key. Any one slot opens the vault.
//
// Vocabulary. root: the secret of an epoch. slot: the root wrapped for one holder. generation: a keyset is never
// changed in place; adding or removing a slot writes the next generation as a new object. key_check: tells that an
// unwrapped root is the right one. mac: over all other bytes of the keyset with a key derived from the root, so a
// forged slot list is found.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "engine/crypto/sealed_object.h"

namespace coffer::crypto {

/// One wrapped copy of the root. `parameters` and `wrapped` are opaque outside the slot type's own code.
struct KeySlot {
  std::string type;  // "key-file", "passphrase", "kms"
  std::string name;  // chosen by the user, unique in the keyset: "officer", "site-b"
  Bytes parameters;  // the salt; scrypt cost and salt; KMS ARN and context
  Bytes wrapped;     // the wrapped root
};

struct Keyset {
  KeyId key_id{};
  uint16_t epoch = 1;
  std::string vault_uuid;
  WallTime created;
  uint32_t generation = 1;
  Bytes key_check;  // 32 bytes
  std::vector<KeySlot> slots;
};

/// A holder's side of a slot: wraps and unwraps roots. KMS implements it in services/kms.
class SlotKey {
 public:
  virtual ~SlotKey() = default;
  [[nodiscard]] virtual std::string type() const = 0;
  /// `binding` is authenticated with the wrapped root (vault uuid and key id).
  virtual Result<KeySlot> wrap(std::string_view slot_name, ByteView root, ByteView binding, Entropy& entropy) = 0;
  /// kUnauthenticated when this key does not open this slot.
  virtual Result<Secret> unwrap(const KeySlot& slot, ByteView binding) = 0;
};

/// A key file: 32 random bytes as text, "coffer-key-v1:" + 64 hexadecimal digits + newline, mode 0600.
std::unique_ptr<SlotKey> key_file_slot(Secret key_32_bytes);
std::string format_key_file(ByteView key_32_bytes);
/// kInvalidArgument, naming what is wrong, for anything that format_key_file does not write.
Result<Secret> parse_key_file(ByteView contents);
/// scrypt (N = 2^log2_n, r = 8, p = 1), default 2^17: 128 MiB and about 0.4 s.
std::unique_ptr<SlotKey> passphrase_slot(Secret passphrase, uint8_t log2_n = 17);

/// Encoding of the keyset object: magic, version, fields, slots, mac (HKDF label "keyset mac v1").
Bytes encode_keyset(const Keyset& keyset, ByteView root);
/// Parses without a key. The mac is checked by check_keyset() once the root is known.
Result<Keyset> parse_keyset(ByteView bytes);
/// key_check and mac both hold for `root`; kCorruption otherwise.
Status check_keyset(ByteView bytes, ByteView root);
/// HKDF-Expand-SHA-512(root, "keyset check v1" 0x00 key_id, 32).
Bytes key_check_of(ByteView root, const KeyId& key_id);

/// What wrap and unwrap authenticate: vault uuid and key id.
Bytes slot_binding(const Keyset& keyset);
/// Tries `key` on every slot of its type; on success the root, checked against key_check and the mac of `bytes`.
/// kUnauthenticated names the slots that are there when none opens.
Result<Secret> unlock_keyset(const Keyset& keyset, ByteView bytes, SlotKey& key);

}  // namespace coffer::crypto
