// Vaults: made, shown, listed, deleted.
#include <algorithm>

#include "services/backup/events.h"
#include "services/backup/operations.h"
#include "services/rds/service_keys.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Vault;

constexpr size_t kVaultsMax = 300;
constexpr const char *kOrdinary = "BACKUP_VAULT", *kAirGapped = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT";
constexpr int64_t kAirGappedMinDays = 7, kDaysMax = 36'500;

/// The key that a new vault seals with, found before the transaction that makes the vault.
struct VaultKey {
  std::string arn, type;
};

bool is_vault_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= 50 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

Result<VaultKey> named_key(const Setting& s, const api::Operation& o, const std::string& key) {
  api::Call call = o.call;
  call.service = "kms";
  call.operation = "DescribeKey";
  call.via_service = kPrincipal;
  auto described = s.invoke(call, o.identity, Value::object({{"KeyId", key}}));
  if (!described.ok()) {
    if (described.code() == ErrorCode::kPermissionDenied || is_passing(described.error()))
      return std::move(described).error();
    return invalid("Invalid EncryptionKeyArn: " + described.error().message);
  }
  const Value* metadata = described->find("KeyMetadata");
  if (!metadata) return Error{ErrorCode::kInternal, "DescribeKey answers without KeyMetadata", {}};
  if (metadata->text("KeySpec") != "SYMMETRIC_DEFAULT" || metadata->text("KeyUsage") != "ENCRYPT_DECRYPT")
    return invalid("The key " + key + " is not a symmetric encryption key.");
  if (metadata->text("KeyState") != "Enabled") return invalid("The key " + key + " is not enabled.");
  // An AWS managed key is neither of the two types that the model knows.
  VaultKey found{std::string(metadata->text("Arn")),
                 metadata->text("KeyManager") == "CUSTOMER" ? "CUSTOMER_MANAGED_KMS_KEY" : ""};
  // Jobs open the vault when nobody asks, so that whoever makes it has to be able to let us.
  COFFER_CHECK_OK(rds::let_service_use_key(s.invoke, o, found.arn, kPrincipal));
  return found;
}

/// As on AWS, the key aws/backup is made when it is first needed.
Result<VaultKey> default_key(const Setting& s, const api::Operation& o, const char* type) {
  api::Call call = o.call;
  call.service = "kms";
  call.operation = "CreateAwsManagedKey";
  call.source_account = o.call.caller.account;
  call.caller = api::Caller{};
  call.caller.kind = api::Caller::Kind::kService;
  call.caller.arn = kPrincipal;
  COFFER_TRY(const Value made, s.invoke(call, nullptr, Value::object()));
  return VaultKey{
      "arn:aws:kms:" + o.call.region + ":" + call.source_account + ":key/" + std::string(made.text("KeyId")), type};
}

Value vault_value(const Vault& vault, int64_t points, std::string_view state) {
  Value value = Value::object({{"BackupVaultName", vault.name},
                               {"BackupVaultArn", vault.arn()},
                               {"VaultType", vault.kind},
                               {"VaultState", state},
                               {"CreationDate", vault.created},
                               {"EncryptionKeyArn", vault.key_arn},
                               {"NumberOfRecoveryPoints", points},
                               {"Locked", vault.locked}});
  if (!vault.key_type.empty()) value.set("EncryptionKeyType", vault.key_type);
  if (!vault.request_id.empty()) value.set("CreatorRequestId", vault.request_id);
  if (vault.min_days) value.set("MinRetentionDays", *vault.min_days);
  if (vault.max_days) value.set("MaxRetentionDays", *vault.max_days);
  if (vault.lock_date) value.set("LockDate", *vault.lock_date);
  return value;
}

Result<int64_t> count_points(catalog::Transaction& t, const Vault& vault) {
  COFFER_TRY(const auto row,
             t.first("SELECT COUNT(*) FROM backup_points WHERE account = $1 AND region = $2 AND vault = $3",
                     {vault.account, vault.region, vault.name}));
  return row->integer(0);
}

/// The vault of the input, not there before. With it the answer when a repeated request made it already.
Result<Vault> new_vault(const Request& r, const char* kind, bool& repeated) {
  const std::string name = r.text("BackupVaultName"), request_id = r.text("CreatorRequestId");
  if (!is_vault_name(name))
    return invalid("Invalid backup vault name. A name has 2 to 50 letters, digits, hyphens and underscores.");
  COFFER_CHECK_OK(check_tags(r.input().text_map("BackupVaultTags")));
  COFFER_TRY(auto there, rows::find_vault(r.t(), r.account(), r.region(), name));
  if (there) {
    repeated = !request_id.empty() && there->request_id == request_id && there->kind == kind;
    if (repeated) return std::move(*there);
    return already_exists("Backup vault with the same name already exists: " + there->arn());
  }
  COFFER_TRY(const auto count, r.t().first("SELECT COUNT(*) FROM backup_vaults WHERE account = $1 AND region = $2",
                                           {r.account(), r.region()}));
  if (static_cast<size_t>(count->integer(0)) >= kVaultsMax)
    return limit_exceeded("An account has at most 300 backup vaults in a Region.");
  const auto* key = static_cast<const VaultKey*>(r.operation.prepared.get());
  if (!key) return Error{ErrorCode::kInternal, "a vault needs its key first", {}};
  Vault vault;
  vault.account = r.account();
  vault.region = r.region();
  vault.name = name;
  vault.kind = kind;
  vault.key_arn = key->arn;
  vault.key_type = key->type;
  vault.created = r.now();
  vault.request_id = request_id;
  return vault;
}

