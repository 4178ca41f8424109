#include "engine/vault/vault.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/vault/put_checked.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kFormatKey = "format";
constexpr uint32_t kFormatNumber = 1;
constexpr size_t kFormatSizeMax = 64 << 10;
constexpr std::string_view kKeysetsPrefix = "keysets/";
constexpr size_t kKeysetSizeMax = 1 << 20;
constexpr size_t kSlotCountMax = 64;
constexpr size_t kSlotNameSizeMax = 255;
constexpr size_t kGenerationDigits = 8;
constexpr size_t kKeyIdDigits = 32;

// ---- `format`

Error no_format(std::string what) { return {ErrorCode::kCorruption, "the object 'format': " + std::move(what), {}}; }

// ---- keysets in the store

struct KeysetName {
  crypto::KeyId key_id{};
  uint32_t generation = 0;
};

/// Nothing for names that no program of ours gives: they are somebody else's and none of our business.
std::optional<KeysetName> parse_keyset_key(std::string_view key) {
  if (key.size() != kKeysetsPrefix.size() + kKeyIdDigits + 1 + kGenerationDigits) return std::nullopt;
  auto id = from_hex(key.substr(kKeysetsPrefix.size(), kKeyIdDigits));
  if (!id.ok()) return std::nullopt;
  KeysetName name;
  std::copy(id->begin(), id->end(), name.key_id.begin());
  for (char c : key.substr(key.size() - kGenerationDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    name.generation = name.generation * 10 + static_cast<uint32_t>(c - '0');
  }
  if (name.generation == 0 || keyset_key(name.key_id, name.generation) != key) return std::nullopt;
  return name;
}

using Generations = std::map<crypto::KeyId, std::set<uint32_t>>;

Result<Generations> list_generations(const Context& context, store::ObjectStore& store) {
  Generations found;
  COFFER_CHECK_OK(store.list(context, kKeysetsPrefix, [&](const store::ObjectInfo& info) {
    if (auto name = parse_keyset_key(info.key)) found[name->key_id].insert(name->generation);
    return true;
  }));
  // A listing may lag behind a put, and the newest generation is the one that counts.
  for (auto& [key_id, generations] : found) {
    for (uint32_t next = *generations.rbegin() + 1;; ++next) {
      auto head = store.head(context, keyset_key(key_id, next));
      if (!head.ok() && head.code() == ErrorCode::kNotFound) break;
      COFFER_CHECK_OK(head);
      generations.insert(next);
    }
  }
  return found;
}

struct StoredKeyset {
  crypto::Keyset keyset;
  Bytes encoded;
};

Error unusable_generation(Error why, const crypto::KeyId& key_id, const std::set<uint32_t>& generations) {
  std::string others;
  for (uint32_t g : generations)
    if (g != *generations.rbegin()) others += (others.empty() ? "" : ", ") + std::to_string(g);
  const std::string key = keyset_key(key_id, *generations.rbegin());
  std::string there = others.empty() ? "; there is no older generation" : "; older generations there: " + others;
  return Error{ErrorCode::kCorruption,
               "the newest key generation, object " + key + ", cannot be used: " + why.message + there,
               others.empty() ? "bring " + key + " back from a copy of the vault"
                              : "bring " + key +
                                    " back from a copy of the vault; only if you know that the last change of keys "
                                    "was cut off, remove this object so that the generation before it is used"};
}

Result<StoredKeyset> read_keyset(const Context& context, store::ObjectStore& store, const crypto::KeyId& key_id,
                                 uint32_t generation) {
  StoredKeyset stored;
  COFFER_TRY(stored.encoded, store.get_all(context, keyset_key(key_id, generation), kKeysetSizeMax));
  COFFER_TRY(stored.keyset, crypto::parse_keyset(stored.encoded));
  if (stored.keyset.key_id != key_id || stored.keyset.generation != generation)
    return Error{ErrorCode::kCorruption,
                 "it says to be generation " + std::to_string(stored.keyset.generation) + " of key " +
                     to_hex(stored.keyset.key_id),
                 {}};
  return stored;
}

/// The newest generation of one key. An older whole one is never taken in its place: it may hold a slot that was
/// removed.
Result<StoredKeyset> read_newest(const Context& context, store::ObjectStore& store, const crypto::KeyId& key_id,
                                 const std::set<uint32_t>& generations) {
  auto stored = read_keyset(context, store, key_id, *generations.rbegin());
  if (!stored.ok() && stored.code() == ErrorCode::kCorruption)
    return unusable_generation(std::move(stored).error(), key_id, generations);
  return stored;
}

// ---- slots

Status check_slot_name(const std::string& name) {
  Error bad{ErrorCode::kInvalidArgument, "'" + name + "' cannot name a key slot",
            "choose 1 to 255 printable characters"};
  if (name.empty()) bad.message = "a key slot needs a name";
  if (name.empty() || name.size() > kSlotNameSizeMax) return bad;
  unsigned char before = 0;
  for (char c : name) {
    auto byte = static_cast<unsigned char>(c);
    // U+0080 to U+009F steer terminals just as the ASCII control characters do.
    bool is_c1 = before == 0xc2 && byte >= 0x80 && byte < 0xa0;
    if (byte < 0x20 || byte == 0x7f || is_c1)
      return Error{bad.code, "the name of a key slot holds a control character", bad.next_step};
    before = byte;
  }
  return ok_status();
}

Status check_new_slot(const NewSlot& slot) {
  COFFER_ASSERT(slot.key != nullptr);
  return check_slot_name(slot.name);
}

/// What one of us proves of a keyset before anybody depends on it: this key opens it, and gives this root.
Status prove_slot(const crypto::Keyset& keyset, ByteView encoded, crypto::SlotKey& key, ByteView root,
                  const std::string& name) {
  auto opened = crypto::unlock_keyset(keyset, encoded, key);
  if (!opened.ok()) return std::move(opened).error().in("trying the new key slot '" + name + "'");
  if (!crypto::equal_constant_time(opened->view(), root))
    return Error{ErrorCode::kCorruption, "the new key slot '" + name + "' opens to another root", {}};
  return ok_status();
}

std::string names_of(const std::vector<crypto::KeySlot>& slots) {
  std::string names;
  for (const crypto::KeySlot& s : slots) names += (names.empty() ? "'" : ", '") + s.name + "'";
  return names;
}

bool has_slot(const crypto::Keyset& keyset, std::string_view name) {
  return std::any_of(keyset.slots.begin(), keyset.slots.end(),
                     [&](const crypto::KeySlot& s) { return s.name == name; });
}

// ---- keys

Secret derive(ByteView root, std::string_view label, const crypto::KeyId& key_id) {
  Bytes info = to_bytes(label);
  info.push_back(std::byte{0});
  append(info, key_id);
  return Secret(crypto::hkdf_expand_sha512(root, info, 32));
}

EpochKeys derive_epoch(const crypto::Keyset& keyset, Secret root) {
  EpochKeys keys;
  keys.key_id = keyset.key_id;
  keys.epoch = keyset.epoch;
  keys.root = std::move(root);
  keys.chunk_ids =
      std::make_unique<crypto::HmacSha256>(derive(keys.root.view(), "coffer chunk id v1", keyset.key_id).view());
  keys.fingerprints = std::make_unique<crypto::Fingerprinter>(
      derive(keys.root.view(), "coffer page fingerprint v1", keyset.key_id).view());
  return keys;
}

/// Every failure names the object; one that the seal refuses says what that can mean.
Error refused(Error error, std::string_view key) {
  if (error.code != ErrorCode::kCorruption) return std::move(error).in(key);
  return Error{ErrorCode::kCorruption,
               "object " + std::string(key) + " is damaged, moved or replaced (" + error.message + ")",
               "bring this object back from a copy of the vault"};
}

}  // namespace

