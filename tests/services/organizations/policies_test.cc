#include "world.h"

namespace coffer::organizations {
namespace {

class Policies : public OrganizationsTest {
 protected:
  void SetUp() override {
    organization = world.organize();
    root = world.root();
  }
  std::string create(std::string_view content, std::string_view type = "SERVICE_CONTROL_POLICY",
                     std::string_view name = "p") {
    return world.fault(kMain, "CreatePolicy",
                       Value::object({{"Name", name}, {"Content", content}, {"Description", ""}, {"Type", type}}));
  }
  std::string attach(std::string_view policy, std::string_view target) {
    return world.fault(kMain, "AttachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", target}}));
  }
  std::string detach(std::string_view policy, std::string_view target) {
    return world.fault(kMain, "DetachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", target}}));
  }
  std::vector<std::string> of_target(std::string_view target, std::string_view type = "SERVICE_CONTROL_POLICY") {
    return world.ids(kMain, "ListPoliciesForTarget", "Policies",
                     Value::object({{"TargetId", target}, {"Filter", type}}));
  }
  static Value one(std::string_view id) { return Value::object({{"PolicyId", id}}); }
  std::string organization, root;
};

TEST_F(Policies, AreDescribedAsTheyWereCreated) {
  const Value out = world.ok(kMain, "CreatePolicy",
                             Value::object({{"Name", "n"},
                                            {"Content", kAllowS3},
                                            {"Description", "d"},
                                            {"Type", "SERVICE_CONTROL_POLICY"},
                                            {"Tags", tags({{"k", "v"}})}}));
  const Value& summary = *out.find("Policy")->find("PolicySummary");
  const std::string id(summary.text("Id"));
  EXPECT_EQ(summary.text("Arn"),
            "arn:aws:organizations::111111111111:policy/" + organization + "/service_control_policy/" + id);
  EXPECT_EQ(summary.text("Name"), "n");
  EXPECT_EQ(summary.text("Description"), "d");
  EXPECT_EQ(summary.text("Type"), "SERVICE_CONTROL_POLICY");
  EXPECT_FALSE(summary.flag("AwsManaged", true));
  EXPECT_EQ(out.find("Policy")->text("Content"), kAllowS3);
  EXPECT_EQ(world.ok(kMain, "DescribePolicy", one(id)), out);
  EXPECT_EQ(world.ids(kMain, "ListTagsForResource", "Tags", Value::object({{"ResourceId", id}}), "Key"),
            std::vector<std::string>{"k"});
}

TEST_F(Policies, AwsOwnPoliciesAreThereAndCannotBeChanged) {
  const Value p = *world.ok(kMain, "DescribePolicy", one("p-FullAWSAccess")).find("Policy");
  EXPECT_TRUE(p.find("PolicySummary")->flag("AwsManaged"));
  EXPECT_EQ(p.find("PolicySummary")->text("Arn"),
            "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess");
  EXPECT_EQ(world.ids(kMain, "ListPolicies", "Policies", Value::object({{"Filter", "RESOURCE_CONTROL_POLICY"}})),
            std::vector<std::string>{"p-RCPFullAWSAccess"});
  EXPECT_EQ(world.fault(kMain, "UpdatePolicy", one("p-FullAWSAccess")), "InvalidInputException/IMMUTABLE_POLICY");
  EXPECT_EQ(world.fault(kMain, "DeletePolicy", one("p-FullAWSAccess")), "InvalidInputException/IMMUTABLE_POLICY");
  EXPECT_EQ(create(kAllowS3, "SERVICE_CONTROL_POLICY", "FullAWSAccess"), "DuplicatePolicyException");
}

