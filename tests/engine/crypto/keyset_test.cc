#include "engine/crypto/keyset.h"

#include <functional>

#include "engine/crypto/digest.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

constexpr uint8_t kCheapLog2N = 10;

std::unique_ptr<SlotKey> key_file(uint64_t seed) { return key_file_slot(Secret(random_bytes(32, seed))); }
std::unique_ptr<SlotKey> passphrase(std::string_view text) {
  return passphrase_slot(Secret(to_bytes(text)), kCheapLog2N);
}

KeySlot must_wrap(SlotKey& key, std::string_view name, const Keyset& keyset, uint64_t seed) {
  SeededEntropy entropy(seed);
  return key.wrap(name, vector_root(), slot_binding(keyset), entropy).value();
}

/// Two slots: the key file with seed 1, named "site-a", and the passphrase "open sesame", named "officer".
Keyset make_keyset() {
  Keyset keyset;
  for (size_t i = 0; i < keyset.key_id.size(); ++i) keyset.key_id[i] = static_cast<std::byte>(0xa0 + i);
  keyset.epoch = 3;
  keyset.vault_uuid = "6f1c7a52-94a8-4f0e-8d7d-0a3b8a5c9e11";
  keyset.created = {1790000000123456};
  keyset.generation = 7;
  keyset.key_check = key_check_of(vector_root(), keyset.key_id);
  keyset.slots.push_back(must_wrap(*key_file(1), "site-a", keyset, 11));
  keyset.slots.push_back(must_wrap(*passphrase("open sesame"), "officer", keyset, 12));
  return keyset;
}

Bytes make_bytes() { return encode_keyset(make_keyset(), vector_root()); }

/// As a caller does it: parse, then unlock.
Result<Secret> unlock(ByteView bytes, SlotKey& key) {
  COFFER_TRY(Keyset keyset, parse_keyset(bytes));
  return unlock_keyset(keyset, bytes, key);
}

TEST(Keyset, ParsesToWhatWasEncoded) {
  Keyset written = make_keyset();
  Keyset read = parse_keyset(make_bytes()).value();
  EXPECT_EQ(read.key_id, written.key_id);
  EXPECT_EQ(read.epoch, 3);
  EXPECT_EQ(read.vault_uuid, written.vault_uuid);
  EXPECT_EQ(read.created, written.created);
  EXPECT_EQ(read.generation, 7u);
  EXPECT_EQ(read.key_check, written.key_check);
  ASSERT_EQ(read.slots.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.slots[i].type, written.slots[i].type);
    EXPECT_EQ(read.slots[i].name, written.slots[i].name);
    EXPECT_EQ(read.slots[i].parameters, written.slots[i].parameters);
    EXPECT_EQ(read.slots[i].wrapped, written.slots[i].wrapped);
  }
  EXPECT_EQ(encode_keyset(read, vector_root()), make_bytes());
}

// The bytes of version 1, for ever: a change here is a new version and this one stays readable.
TEST(Keyset, TheBytesOfVersion1DoNotChange) {
  Bytes bytes = make_bytes();
  EXPECT_EQ(to_hex(ByteView(bytes).first(28)), "434f46524b5345540001a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0003");
  EXPECT_EQ(to_hex(sha256(bytes)), "c9af5226fa97caac7293dc6eea2225aa97967c3ff70ad26bd6428295d7360451");
}

TEST(Keyset, KeyCheckIsThatOfTheFormatDocument) {
  EXPECT_EQ(to_hex(make_keyset().key_check), "ee4ae337ef112d951e1c7398d4fc2a680b6caa1cc24a433aa79369e7b633cf29");
}

TEST(Keyset, EitherSlotOpensIt) {
  EXPECT_EQ(to_bytes(unlock(make_bytes(), *key_file(1)).value().view()), vector_root());
  EXPECT_EQ(to_bytes(unlock(make_bytes(), *passphrase("open sesame")).value().view()), vector_root());
}

