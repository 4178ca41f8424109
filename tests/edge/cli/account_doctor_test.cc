#include "edge/cli/account_doctor.h"

#include <gtest/gtest.h>

#include <map>

#include "edge/cli/account_findings.h"

namespace coffer::cli {
namespace {

using nlohmann::json;

const std::string kMain = "111111111111", kSecond = "222222222222";

/// Answers what the test gave it; everything else is empty or not there.
class FakeApi final : public AccountApi {
 public:
  explicit FakeApi(std::string account) : account_(std::move(account)) {}

  std::map<std::string, json> answers;       // by target and input, or path
  std::map<std::string, std::string> pages;  // XML by path or action
  std::map<std::string, Error> errors;

  Result<json> call(std::string_view, std::string_view target, const json& input) override {
    const std::string key = std::string(target.substr(target.find('.') + 1)) + (input.empty() ? "" : input.dump());
    if (const auto error = errors.find(key); error != errors.end()) return error->second;
    const auto found = answers.find(key);
    return found == answers.end() ? json::object() : found->second;
  }
  Result<json> get(std::string_view, const std::string& path) override {
    if (const auto error = errors.find(path); error != errors.end()) return error->second;
    if (const auto found = answers.find(path); found != answers.end()) return found->second;
    if (path.ends_with("/backup-vaults/") || path.ends_with("/plans/")) return json::object();
    return Error{ErrorCode::kNotFound, "no " + path, {}, "ResourceNotFoundException"};
  }
  Result<xml::Element> get_xml(const std::string& path) override {
    const auto found = pages.find(path);
    if (found == pages.end() && path == "/") return xml::parse("<ListAllMyBucketsResult/>");
    if (found == pages.end()) return Error{ErrorCode::kNotFound, "no " + path, {}, "NoSuchBucket"};
    if (found->second.empty()) return Error{ErrorCode::kNotFound, "none", {}, "NoSuchLifecycleConfiguration"};
    return xml::parse(found->second);
  }
  Result<xml::Element> query(std::string_view, const std::string& action, const Parameters&) override {
    if (action == "GetCallerIdentity") return xml::parse("<r><Account>" + account_ + "</Account></r>");
    const auto found = pages.find(action);
    return xml::parse(found == pages.end() ? "<r/>" : found->second);
  }
  Result<Bytes> download(const std::string& url) override { return to_bytes(url); }

 private:
  std::string account_;
};

class AccountDoctor : public testing::Test {
 protected:
  AccountDoctor() {
    auto main = std::make_unique<FakeApi>(kMain);
    auto second = std::make_unique<FakeApi>(kSecond);
    main_ = main.get();
    second_ = second.get();
    accounts_.push_back({"main", std::move(main), {}});
    accounts_.push_back({"second", std::move(second), {}});
  }
  std::vector<jobs::DoctorLine> lines() {
    return examine_accounts(accounts_, [&](ByteView zip) -> Result<std::vector<std::pair<std::string, std::string>>> {
      return std::vector<std::pair<std::string, std::string>>{{"lambda_function.py", sources_.at(to_text(zip))}};
    });
  }
  /// The ids of what is not good, in their order.
  std::string ids() {
    std::string all;
    for (const auto& line : lines()) {
      if (line.level == Level::kGood) continue;
      all += (all.empty() ? "" : " ") + line.id;
      EXPECT_FALSE(line.what.empty() || line.why.empty() || line.next.empty()) << line.id;
    }
    return all;
  }
  void give_key(const std::string& id, const std::string& policy) {
    main_->answers["ListKeys"]["Keys"].push_back({{"KeyId", id}});
    main_->answers["DescribeKey" + json{{"KeyId", id}}.dump()] = {
        {"KeyMetadata", {{"KeyManager", "CUSTOMER"}, {"KeyState", "Enabled"}, {"Arn", "arn:key/" + id}}}};
    main_->answers["GetKeyPolicy" + json{{"KeyId", id}}.dump()] = {{"Policy", policy}};
  }
  static std::string statement(const json& principal, const json& action, const json& resource = "*") {
    return json{
        {"Version", "2012-10-17"},
        {"Statement", {{{"Effect", "Allow"}, {"Principal", principal}, {"Action", action}, {"Resource", resource}}}}}
        .dump();
  }
  void give_rule(const std::string& name, const json& pattern, const json& targets) {
    main_->answers["ListRules"]["Rules"].push_back({{"Name", name}, {"EventPattern", pattern.dump()}});
    main_->answers["ListTargetsByRule" + json{{"Rule", name}}.dump()] = {{"Targets", targets}};
  }
  void give_function(const std::string& name, const json& configuration, const std::string& source) {
    main_->answers["/2015-03-31/functions/" + name] = {{"Configuration", configuration},
                                                       {"Code", {{"Location", "zip of " + name}}}};
    sources_["zip of " + name] = source;
  }
  void give_role(const std::string& service, const std::string& policy) {
    main_->pages["GetAccountAuthorizationDetails"] =
        "<r><RoleDetailList><member><RoleName>export</RoleName><Path>/service-role/</Path><AssumeRolePolicyDocument>" +
        escaped(statement({{"Service", service}}, "sts:AssumeRole")) +
        "</AssumeRolePolicyDocument><RolePolicyList><member><PolicyName>p</PolicyName><PolicyDocument>" +
        escaped(policy) + "</PolicyDocument></member></RolePolicyList></member></RoleDetailList></r>";
  }
  static std::string escaped(const std::string& text) { return wire::percent_encode(text); }