TEST_F(Policies, UpdateChangesWhatIsGiven) {
  const std::string a = world.policy("a", kAllowS3);
  world.policy("b", kAllowS3);
  const auto update = [&](std::string_view member, std::string_view value) {
    Value input = one(a);
    input.set(member, value);
    return world.fault(kMain, "UpdatePolicy", std::move(input));
  };
  EXPECT_EQ(update("Name", "b"), "DuplicatePolicyException");
  EXPECT_EQ(update("Name", "a"), "");
  EXPECT_EQ(update("Name", "c"), "");
  EXPECT_EQ(update("Content", "{"), "MalformedPolicyDocumentException");
  EXPECT_EQ(update("Content", kDenyKms), "");
  EXPECT_EQ(update("Description", "new"), "");
  const Value p = *world.ok(kMain, "DescribePolicy", one(a)).find("Policy");
  EXPECT_EQ(p.text("Content"), kDenyKms);
  EXPECT_EQ(p.find("PolicySummary")->text("Name"), "c");
  EXPECT_EQ(p.find("PolicySummary")->text("Description"), "new");
  EXPECT_EQ(world.fault(kMain, "UpdatePolicy", one("p-zzzzzzzz")), "PolicyNotFoundException");
}

TEST_F(Policies, ContentsAreCheckedByType) {
  EXPECT_EQ(create("not json"), "MalformedPolicyDocumentException");
  EXPECT_EQ(create(R"({"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]})"),
            "MalformedPolicyDocumentException");
  EXPECT_EQ(create(kAllowS3, "BACKUP_POLICY"), "MalformedPolicyDocumentException");
  EXPECT_EQ(create(R"({"plans":{}})", "TAG_POLICY"), "MalformedPolicyDocumentException");
  EXPECT_EQ(create(R"({"plans":{}})", "BACKUP_POLICY"), "");
  EXPECT_EQ(create(R"({"tags":{}})", "TAG_POLICY"), "");
  // Custom resource control policies deny, to everyone.
  EXPECT_EQ(
      create(
          R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]})",
          "RESOURCE_CONTROL_POLICY"),
      "");
  EXPECT_EQ(
      create(
          R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]})",
          "RESOURCE_CONTROL_POLICY", "q"),
      "MalformedPolicyDocumentException");
}

TEST_F(Policies, SizesCountEveryCharacter) {
  const std::string head = R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}])";
  const auto padded = [](std::string text, size_t size) {
    text.append(size - text.size() - 1, ' ');
    return text + "}";
  };
  const std::string limit = "ConstraintViolationException/POLICY_CONTENT_LIMIT_EXCEEDED";
  EXPECT_EQ(create(padded(head, 5121)), limit);
  EXPECT_EQ(create(padded(head, 5120)), "");
  EXPECT_EQ(create(padded(R"({"plans":{})", 10001), "BACKUP_POLICY"), limit);
  EXPECT_EQ(create(padded(R"({"plans":{})", 10000), "BACKUP_POLICY"), "");
  EXPECT_EQ(create(padded(R"({"tags":{})", 10001), "TAG_POLICY"), limit);
  EXPECT_EQ(create(padded(R"({"services":{})", 2501), "AISERVICES_OPT_OUT_POLICY"), limit);
  EXPECT_EQ(create(padded(R"({"services":{})", 2500), "AISERVICES_OPT_OUT_POLICY"), "");
}

TEST_F(Policies, NumberIsLimited) {
  world.write(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
      "INSERT INTO org_policy (id, organization, type, name, description, content, updated) "
      "SELECT 'p-x' || i, $1, 'TAG_POLICY', 'n' || i, '', '{\"tags\":{}}', 0 FROM n",
      {organization});
  EXPECT_EQ(create(R"({"tags":{}})", "TAG_POLICY"), "ConstraintViolationException/POLICY_NUMBER_LIMIT_EXCEEDED");
}

