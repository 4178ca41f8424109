// Using keys.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "services/api/fault.h"
#include "services/kms/operations.h"
#include "services/kms/specs.h"

namespace coffer::kms {
namespace {

using api::Value;
using rows::Key;

Error invalid_ciphertext() { return api::fault(ErrorCode::kInvalidArgument, "InvalidCiphertextException", ""); }
Error validation(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationException", std::move(message));
}
Error usage_error(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidKeyUsageException", std::move(message));
}

std::array<std::byte, 16> uuid_bytes(const Key& key) {
  std::string hex = key.id.starts_with("mrk-") ? key.id.substr(4) : key.id;
  std::erase(hex, '-');
  const Bytes bytes = from_hex(hex).value();
  std::array<std::byte, 16> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Result<Key> usable_key(const Request& r, std::string_view usage) {
  COFFER_TRY(Key key, key_of(r, Naming::kAny));
  COFFER_CHECK_OK(check_state(key, Needs::kUsable));
  COFFER_CHECK_OK(check_usage(key, usage));
  return key;
}

/// The key's pair; "InvalidKeyUsageException" when it has none.
Result<crypto::KeyPair> pair_of(const Request& r, const Key& key) {
  const Spec* spec = find_spec(key.spec);
  if (!spec || !spec->kind)
    return usage_error(key.arn() + " key spec " + key.spec + " is not valid for this operation.");
  COFFER_TRY(auto material, r.setting.materials.get(r.t(), key, key.material));
  return crypto::KeyPair::from_own_pkcs8(*spec->kind, material->view());
}

std::map<std::string, std::string> context_of(const Request& r, std::string_view member) {
  return r.input().text_map(member);
}

Result<Bytes> seal(const Request& r, const Key& key, ByteView plaintext,
                   const std::map<std::string, std::string>& context) {
  size_t size = 0;
  for (const auto& [name, value] : context) size += name.size() + value.size();
  if (size > 8192) return validation("The encryption context is longer than 8192 characters.");
  COFFER_TRY(auto material, r.setting.materials.get(r.t(), key, key.material));
  const crypto::KmsBlobHeader header{uuid_bytes(key), static_cast<uint32_t>(key.material)};
  return crypto::seal_kms_blob(material->view(), header, plaintext, crypto::encode_encryption_context(context),
                               r.setting.entropy);
}

Result<Secret> open(const Request& r, const Key& key, ByteView blob,
                    const std::map<std::string, std::string>& context) {
  auto header = crypto::parse_kms_blob(blob);
  if (!header.ok() || header->key_uuid != uuid_bytes(key)) return invalid_ciphertext();
  COFFER_TRY(const KeyFactsPtr facts, facts_of(r, key));
  if (!facts->digest_of(header->material_version)) return invalid_ciphertext();
  COFFER_TRY(auto material, r.setting.materials.get(r.t(), key, header->material_version));
  Result<Secret> plain = crypto::open_kms_blob(material->view(), blob, crypto::encode_encryption_context(context));
  if (!plain.ok()) return invalid_ciphertext();
  return plain;
}

/// The algorithm that the input names; the symmetric one when it names none.
std::string algorithm_of(const Request& r, std::string_view member) {
  return r.input().has(member) ? r.text(member) : std::string("SYMMETRIC_DEFAULT");
}

Status check_algorithm(const Key& key, std::string_view algorithm) {
  const bool fits = key.symmetric() ? algorithm == "SYMMETRIC_DEFAULT" : oaep_hash(algorithm).has_value();
  if (fits) return ok_status();
  return usage_error("Algorithm " + std::string(algorithm) + " and key spec " + key.spec + " are incompatible.");
}

Result<Bytes> encrypt_with(const Request& r, const Key& key, ByteView plaintext,
                           const std::map<std::string, std::string>& context, std::string_view algorithm) {
  COFFER_CHECK_OK(check_algorithm(key, algorithm));
  if (key.symmetric()) return seal(r, key, plaintext, context);
  if (!context.empty()) return validation("An encryption context is for symmetric keys only.");
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  Result<Bytes> sealed = pair.encrypt_oaep(*oaep_hash(algorithm), plaintext);
  if (!sealed.ok()) return validation("The plaintext is too long for the key and algorithm.");
  return sealed;
}

Result<Secret> decrypt_with(const Request& r, const Key& key, ByteView blob,
                            const std::map<std::string, std::string>& context, std::string_view algorithm) {
  COFFER_CHECK_OK(check_algorithm(key, algorithm));
  if (key.symmetric()) return open(r, key, blob, context);
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  Result<Secret> plain = pair.decrypt_oaep(*oaep_hash(algorithm), blob);
  if (!plain.ok()) return invalid_ciphertext();
  return plain;
}

Value blob_value(ByteView bytes) { return Value(to_bytes(bytes)); }

Status refuse_recipient(const Request& r) {
  if (!r.input().has("Recipient")) return ok_status();
  return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException",
                    "Recipients (Nitro enclaves) are not supported here.");
}

void set_material_id(const Request& r, const Key& key, int64_t version, std::string_view member, Value& output) {
  if (!key.symmetric()) return;
  const auto facts = facts_of(r, key);
  const std::string* digest = facts.ok() ? (*facts)->digest_of(version) : nullptr;
  if (digest) output.set(member, *digest);
}

Value with_material_id(const Request& r, const Key& key, int64_t version, Value output) {
  set_material_id(r, key, version, "KeyMaterialId", output);
  return output;
}

Result<Value> data_key(const Request& r, bool with_plaintext) {
  COFFER_CHECK_OK(refuse_recipient(r));
  COFFER_TRY(Key key, usable_key(r, "ENCRYPT_DECRYPT"));
  if (!key.symmetric()) return usage_error(key.arn() + " key spec " + key.spec + " is not valid for this operation.");
  const auto bytes = r.input().integer("NumberOfBytes");
  const std::string spec = r.text("KeySpec");
  if (bytes.has_value() == !spec.empty()) return validation("Please specify either number of bytes or key spec.");
  Bytes random(static_cast<size_t>(bytes.value_or(spec == "AES_128" ? 16 : 32)));
  r.setting.entropy.fill(random);
  const Secret plain(std::move(random));
  COFFER_TRY(Bytes blob, seal(r, key, plain.view(), context_of(r, "EncryptionContext")));
  COFFER_CHECK_OK(stop_dry_run(r));
  Value output = Value::object({{"CiphertextBlob", std::move(blob)}, {"KeyId", key.arn()}});
  if (with_plaintext) output.set("Plaintext", blob_value(plain.view()));
  return with_material_id(r, key, key.material, std::move(output));
}

Result<Value> data_key_pair(const Request& r, bool with_plaintext) {
  COFFER_CHECK_OK(refuse_recipient(r));
  COFFER_TRY(Key key, usable_key(r, "ENCRYPT_DECRYPT"));
  if (!key.symmetric()) return usage_error(key.arn() + " key spec " + key.spec + " is not valid for this operation.");
  const std::string name = r.text("KeyPairSpec");
  const Spec* spec = find_spec(name);
  if (!spec || !spec->kind)
    return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException",
                      "Key pairs of " + name + " are not supported here.");
  const crypto::KeyPair pair = crypto::KeyPair::generate(*spec->kind);
  const Secret private_key = pair.pkcs8();
  COFFER_TRY(Bytes blob, seal(r, key, private_key.view(), context_of(r, "EncryptionContext")));
  COFFER_CHECK_OK(stop_dry_run(r));
  Value output = Value::object({{"PrivateKeyCiphertextBlob", std::move(blob)},
                                {"PublicKey", pair.public_key()},
                                {"KeyId", key.arn()},
                                {"KeyPairSpec", name}});
  if (with_plaintext) output.set("PrivateKeyPlaintext", blob_value(private_key.view()));
  return with_material_id(r, key, key.material, std::move(output));
}

/// What is signed: the message's hash, made here unless the caller has made it.
Result<Bytes> digest_of(const Request& r, const SigningAlgorithm& algorithm) {
  const ByteView message = r.input().blob("Message");
  if (algorithm.scheme == crypto::SignatureScheme::kEd25519) return to_bytes(message);
  if (r.text("MessageType") != "DIGEST") return crypto::hash_of(algorithm.hash, message);
  if (message.size() != crypto::hash_size(algorithm.hash))
    return validation("Digest is invalid length for algorithm " + std::string(algorithm.name) + ".");
  return to_bytes(message);
}

Result<const SigningAlgorithm*> signing_algorithm(const Request& r, const Key& key) {
  const std::string name = r.text("SigningAlgorithm");
  const Spec* spec = find_spec(key.spec);
  COFFER_ASSERT(spec);
  const auto names = signing_algorithms(*spec);
  if (std::find(names.begin(), names.end(), name) == names.end())
    return usage_error("Algorithm " + name + " and key spec " + key.spec + " are incompatible with each other.");
  return find_signing_algorithm(name);
}

Result<crypto::Hash> mac_of(const Request& r, const Key& key) {
  const Spec* spec = find_spec(key.spec);
  const auto hash = mac_hash(r.text("MacAlgorithm"));
  if (!spec || !spec->mac || !hash || *spec->mac != *hash)
    return usage_error("Algorithm " + r.text("MacAlgorithm") + " and key spec " + key.spec +
                       " are incompatible with each other.");
  return *hash;
}

}  // namespace

