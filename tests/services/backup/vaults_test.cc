#include "services/backup/world.h"

namespace coffer::backup {
namespace {

using testing::ElementsAre;

class Vaults : public World {
 protected:
  Value vault_named(const std::string& name) {
    return must(backup("DescribeBackupVault", object({{"BackupVaultName", name}})));
  }
  Result<Value> with_vault(const std::string& operation, const std::string& name, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("BackupVaultName", name);
    return backup(operation, more);
  }
};

TEST_F(Vaults, AVaultIsMadeOnceWithItsKeyAndTold) {
  const std::string arn = vault("daily", object({{"CreatorRequestId", "one"}}));
  EXPECT_EQ(arn, "arn:aws:backup:us-east-1:111111111111:backup-vault:daily");
  EXPECT_EQ(vault("daily", object({{"CreatorRequestId", "one"}})), arn);
  EXPECT_EQ(error_of(with_vault("CreateBackupVault", "daily")), "AlreadyExistsException");
  const Value described = vault_named("daily");
  EXPECT_TRUE(described.text("EncryptionKeyArn").starts_with("arn:aws:kms:us-east-1:111111111111:key/"));
  EXPECT_EQ(described.text("VaultType"), "BACKUP_VAULT");
  EXPECT_EQ(described.text("VaultState"), "AVAILABLE");
  EXPECT_FALSE(described.flag("Locked", true));
  const auto told = events("Backup Vault State Change");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].state(), "CREATED");
  EXPECT_EQ(told[0].text("backupVaultName"), "daily");
}

TEST_F(Vaults, AVaultTakesAKeyOfItsOwnerAndRefusesOneThatIsNotThere) {
  api::Call kms_call = call_of(*identity(root()), "kms", "CreateKey");
  const Value key = must(gate_->run(kms_call, identity(root()).get(), Value::object()));
  const std::string arn(key.find("KeyMetadata")->text("Arn"));
  vault("own", object({{"EncryptionKeyArn", arn}}));
  EXPECT_EQ(vault_named("own").text("EncryptionKeyArn"), arn);
  EXPECT_EQ(vault_named("own").text("EncryptionKeyType"), "CUSTOMER_MANAGED_KMS_KEY");
  EXPECT_EQ(
      error_of(with_vault("CreateBackupVault", "other",
                          object({{"EncryptionKeyArn",
                                   "arn:aws:kms:us-east-1:111111111111:key/00000000-0000-4000-8000-000000000000"}}))),
      "InvalidParameterValueException");
}

TEST_F(Vaults, NamesAreChecked) {
  for (const char* name : {"a", "with space", "", "a/b", "ü2"})
    EXPECT_EQ(error_of(with_vault("CreateBackupVault", name)), "InvalidParameterValueException") << name;
  EXPECT_EQ(error_of(with_vault("CreateBackupVault", std::string(51, 'a'))), "InvalidParameterValueException");
  EXPECT_EQ(error_of(with_vault("DescribeBackupVault", "missing")), "ResourceNotFoundException");
}

TEST_F(Vaults, VaultsAreListedInPagesPerRegion) {
  for (const char* name : {"a1", "a2", "a3"}) vault(name);
  vault("far", {}, kFar);
  Value page = must(backup("ListBackupVaults", object({{"MaxResults", 2}})));
  EXPECT_EQ(page.list("BackupVaultList").size(), 2u);
  page = must(backup("ListBackupVaults", object({{"MaxResults", 2}, {"NextToken", page.text("NextToken")}})));
  ASSERT_EQ(page.list("BackupVaultList").size(), 1u);
  EXPECT_EQ(page.list("BackupVaultList")[0].text("BackupVaultName"), "a3");
  EXPECT_FALSE(page.has("NextToken"));
}

TEST_F(Vaults, AVaultWithPointsIsNotDeleted) {
  vault("daily");
  const std::string arn = point("daily", database("orders"));
  EXPECT_EQ(error_of(with_vault("DeleteBackupVault", "daily")), "InvalidRequestException");
  must(backup("DeleteRecoveryPoint", object({{"BackupVaultName", "daily"}, {"RecoveryPointArn", arn}})));
  EXPECT_EQ(status("daily", arn), "DELETING");
  work();
  EXPECT_EQ(status("daily", arn), "ResourceNotFoundException");
  EXPECT_EQ(engine_.count(), 0u);
  must(with_vault("DeleteBackupVault", "daily"));
  EXPECT_EQ(events("Backup Vault State Change").back().state(), "DELETED");
  pass(hours(1));
  EXPECT_EQ(engine_.collections, 1);
}