TEST_F(Policies, EnablingServiceControlGivesEverythingFullAccess) {
  const std::string unit = world.unit(root, "u"), account = world.account("a");
  EXPECT_TRUE(of_target(root).empty());
  const Value enabled =
      world.ok(kMain, "EnablePolicyType", Value::object({{"RootId", root}, {"PolicyType", "SERVICE_CONTROL_POLICY"}}));
  EXPECT_EQ(enabled.find("Root")->list("PolicyTypes").at(0),
            Value::object({{"Type", "SERVICE_CONTROL_POLICY"}, {"Status", "ENABLED"}}));
  const std::vector<std::string> full{"p-FullAWSAccess"};
  const std::string later_unit = world.unit(unit, "later"), later_account = world.account("b");
  for (const std::string& target : {root, unit, account, std::string(kMain), later_unit, later_account})
    EXPECT_EQ(of_target(target), full) << target;
  EXPECT_EQ(world.list(kMain, "ListTargetsForPolicy", "Targets", one("p-FullAWSAccess")).size(), 6u);
}

TEST_F(Policies, DisablingATypeDetachesEverythingOfIt) {
  world.enable("SERVICE_CONTROL_POLICY");
  const std::string deny = world.policy("deny", kDenyKms);
  world.attach(deny, root);
  const Value type = Value::object({{"RootId", root}, {"PolicyType", "SERVICE_CONTROL_POLICY"}});
  EXPECT_EQ(world.fault(kMain, "EnablePolicyType", type), "PolicyTypeAlreadyEnabledException");
  EXPECT_EQ(
      world.fault(kMain, "DisablePolicyType", Value::object({{"RootId", "r-zzzz"}, {"PolicyType", "TAG_POLICY"}})),
      "RootNotFoundException");
  world.ok(kMain, "DisablePolicyType", type);
  EXPECT_TRUE(of_target(root).empty());
  EXPECT_EQ(world.fault(kMain, "DisablePolicyType", type), "PolicyTypeNotEnabledException");
  EXPECT_EQ(attach(deny, root), "PolicyTypeNotEnabledException");
  world.ok(kMain, "EnablePolicyType", type);
  EXPECT_EQ(of_target(root), std::vector<std::string>{"p-FullAWSAccess"});
}

TEST_F(Policies, FiveServiceControlPoliciesFitOnATargetAndOneStays) {
  world.enable("SERVICE_CONTROL_POLICY");
  std::vector<std::string> all;
  for (const char* name : {"1", "2", "3", "4", "5"}) all.push_back(world.policy(name, kDenyKms));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(attach(all[i], root), "");
  EXPECT_EQ(attach(all[4], root), "ConstraintViolationException/MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
  EXPECT_EQ(attach(all[0], root), "DuplicatePolicyAttachmentException");
  EXPECT_EQ(detach(all[4], root), "PolicyNotAttachedException");
  EXPECT_EQ(detach("p-FullAWSAccess", root), "");
  EXPECT_EQ(attach(all[4], root), "");
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(detach(all[i], root), "");
  EXPECT_EQ(detach(all[4], root), "ConstraintViolationException/MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
}

TEST_F(Policies, AttachmentsNeedBothEnds) {
  world.enable("SERVICE_CONTROL_POLICY");
  const std::string deny = world.policy("deny", kDenyKms);
  EXPECT_EQ(attach("p-zzzzzzzz", root), "PolicyNotFoundException");
  EXPECT_EQ(attach(deny, kOther), "TargetNotFoundException");
  EXPECT_EQ(attach(deny, "ou-zzzz-zzzzzzzz"), "TargetNotFoundException");
  EXPECT_EQ(detach("p-zzzzzzzz", root), "PolicyNotFoundException");
  EXPECT_EQ(detach(deny, "r-zzzz"), "TargetNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListPoliciesForTarget",
                        Value::object({{"TargetId", kOther}, {"Filter", "SERVICE_CONTROL_POLICY"}})),
            "TargetNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListTargetsForPolicy", one("p-zzzzzzzz")), "PolicyNotFoundException");
  EXPECT_EQ(attach(deny, root), "");
  EXPECT_EQ(world.fault(kMain, "DeletePolicy", one(deny)), "PolicyInUseException");
  const Value target = world.list(kMain, "ListTargetsForPolicy", "Targets", one(deny)).at(0);
  EXPECT_EQ(target, Value::object({{"TargetId", root},
                                   {"Arn", "arn:aws:organizations::111111111111:root/" + organization + "/" + root},
                                   {"Name", "Root"},
                                   {"Type", "ROOT"}}));
  EXPECT_EQ(detach(deny, root), "");
  EXPECT_EQ(world.fault(kMain, "DeletePolicy", one(deny)), "");
  EXPECT_EQ(world.fault(kMain, "DeletePolicy", one(deny)), "PolicyNotFoundException");
}

