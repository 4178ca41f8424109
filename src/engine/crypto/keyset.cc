#include "engine/crypto/keyset.h"

#include <algorithm>
#include <optional>

#include "engine/crypto/digest.h"

namespace coffer::crypto {
namespace {

constexpr std::string_view kMagic = "COFRKSET";
constexpr uint16_t kVersion = 1;
constexpr size_t kMacSize = 32;
constexpr size_t kKeyCheckSize = 32;
constexpr size_t kKeysetSizeMax = size_t{1} << 20;
constexpr size_t kSlotCountMax = 64;
constexpr size_t kNameSizeMax = 255;

Error corrupt(std::string_view what) { return {ErrorCode::kCorruption, "keyset: " + std::string(what), {}}; }

/// UTF-8 is let through as it is; control characters are not, because names are printed on terminals.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kNameSizeMax) return false;
  unsigned char before = 0;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (before == 0xc2 && byte >= 0x80 && byte < 0xa0) return false;  // U+0080 to U+009F: control characters too
    before = byte;
  }
  return true;
}

/// What is wrong with the fields of a keyset, or nothing.
std::optional<std::string_view> fault_of(const Keyset& keyset) {
  if (!is_name(keyset.vault_uuid)) return "its vault uuid is not printable text";
  if (keyset.epoch == 0) return "its epoch is 0";
  if (keyset.generation == 0) return "its generation is 0";
  if (keyset.key_check.size() != kKeyCheckSize) return "its key check does not have 32 bytes";
  if (keyset.slots.size() > kSlotCountMax) return "it has more than 64 slots";
  for (size_t i = 0; i < keyset.slots.size(); ++i) {
    const KeySlot& slot = keyset.slots[i];
    if (!is_name(slot.type) || !is_name(slot.name)) return "a slot's type or name is not printable text";
    auto same_name = [&](const KeySlot& other) { return other.name == slot.name; };
    auto end = keyset.slots.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(keyset.slots.begin(), end, same_name)) return "two slots have the same name";
  }
  return std::nullopt;
}

Bytes derive(ByteView root, std::string_view label, const KeyId& key_id, size_t size_bytes) {
  Bytes info = to_bytes(label);
  info.push_back(std::byte{0});
  append(info, key_id);
  return hkdf_expand_sha512(root, info, size_bytes);
}

Digest256 mac_of(ByteView bytes_before_mac, ByteView root, const KeyId& key_id) {
  Secret key(derive(root, "keyset mac v1", key_id, kMacSize));
  return HmacSha256(key.view()).of(bytes_before_mac);
}

std::string list_of(const std::vector<KeySlot>& slots) {
  std::string list;
  for (const KeySlot& slot : slots) list += (list.empty() ? "\"" : ", \"") + slot.name + "\" (" + slot.type + ")";
  return list.empty() ? "none" : list;
}

Error none_opens(const Keyset& keyset, const std::string& type) {
  bool has_type =
      std::any_of(keyset.slots.begin(), keyset.slots.end(), [&](const KeySlot& s) { return s.type == type; });
  std::string what = has_type ? "this " + type + " opens no slot of the keyset" : "the keyset has no " + type + " slot";
  return {ErrorCode::kUnauthenticated, what + "; its slots: " + list_of(keyset.slots),
          "give the key of one of these slots"};
}

}  // namespace

// magic 8, version u16, key_id 16, epoch u16, vault uuid (text), created u64 in microseconds, generation u32, key_check
// 32, slot count u16, then per slot its type, name, parameters and wrapped root (text), then the mac 32. Integers are
// big-endian; (text) is a u16 length and that many bytes. The mac covers everything before it.
Bytes encode_keyset(const Keyset& keyset, ByteView root) {
  COFFER_ASSERT(root.size() == kRootSize);
  COFFER_ASSERT(!fault_of(keyset));
  Bytes out;
  ByteWriter writer(out);
  writer.bytes(as_bytes(kMagic));
  writer.u16(kVersion);
  writer.bytes(keyset.key_id);
  writer.u16(keyset.epoch);
  writer.string16(keyset.vault_uuid);
  writer.u64(static_cast<uint64_t>(keyset.created.micros));
  writer.u32(keyset.generation);
  writer.bytes(keyset.key_check);
  writer.u16(static_cast<uint16_t>(keyset.slots.size()));
  for (const KeySlot& slot : keyset.slots) {
    writer.string16(slot.type);
    writer.string16(slot.name);
    writer.string16(as_text(slot.parameters));
    writer.string16(as_text(slot.wrapped));
  }
  COFFER_ASSERT(out.size() + kMacSize <= kKeysetSizeMax);
  writer.bytes(mac_of(out, root, keyset.key_id));
  return out;
}