std::string keyset_key(const crypto::KeyId& key_id, uint32_t generation) {
  const std::string digits = std::to_string(generation);
  const std::string zeros(kGenerationDigits - std::min(digits.size(), kGenerationDigits), '0');
  return std::string(kKeysetsPrefix) + to_hex(key_id) + "/" + zeros + digits;
}

Bytes encode_format(const VaultFormat& format) {
  nlohmann::ordered_json json;
  json["coffer_vault"] = format.format;
  json["uuid"] = format.uuid;
  json["page_group_bytes"] = format.page_group_size_bytes;
  json["created"] = format_utc(format.created, true);
  // Nothing else vouches for this object: it is what a reader begins with, before any key.
  auto text = [&] { return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"; };
  json["check"] = to_hex(crypto::sha256(as_bytes(text()))).substr(0, 16);
  return to_bytes(text());
}

Result<VaultFormat> parse_format(ByteView bytes) {
  if (bytes.size() > kFormatSizeMax) return no_format("larger than 64 KiB");
  const std::string_view text = as_text(bytes);
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return no_format("this is no JSON object");
  auto number = [&](const char* name) -> std::optional<uint64_t> {
    auto it = json.find(name);
    if (it == json.end() || !it->is_number_unsigned()) return std::nullopt;
    return it->get<uint64_t>();
  };
  auto string = [&](const char* name) {
    auto it = json.find(name);
    return it == json.end() || !it->is_string() ? std::string() : it->get<std::string>();
  };
  auto version = number("coffer_vault");
  if (!version || *version == 0) return no_format("it does not say that this is a vault");
  if (*version > kFormatNumber)
    return Error{ErrorCode::kFailedPrecondition,
                 "the vault has format " + std::to_string(*version) + ", this program reads format " +
                     std::to_string(kFormatNumber),
                 "use a newer version of coffer"};
  VaultFormat format;
  format.uuid = string("uuid");
  constexpr std::string_view kUuidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  bool is_uuid = format.uuid.size() == kUuidShape.size();
  for (size_t i = 0; is_uuid && i < kUuidShape.size(); ++i)
    is_uuid = kUuidShape[i] == '-'
                  ? format.uuid[i] == '-'
                  : std::string_view("0123456789abcdef").find(format.uuid[i]) != std::string_view::npos;
  if (!is_uuid) return no_format("its uuid is none");
  auto group_size = number("page_group_bytes");
  if (group_size != kGroupSize) return no_format("its page group size is not " + std::to_string(kGroupSize));
  auto created = parse_utc(string("created"));
  if (!created.ok()) return no_format("its creation time is none");
  format.created = *created;
  if (!equal(encode_format(format), bytes)) return no_format("its check value does not fit its content");
  return format;
}

struct Vault::State {
  store::ObjectStore* store = nullptr;
  Clock* clock = nullptr;
  Entropy* entropy = nullptr;
  VaultKeysets keysets;
  std::map<uint16_t, EpochKeys> epochs;  // those that were opened; the last is the current one

  Result<const EpochKeys*> keys_for(ByteView sealed, std::string_view key, const Vault& vault) const;
  /// The newest generation of the current key as it is in the store now, checked under the root.
  struct Current {
    StoredKeyset stored;
    std::set<uint32_t> generations;
  };
  Result<Current> read_current(const Context& context) const;
  Status write_next(const Context& context, const crypto::Keyset& next, ByteView encoded) const;
};

Vault::Vault(std::unique_ptr<State> state) : state_(std::move(state)) {}
Vault::~Vault() = default;

Result<VaultKeysets> Vault::inspect(const Context& context, store::ObjectStore& store) {
  VaultKeysets found;
  COFFER_TRY(Generations generations, list_generations(context, store));
  auto format = store.get_all(context, kFormatKey, kFormatSizeMax);
  if (!format.ok() && format.code() == ErrorCode::kNotFound) {
    if (generations.empty())
      return Error{ErrorCode::kNotFound, "there is no vault at " + store.describe(),
                   "check the place, or create a vault there"};
    return Error{ErrorCode::kCorruption, "the vault at " + store.describe() + " has keysets but no object 'format'",
                 "when the vault was just being created: empty the place and create it again; else bring 'format' back "
                 "from a copy"};
  }
  COFFER_CHECK_OK(format);
  COFFER_TRY(found.format, parse_format(*format));

  std::map<uint16_t, StoredKeyset> by_epoch;
  std::string strangers;
  for (const auto& [key_id, numbers] : generations) {
    COFFER_TRY(StoredKeyset stored, read_newest(context, store, key_id, numbers));
    // A keyset of another vault is what the loser of two creators at one place may leave behind.
    if (stored.keyset.vault_uuid != found.format.uuid) {
      strangers += (strangers.empty() ? "; of another vault: " : ", ") + keyset_key(key_id, *numbers.rbegin());
      continue;
    }
    const uint16_t epoch = stored.keyset.epoch;
    auto [other, is_new] = by_epoch.try_emplace(epoch, std::move(stored));
    if (!is_new)
      return Error{ErrorCode::kCorruption,
                   "two keysets claim epoch " + std::to_string(epoch) + ": " +
                       keyset_key(other->second.keyset.key_id, other->second.keyset.generation) + " and " +
                       keyset_key(key_id, *numbers.rbegin()),
                   "remove the one that is not of this vault"};
  }
  if (by_epoch.empty())
    return Error{ErrorCode::kCorruption, "the vault at " + store.describe() + " has no keyset" + strangers,
                 "bring keysets/ back from a copy of the vault"};
  for (auto& [epoch, stored] : by_epoch) {
    found.keysets.push_back(std::move(stored.keyset));
    found.encoded.push_back(std::move(stored.encoded));
  }
  return found;
}

Result<std::unique_ptr<Vault>> Vault::open(const Context& context, store::ObjectStore& store, Clock& clock,
                                           Entropy& entropy, crypto::SlotKey& key) {
  auto state = std::make_unique<State>();
  state->store = &store;
  state->clock = &clock;
  state->entropy = &entropy;
  COFFER_TRY(state->keysets, inspect(context, store));
  for (size_t i = 0; i < state->keysets.keysets.size(); ++i) {
    const crypto::Keyset& keyset = state->keysets.keysets[i];
    auto root = crypto::unlock_keyset(keyset, state->keysets.encoded[i], key);
    if (root.ok()) {
      state->epochs.emplace(keyset.epoch, derive_epoch(keyset, std::move(*root)));
      continue;
    }
    // A key that was made after an epoch ended need not open that epoch; the current one it must.
    const bool is_current = i + 1 == state->keysets.keysets.size();
    if (root.code() == ErrorCode::kUnauthenticated && !is_current) continue;
    Error error = std::move(root).error();
    if (error.code != ErrorCode::kCorruption)
      return std::move(error).in("opening the vault at " + store.describe() + " by " +
                                 keyset_key(keyset.key_id, keyset.generation));
    COFFER_TRY(Generations generations, list_generations(context, store));
    auto& numbers = generations[keyset.key_id];
    numbers.insert(keyset.generation);
    return unusable_generation(std::move(error), keyset.key_id, numbers);
  }
  return std::unique_ptr<Vault>(new Vault(std::move(state)));
}

namespace {

Status check_empty(const Context& context, store::ObjectStore& store) {
  std::string first;
  COFFER_CHECK_OK(store.list(context, "", [&](const store::ObjectInfo& info) { return first = info.key, false; }));
  if (first.empty()) return ok_status();
  auto format = store.head(context, kFormatKey);
  if (format.ok())
    return Error{ErrorCode::kAlreadyExists, "there is a vault at " + store.describe() + " already",
                 "open it, or choose another place"};
  if (format.code() != ErrorCode::kNotFound) return std::move(format).error();
  return Error{ErrorCode::kFailedPrecondition, store.describe() + " is not empty: it holds '" + first + "'",
               "choose an empty place; what a cut-off creation left (probe/, keysets/) may be removed"};
}

Result<crypto::Keyset> first_keyset(const VaultFormat& format, ByteView root, Entropy& entropy,
                                    const std::vector<NewSlot>& slots) {
  crypto::Keyset keyset;
  keyset.key_id = entropy.array<16>();
  keyset.vault_uuid = format.uuid;
  keyset.created = format.created;
  keyset.key_check = crypto::key_check_of(root, keyset.key_id);
  for (const NewSlot& slot : slots) {
    COFFER_CHECK_OK(check_new_slot(slot));
    if (has_slot(keyset, slot.name))
      return Error{ErrorCode::kInvalidArgument, "two key slots are named '" + slot.name + "'", {}};
    COFFER_TRY(crypto::KeySlot wrapped, slot.key->wrap(slot.name, root, crypto::slot_binding(keyset), entropy));
    keyset.slots.push_back(std::move(wrapped));
  }
  return keyset;
}

}  // namespace

Result<std::unique_ptr<Vault>> Vault::create(const Context& context, store::ObjectStore& store, Clock& clock,
                                             Entropy& entropy, const std::vector<NewSlot>& slots) {
  if (slots.empty())
    return Error{ErrorCode::kInvalidArgument, "a vault needs at least one key", "give a key file or a passphrase"};
  if (slots.size() > kSlotCountMax) return Error{ErrorCode::kInvalidArgument, "a vault has at most 64 key slots", {}};
  COFFER_CHECK_OK(check_empty(context, store));
  COFFER_CHECK_OK(store::probe_conditional_create(context, store, entropy));

  VaultFormat format;
  format.uuid = random_uuid(entropy);
  format.created = clock.wall();
  Bytes random(crypto::kRootSize);
  entropy.fill(random);
  Secret root(std::move(random));
  COFFER_TRY(crypto::Keyset keyset, first_keyset(format, root.view(), entropy, slots));
  const Bytes encoded = crypto::encode_keyset(keyset, root.view());
  const std::string key = keyset_key(keyset.key_id, keyset.generation);

  // `format` comes last: without it nothing of this is a vault, and an unproven keyset goes again.
  auto publish = [&]() -> Status {
    COFFER_CHECK_OK(put_and_look(context, store, key, encoded));
    COFFER_TRY(StoredKeyset stored, read_keyset(context, store, keyset.key_id, keyset.generation));
    for (const NewSlot& slot : slots)
      COFFER_CHECK_OK(prove_slot(stored.keyset, stored.encoded, *slot.key, root.view(), slot.name));
    Status put = put_and_look(context, store, kFormatKey, encode_format(format));
    if (!put.ok() && put.code() == ErrorCode::kAlreadyExists)
      return Error{ErrorCode::kAlreadyExists,
                   "somebody else created a vault at " + store.describe() + " at the same time", "open that one"};
    return put;
  };
  if (Status published = publish(); !published.ok()) {
    auto ours = store.get_all(Context(), kFormatKey, kFormatSizeMax);
    bool no_format_of_ours = ours.ok() ? !equal(*ours, encode_format(format)) : ours.code() == ErrorCode::kNotFound;
    if (no_format_of_ours) static_cast<void>(store.remove(Context(), key));
    return std::move(published).error().in("creating a vault");
  }
  return open(context, store, clock, entropy, *slots.front().key);
}

const VaultFormat& Vault::format() const { return state_->keysets.format; }
const std::vector<crypto::Keyset>& Vault::keysets() const { return state_->keysets.keysets; }
store::ObjectStore& Vault::store() const { return *state_->store; }
Clock& Vault::clock() const { return *state_->clock; }
Entropy& Vault::entropy() const { return *state_->entropy; }
const EpochKeys& Vault::current() const { return state_->epochs.rbegin()->second; }

Result<const EpochKeys*> Vault::epoch(uint16_t epoch) const {
  auto it = state_->epochs.find(epoch);
  if (it != state_->epochs.end()) return &it->second;
  return Error{ErrorCode::kUnauthenticated,
               "the key that was given does not open epoch " + std::to_string(epoch) + " of this vault",
               "open the vault with a key that has a slot in this epoch"};
}

Result<const EpochKeys*> Vault::epoch_of(const crypto::KeyId& key_id) const {
  for (const crypto::Keyset& keyset : keysets())
    if (keyset.key_id == key_id) return epoch(keyset.epoch);
  return Error{
      ErrorCode::kCorruption, "sealed under the key " + to_hex(key_id) + ", which this vault does not have", {}};
}

std::string Vault::place(std::string_view key) const { return "vault:" + format().uuid + "/" + std::string(key); }

ChunkId Vault::chunk_id(ByteView plain) const {
  const EpochKeys& keys = current();
  const crypto::Digest256 mac = keys.chunk_ids->of(plain);
  ChunkId id;
  std::copy(mac.begin(), mac.begin() + 30, id.bytes.begin());
  id.bytes[30] = static_cast<std::byte>(keys.epoch >> 8);
  id.bytes[31] = static_cast<std::byte>(keys.epoch & 0xff);
  return id;
}

/// An index is read at single places, by one segment each; everything else in long pieces.
static uint8_t segment_log2(crypto::ObjectKind kind) { return kind == crypto::ObjectKind::kIndex ? 12 : 16; }

Result<Bytes> Vault::seal_for(std::string_view key, crypto::ObjectKind kind, ByteView plain,
                              const crypto::ObjectId& object_id) const {
  const EpochKeys& keys = current();
  const crypto::SealParameters parameters{.key_id = keys.key_id,
                                          .object_id = object_id,
                                          .kind = kind,
                                          .place = place(key),
                                          .segment_log2 = segment_log2(kind)};
  Bytes sealed = crypto::seal(keys.root.view(), parameters, plain, entropy());
  auto opened = crypto::open_sealed(keys.root.view(), kind, parameters.place, sealed);
  if (!opened.ok() || !equal(*opened, plain))
    return Error{ErrorCode::kCorruption, "sealing " + std::string(key) + " and opening it again gave other bytes",
                 "the memory or processor of this machine cannot be trusted: test it"};
  return sealed;
}

Status Vault::put_sealed(const Context& context, std::string_view key, crypto::ObjectKind kind, ByteView plain,
                         const crypto::ObjectId& object_id) const {
  COFFER_TRY(Bytes sealed, seal_for(key, kind, plain, object_id));
  if (auto put = store().put(context, key, sealed); !put.ok())
    return std::move(put).error().in("storing " + std::string(key));
  return read_back(context, store(), key, sealed);
}

Result<const EpochKeys*> Vault::State::keys_for(ByteView sealed, std::string_view key, const Vault& vault) const {
  auto header = crypto::parse_sealed_header(sealed.first(std::min(sealed.size(), crypto::kSealedHeaderSize)));
  if (!header.ok()) return refused(std::move(header).error(), key);
  auto keys = vault.epoch_of(header->key_id);
  if (!keys.ok()) return refused(std::move(keys).error(), key);
  return keys;
}

Result<Bytes> Vault::get_sealed(const Context& context, std::string_view key, crypto::ObjectKind kind) const {
  auto view = store().view(context, key);
  if (!view.ok()) return refused(std::move(view).error(), key);
  COFFER_TRY(const EpochKeys* keys, state_->keys_for((*view)->bytes(), key, *this));
  auto plain = crypto::open_sealed(keys->root.view(), kind, place(key), (*view)->bytes());
  if (!plain.ok()) return refused(std::move(plain).error(), key);
  return plain;
}

Result<Vault::OpenObject> Vault::open_sealed_view(const Context& context, std::string_view key,
                                                  crypto::ObjectKind kind) const {
  auto view = store().view(context, key);
  if (!view.ok()) return refused(std::move(view).error(), key);
  const ByteView bytes = (*view)->bytes();
  COFFER_TRY(const EpochKeys* keys, state_->keys_for(bytes, key, *this));
  auto read = [bytes](uint64_t offset, uint64_t length) -> Result<Bytes> {
    if (offset > bytes.size() || length > bytes.size() - offset)
      return Error{ErrorCode::kCorruption,
                   "the object ends before byte " + std::to_string(offset) + " + " + std::to_string(length),
                   {}};
    return to_bytes(bytes.subspan(offset, length));
  };
  auto reader = crypto::SealedReader::open(keys->root.view(), kind, place(key), bytes.size(), read);
  if (!reader.ok()) return refused(std::move(reader).error(), key);
  return OpenObject{std::move(*view), std::make_unique<crypto::SealedReader>(std::move(*reader))};
}

Result<Vault::State::Current> Vault::State::read_current(const Context& context) const {
  const EpochKeys& keys = epochs.rbegin()->second;
  COFFER_TRY(Generations all, list_generations(context, *store));
  auto it = all.find(keys.key_id);
  if (it == all.end())
    return Error{ErrorCode::kCorruption, "the keyset of this vault is gone: " + keyset_key(keys.key_id, 1), {}};
  Current current;
  current.generations = it->second;
  COFFER_TRY(current.stored, read_newest(context, *store, keys.key_id, current.generations));
  if (auto checked = crypto::check_keyset(current.stored.encoded, keys.root.view()); !checked.ok())
    return unusable_generation(std::move(checked).error(), keys.key_id, current.generations);
  return current;
}

Status Vault::State::write_next(const Context& context, const crypto::Keyset& next, ByteView encoded) const {
  const std::string key = keyset_key(next.key_id, next.generation);
  Status put = put_and_look(context, *store, key, encoded);
  if (put.ok()) return put;
  if (put.code() == ErrorCode::kAlreadyExists)
    return Error{ErrorCode::kConflict, "somebody else changed the keys of this vault at the same time",
                 "look at the keys, then try again"};
  // Other bytes than ours as the newest generation would keep everybody out.
  if (put.code() == ErrorCode::kCorruption) static_cast<void>(store->remove(Context(), key));
  return put;
}

Status Vault::add_slot(const Context& context, const NewSlot& slot) {
  COFFER_CHECK_OK(check_new_slot(slot));
  COFFER_TRY(State::Current now, state_->read_current(context));
  crypto::Keyset next = std::move(now.stored.keyset);
  const ByteView root = current().root.view();
  if (has_slot(next, slot.name))
    return Error{ErrorCode::kAlreadyExists, "there is a key slot '" + slot.name + "' already", "choose another name"};
  if (next.slots.size() >= kSlotCountMax)
    return Error{ErrorCode::kResourceExhausted, "a vault has at most 64 key slots", "remove one first"};
  COFFER_TRY(crypto::KeySlot wrapped, slot.key->wrap(slot.name, root, crypto::slot_binding(next), entropy()));
  next.slots.push_back(std::move(wrapped));
  ++next.generation;
  next.created = clock().wall();
  const Bytes encoded = crypto::encode_keyset(next, root);
  COFFER_CHECK_OK(prove_slot(next, encoded, *slot.key, root, slot.name));
  return state_->write_next(context, next, encoded);
}

Status Vault::remove_slot(const Context& context, const std::string& name) {
  COFFER_TRY(State::Current now, state_->read_current(context));
  crypto::Keyset next = std::move(now.stored.keyset);
  const ByteView root = current().root.view();
  if (!has_slot(next, name)) {
    // A removal that was cut off after the new generation stood: what is left of it is to remove the old ones.
    bool in_older = false;
    for (uint32_t g : now.generations) {
      if (g == next.generation) continue;
      auto older = read_keyset(context, store(), next.key_id, g);
      in_older = in_older || (older.ok() && has_slot(older->keyset, name));
    }
    if (!in_older)
      return Error{ErrorCode::kNotFound, "there is no key slot '" + name + "'; there are " + names_of(next.slots), {}};
  } else {
    if (next.slots.size() == 1)
      return Error{ErrorCode::kFailedPrecondition,
                   "'" + name + "' is the only key slot: without it nobody could open this vault",
                   "add another key first"};
    std::erase_if(next.slots, [&](const crypto::KeySlot& s) { return s.name == name; });
    ++next.generation;
    next.created = clock().wall();
    const Bytes encoded = crypto::encode_keyset(next, root);
    COFFER_CHECK_OK(crypto::check_keyset(encoded, root));
    COFFER_CHECK_OK(state_->write_next(context, next, encoded));
  }
  // The older generations hold the removed wrap; they go only now that the new one was read back.
  for (uint32_t g = 1; g < next.generation; ++g) {
    const std::string key = keyset_key(next.key_id, g);
    if (auto removed = store().remove(context, key); !removed.ok())
      return std::move(removed)
          .error()
          .in("the key slot '" + name + "' is gone from the current keys, but not from " + key)
          .advise("remove the slot again to finish");
  }
  return ok_status();
}

}  // namespace coffer::vault