TEST(Keyset, TheRightSlotIsFoundAmongManyOfItsType) {
  Keyset keyset = make_keyset();
  keyset.slots.clear();
  for (uint64_t seed = 0; seed < 5; ++seed) {
    keyset.slots.push_back(must_wrap(*key_file(seed), "slot-" + std::to_string(seed), keyset, seed));
  }
  Bytes bytes = encode_keyset(keyset, vector_root());
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(to_bytes(unlock(bytes, *key_file(seed)).value().view()), vector_root());
  }
}

TEST(Keyset, AWrongKeyIsUnauthenticatedAndTheMessageNamesTheSlots) {
  for (auto* make : {+[] { return key_file(2); }, +[] { return passphrase("open sesam"); }}) {
    auto root = unlock(make_bytes(), *make());
    EXPECT_TRUE(fails_with(root, ErrorCode::kUnauthenticated, "keyset"));
    EXPECT_TRUE(fails_with(root, ErrorCode::kUnauthenticated, "\"site-a\" (key-file), \"officer\" (passphrase)"));
    EXPECT_FALSE(root.error().next_step.empty());
  }
}

TEST(Keyset, AKeyWithoutASlotOfItsTypeIsUnauthenticatedAndTheMessageNamesTheSlots) {
  Keyset keyset = make_keyset();
  keyset.slots.pop_back();
  Bytes bytes = encode_keyset(keyset, vector_root());
  EXPECT_TRUE(fails_with(unlock(bytes, *passphrase("open sesame")), ErrorCode::kUnauthenticated,
                         "the keyset has no passphrase slot; its slots: \"site-a\" (key-file)"));
}

TEST(Keyset, AKeysetWithoutSlotsSaysSo) {
  Keyset keyset = make_keyset();
  keyset.slots.clear();
  EXPECT_TRUE(
      fails_with(unlock(encode_keyset(keyset, vector_root()), *key_file(1)), ErrorCode::kUnauthenticated, "none"));
}

// The officer's slot of one vault, carried into the keyset of another.
TEST(Keyset, ASlotDoesNotOpenInTheKeysetOfAnotherVaultOrEpoch) {
  Keyset other_vault = make_keyset(), other_epoch = make_keyset();
  other_vault.vault_uuid.back() ^= 1;
  other_epoch.key_id[0] ^= std::byte{1};
  other_epoch.key_check = key_check_of(vector_root(), other_epoch.key_id);
  for (const Keyset& keyset : {other_vault, other_epoch}) {
    Bytes bytes = encode_keyset(keyset, vector_root());
    EXPECT_TRUE(fails_with(unlock(bytes, *key_file(1)), ErrorCode::kUnauthenticated, "keyset"));
    EXPECT_TRUE(fails_with(unlock(bytes, *passphrase("open sesame")), ErrorCode::kUnauthenticated, "keyset"));
  }
}

TEST(Keyset, AnyTruncationIsCorruptionAndSaysKeyset) {
  Bytes bytes = make_bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_TRUE(fails_with(parse_keyset(ByteView(bytes).first(size)), ErrorCode::kCorruption, "keyset: ")) << size;
  }
  EXPECT_TRUE(fails_with(parse_keyset(ByteView(bytes).first(100)), ErrorCode::kCorruption,
                         "keyset: it is cut short, at 100 bytes"));
  EXPECT_TRUE(fails_with(parse_keyset({}), ErrorCode::kCorruption, "keyset: it is empty"));
}

TEST(Keyset, TrailingBytesAreCorruption) {
  Bytes bytes = make_bytes();
  bytes.push_back(std::byte{0});
  EXPECT_TRUE(fails_with(parse_keyset(bytes), ErrorCode::kCorruption, "keyset: 1 bytes follow its end"));
}

