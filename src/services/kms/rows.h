// KMS's rows: keys per account and Region, their material (shared by the replicas of a multi-Region key), aliases,
// grants, tags.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/catalog/database.h"

namespace coffer::kms::rows {

using catalog::Transaction;

/// Grows whenever a transaction of this process that changed any of these rows has committed.
uint64_t changes();

struct Key {
  std::string account, region, id;  // id: a UUID, or "mrk-" and 32 digits
  std::string description, usage, spec, origin = "AWS_KMS", state = "Enabled", policy, manager = "CUSTOMER";
  WallTime created;
  std::optional<WallTime> deletion;
  int64_t pending_window_days = 0;
  std::string primary_region;  // multi-Region keys only
  int64_t material = 1;        // the version that new ciphertexts use; 0: it waits for material to be imported
  bool rotates = false;
  int64_t rotation_days = 365;
  std::optional<WallTime> next_rotation;
  std::optional<WallTime> valid_to;  // imported material
  int64_t rotations_on_demand = 0;

  [[nodiscard]] std::string arn() const { return "arn:aws:kms:" + region + ":" + account + ":key/" + id; }
  [[nodiscard]] bool multi_region() const { return !primary_region.empty(); }
  [[nodiscard]] bool is_replica() const { return multi_region() && primary_region != region; }
  [[nodiscard]] bool symmetric() const { return spec == "SYMMETRIC_DEFAULT"; }
};
Result<std::optional<Key>> find_key(Transaction&, std::string_view account, std::string_view region,
                                    std::string_view id);
/// In any account: ids are unique.
Result<std::optional<Key>> find_key_by_id(Transaction&, std::string_view region, std::string_view id);
Result<std::vector<Key>> list_keys(Transaction&, std::string_view account, std::string_view region,
                                   std::string_view after, int64_t limit);
/// The same key in every Region.
Result<std::vector<Key>> replicas(Transaction&, std::string_view account, std::string_view id);
/// Those with something to do by `now`: a deletion, a rotation, the end of imported material.
Result<std::vector<Key>> due(Transaction&, WallTime now);
Status insert_key(Transaction&, const Key&);
Status update_key(Transaction&, const Key&);
/// With aliases, grants and tags; with the material when no Region has the key any more.
Status remove_key(Transaction&, const Key&);

struct Material {
  int64_t version = 1;
  Bytes sealed;
  WallTime created;
  std::string rotation;  // "", "AUTOMATIC", "ON_DEMAND"
  std::string digest;    // 64 hexadecimal digits: KeyMaterialId
};
Result<std::vector<Material>> materials(Transaction&, std::string_view account, std::string_view id);
Result<std::optional<Material>> material(Transaction&, std::string_view account, std::string_view id, int64_t version);
Status insert_material(Transaction&, std::string_view account, std::string_view id, const Material&);
Status remove_materials(Transaction&, std::string_view account, std::string_view id);

struct Alias {
  std::string account, region, name, key_id;
  WallTime created, updated;
  [[nodiscard]] std::string arn() const { return "arn:aws:kms:" + region + ":" + account + ":" + name; }
};
Result<std::optional<Alias>> find_alias(Transaction&, std::string_view account, std::string_view region,
                                        std::string_view name);
Result<std::vector<Alias>> list_aliases(Transaction&, std::string_view account, std::string_view region,
                                        std::string_view after, int64_t limit);
Result<std::vector<Alias>> aliases_of(Transaction&, const Key&);
Status put_alias(Transaction&, const Alias&);
Status remove_alias(Transaction&, const Alias&);

struct Grant {
  std::string id, token, account, region, key_id, name, grantee, retiring, issuing_account;
  /// The unique ids of the two when they are users or roles: whoever takes their names later is not meant.
  std::string grantee_id, retiring_id;
  std::vector<std::string> operations;
  std::string constraint;  // "", "EncryptionContextSubset", "EncryptionContextEquals"
  std::map<std::string, std::string> context;
  WallTime created;
  [[nodiscard]] bool allows(std::string_view operation) const {
    return std::find(operations.begin(), operations.end(), operation) != operations.end();
  }
};
Result<std::vector<Grant>> grants_of(Transaction&, const Key&);
Result<std::vector<Grant>> grants_retirable_by(Transaction&, std::string_view region, std::string_view principal);
Result<std::optional<Grant>> find_grant(Transaction&, std::string_view id);
Result<std::optional<Grant>> find_grant_by_token(Transaction&, std::string_view token);
Status insert_grant(Transaction&, const Grant&);
Status remove_grant(Transaction&, std::string_view id);

struct Tag {
  std::string key, value;
};
Result<std::vector<Tag>> tags(Transaction&, const Key&);
Status put_tag(Transaction&, const Key&, const Tag&);
Status remove_tag(Transaction&, const Key&, std::string_view key);

}  // namespace coffer::kms::rows
