// Key material: made, sealed under the installation's root, unsealed for use, rotated, imported.
#include <algorithm>

#include "engine/crypto/digest.h"
#include "engine/crypto/key_wrap.h"
#include "engine/crypto/sealed_object.h"
#include "services/api/fault.h"
#include "services/kms/operations.h"
#include "services/kms/specs.h"

namespace coffer::kms {
namespace {

using api::Value;
using rows::Key;

constexpr size_t kCachedMax = 10'000;
constexpr std::chrono::minutes kCachedFor{5};
constexpr size_t kImportedSize = 32;
constexpr int64_t kRotationsOnDemandMax = 25;
constexpr std::chrono::hours kImportTokenLife{24};
constexpr std::chrono::minutes kRotationAheadMin{20};  // of an automatic rotation, for one on demand

std::string place_of(const Key& key, int64_t version) {
  return "kms/" + key.account + "/" + key.id + "/" + std::to_string(version);
}

Error unsupported(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "UnsupportedOperationException", std::move(message));
}

/// AWS rotates what it made itself; what was imported, signs or authenticates stays.
Status check_rotatable(const Key& key) {
  if (!key.symmetric() || key.origin != "AWS_KMS") return unsupported(key.arn() + " cannot be rotated automatically.");
  return ok_status();
}

/// For what changes rotation: that is done to the primary key, and its replicas follow.
Status check_rotated_here(const Key& key) {
  COFFER_CHECK_OK(check_state(key, Needs::kRotatable));
  COFFER_CHECK_OK(check_rotatable(key));
  if (key.is_replica()) return unsupported(key.arn() + " is a replica: rotation belongs to the primary key.");
  return ok_status();
}

std::string import_place(const Key& key) { return "kms/import/" + key.account + "/" + key.id; }

}  // namespace

Result<std::shared_ptr<const Secret>> MaterialCache::get(catalog::Transaction& t, const Key& key, int64_t version) {
  const std::string place = place_of(key, version);
  {
    std::lock_guard lock(mutex_);
    const auto found = cache_.find(place);
    if (found != cache_.end() && clock_.mono() - found->second.since <= kCachedFor) return found->second.secret;
  }
  COFFER_TRY(auto row, rows::material(t, key.account, key.id, version));
  if (!row) return Error{ErrorCode::kCorruption, key.arn() + " has no key material " + std::to_string(version), {}};
  COFFER_TRY(Bytes plain, crypto::open_sealed(root_, crypto::ObjectKind::kKeyMaterial, place, row->sealed));
  auto secret = std::make_shared<const Secret>(std::move(plain));
  std::lock_guard lock(mutex_);
  if (cache_.size() >= kCachedMax) cache_.clear();
  cache_[place] = {secret, clock_.mono()};
  return secret;
}

void MaterialCache::forget_old() {
  std::lock_guard lock(mutex_);
  std::erase_if(cache_, [&](const auto& entry) { return clock_.mono() - entry.second.since > kCachedFor; });
}