// As a file looks whose blocks were allocated and never written.
TEST(Keyset, AZeroedTailIsNeverAccepted) {
  Bytes bytes = make_bytes();
  auto key = key_file(1);
  for (size_t from = 0; from < bytes.size(); from += 7) {
    Bytes torn = bytes;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from), torn.end(), std::byte{0});
    auto root = unlock(torn, *key);
    ASSERT_FALSE(root.ok()) << from;
    EXPECT_NE(root.error().message.find("keyset"), std::string::npos) << root.error().message;
  }
}

TEST(Keyset, AnyFlippedBitIsFoundByEitherHolder) {
  Bytes bytes = make_bytes();
  auto file = key_file(1), phrase = passphrase("open sesame");
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    // scrypt costs milliseconds, and a bit of its cost field makes it cost more: one bit a byte is enough for it.
    for (SlotKey* key : {file.get(), bit % 8 == 0 ? phrase.get() : nullptr}) {
      if (key == nullptr) continue;
      auto root = unlock(bytes, *key);
      ASSERT_FALSE(root.ok()) << "bit " << bit;
      ASSERT_TRUE(root.code() == ErrorCode::kCorruption || root.code() == ErrorCode::kUnauthenticated) << "bit " << bit;
      ASSERT_NE(root.error().message.find("keyset"), std::string::npos) << root.error().message;
    }
    ASSERT_FALSE(check_keyset(bytes, vector_root()).ok()) << "bit " << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(check_keyset(bytes, vector_root()).ok());
}

// Removing the second slot from the file would otherwise go unnoticed until it is needed.
TEST(Keyset, AForgedSlotListIsFoundByTheMac) {
  Keyset keyset = make_keyset();
  keyset.slots.pop_back();
  Bytes other_root = vector_root();
  other_root[0] ^= std::byte{1};
  Bytes forged = encode_keyset(keyset, other_root);
  EXPECT_TRUE(fails_with(unlock(forged, *key_file(1)), ErrorCode::kCorruption,
                         "keyset: it was changed after it was written (mac)"));
}

TEST(Keyset, ARootThatIsNotItsOwnIsFoundByTheKeyCheck) {
  Bytes other_root = vector_root();
  other_root[0] ^= std::byte{1};
  EXPECT_TRUE(
      fails_with(check_keyset(make_bytes(), other_root), ErrorCode::kCorruption, "keyset: it belongs to another root"));
  EXPECT_TRUE(fails_with(check_keyset(make_bytes(), Bytes(63)), ErrorCode::kCorruption, "keyset: "));
}

TEST(Keyset, AnUnknownVersionIsNamed) {
  Bytes bytes = make_bytes();
  bytes[9] = std::byte{2};
  EXPECT_TRUE(fails_with(parse_keyset(bytes), ErrorCode::kCorruption, "keyset: version 2 is not known"));
}

TEST(Keyset, SomethingElseIsNoKeyset) {
  EXPECT_TRUE(
      fails_with(parse_keyset(as_bytes("PK\3\4 something else altogether")), ErrorCode::kCorruption, "no keyset"));
  EXPECT_TRUE(fails_with(parse_keyset(random_bytes(300, 1)), ErrorCode::kCorruption, "no keyset"));
  EXPECT_TRUE(fails_with(parse_keyset(Bytes((1 << 20) + 1)), ErrorCode::kCorruption, "keyset: it is larger"));
}

/// A keyset whose slots are replaced by what `write` writes after the slot count, with room for a mac.
Bytes with_slots(uint16_t count, const std::function<void(ByteWriter&)>& write) {
  Keyset keyset = make_keyset();
  keyset.slots.clear();
  Bytes bytes = encode_keyset(keyset, vector_root());
  bytes.resize(bytes.size() - 32 - 2);
  ByteWriter writer(bytes);
  writer.u16(count);
  write(writer);
  writer.bytes(Bytes(32));
  return bytes;
}

