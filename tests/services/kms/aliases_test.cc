#include <set>

#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class Aliases : public World {
 protected:
  std::string create(const std::string& name, const std::string& target, const Keys& keys) {
    return error_of(kms(keys, "CreateAlias", object({{"AliasName", name}, {"TargetKeyId", target}})));
  }
  std::string create(const std::string& name, const std::string& target) { return create(name, target, root()); }
  std::string update(const std::string& name, const std::string& target) {
    return error_of(kms("UpdateAlias", object({{"AliasName", name}, {"TargetKeyId", target}})));
  }
  const std::string id = key(), other = key();
};

TEST_F(Aliases, PointToTheirKeyUntilTheyAreMovedOrDeleted) {
  EXPECT_EQ(create("alias/a", id), "");
  const Bytes blob = encrypt("alias/a", "x");
  EXPECT_EQ(describe("alias/a").text("KeyId"), id);
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(update("alias/a", other), "");
  EXPECT_EQ(describe("alias/a").text("KeyId"), other);
  EXPECT_EQ(opened(blob), "x");  // the blob names the key, not the alias
  const Value shown = must(kms("ListAliases")).list("Aliases").at(0);
  EXPECT_EQ(shown.text("AliasName"), "alias/a");
  EXPECT_EQ(shown.text("AliasArn"), "arn:aws:kms:us-east-1:" + kHome + ":alias/a");
  EXPECT_EQ(shown.text("TargetKeyId"), other);
  EXPECT_LT(shown.time("CreationDate")->micros, shown.time("LastUpdatedDate")->micros);
  must(kms("DeleteAlias", object({{"AliasName", "alias/a"}})));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", "alias/a"}}))), "NotFoundException");
  EXPECT_EQ(error_of(kms("DeleteAlias", object({{"AliasName", "alias/a"}}))), "NotFoundException");
  EXPECT_EQ(update("alias/a", id), "NotFoundException");
}

TEST_F(Aliases, AreUniqueInTheirAccountAndRegion) {
  EXPECT_EQ(create("alias/a", id), "");
  EXPECT_EQ(create("alias/a", other), "AlreadyExistsException");
  EXPECT_EQ(create("alias/A", other), "");  // letters differ
  const std::string theirs = key(root(kOther));
  EXPECT_EQ(create("alias/a", theirs, root(kOther)), "");
  const std::string there(must(far("CreateKey")).find("KeyMetadata")->text("KeyId"));
  EXPECT_EQ(error_of(far("CreateAlias", object({{"AliasName", "alias/a"}, {"TargetKeyId", there}}))), "");
}

TEST_F(Aliases, HaveNamesOfTheirOwn) {
  EXPECT_EQ(create("a", id), "ValidationException");
  EXPECT_EQ(create("alias/", id), "ValidationException");
  EXPECT_EQ(create("alias/aws/s3", id), "NotAuthorizedException");
  EXPECT_EQ(create("alias/aws", id), "");
}

TEST_F(Aliases, OfAKeyAreAtMostFifty) {
  for (int i = 0; i < 50; ++i) ASSERT_EQ(create("alias/" + std::to_string(i), id), "");
  EXPECT_EQ(create("alias/more", id), "LimitExceededException");
  EXPECT_EQ(create("alias/free", other), "");
  EXPECT_EQ(update("alias/free", id), "LimitExceededException");
  EXPECT_EQ(update("alias/7", id), "");  // it counts already
}

TEST_F(Aliases, ListInPagesAllOrThoseOfAKey) {
  std::set<std::string> all;
  for (int i = 0; i < 5; ++i) {
    all.insert("alias/" + std::to_string(i));
    create("alias/" + std::to_string(i), i < 3 ? id : other);
  }
  for (int limit : {1, 2, 5, 100}) {
    std::set<std::string> seen, of_key;
    for (const Value& one : list("ListAliases", "Aliases", {}, limit)) seen.emplace(one.text("AliasName"));
    EXPECT_EQ(seen, all) << limit;
    for (const Value& one : list("ListAliases", "Aliases", object({{"KeyId", id}}), limit))
      of_key.emplace(one.text("AliasName"));
    EXPECT_EQ(of_key, (std::set<std::string>{"alias/0", "alias/1", "alias/2"}));
  }
}

TEST_F(Aliases, NeedAPermissionOnTheAliasAndOneOnTheKey) {
  const std::string mine = "arn:aws:kms:us-east-1:" + kHome + ":alias/mine";
  const Keys both = user("both", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateAlias",)"
                                 R"("Resource":[")" +
                                     mine + R"(",")" + arn(id) + R"("]}]})");
  EXPECT_EQ(create("alias/mine", id, both), "");
  EXPECT_EQ(create("alias/yours", id, both), kDenied);
  EXPECT_EQ(create("alias/mine", other, both), kDenied);
  EXPECT_EQ(create("alias/mine", id, user("alias-only", allow("kms:CreateAlias", mine))), kDenied);
  EXPECT_EQ(create("alias/mine", id, user("key-only", allow("kms:CreateAlias", arn(id)))), kDenied);
}

TEST_F(Aliases, MoveBetweenKeysOfOneTypeAndUsage) {
  const auto made = [&](const char* spec, const char* usage) {
    return key(object({{"KeySpec", spec}, {"KeyUsage", usage}}));
  };
  const std::string p256 = made("ECC_NIST_P256", "SIGN_VERIFY"), p384 = made("ECC_NIST_P384", "SIGN_VERIFY");
  const std::string agreeing = made("ECC_NIST_P256", "KEY_AGREEMENT"), mac = made("HMAC_256", "GENERATE_VERIFY_MAC");
  create("alias/a", p256);
  EXPECT_EQ(update("alias/a", p384), "");
  EXPECT_EQ(update("alias/a", agreeing), "ValidationException");
  EXPECT_EQ(update("alias/a", mac), "ValidationException");
  EXPECT_EQ(update("alias/a", id), "ValidationException");
}

TEST_F(Aliases, OfKeysOfOthersAreNotShown) {
  const std::string theirs = key(root(kOther));
  create("alias/theirs", theirs, root(kOther));
  EXPECT_EQ(error_of(kms("ListAliases", object({{"KeyId", arn(theirs, "us-east-1", kOther)}}))), kDenied);
}

TEST_F(Aliases, GoWithTheirKey) {
  create("alias/a", id);
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(8));
  EXPECT_EQ(create("alias/a", other), "");
}

}  // namespace
}  // namespace coffer::kms