Result<Value> encrypt(const Request& r) {
  COFFER_TRY(Key key, usable_key(r, "ENCRYPT_DECRYPT"));
  const std::string algorithm = algorithm_of(r, "EncryptionAlgorithm");
  COFFER_TRY(Bytes blob,
             encrypt_with(r, key, r.input().blob("Plaintext"), context_of(r, "EncryptionContext"), algorithm));
  COFFER_CHECK_OK(stop_dry_run(r));
  return Value::object({{"CiphertextBlob", std::move(blob)}, {"KeyId", key.arn()}, {"EncryptionAlgorithm", algorithm}});
}

Result<rows::Key> decrypting_key(const Request& r, std::string_view blob_member, std::string_view key_member,
                                 std::string_view algorithm) {
  const ByteView blob = r.input().blob(blob_member);
  const bool named = r.input().has(key_member);
  if (algorithm != "SYMMETRIC_DEFAULT") {
    if (!named) return validation("KeyId is required for asymmetric ciphertexts.");
    return key_of(r, Naming::kAny, key_member);
  }
  COFFER_TRY(Key key, key_of_blob(r, blob));
  if (!named) return key;
  COFFER_TRY(Key wanted, key_of(r, Naming::kAny, key_member));
  if (wanted.id != key.id || wanted.account != key.account)
    return api::fault(ErrorCode::kInvalidArgument, "IncorrectKeyException",
                      "The key ID in the request does not identify a CMK that can perform this operation.");
  return wanted;
}