TEST(Keyset, ASlotCountBeyondTheContentsIsCorruption) {
  EXPECT_TRUE(
      fails_with(parse_keyset(with_slots(2, [](ByteWriter&) {})), ErrorCode::kCorruption, "keyset: it is cut short"));
  EXPECT_TRUE(fails_with(parse_keyset(with_slots(65535, [](ByteWriter&) {})), ErrorCode::kCorruption,
                         "keyset: it has more than"));
}

// Names are printed on terminals; a keyset may come from anywhere.
TEST(Keyset, NamesThatWouldFoolATerminalOrAReaderAreRefused) {
  auto named = [](std::string_view first, std::string_view second) {
    return with_slots(2, [=](ByteWriter& writer) {
      for (std::string_view name : {first, second}) {
        writer.string16("key-file");
        writer.string16(name);
        writer.string16("");
        writer.string16("");
      }
    });
  };
  EXPECT_TRUE(parse_keyset(named("officer", "Büro 2")).ok());
  for (std::string_view bad : {"", "a\x1b[2J", "two\nlines", "\x7f",
                               "\xc2\x9b"
                               "2J"}) {
    EXPECT_TRUE(
        fails_with(parse_keyset(named("officer", bad)), ErrorCode::kCorruption, "keyset: a slot's type or name"));
  }
  EXPECT_TRUE(fails_with(parse_keyset(named("officer", std::string(256, 'x'))), ErrorCode::kCorruption, "keyset: "));
  EXPECT_TRUE(fails_with(parse_keyset(named("officer", "officer")), ErrorCode::kCorruption,
                         "keyset: two slots have the same name"));
}

TEST(Keyset, EncodingWhatCouldNotBeParsedIsABrokenInvariant) {
  Keyset twice = make_keyset();
  twice.slots[1].name = twice.slots[0].name;
  EXPECT_THROW((void)encode_keyset(twice, vector_root()), std::logic_error);
  Keyset unchecked = make_keyset();
  unchecked.key_check.clear();
  EXPECT_THROW((void)encode_keyset(unchecked, vector_root()), std::logic_error);
  EXPECT_THROW((void)encode_keyset(make_keyset(), Bytes(63)), std::logic_error);
}

class FailingKey final : public SlotKey {
 public:
  std::string type() const override { return "kms"; }
  Result<KeySlot> wrap(std::string_view name, ByteView, ByteView, Entropy&) override {
    return KeySlot{.type = "kms", .name = std::string(name), .parameters = {}, .wrapped = {}};
  }
  Result<Secret> unwrap(const KeySlot& slot, ByteView) override {
    if (slot.name == "opens") return Secret(vector_root());
    if (slot.name == "wrong-root") return Secret(Bytes(64));
    return Error{ErrorCode::kUnavailable, "KMS is away", {}};
  }
};

Bytes keyset_of_kms_slots(const std::vector<std::string>& names) {
  Keyset keyset = make_keyset();
  keyset.slots.clear();
  FailingKey key;
  for (const std::string& name : names) keyset.slots.push_back(must_wrap(key, name, keyset, 1));
  return encode_keyset(keyset, vector_root());
}

// A caller retries kUnavailable and must not be told that its key is wrong.
TEST(Keyset, AHolderThatCannotBeReachedIsNotAWrongKey) {
  FailingKey key;
  auto root = unlock(keyset_of_kms_slots({"a", "b"}), key);
  EXPECT_TRUE(fails_with(root, ErrorCode::kUnavailable, "KMS is away"));
  EXPECT_TRUE(fails_with(root, ErrorCode::kUnavailable, "\"a\""));
}

TEST(Keyset, ASlotThatFailsDoesNotKeepAnotherFromOpening) {
  FailingKey key;
  EXPECT_TRUE(unlock(keyset_of_kms_slots({"a", "opens"}), key).ok());
}

TEST(Keyset, ASlotThatHoldsAnotherRootIsCorruption) {
  FailingKey key;
  EXPECT_TRUE(fails_with(unlock(keyset_of_kms_slots({"wrong-root"}), key), ErrorCode::kCorruption, "key check"));
}

