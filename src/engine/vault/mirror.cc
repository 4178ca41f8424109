#include "engine/vault/mirror.h"

#include <algorithm>
#include <set>

#include "engine/vault/put_checked.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kProbePrefix = "probe/";
constexpr size_t kKeysetSizeMax = 1 << 20;
constexpr size_t kSlotCountMax = 64;

class MirrorOpening {
 public:
  MirrorOpening(const Context& context, const Vault& source, store::ObjectStore& store, Clock& clock, Entropy& entropy,
                const std::vector<NewSlot>& slots)
      : context_(context), source_(source), store_(store), clock_(clock), entropy_(entropy), slots_(slots) {}

  Result<std::unique_ptr<Vault>> run() {
    COFFER_CHECK_OK(check_slots());
    auto format = store_.head(context_, kFormatKey);
    if (!format.ok() && format.code() != ErrorCode::kNotFound) return std::move(format).error();
    if (!format.ok()) {
      COFFER_CHECK_OK(check_free());
      for (const EpochKeys* epoch : source_epochs()) COFFER_CHECK_OK(ensure_keyset(*epoch, false));
      // Last: without it nothing of this is a vault.
      Status put = put_and_look(context_, store_, kFormatKey, encode_format(source_.format()));
      if (!put.ok() && put.code() != ErrorCode::kAlreadyExists) return std::move(put).error();
    }
    return open_there();
  }

 private:
  [[nodiscard]] Status check_slots() const {
    if (slots_.empty())
      return Error{ErrorCode::kInvalidArgument, "a mirror needs at least one key", "give a key file or a passphrase"};
    if (slots_.size() > kSlotCountMax)
      return Error{ErrorCode::kInvalidArgument, "a vault has at most 64 key slots", {}};
    std::set<std::string> names;
    for (const NewSlot& slot : slots_) {
      COFFER_ASSERT(slot.key != nullptr);
      if (slot.name.empty() || !names.insert(slot.name).second)
        return Error{ErrorCode::kInvalidArgument, "each key slot needs a name of its own", {}};
    }
    return ok_status();
  }

  /// Those that the source was opened with; the current one is among them.
  [[nodiscard]] std::vector<const EpochKeys*> source_epochs() const {
    std::vector<const EpochKeys*> epochs;
    for (const crypto::Keyset& keyset : source_.keysets())
      if (auto keys = source_.epoch(keyset.epoch); keys.ok()) epochs.push_back(*keys);
    return epochs;
  }

  /// Nothing there but what a creation that was cut off leaves.
  Status check_free() {
    std::set<std::string> ours;
    for (const EpochKeys* epoch : source_epochs()) ours.insert(keyset_key(epoch->key_id, 1));
    std::string foreign;
    bool empty = true;
    COFFER_CHECK_OK(store_.list(context_, "", [&](const store::ObjectInfo& info) {
      if (ours.contains(info.key)) empty = false;
      if (!ours.contains(info.key) && !info.key.starts_with(kProbePrefix)) foreign = info.key;
      return foreign.empty();
    }));
    if (!foreign.empty())
      return Error{ErrorCode::kFailedPrecondition, store_.describe() + " is not empty: it holds '" + foreign + "'",
                   "choose an empty place for the copies of this vault"};
    return empty ? store::probe_conditional_create(context_, store_, entropy_) : ok_status();
  }

  Result<Bytes> make_keyset(const EpochKeys& epoch) {
    crypto::Keyset keyset;
    keyset.key_id = epoch.key_id;
    keyset.epoch = epoch.epoch;
    keyset.vault_uuid = source_.format().uuid;
    keyset.created = clock_.wall();
    keyset.key_check = crypto::key_check_of(epoch.root.view(), epoch.key_id);
    for (const NewSlot& slot : slots_) {
      COFFER_TRY(crypto::KeySlot wrapped,
                 slot.key->wrap(slot.name, epoch.root.view(), crypto::slot_binding(keyset), entropy_));
      keyset.slots.push_back(std::move(wrapped));
    }
    return crypto::encode_keyset(keyset, epoch.root.view());
  }