Result<Value> decrypt(const Request& r) {
  COFFER_CHECK_OK(refuse_recipient(r));
  const std::string algorithm = algorithm_of(r, "EncryptionAlgorithm");
  COFFER_TRY(Key key, decrypting_key(r, "CiphertextBlob", "KeyId", algorithm));
  COFFER_CHECK_OK(check_state(key, Needs::kUsable));
  COFFER_CHECK_OK(check_usage(key, "ENCRYPT_DECRYPT"));
  COFFER_TRY(Secret plain,
             decrypt_with(r, key, r.input().blob("CiphertextBlob"), context_of(r, "EncryptionContext"), algorithm));
  COFFER_CHECK_OK(stop_dry_run(r));
  Value output = Value::object(
      {{"Plaintext", blob_value(plain.view())}, {"KeyId", key.arn()}, {"EncryptionAlgorithm", algorithm}});
  const auto header = crypto::parse_kms_blob(r.input().blob("CiphertextBlob"));
  return header.ok() ? with_material_id(r, key, header->material_version, std::move(output)) : output;
}

Result<Value> re_encrypt(const Request& r) {
  const std::string from = algorithm_of(r, "SourceEncryptionAlgorithm"),
                    to = algorithm_of(r, "DestinationEncryptionAlgorithm");
  COFFER_TRY(Key source, decrypting_key(r, "CiphertextBlob", "SourceKeyId", from));
  COFFER_TRY(Key destination, key_of(r, Naming::kAny, "DestinationKeyId"));
  for (const Key* key : {&source, &destination}) {
    COFFER_CHECK_OK(check_state(*key, Needs::kUsable));
    COFFER_CHECK_OK(check_usage(*key, "ENCRYPT_DECRYPT"));
  }
  COFFER_TRY(Secret plain,
             decrypt_with(r, source, r.input().blob("CiphertextBlob"), context_of(r, "SourceEncryptionContext"), from));
  COFFER_TRY(Bytes blob, encrypt_with(r, destination, plain.view(), context_of(r, "DestinationEncryptionContext"), to));
  COFFER_CHECK_OK(stop_dry_run(r));
  Value output = Value::object({{"CiphertextBlob", std::move(blob)},
                                {"SourceKeyId", source.arn()},
                                {"KeyId", destination.arn()},
                                {"SourceEncryptionAlgorithm", from},
                                {"DestinationEncryptionAlgorithm", to}});
  if (const auto header = crypto::parse_kms_blob(r.input().blob("CiphertextBlob")); header.ok())
    set_material_id(r, source, header->material_version, "SourceKeyMaterialId", output);
  set_material_id(r, destination, destination.material, "DestinationKeyMaterialId", output);
  return output;
}

Result<Value> generate_data_key(const Request& r) { return data_key(r, true); }
Result<Value> generate_data_key_without_plaintext(const Request& r) { return data_key(r, false); }
Result<Value> generate_data_key_pair(const Request& r) { return data_key_pair(r, true); }
Result<Value> generate_data_key_pair_without_plaintext(const Request& r) { return data_key_pair(r, false); }

Result<Value> generate_random(const Request& r) {
  COFFER_CHECK_OK(refuse_recipient(r));
  if (r.input().has("CustomKeyStoreId"))
    return api::fault(ErrorCode::kNotFound, "CustomKeyStoreNotFoundException",
                      "This installation has no custom key stores.");
  if (!r.input().has("NumberOfBytes")) return validation("NumberOfBytes is required.");
  Bytes random(static_cast<size_t>(*r.input().integer("NumberOfBytes")));
  r.setting.entropy.fill(random);
  return Value::object({{"Plaintext", std::move(random)}});
}