TEST(KeyFileSlot, WrapsDifferentlyEachTimeAndUnwrapsBoth) {
  Keyset keyset = make_keyset();
  KeySlot one = must_wrap(*key_file(1), "a", keyset, 1), two = must_wrap(*key_file(1), "a", keyset, 2);
  EXPECT_NE(one.wrapped, two.wrapped);
  for (const KeySlot& slot : {one, two}) {
    EXPECT_EQ(to_bytes(key_file(1)->unwrap(slot, slot_binding(keyset)).value().view()), vector_root());
  }
}

TEST(KeyFileSlot, DamagedParametersAreCorruptionAndADamagedRootIsUnauthenticated) {
  Keyset keyset = make_keyset();
  KeySlot slot = keyset.slots[0];
  slot.parameters.pop_back();
  EXPECT_TRUE(fails_with(key_file(1)->unwrap(slot, slot_binding(keyset)), ErrorCode::kCorruption, "\"site-a\""));
  for (size_t size = 0; size < keyset.slots[0].wrapped.size(); ++size) {
    slot = keyset.slots[0];
    slot.wrapped.resize(size);
    EXPECT_TRUE(fails_with(key_file(1)->unwrap(slot, slot_binding(keyset)), ErrorCode::kUnauthenticated, "\"site-a\""));
  }
}

TEST(KeyFileSlot, DoesNotTryASlotOfAnotherType) {
  Keyset keyset = make_keyset();
  EXPECT_TRUE(fails_with(key_file(1)->unwrap(keyset.slots[1], slot_binding(keyset)), ErrorCode::kUnauthenticated,
                         "passphrase"));
  EXPECT_TRUE(fails_with(passphrase("x")->unwrap(keyset.slots[0], slot_binding(keyset)), ErrorCode::kUnauthenticated,
                         "key-file"));
}

// A hostile keyset must not make us allocate what it likes.
TEST(PassphraseSlot, AbsurdCostsAreRefusedBeforeMemoryIsAskedFor) {
  Keyset keyset = make_keyset();
  KeySlot slot = keyset.slots[1];
  ASSERT_EQ(to_hex(ByteView(slot.parameters).first(3)), "0a0801");
  for (size_t field = 0; field < 3; ++field) {
    for (int value : {0, 2, 7, 9, 23, 40, 63, 64, 255}) {
      slot.parameters = keyset.slots[1].parameters;
      slot.parameters[field] = static_cast<std::byte>(value);
      EXPECT_TRUE(
          fails_with(passphrase("open sesame")->unwrap(slot, slot_binding(keyset)), ErrorCode::kCorruption, "scrypt"))
          << field << "=" << value;
    }
  }
}

TEST(PassphraseSlot, ParametersOfAnyOtherSizeAreRefused) {
  Keyset keyset = make_keyset();
  for (size_t size = 0; size < 40; ++size) {
    if (size == 35) continue;
    KeySlot slot = keyset.slots[1];
    slot.parameters.resize(size);
    EXPECT_TRUE(
        fails_with(passphrase("open sesame")->unwrap(slot, slot_binding(keyset)), ErrorCode::kCorruption, "scrypt"));
  }
}

TEST(PassphraseSlot, AnEmptyPassphraseAndACostOutOfRangeAreInvalid) {
  SeededEntropy entropy(1);
  Bytes binding = slot_binding(make_keyset());
  EXPECT_TRUE(
      fails_with(passphrase("")->wrap("a", vector_root(), binding, entropy), ErrorCode::kInvalidArgument, "empty"));
  for (uint8_t log2_n : {uint8_t{0}, uint8_t{9}, uint8_t{23}, uint8_t{255}}) {
    auto slot = passphrase_slot(Secret(to_bytes("x")), log2_n)->wrap("a", vector_root(), binding, entropy);
    EXPECT_TRUE(fails_with(slot, ErrorCode::kInvalidArgument, "10 to 22"));
  }
}