  FakeApi* main_;
  FakeApi* second_;
  std::vector<ExaminedAccount> accounts_;
  std::map<std::string, std::string> sources_;
  const json backup_pattern_ = {{"source", {"aws.backup"}},
                                {"detail-type", {"Backup Job State Change"}},
                                {"detail", {{"backupVaultName", {"pdq-backup-vault"}}, {"state", {"COMPLETED"}}}}};
};

TEST_F(AccountDoctor, FindsNothingInAccountsWithoutWeaknesses) {
  EXPECT_EQ(ids(), "");
  EXPECT_EQ(lines().size(), 2U);
}

TEST_F(AccountDoctor, SaysWhomItCouldNotAsk) {
  main_->errors.emplace("ListKeys", Error{ErrorCode::kPermissionDenied, "no", {}});
  EXPECT_EQ(ids(), "key");
}

TEST_F(AccountDoctor, AKeyThatIsLentMakesNoIndependentCopy) {
  give_key("k", statement({{"AWS", {"arn:aws:iam::" + kMain + ":root", "arn:aws:iam::" + kSecond + ":role/r"}}},
                          {"kms:Encrypt", "kms:Decrypt"}));
  EXPECT_EQ(ids(), "key.single_owner");
  EXPECT_NE(lines()[0].what.find(kSecond), std::string::npos);
}

TEST_F(AccountDoctor, AWholeAccountInAKeyPolicyIsToldBesides) {
  give_key("k", statement({{"AWS", "arn:aws:iam::" + kSecond + ":root"}}, "kms:*"));
  EXPECT_EQ(ids(), "key.single_owner key.whole_account");
}

TEST_F(AccountDoctor, TheOwnRootAndServicesMayUseAKey) {
  give_key("k", statement({{"AWS", "arn:aws:iam::" + kMain + ":root"}, {"Service", "backup.amazonaws.com"}}, "kms:*"));
  EXPECT_EQ(ids(), "");
}

TEST_F(AccountDoctor, OnePersonWhoMayDeleteAKeyIsTold) {
  give_key("k", statement({{"AWS", "arn:aws:iam::" + kMain + ":user/name"}}, "kms:ScheduleKeyDeletion"));
  EXPECT_EQ(ids(), "key.deleted_by_one");
}

TEST_F(AccountDoctor, AnExportRoleWithAllOfS3IsTold) {
  give_role("export.rds.amazonaws.com", statement("*", "s3:*", "arn:aws:s3:::*/*"));
  EXPECT_EQ(ids(), "role.all_of_s3");
  give_role("export.rds.amazonaws.com",
            statement("*", {"s3:ListAllMyBuckets", "s3:PutAccountPublicAccessBlock", "s3:CreateJob"}));
  EXPECT_EQ(ids(), "role.account_level");
  give_role("export.rds.amazonaws.com", statement("*", "s3:*", "arn:aws:s3:::one/*"));
  EXPECT_EQ(ids(), "");
}

TEST_F(AccountDoctor, ARoleOfPeopleIsNotItsMatter) {
  main_->pages["GetAccountAuthorizationDetails"] =
      "<r><RoleDetailList><member><RoleName>admin</RoleName><AssumeRolePolicyDocument>" +
      escaped(statement({{"AWS", kMain}}, "sts:AssumeRole")) +
      "</AssumeRolePolicyDocument></member></RoleDetailList></r>";
  EXPECT_EQ(ids(), "");
}

TEST_F(AccountDoctor, TheFunctionOfTheSeedHasItsFourWeaknesses) {
  give_rule("on-backup", backup_pattern_,
            {{{"Id", "1"}, {"Arn", "arn:aws:lambda:us-east-2:" + kMain + ":function:copyBackupSnapshot"}}});
  give_function(
      "copyBackupSnapshot", {{"Timeout", 3}, {"Runtime", "python3.8"}},
      "from datetime import datetime\nnow = datetime.now().strftime('%d')\ndef lambda_handler(e, c):\n  pass\n");
  EXPECT_EQ(ids(),
            "rule.no_resource_type rule.no_failure function.timeout function.runtime function.no_dead_letter "
            "function.import_time");
}

TEST_F(AccountDoctor, AFunctionThatIsWellSetUpIsLeftAlone) {
  json pattern = backup_pattern_;
  pattern["detail"]["resourceType"] = {"RDS"};
  pattern["detail"]["state"] = {"COMPLETED", "FAILED"};
  give_rule("on-backup", pattern,
            {{{"Arn", "arn:aws:lambda:us-east-2:" + kMain + ":function:f:live"},
              {"DeadLetterConfig", {{"Arn", "arn:aws:sqs:us-east-2:" + kMain + ":lost"}}}}});
  give_function("f", {{"Timeout", 60}, {"Runtime", "python3.12"}}, "def handler(e, c):\n  return datetime.now()\n");
  main_->answers["/2019-09-25/functions/f/event-invoke-config"] = {
      {"DestinationConfig", {{"OnFailure", {{"Destination", "arn:aws:sqs:us-east-2:" + kMain + ":lost"}}}}}};
  EXPECT_EQ(ids(), "");
}

TEST_F(AccountDoctor, ARuleThatCallsNothingIsTold) {
  json pattern = backup_pattern_;
  pattern["source"] = {"other"};
  give_rule("r", pattern, {{{"Arn", "arn:aws:lambda:us-east-2:" + kMain + ":function:gone"}}});
  EXPECT_EQ(ids(), "function.missing");
}

TEST_F(AccountDoctor, ReplicasUnderTheSourcesKeyAndWithoutALifecycleAreTold) {
  main_->pages["/"] = "<r><Buckets><Bucket><Name>exports</Name></Bucket></Buckets></r>";
  main_->pages["/exports?replication"] =
      "<r><Role>x</Role><Rule><ID>all</ID><Status>Enabled</Status><SourceSelectionCriteria><SseKmsEncryptedObjects>"
      "<Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Destination>"
      "<Bucket>arn:aws:s3:::copies</Bucket><Account>" +
      kSecond + "</Account><EncryptionConfiguration><ReplicaKmsKeyID>arn:aws:kms:us-east-2:" + kMain +
      ":key/k</ReplicaKmsKeyID></EncryptionConfiguration></Destination></Rule></r>";
  main_->pages["/exports?lifecycle"] =
      "<r><Rule><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule></r>";
  main_->pages["/exports?encryption"] =
      "<r><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k"
      "</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></r>";
  main_->pages["/exports?object-lock"] = "<r><ObjectLockEnabled>Enabled</ObjectLockEnabled></r>";
  second_->pages["/copies?lifecycle"] = "";
  second_->pages["/copies?object-lock"] = "";
  EXPECT_EQ(ids(), "bucket.same_key bucket.lifecycle_at_source_only bucket.no_lock");

  second_->pages["/copies?lifecycle"] = main_->pages["/exports?lifecycle"];
  second_->pages["/copies?object-lock"] = main_->pages["/exports?object-lock"];
  main_->pages["/exports?replication"] =
      "<r><Rule><ID>all</ID><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::copies</Bucket></Destination>"
      "</Rule></r>";
  EXPECT_EQ(ids(), "bucket.encrypted_left_out");
  second_->pages.clear();
  EXPECT_EQ(ids(), "bucket.encrypted_left_out bucket.target_unseen");
}

TEST_F(AccountDoctor, VaultsWithoutALockAndPlansThatStayAtHomeAreTold) {
  main_->answers["/backup-vaults/"] = {{"BackupVaultList",
                                        {{{"BackupVaultName", "locked"}, {"Locked", true}},
                                         {{"BackupVaultName", "pdq-backup-vault"}, {"Locked", false}}}}};
  main_->answers["/backup/plans/"] = {{"BackupPlansList", {{{"BackupPlanId", "p"}, {"BackupPlanName", "daily"}}}}};
  main_->answers["/backup/plans/p/"] = {
      {"BackupPlan", {{"Rules", {{{"RuleName", "daily-backup"}, {"Lifecycle", {{"DeleteAfterDays", 7}}}}}}}}};
  EXPECT_EQ(ids(), "vault.no_lock plan.no_copy plan.short_retention");
  main_->answers["/backup/plans/p/"]["BackupPlan"]["Rules"][0]["CopyActions"] = {
      {{"DestinationBackupVaultArn", "arn:aws:backup:us-east-2:" + kSecond + ":backup-vault:copies"}}};
  main_->answers["/backup/plans/p/"]["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] = 35;
  EXPECT_EQ(ids(), "vault.no_lock");
}

TEST_F(AccountDoctor, AnswersThatMakeNoSenseDoNoHarm) {
  for (const json& nonsense : {json("text"), json(7), json::array({1, nullptr}), json{{"Keys", "x"}}, json()}) {
    main_->answers["ListKeys"] = {{"Keys", nonsense}};
    main_->answers["ListRules"] = {{"Rules", {{{"Name", nonsense}, {"EventPattern", nonsense}}}}};
    main_->answers["/backup-vaults/"] = {{"BackupVaultList", nonsense}};
    main_->answers["/backup/plans/"] = {{"BackupPlansList", nonsense}};
    static_cast<void>(lines());
  }
  give_key("k", "not a policy");
  static_cast<void>(lines());
}

TEST(CredentialsFile, HasProfiles) {
  EXPECT_EQ(profiles_of("[main]\naws_access_key_id = x\n\n[second]\n# root\n[ broken"),
            (std::vector<std::string>{"main", "second"}));
}

}  // namespace
}  // namespace coffer::cli
