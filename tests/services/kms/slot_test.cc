// A vault's KMS slot: its keyset opens with the key, for that vault alone.
#include "engine/crypto/keyset.h"
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Slot : public World {
 protected:
  /// As edge/wire's client, without the network.
  class Client final : public KeyClient {
   public:
    explicit Client(Slot& test) : test_(test) {}
    Result<Bytes> encrypt(std::string_view key_id, ByteView plaintext,
                          const std::vector<std::pair<std::string, std::string>>& context) override {
      COFFER_TRY(const Value output, test_.kms("Encrypt", object({{"KeyId", key_id},
                                                                  {"Plaintext", to_bytes(plaintext)},
                                                                  {"EncryptionContext", map(context)}})));
      return to_bytes(output.blob("CiphertextBlob"));
    }
    Result<Secret> decrypt(std::string_view key_id, ByteView ciphertext,
                           const std::vector<std::pair<std::string, std::string>>& context) override {
      COFFER_TRY(const Value output, test_.kms("Decrypt", object({{"KeyId", key_id},
                                                                  {"CiphertextBlob", to_bytes(ciphertext)},
                                                                  {"EncryptionContext", map(context)}})));
      return Secret::copy_of(output.blob("Plaintext"));
    }

   private:
    static Value map(const std::vector<std::pair<std::string, std::string>>& pairs) {
      Value value = Value::object();
      for (const auto& [key, text] : pairs) value.set(key, text);
      return value;
    }
    Slot& test_;
  };

  const std::string id = key();
  Client client{*this};
  const std::unique_ptr<crypto::SlotKey> slot_key = kms_slot(client, arn(id));
  const Bytes root = Bytes(64, std::byte{8}), binding = to_bytes("vault and key"), other = to_bytes("another vault");
};

TEST_F(Slot, OpensWithItsKeyForItsVaultAlone) {
  const crypto::KeySlot slot = must(slot_key->wrap("kms", root, binding, entropy_));
  EXPECT_EQ(slot.type, "kms");
  EXPECT_EQ(to_text(slot.parameters), arn(id));
  EXPECT_EQ(to_bytes(must(slot_key->unwrap(slot, binding)).view()), root);
  EXPECT_EQ(error_of(slot_key->unwrap(slot, other)), "InvalidCiphertextException");
  must(kms("RotateKeyOnDemand", object({{"KeyId", id}})));
  EXPECT_EQ(to_bytes(must(slot_key->unwrap(slot, binding)).view()), root);
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(error_of(slot_key->unwrap(slot, binding)), "DisabledException");
}

TEST_F(Slot, IsWhatTheFormatSays) {
  const crypto::KeySlot slot = must(slot_key->wrap("kms", root, binding, entropy_));
  EXPECT_EQ(opened(slot.wrapped, object({{"coffer:keyset", to_hex(binding)}})), to_text(ByteView(root)));
}

TEST_F(Slot, IsNotMadeWithAKeyThatCannotBeUsed) {
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_FALSE(slot_key->wrap("kms", root, binding, entropy_).ok());
}

}  // namespace
}  // namespace coffer::kms