// RFC 7914 has no vector with r = 8, p = 1 and a 32-byte salt; the stored form at the default cost is at least pinned.
TEST(PassphraseSlot, TheDefaultCostIs128MiB) {
  Keyset keyset = make_keyset();
  SeededEntropy entropy(1);
  auto key = passphrase_slot(Secret(to_bytes("x")));
  KeySlot slot = key->wrap("a", vector_root(), slot_binding(keyset), entropy).value();
  EXPECT_EQ(to_hex(ByteView(slot.parameters).first(3)), "110801");
  EXPECT_TRUE(key->unwrap(slot, slot_binding(keyset)).ok());
}

TEST(KeyFile, ParsesToWhatWasFormatted) {
  Bytes key = random_bytes(32, 5);
  std::string text = format_key_file(key);
  EXPECT_EQ(text, "coffer-key-v1:" + to_hex(key) + "\n");
  EXPECT_EQ(to_bytes(parse_key_file(as_bytes(text)).value().view()), key);
}

TEST(KeyFile, AnythingElseIsInvalidAndTheMessageSaysWhy) {
  std::string good = format_key_file(random_bytes(32, 5));
  std::string digits = good.substr(14, 64);
  auto says = [](const std::string& text, std::string_view why) {
    return fails_with(parse_key_file(as_bytes(text)), ErrorCode::kInvalidArgument, why);
  };
  EXPECT_TRUE(says("", "it is empty"));
  EXPECT_TRUE(says(digits + "\n", "does not begin with"));
  EXPECT_TRUE(says("coffer-key-v2:" + digits + "\n", "does not begin with"));
  EXPECT_TRUE(says(" " + good, "does not begin with"));
  EXPECT_TRUE(says("coffer-key-v1:" + digits, "newline at its end is missing"));
  EXPECT_TRUE(says("coffer-key-v1:" + digits.substr(1) + "\n", "it has 63 hexadecimal digits, not 64"));
  EXPECT_TRUE(says("coffer-key-v1:0" + digits + "\n", "it has 65 hexadecimal digits, not 64"));
  EXPECT_TRUE(says("coffer-key-v1:" + digits.substr(0, 10) + "G" + digits.substr(11) + "\n", "character 25 is no"));
  EXPECT_TRUE(says("coffer-key-v1:" + std::string(64, 'A') + "\n", "character 15 is no lower-case"));
  EXPECT_TRUE(says("coffer-key-v1:" + digits + "\r\n", "something follows its 64 digits"));
  EXPECT_TRUE(says(good + good, "something follows its first line"));
  EXPECT_TRUE(says(good + "\n", "something follows its first line"));
}

TEST(KeyFile, NoTruncationAndNoChangedByteIsTakenForTheKey) {
  Bytes key = random_bytes(32, 5);
  std::string good = format_key_file(key);
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_key_file(as_bytes(good.substr(0, size))).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    for (int change : {0x01, 0x20, 0x80}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ change);
      auto parsed = parse_key_file(as_bytes(bad));
      if (parsed.ok()) {
        EXPECT_FALSE(equal(parsed->view(), key));
      }
    }
  }
}

// Even a damaged key file is most of a key.
TEST(KeyFile, MessagesNeverContainTheKey) {
  std::string digits = to_hex(random_bytes(32, 5));
  for (const std::string& text :
       {digits, "coffer-key-v1:" + digits, "coffer-key-v1:" + digits + "00\n", "coffer-key-v1: " + digits}) {
    std::string message = parse_key_file(as_bytes(text)).error().message;
    for (size_t i = 0; i + 6 <= digits.size(); ++i) EXPECT_EQ(message.find(digits.substr(i, 6)), std::string::npos);
  }
}

}  // namespace
}  // namespace coffer::crypto