  Status prove(ByteView encoded, const EpochKeys& epoch, const NewSlot& slot) {
    COFFER_TRY(crypto::Keyset keyset, crypto::parse_keyset(encoded));
    auto opened = crypto::unlock_keyset(keyset, encoded, *slot.key);
    if (!opened.ok()) return std::move(opened).error().in("trying the key slot '" + slot.name + "' of the mirror");
    if (!crypto::equal_constant_time(opened->view(), epoch.root.view()))
      return Error{ErrorCode::kCorruption, "the key slot '" + slot.name + "' of the mirror opens to another root", {}};
    return ok_status();
  }

  /// A keyset of the first generation with all slots; or finds that an earlier attempt, or another one at the same
  /// time, has put one.
  Status ensure_keyset(const EpochKeys& epoch, bool is_vault) {
    const std::string key = keyset_key(epoch.key_id, 1);
    for (int attempt = 0;; ++attempt) {
      COFFER_TRY(const Bytes encoded, make_keyset(epoch));
      for (const NewSlot& slot : slots_) COFFER_CHECK_OK(prove(encoded, epoch, slot));
      Status put = put_and_look(context_, store_, key, encoded);
      if (put.ok()) return put;
      if (put.code() == ErrorCode::kCorruption) static_cast<void>(store_.remove(Context(), key));
      if (put.code() != ErrorCode::kAlreadyExists) return put;
      COFFER_TRY(const Bytes there, store_.get_all(context_, key, kKeysetSizeMax));
      // Half a keyset, from somebody who died while putting it: as long as there is no vault nobody can need it.
      if (!crypto::parse_keyset(there).ok() && !is_vault && attempt == 0) {
        COFFER_CHECK_OK(store_.remove(context_, key));
        continue;
      }
      auto usable = prove(there, epoch, slots_.front());
      if (usable.ok()) return usable;
      return std::move(usable)
          .error()
          .in("the mirror at " + store_.describe() + " has a keyset of this epoch already, object " + key)
          .advise("open it with the key that it was begun with, or choose an empty place");
    }
  }

  Result<std::unique_ptr<Vault>> open_there() {
    COFFER_TRY(const VaultKeysets found, Vault::inspect(context_, store_));
    if (found.format.uuid != source_.format().uuid)
      return Error{
          ErrorCode::kFailedPrecondition,
          store_.describe() + " holds the vault " + found.format.uuid + ", and the source is " + source_.format().uuid,
          "the copies of each vault need a place of their own"};
    COFFER_TRY(auto mirror, Vault::open(context_, store_, clock_, entropy_, *slots_.front().key));
    bool grew = false;
    for (const EpochKeys* epoch : source_epochs()) {
      const auto& keysets = mirror->keysets();
      const auto same_epoch = std::find_if(keysets.begin(), keysets.end(),
                                           [&](const crypto::Keyset& k) { return k.epoch == epoch->epoch; });
      if (same_epoch == keysets.end()) {
        COFFER_CHECK_OK(ensure_keyset(*epoch, true));
        grew = true;
        continue;
      }
      COFFER_TRY(const EpochKeys* ours, mirror->epoch(epoch->epoch));
      if (ours->key_id != epoch->key_id || !crypto::equal_constant_time(ours->root.view(), epoch->root.view()))
        return Error{ErrorCode::kFailedPrecondition,
                     "the source has other keys than the vault that was mirrored to " + store_.describe() +
                         ", under the same uuid: it is a forgery, or was made anew",
                     "find out what happened to the source; the copies that are here are not touched"};
    }
    if (!grew) return mirror;
    return Vault::open(context_, store_, clock_, entropy_, *slots_.front().key);
  }

  const Context& context_;
  const Vault& source_;
  store::ObjectStore& store_;
  Clock& clock_;
  Entropy& entropy_;
  const std::vector<NewSlot>& slots_;
};

}  // namespace

Result<std::unique_ptr<Vault>> open_mirror(const Context& context, const Vault& source, store::ObjectStore& store,
                                           Clock& clock, Entropy& entropy, const std::vector<NewSlot>& slots) {
  auto opened = MirrorOpening(context, source, store, clock, entropy, slots).run();
  if (!opened.ok()) return std::move(opened).error().in("opening the mirror of vault " + source.format().uuid);
  return opened;
}

}  // namespace coffer::vault