Result<Keyset> parse_keyset(ByteView bytes) {
  if (bytes.empty()) return corrupt("it is empty");
  if (bytes.size() > kKeysetSizeMax) return corrupt("it is larger than 1 MiB");
  ByteReader reader(bytes);
  size_t magic_size = std::min(bytes.size(), kMagic.size());
  if (!equal(reader.bytes(magic_size), as_bytes(kMagic.substr(0, magic_size))))
    return corrupt("this is no keyset (wrong magic)");
  uint16_t version = reader.u16();
  if (reader.ok() && version != kVersion) {
    return corrupt("version " + std::to_string(version) + " is not known to this program")
        .advise("read it with the version of coffer that wrote it, or a later one");
  }

  Keyset keyset;
  keyset.key_id = reader.array<16>();
  keyset.epoch = reader.u16();
  keyset.vault_uuid = reader.string16();
  keyset.created.micros = static_cast<int64_t>(reader.u64());
  keyset.generation = reader.u32();
  keyset.key_check = to_bytes(reader.bytes(kKeyCheckSize));
  uint16_t slot_count = reader.u16();
  if (slot_count > kSlotCountMax) return corrupt("it has more than 64 slots");
  for (uint16_t i = 0; i < slot_count && reader.ok(); ++i) {
    KeySlot slot;
    slot.type = reader.string16();
    slot.name = reader.string16();
    slot.parameters = to_bytes(reader.bytes(reader.u16()));
    slot.wrapped = to_bytes(reader.bytes(reader.u16()));
    keyset.slots.push_back(std::move(slot));
  }
  reader.bytes(kMacSize);
  if (!reader.ok()) return corrupt("it is cut short, at " + std::to_string(bytes.size()) + " bytes");
  if (!reader.done()) return corrupt(std::to_string(reader.left()) + " bytes follow its end");
  if (auto fault = fault_of(keyset)) return corrupt(*fault);
  return keyset;
}

Status check_keyset(ByteView bytes, ByteView root) {
  COFFER_TRY(Keyset keyset, parse_keyset(bytes));
  if (root.size() != kRootSize) return corrupt("the root does not have 64 bytes");
  if (!equal_constant_time(key_check_of(root, keyset.key_id), keyset.key_check)) {
    return corrupt("it belongs to another root (key check)");
  }
  ByteView before_mac = bytes.first(bytes.size() - kMacSize);
  if (!equal_constant_time(mac_of(before_mac, root, keyset.key_id), bytes.last(kMacSize))) {
    return corrupt("it was changed after it was written (mac)");
  }
  return ok_status();
}

Bytes key_check_of(ByteView root, const KeyId& key_id) {
  return derive(root, "keyset check v1", key_id, kKeyCheckSize);
}

Bytes slot_binding(const Keyset& keyset) {
  Bytes binding;
  ByteWriter writer(binding);
  writer.string16(keyset.vault_uuid);
  writer.bytes(keyset.key_id);
  return binding;
}

Result<Secret> unlock_keyset(const Keyset& keyset, ByteView bytes, SlotKey& key) {
  const Bytes binding = slot_binding(keyset);
  const std::string type = key.type();
  std::optional<Error> trouble;  // the first failure that is not "wrong key"
  for (const KeySlot& slot : keyset.slots) {
    if (slot.type != type) continue;
    Result<Secret> root = key.unwrap(slot, binding);
    if (root.ok()) {
      COFFER_CHECK_OK(check_keyset(bytes, root->view()));
      return root;
    }
    if (root.code() != ErrorCode::kUnauthenticated && !trouble) {
      trouble = std::move(root).error().in("opening the keyset's slot \"" + slot.name + "\"");
    }
  }
  if (trouble) return *std::move(trouble);
  return none_opens(keyset, type);
}

}  // namespace coffer::crypto