void MaterialCache::forget(const Key& key) {
  std::lock_guard lock(mutex_);
  const std::string prefix = "kms/" + key.account + "/" + key.id + "/";
  std::erase_if(cache_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

Result<Secret> generate_material(const Request& r, std::string_view spec_name) {
  const Spec* spec = find_spec(spec_name);
  COFFER_ASSERT(spec);
  if (spec->kind) return crypto::KeyPair::generate(*spec->kind).pkcs8();
  Bytes random(spec->mac ? crypto::hash_size(*spec->mac) : crypto::kBackingKeySize);
  r.setting.entropy.fill(random);
  return Secret(std::move(random));
}

Result<rows::Material> make_material(const Request& r, const Key& key, int64_t version, const Secret& secret,
                                     std::string_view rotation) {
  rows::Material material;
  material.version = version;
  material.created = r.now();
  material.rotation = rotation;
  // Tells materials apart, and nothing about them.
  Bytes seed = to_bytes("kms key material id v1");
  append(seed, secret.view());
  append(seed, as_bytes(key.id));
  const auto digest = crypto::sha256(seed);
  wipe(seed);
  material.digest = to_hex(digest);
  crypto::SealParameters parameters;
  parameters.object_id = r.setting.entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kKeyMaterial;
  parameters.place = place_of(key, version);
  parameters.segment_log2 = 12;
  material.sealed = crypto::seal(r.setting.root, parameters, secret.view(), r.setting.entropy);
  // What cannot be opened again must not be relied on.
  COFFER_TRY(Bytes opened,
             crypto::open_sealed(r.setting.root, crypto::ObjectKind::kKeyMaterial, parameters.place, material.sealed));
  const bool same = equal(opened, secret.view());
  wipe(opened);
  COFFER_ASSERT(same);
  return material;
}

Status rotate(const Request& r, Key& key, std::string_view kind) {
  COFFER_TRY(Secret secret, generate_material(r, key.spec));
  COFFER_TRY(rows::Material material, make_material(r, key, key.material + 1, secret, kind));
  COFFER_CHECK_OK(rows::insert_material(r.t(), key.account, key.id, material));
  COFFER_TRY(auto all, rows::replicas(r.t(), key.account, key.id));
  for (Key& one : all) {
    one.material = material.version;
    if (kind == "ON_DEMAND") {
      ++one.rotations_on_demand;  // the schedule stays as it is
    } else {
      one.next_rotation = r.now() + std::chrono::hours(24 * one.rotation_days);
    }
    COFFER_CHECK_OK(rows::update_key(r.t(), one));
    if (one.region == key.region) key = one;
  }
  return ok_status();
}

Result<Value> enable_key_rotation(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_rotated_here(key));
  COFFER_TRY(auto all, rows::replicas(r.t(), key.account, key.id));
  for (Key& one : all) {
    one.rotates = true;
    one.rotation_days = r.input().integer("RotationPeriodInDays").value_or(365);
    one.next_rotation = r.now() + std::chrono::hours(24 * one.rotation_days);
    COFFER_CHECK_OK(rows::update_key(r.t(), one));
  }
  return Value();
}

Result<Value> disable_key_rotation(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_rotated_here(key));
  COFFER_TRY(auto all, rows::replicas(r.t(), key.account, key.id));
  for (Key& one : all) {
    one.rotates = false;
    one.next_rotation.reset();
    COFFER_CHECK_OK(rows::update_key(r.t(), one));
  }
  return Value();
}

Result<Value> get_key_rotation_status(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_rotatable(key));
  const bool rotates = key.rotates && !is_pending_deletion(key);
  Value output = Value::object({{"KeyRotationEnabled", rotates}, {"KeyId", key.arn()}});
  if (rotates) {
    output.set("RotationPeriodInDays", key.rotation_days);
    if (key.next_rotation) output.set("NextRotationDate", *key.next_rotation);
  }
  return output;
}