Status store(const Request& r, const Vault& vault) {
  COFFER_CHECK_OK(make_page_key(r));
  COFFER_CHECK_OK(rows::insert(r.t(), vault));
  COFFER_CHECK_OK(rows::put_tags(r.t(), vault.arn(), r.input().text_map("BackupVaultTags")));
  return tell_vault(r.t(), r.setting.entropy, vault, "CREATED", r.now());
}

Value created_value(const Vault& vault) {
  return Value::object(
      {{"BackupVaultName", vault.name}, {"BackupVaultArn", vault.arn()}, {"CreationDate", vault.created}});
}

}  // namespace

Result<std::shared_ptr<void>> prepare_vault(const Request& r) {
  const Setting& s = r.setting;
  const api::Operation& o = r.operation;
  const std::string key = r.text("EncryptionKeyArn");
  const bool air_gapped = r.call().operation == "CreateLogicallyAirGappedBackupVault";
  Result<VaultKey> found =
      key.empty() ? default_key(s, o, air_gapped ? "AWS_OWNED_KMS_KEY" : "") : named_key(s, o, key);
  if (!found.ok()) return std::move(found).error();
  return std::shared_ptr<void>(std::make_shared<VaultKey>(std::move(*found)));
}

Result<Value> create_vault(const Request& r) {
  bool repeated = false;
  COFFER_TRY(const Vault vault, new_vault(r, kOrdinary, repeated));
  if (!repeated) COFFER_CHECK_OK(store(r, vault));
  return created_value(vault);
}

Result<Value> create_air_gapped_vault(const Request& r) {
  const int64_t least = r.input().integer("MinRetentionDays").value_or(0),
                most = r.input().integer("MaxRetentionDays").value_or(0);
  if (least < kAirGappedMinDays || most < least || most > kDaysMax)
    return invalid(
        "MinRetentionDays must be at least 7, and MaxRetentionDays at least MinRetentionDays and at most 36500.");
  bool repeated = false;
  COFFER_TRY(Vault vault, new_vault(r, kAirGapped, repeated));
  vault.min_days = least;
  vault.max_days = most;
  // In compliance mode from birth: no grace time.
  vault.locked = vault.immutable = true;
  vault.lock_date = vault.created;
  if (!repeated) COFFER_CHECK_OK(store(r, vault));
  Value output = created_value(vault);
  output.set("VaultState", "AVAILABLE");
  return output;
}

Result<Value> describe_vault(const Request& r) {
  COFFER_TRY(const Vault vault, vault_of(r));
  COFFER_TRY(const int64_t points, count_points(r.t(), vault));
  return vault_value(vault, points, "AVAILABLE");
}

Result<Value> list_vaults(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string kind = r.text("ByVaultType");
  const bool none = r.input().flag("ByShared");  // nobody shares vaults here
  COFFER_TRY(std::vector<Vault> vaults,
             rows::select<Vault>(r.t(),
                                 "WHERE account = $1 AND region = $2 AND name > $3 AND ($4 = '' OR kind = $4) "
                                 "ORDER BY name LIMIT $5",
                                 {r.account(), r.region(), page.after, kind, static_cast<int64_t>(page.limit) + 1}));
  if (none) vaults.clear();
  Value output = Value::object();
  api::List list;
  for (const Vault& vault : vaults) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, vaults[page.limit - 1].name));
      break;
    }
    COFFER_TRY(const int64_t points, count_points(r.t(), vault));
    list.push_back(vault_value(vault, points, "AVAILABLE"));
  }
  output.set("BackupVaultList", std::move(list));
  return output;
}

Result<Value> delete_vault(const Request& r) {
  COFFER_TRY(const Vault vault, vault_of(r));
  COFFER_TRY(const int64_t points, count_points(r.t(), vault));
  if (points > 0) return refused("Backup vault cannot be deleted because it contains recovery points. " + vault.name);
  COFFER_TRY(const auto busy,
             r.t().first("SELECT id FROM backup_jobs WHERE account = $1 AND region = $2 AND vault = $3 AND deadline IS "
                         "NOT NULL AND started IS NOT NULL LIMIT 1",
                         {vault.account, vault.region, vault.name}));
  if (busy) return refused("Backup vault cannot be deleted while the backup job " + busy->text(0) + " runs.");
  COFFER_CHECK_OK(rows::remove(r.t(), vault));
  COFFER_CHECK_OK(rows::remove_tags(r.t(), vault.arn()));
  COFFER_CHECK_OK(tell_vault(r.t(), r.setting.entropy, vault, "DELETED", r.now()));
  return Value::object();
}

}  // namespace coffer::backup