TEST_F(Vaults, APolicyOnTheVaultDecidesAboutItsPoints) {
  vault("daily");
  const std::string arn = point("daily", database("orders"));
  EXPECT_EQ(error_of(with_vault("GetBackupVaultAccessPolicy", "daily")), "ResourceNotFoundException");
  must(with_vault("PutBackupVaultAccessPolicy", "daily", object({{"Policy", R"({"Version":"2012-10-17","Statement":[
      {"Effect":"Deny","Principal":"*","Action":"backup:DeleteRecoveryPoint","Resource":"*"}]})"}})));
  const Keys admin = user("admin", allow("backup:*"));
  const Value input = object({{"BackupVaultName", "daily"}, {"RecoveryPointArn", arn}});
  EXPECT_EQ(error_of(call(admin, "DescribeRecoveryPoint", input)), "");
  EXPECT_EQ(error_of(call(admin, "DeleteRecoveryPoint", input)), "permission_denied");
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", input)), "permission_denied");
  must(with_vault("DeleteBackupVaultAccessPolicy", "daily"));
  EXPECT_EQ(error_of(call(admin, "DeleteRecoveryPoint", input)), "");
  EXPECT_EQ(error_of(with_vault("PutBackupVaultAccessPolicy", "daily", object({{"Policy", "{"}}))),
            "InvalidParameterValueException");
}

TEST_F(Vaults, NotificationsAreKept) {
  vault("daily");
  EXPECT_EQ(error_of(with_vault("GetBackupVaultNotifications", "daily")), "ResourceNotFoundException");
  must(with_vault("PutBackupVaultNotifications", "daily",
                  object({{"SNSTopicArn", "arn:aws:sns:us-east-1:111111111111:topic"},
                          {"BackupVaultEvents", texts({"BACKUP_JOB_COMPLETED"})}})));
  EXPECT_THAT(must(with_vault("GetBackupVaultNotifications", "daily")).texts("BackupVaultEvents"),
              ElementsAre("BACKUP_JOB_COMPLETED"));
  EXPECT_EQ(error_of(with_vault("PutBackupVaultNotifications", "daily",
                                object({{"SNSTopicArn", "arn:aws:sns:us-east-1:111111111111:topic"},
                                        {"BackupVaultEvents", texts({"NONSENSE"})}}))),
            "InvalidParameterValueException");
  must(with_vault("DeleteBackupVaultNotifications", "daily"));
  EXPECT_EQ(error_of(with_vault("GetBackupVaultNotifications", "daily")), "ResourceNotFoundException");
}

TEST_F(Vaults, ALockBindsRetentionAndHandsOffPoints) {
  vault("daily");
  const std::string orders = database("orders");
  const std::string arn = point("daily", orders, object({{"Lifecycle", days(1)}}));
  must(with_vault("PutBackupVaultLockConfiguration", "daily",
                  object({{"MinRetentionDays", 7}, {"MaxRetentionDays", 30}})));
  EXPECT_TRUE(vault_named("daily").flag("Locked"));
  for (const auto& lifecycle : {days(6), days(31)})
    EXPECT_EQ(error_of(backup("StartBackupJob", job_input("daily", orders, object({{"Lifecycle", lifecycle}})))),
              "InvalidParameterValueException");
  EXPECT_EQ(error_of(backup("StartBackupJob", job_input("daily", orders))), "InvalidParameterValueException");
  EXPECT_EQ(error_of(backup("StartBackupJob", job_input("daily", orders, object({{"Lifecycle", days(7)}})))), "");
  const Value input = object({{"BackupVaultName", "daily"}, {"RecoveryPointArn", arn}});
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", input)), "InvalidRequestException");
  Value change = input;
  change.set("Lifecycle", days(1));
  EXPECT_EQ(error_of(backup("UpdateRecoveryPointLifecycle", change)), "InvalidRequestException");
  must(with_vault("DeleteBackupVaultLockConfiguration", "daily"));  // governance mode
  EXPECT_EQ(error_of(backup("DeleteRecoveryPoint", input)), "");
}

TEST_F(Vaults, AComplianceLockStandsAfterItsGraceTimeWhateverTheClockSaysLater) {
  vault("daily");
  EXPECT_EQ(error_of(with_vault("PutBackupVaultLockConfiguration", "daily", object({{"ChangeableForDays", 2}}))),
            "InvalidParameterValueException");
  must(with_vault("PutBackupVaultLockConfiguration", "daily",
                  object({{"MinRetentionDays", 7}, {"ChangeableForDays", 3}})));
  const WallTime locked = clock_.wall();
  EXPECT_EQ(vault_named("daily").time("LockDate"), locked + std::chrono::hours(72));
  pass_days(2);
  must(with_vault("PutBackupVaultLockConfiguration", "daily",
                  object({{"MinRetentionDays", 8}, {"ChangeableForDays", 3}})));
  pass_days(3);
  for (const WallTime shown : {clock_.wall(), locked, locked - std::chrono::hours(24 * 365 * 100)}) {
    clock_.jump_to(shown);
    EXPECT_EQ(error_of(with_vault("DeleteBackupVaultLockConfiguration", "daily")), "InvalidRequestException");
    EXPECT_EQ(error_of(with_vault("PutBackupVaultLockConfiguration", "daily", object({{"MinRetentionDays", 1}}))),
              "InvalidRequestException");
    must(backup_->run_due(Context(), clock_.wall()));
  }
}

TEST_F(Vaults, AnAirGappedVaultIsLockedFromBirth) {
  const Value input = object({{"BackupVaultName", "gap"}, {"MinRetentionDays", 7}, {"MaxRetentionDays", 30}});
  EXPECT_EQ(must(backup("CreateLogicallyAirGappedBackupVault", input)).text("VaultState"), "AVAILABLE");
  const Value described = vault_named("gap");
  EXPECT_EQ(described.text("VaultType"), "LOGICALLY_AIR_GAPPED_BACKUP_VAULT");
  EXPECT_TRUE(described.flag("Locked"));
  EXPECT_EQ(error_of(with_vault("DeleteBackupVaultLockConfiguration", "gap")), "InvalidRequestException");
  Value wrong = input;
  wrong.set("MinRetentionDays", 6);
  EXPECT_EQ(error_of(backup("CreateLogicallyAirGappedBackupVault", wrong)), "InvalidParameterValueException");
}

TEST_F(Vaults, TagsAreKeptShownAndDecideAboutAccess) {
  const std::string arn = vault("daily", object({{"BackupVaultTags", api::text_map({{"team", "a"}})}}));
  must(backup("TagResource", object({{"ResourceArn", arn}, {"Tags", api::text_map({{"stage", "prod"}})}})));
  EXPECT_EQ(must(backup("ListTags", object({{"ResourceArn", arn}}))).text_map("Tags").size(), 2u);
  const Keys of_team = user("a", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"backup:*",
      "Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}]})");
  EXPECT_EQ(error_of(call(of_team, "DescribeBackupVault", object({{"BackupVaultName", "daily"}}))), "");
  must(backup("UntagResource", object({{"ResourceArn", arn}, {"TagKeyList", texts({"team"})}})));
  EXPECT_EQ(error_of(call(of_team, "DescribeBackupVault", object({{"BackupVaultName", "daily"}}))),
            "permission_denied");
  EXPECT_EQ(error_of(backup("TagResource", object({{"ResourceArn", arn}, {"Tags", api::text_map({{"aws:x", "1"}})}}))),
            "InvalidParameterValueException");
  EXPECT_EQ(error_of(backup("ListTags", object({{"ResourceArn", arn + "x"}}))), "ResourceNotFoundException");
}

TEST_F(Vaults, SettingsOfARegionAreToldAndKeepTagSelectionsFromTypesThatAreOff) {
  EXPECT_TRUE(must(backup("DescribeRegionSettings")).find("ResourceTypeOptInPreference")->flag("RDS"));
  must(backup("UpdateRegionSettings", object({{"ResourceTypeOptInPreference", object({{"RDS", false}})}})));
  EXPECT_FALSE(must(backup("DescribeRegionSettings")).find("ResourceTypeOptInPreference")->flag("RDS"));
  const auto told = events("Region Setting State Change");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told[0].detail().at("ResourceTypeOptInPreference").at("RDS").as_bool());
  EXPECT_EQ(
      error_of(backup("UpdateRegionSettings", object({{"ResourceTypeOptInPreference", object({{"EFS", true}})}}))),
      "InvalidParameterValueException");
}

}  // namespace
}  // namespace coffer::backup