Result<Value> list_key_rotations(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (!key.symmetric()) return unsupported(key.arn() + " has no rotations.");
  COFFER_TRY(std::string after, begin_of_page(r));
  const auto limit = static_cast<size_t>(r.input().integer("Limit").value_or(100));
  COFFER_TRY(auto all, rows::materials(r.t(), key.account, key.id));
  api::List list;
  std::string last;
  bool more = false;
  const bool with_first = r.text("IncludeKeyMaterial") == "ALL_KEY_MATERIAL";
  for (const auto& material : all) {
    const std::string number = std::to_string(1'000'000'000 + material.version);
    if ((material.rotation.empty() && !with_first) || number <= after) continue;
    if (list.size() == limit) {
      more = true;
      break;
    }
    Value one = Value::object({{"KeyId", key.arn()},
                               {"KeyMaterialId", material.digest},
                               {"KeyMaterialState", material.version == key.material ? "CURRENT" : "NON_CURRENT"}});
    if (!material.rotation.empty()) one.set("RotationDate", material.created).set("RotationType", material.rotation);
    list.push_back(std::move(one));
    last = number;
  }
  Value output = Value::object({{"Rotations", std::move(list)}, {"Truncated", more}});
  if (more) output.set("NextMarker", marker_behind(r, last));
  return output;
}

Result<Value> rotate_key_on_demand(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  COFFER_CHECK_OK(check_rotated_here(key));
  if (key.rotations_on_demand >= kRotationsOnDemandMax)
    return api::fault(ErrorCode::kResourceExhausted, "LimitExceededException",
                      "A key is rotated on demand at most 25 times.");
  if (key.rotates && key.next_rotation && *key.next_rotation <= r.now() + kRotationAheadMin)
    return api::fault(ErrorCode::kConflict, "ConflictException",
                      "The automatic rotation of " + key.arn() + " is due within 20 minutes.");
  COFFER_CHECK_OK(rotate(r, key, "ON_DEMAND"));
  return Value::object({{"KeyId", key.arn()}});
}

Result<Value> get_parameters_for_import(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (key.origin != "EXTERNAL")
    return unsupported(key.arn() + " origin is " + key.origin + " which is not valid for this operation.");
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  const std::string wrapping = r.text("WrappingKeySpec"), algorithm = r.text("WrappingAlgorithm");
  const Spec* spec = find_spec(wrapping);
  if (!spec || !spec->kind || !crypto::is_rsa(*spec->kind) ||
      (!oaep_hash(algorithm) && !algorithm.starts_with("RSA_AES_KEY_WRAP_SHA_")))
    return unsupported("The wrapping " + algorithm + " with " + wrapping + " is not supported here.");
  const crypto::KeyPair pair = crypto::KeyPair::generate(*spec->kind);
  const WallTime valid_to = r.now() + kImportTokenLife;
  // The token carries its own private key, sealed for this key alone: nothing has to be remembered.
  Bytes plain;
  ByteWriter writer(plain);
  writer.u64(static_cast<uint64_t>(valid_to.micros));
  writer.string16(algorithm);
  writer.string16(wrapping);
  const Secret private_key = pair.pkcs8();
  writer.bytes(private_key.view());
  crypto::SealParameters parameters;
  parameters.object_id = r.setting.entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kKeyMaterial;
  parameters.place = import_place(key);
  parameters.segment_log2 = 12;
  Bytes token = crypto::seal(r.setting.root, parameters, plain, r.setting.entropy);
  wipe(plain);
  return Value::object({{"KeyId", key.arn()},
                        {"ImportToken", std::move(token)},
                        {"PublicKey", pair.public_key()},
                        {"ParametersValidTo", valid_to}});
}

Result<Value> import_key_material(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (key.origin != "EXTERNAL")
    return unsupported(key.arn() + " origin is " + key.origin + " which is not valid for this operation.");
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  const bool expires = r.text("ExpirationModel") != "KEY_MATERIAL_DOES_NOT_EXPIRE";
  const auto valid_to = r.input().time("ValidTo");
  if (expires != valid_to.has_value() || (valid_to && *valid_to <= r.now()))
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "ValidTo must be a time to come when the key material expires, and absent when it does not.");
  const auto bad_token = [](std::string_view name) {
    return api::fault(ErrorCode::kInvalidArgument, name, "The import token does not fit this key.");
  };
  Result<Bytes> opened = crypto::open_sealed(r.setting.root, crypto::ObjectKind::kKeyMaterial, import_place(key),
                                             r.input().blob("ImportToken"));
  if (!opened.ok()) return bad_token("InvalidImportTokenException");
  ByteReader reader(*opened);
  const WallTime token_ends{static_cast<int64_t>(reader.u64())};
  const std::string algorithm = reader.string16(), wrapping = reader.string16();
  if (token_ends <= r.now()) return bad_token("ExpiredImportTokenException");
  const Spec* spec = find_spec(wrapping);
  COFFER_ASSERT(spec && spec->kind && reader.ok());
  COFFER_TRY(crypto::KeyPair pair, crypto::KeyPair::from_own_pkcs8(*spec->kind, reader.bytes(reader.left())));
  wipe(*opened);
  const Error unreadable = api::fault(ErrorCode::kInvalidArgument, "InvalidCiphertextException",
                                      "The key material does not open with this import token.");
  ByteView wrapped = r.input().blob("EncryptedKeyMaterial");
  Secret secret;
  if (const auto hash = oaep_hash(algorithm)) {
    Result<Secret> plain = pair.decrypt_oaep(*hash, wrapped);
    if (!plain.ok()) return unreadable;
    secret = std::move(*plain);
  } else {
    // RSA_AES_KEY_WRAP: an AES key under OAEP, then the material under that key.
    const size_t rsa_size = *spec->kind == crypto::KeyKind::kRsa2048   ? 256
                            : *spec->kind == crypto::KeyKind::kRsa3072 ? 384
                                                                       : 512;
    const auto rsa_hash = algorithm.ends_with("SHA_1") ? crypto::Hash::kSha1 : crypto::Hash::kSha256;
    if (wrapped.size() <= rsa_size) return unreadable;
    Result<Secret> wrapper = pair.decrypt_oaep(rsa_hash, wrapped.first(rsa_size));
    if (!wrapper.ok() || wrapper->size() != 32) return unreadable;
    Result<Secret> plain = crypto::unwrap_key_padded(wrapper->view(), wrapped.subspan(rsa_size));
    if (!plain.ok()) return unreadable;
    secret = std::move(*plain);
  }
  if (secret.size() != kImportedSize)
    return api::fault(ErrorCode::kInvalidArgument, "IncorrectKeyMaterialException",
                      "Key material of a symmetric key has 32 bytes.");
  // The 32 bytes of the owner give the 64 that blobs are made with.
  const Secret backing(
      crypto::hkdf_expand_sha512(secret.view(), as_bytes("kms imported material v1"), crypto::kBackingKeySize));
  COFFER_TRY(rows::Material material, make_material(r, key, 1, backing, ""));
  COFFER_TRY(auto there, rows::material(r.t(), key.account, key.id, 1));
  // Its digest stays when the material goes: only the same may come back.
  if (there && there->digest != material.digest)
    return api::fault(ErrorCode::kInvalidArgument, "IncorrectKeyMaterialException",
                      "This key had other key material before, and takes only that.");
  COFFER_CHECK_OK(rows::remove_materials(r.t(), key.account, key.id));
  COFFER_CHECK_OK(rows::insert_material(r.t(), key.account, key.id, material));
  if (key.state == "PendingImport") key.state = "Enabled";  // a disabled key stays so
  key.material = material.version;
  key.valid_to = valid_to;
  COFFER_CHECK_OK(rows::update_key(r.t(), key));
  r.setting.materials.forget(key);
  return Value::object({{"KeyId", key.arn()}, {"KeyMaterialId", material.digest}});
}

