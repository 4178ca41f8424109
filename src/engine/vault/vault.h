// Vault: a store prefix, its identity and its opened keys. Everything else in this folder is given one.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/entropy.h"
#include "base/result.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/fingerprint.h"
#include "engine/crypto/keyset.h"
#include "engine/crypto/sealed_object.h"
#include "engine/store/object_store.h"
#include "engine/vault/chunk.h"

namespace coffer::vault {

/// The plain object `format`: JSON
/// {"coffer_vault":1,"uuid":"...","page_group_bytes":131072,"created":"...","check":"..."}, `check` being 16
/// hexadecimal digits of the SHA-256 of the object without it.
struct VaultFormat {
  uint32_t format = 1;
  std::string uuid;
  uint32_t page_group_size_bytes = kGroupSize;
  WallTime created;
};
Bytes encode_format(const VaultFormat& format);
/// kFailedPrecondition for a newer format (says which version this program reads), kCorruption for nonsense.
Result<VaultFormat> parse_format(ByteView bytes);

/// One epoch's keys, derived from its root; wiped with it.
struct EpochKeys {
  crypto::KeyId key_id{};
  uint16_t epoch = 1;
  Secret root;
  std::unique_ptr<crypto::HmacSha256> chunk_ids;        // HKDF label "coffer chunk id v1"
  std::unique_ptr<crypto::Fingerprinter> fingerprints;  // HKDF label "coffer page fingerprint v1"; clone() per thread
};

/// "keysets/<key id>/<generation>".
std::string keyset_key(const crypto::KeyId& key_id, uint32_t generation);

/// A slot to be made when a vault is created or a key added.
struct NewSlot {
  std::string name;
  crypto::SlotKey* key = nullptr;  // borrowed
};

/// What is known of a vault without a key.
struct VaultKeysets {
  VaultFormat format;
  std::vector<crypto::Keyset> keysets;  // the newest generation of each epoch, by epoch
  std::vector<Bytes> encoded;           // their bytes, same order
};

/// Immutable once opened, safe from many threads at once. `store`, `clock` and `entropy` are borrowed.
class Vault {
 public:
  /// Makes a vault in an empty prefix: probes conditional create (rule R21), writes the keyset, opens it again with
  /// every slot, then writes `format` last. kAlreadyExists when there is a vault; kFailedPrecondition when the prefix
  /// holds anything else, or the store loses the race probe. At least one slot; a vault with fewer than two is
  /// unprotected, which callers must say.
  static Result<std::unique_ptr<Vault>> create(const Context& context, store::ObjectStore& store, Clock& clock,
                                               Entropy& entropy, const std::vector<NewSlot>& slots);
  /// Opens with any one slot. kNotFound: no vault here; kUnauthenticated: this key opens no slot (names them);
  /// kCorruption: damaged keyset (an older whole generation is not silently used: the message names the generations).
  static Result<std::unique_ptr<Vault>> open(const Context& context, store::ObjectStore& store, Clock& clock,
                                             Entropy& entropy, crypto::SlotKey& key);
  /// Reads format and keysets without a key.
  static Result<VaultKeysets> inspect(const Context& context, store::ObjectStore& store);

  [[nodiscard]] const VaultFormat& format() const;
  [[nodiscard]] const std::vector<crypto::Keyset>& keysets() const;
  [[nodiscard]] store::ObjectStore& store() const;
  [[nodiscard]] Clock& clock() const;
  [[nodiscard]] Entropy& entropy() const;
  /// The epoch that new objects are sealed under.
  [[nodiscard]] const EpochKeys& current() const;
  /// kUnauthenticated when this epoch's keyset was not opened.
  Result<const EpochKeys*> epoch(uint16_t epoch) const;
  Result<const EpochKeys*> epoch_of(const crypto::KeyId& key_id) const;

  /// "vault:<uuid>/<key>", the place that an object is bound to.
  [[nodiscard]] std::string place(std::string_view key) const;
  [[nodiscard]] ChunkId chunk_id(ByteView plain) const;

  /// The sealed bytes of an object for `key`, opened again and compared (rule R11); nothing is stored. kCorruption when
  /// this machine cannot be trusted. For callers that must tell their own object from an equal one of somebody else.
  Result<Bytes> seal_for(std::string_view key, crypto::ObjectKind kind, ByteView plain,
                         const crypto::ObjectId& object_id = {}) const;
  /// Seals, opens and compares (decode before upload), puts, reads back and compares. On success it is durable and
  /// whole. `object_id` is zero unless the object has one. kAlreadyExists as put().
  Status put_sealed(const Context& context, std::string_view key, crypto::ObjectKind kind, ByteView plain,
                    const crypto::ObjectId& object_id = {}) const;
  /// kNotFound, or kCorruption naming the key.
  Result<Bytes> get_sealed(const Context& context, std::string_view key, crypto::ObjectKind kind) const;
  /// Opens a sealed object for random access over a view of it.
  struct OpenObject {
    std::unique_ptr<store::ObjectView> view;
    std::unique_ptr<crypto::SealedReader> reader;
  };
  Result<OpenObject> open_sealed_view(const Context& context, std::string_view key, crypto::ObjectKind kind) const;

  /// Writes the next generation of the current keyset with one slot more; proves the new slot by opening it.
  /// kAlreadyExists when the name is taken, kConflict when somebody else changed the keys at the same time. keysets()
  /// stays as it was at open().
  Status add_slot(const Context& context, const NewSlot& slot);
  /// The next generation without the slot; once it was read back, all older generations are removed, so that the wrap
  /// of the removed slot is gone from the store. Refuses to remove the last slot; kNotFound when there is no such name.
  /// This does not take back knowledge: who held the slot's key and read the vault before may have kept the root, or a
  /// copy of the old keyset. Only a new epoch keeps what is written from then on from them.
  Status remove_slot(const Context& context, const std::string& name);

 private:
  struct State;
  explicit Vault(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;

 public:
  ~Vault();
};

}  // namespace coffer::vault