Result<Value> sign(const Request& r) {
  COFFER_TRY(Key key, usable_key(r, "SIGN_VERIFY"));
  COFFER_TRY(const SigningAlgorithm* algorithm, signing_algorithm(r, key));
  COFFER_TRY(Bytes digest, digest_of(r, *algorithm));
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  COFFER_CHECK_OK(stop_dry_run(r));
  return Value::object({{"KeyId", key.arn()},
                        {"Signature", pair.sign(algorithm->scheme, algorithm->hash, digest)},
                        {"SigningAlgorithm", algorithm->name}});
}

Result<Value> verify(const Request& r) {
  COFFER_TRY(Key key, usable_key(r, "SIGN_VERIFY"));
  COFFER_TRY(const SigningAlgorithm* algorithm, signing_algorithm(r, key));
  COFFER_TRY(Bytes digest, digest_of(r, *algorithm));
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  COFFER_CHECK_OK(stop_dry_run(r));
  if (!pair.verify(algorithm->scheme, algorithm->hash, digest, r.input().blob("Signature")))
    return api::fault(ErrorCode::kInvalidArgument, "KMSInvalidSignatureException", "");
  return Value::object({{"KeyId", key.arn()}, {"SignatureValid", true}, {"SigningAlgorithm", algorithm->name}});
}

Result<Value> get_public_key(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kAny));
  COFFER_CHECK_OK(check_state(key, Needs::kUsable));
  const Spec* spec = find_spec(key.spec);
  if (!spec || !spec->kind)
    return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException",
                      key.arn() + " key spec is " + key.spec + " which is not valid for this operation.");
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  Value output = Value::object({{"KeyId", key.arn()},
                                {"PublicKey", pair.public_key()},
                                {"CustomerMasterKeySpec", key.spec},
                                {"KeySpec", key.spec},
                                {"KeyUsage", key.usage}});
  if (key.usage == "SIGN_VERIFY") output.set("SigningAlgorithms", api::text_list(signing_algorithms(*spec)));
  if (key.usage == "ENCRYPT_DECRYPT") output.set("EncryptionAlgorithms", api::text_list(encryption_algorithms(*spec)));
  if (key.usage == "KEY_AGREEMENT") output.set("KeyAgreementAlgorithms", api::text_list({"ECDH"}));
  return output;
}

Result<Value> derive_shared_secret(const Request& r) {
  COFFER_CHECK_OK(refuse_recipient(r));
  COFFER_TRY(Key key, usable_key(r, "KEY_AGREEMENT"));
  COFFER_TRY(crypto::KeyPair pair, pair_of(r, key));
  Result<Secret> shared = pair.derive(r.input().blob("PublicKey"));
  if (!shared.ok()) return validation("The public key is not one of the key's curve.");
  COFFER_CHECK_OK(stop_dry_run(r));
  return Value::object({{"KeyId", key.arn()},
                        {"SharedSecret", blob_value(shared->view())},
                        {"KeyAgreementAlgorithm", "ECDH"},
                        {"KeyOrigin", key.origin}});
}

Result<Value> generate_mac(const Request& r) {
  COFFER_TRY(Key key, usable_key(r, "GENERATE_VERIFY_MAC"));
  COFFER_TRY(crypto::Hash hash, mac_of(r, key));
  COFFER_TRY(auto material, r.setting.materials.get(r.t(), key, key.material));
  COFFER_CHECK_OK(stop_dry_run(r));
  return Value::object({{"KeyId", key.arn()},
                        {"Mac", crypto::hmac_of(hash, material->view(), r.input().blob("Message"))},
                        {"MacAlgorithm", r.text("MacAlgorithm")}});
}

Result<Value> verify_mac(const Request& r) {
  COFFER_TRY(Key key, usable_key(r, "GENERATE_VERIFY_MAC"));
  COFFER_TRY(crypto::Hash hash, mac_of(r, key));
  COFFER_TRY(auto material, r.setting.materials.get(r.t(), key, key.material));
  COFFER_CHECK_OK(stop_dry_run(r));
  const Bytes mac = crypto::hmac_of(hash, material->view(), r.input().blob("Message"));
  if (!crypto::equal_constant_time(mac, r.input().blob("Mac")))
    return api::fault(ErrorCode::kInvalidArgument, "KMSInvalidMacException", "");
  return Value::object({{"KeyId", key.arn()}, {"MacValid", true}, {"MacAlgorithm", r.text("MacAlgorithm")}});
}

}  // namespace coffer::kms