Status drop_imported_material(catalog::Transaction& t, MaterialCache& cache, Key key) {
  COFFER_TRY(auto all, rows::replicas(t, key.account, key.id));
  // Each Region imports and loses it by itself; the bytes go with the last.
  const bool is_needed = std::any_of(
      all.begin(), all.end(), [&](const Key& other) { return other.region != key.region && other.material != 0; });
  COFFER_TRY(auto material, rows::material(t, key.account, key.id, 1));
  if (material && !is_needed) {
    material->sealed.clear();
    COFFER_CHECK_OK(rows::remove_materials(t, key.account, key.id));
    COFFER_CHECK_OK(rows::insert_material(t, key.account, key.id, *material));
  }
  // A key that is going keeps going.
  if (!is_pending_deletion(key)) key.state = "PendingImport";
  key.material = 0;
  key.valid_to.reset();
  cache.forget(key);
  return rows::update_key(t, key);
}

Result<Value> delete_imported_key_material(const Request& r) {
  COFFER_TRY(Key key, key_of(r, Naming::kNoAlias));
  if (key.origin != "EXTERNAL")
    return unsupported(key.arn() + " origin is " + key.origin + " which is not valid for this operation.");
  COFFER_CHECK_OK(check_state(key, Needs::kNotPending));
  COFFER_CHECK_OK(drop_imported_material(r.t(), r.setting.materials, key));
  return Value::object({{"KeyId", key.arn()}});
}

}  // namespace coffer::kms