TEST_F(Policies, ResourceFullAccessIsNeverDetached) {
  world.enable("RESOURCE_CONTROL_POLICY");
  EXPECT_EQ(of_target(root, "RESOURCE_CONTROL_POLICY"), std::vector<std::string>{"p-RCPFullAWSAccess"});
  EXPECT_EQ(detach("p-RCPFullAWSAccess", root), "InvalidInputException/NON_DETACHABLE_POLICY");
}

TEST_F(Policies, OfAnotherOrganizationDoNotExist) {
  const std::string mine = world.policy("mine", kDenyKms);
  world.ok(kOther, "CreateOrganization");
  for (const char* operation : {"DescribePolicy", "UpdatePolicy", "DeletePolicy", "ListTargetsForPolicy"})
    EXPECT_EQ(world.fault(kOther, operation, one(mine)), "PolicyNotFoundException") << operation;
}

TEST_F(Policies, EffectiveBackupPolicyIsMergedFromTheRootDown) {
  const std::string unit = world.unit(root, "u"), account = world.account("a");
  world.move(account, unit);
  world.enable("BACKUP_POLICY");
  const Value asked = Value::object({{"PolicyType", "BACKUP_POLICY"}, {"TargetId", account}});
  EXPECT_EQ(world.fault(kMain, "DescribeEffectivePolicy", asked), "EffectivePolicyNotFoundException");
  world.attach(world.policy("1", R"({"plans":{"p":{"regions":{"@@assign":["us-east-1"]},
      "rules":{"r":{"lifecycle":{"delete_after_days":{"@@assign":"7"}}}}}}})",
                            "BACKUP_POLICY"),
               root);
  world.clock.advance(std::chrono::hours(1));
  world.attach(world.policy("2", R"({"plans":{"p":{"regions":{"@@append":["eu-west-1"]}}}})", "BACKUP_POLICY"), unit);
  const Value effective = *world.ok(kMain, "DescribeEffectivePolicy", asked).find("EffectivePolicy");
  EXPECT_EQ(
      effective.text("PolicyContent"),
      R"({"plans":{"p":{"regions":["us-east-1","eu-west-1"],"rules":{"r":{"lifecycle":{"delete_after_days":"7"}}}}}})");
  EXPECT_EQ(effective.text("TargetId"), account);
  EXPECT_EQ(effective.text("PolicyType"), "BACKUP_POLICY");
  EXPECT_EQ(effective.time("LastUpdatedTimestamp"), kStart + std::chrono::hours(1));
  EXPECT_EQ(world.ok(account, "DescribeEffectivePolicy", Value::object({{"PolicyType", "BACKUP_POLICY"}}))
                .find("EffectivePolicy")
                ->text("PolicyContent"),
            effective.text("PolicyContent"));
  EXPECT_EQ(world.fault(account, "DescribeEffectivePolicy",
                        Value::object({{"PolicyType", "BACKUP_POLICY"}, {"TargetId", kMain}})),
            "AccessDeniedException");
  EXPECT_EQ(world.fault(kMain, "DescribeEffectivePolicy",
                        Value::object({{"PolicyType", "BACKUP_POLICY"}, {"TargetId", kOther}})),
            "TargetNotFoundException");
  auto transaction = world.read();
  EXPECT_EQ(take(effective_policy(*transaction, account, "BACKUP_POLICY")), effective.text("PolicyContent"));
  EXPECT_EQ(take(effective_policy(*transaction, kOther, "BACKUP_POLICY")), std::nullopt);
}

}  // namespace
}  // namespace coffer::organizations
