// Access keys: made, shown once, switched off, deleted, last used. Nothing of a secret lies open in the catalog.
#include <fstream>

#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class AccessKeysTest : public House {};

TEST_F(AccessKeysTest, AKeyIsShownWithItsSecretOnce) {
  const Keys key = user("alice");
  EXPECT_TRUE(key.id.starts_with("AKIA"));
  EXPECT_EQ(key.id.size(), 20U);
  EXPECT_EQ(key.secret.size(), 40U);
  EXPECT_EQ(as_text(must(find(key)).secret_access_key->view()), key.secret);
  const Value listed = must(iam("ListAccessKeys", object({{"UserName", "alice"}})));
  ASSERT_EQ(listed.list("AccessKeyMetadata").size(), 1U);
  const Value& shown = listed.list("AccessKeyMetadata")[0];
  EXPECT_EQ(shown.text("AccessKeyId"), key.id);
  EXPECT_EQ(shown.text("Status"), "Active");
  EXPECT_EQ(shown.text("UserName"), "alice");
  EXPECT_FALSE(shown.has("SecretAccessKey"));
}

TEST_F(AccessKeysTest, TwoKeysAtMost) {
  user("alice");
  must(iam("CreateAccessKey", object({{"UserName", "alice"}})));
  const auto third = iam("CreateAccessKey", object({{"UserName", "alice"}}));
  EXPECT_EQ(error_of(third), "LimitExceeded");
  EXPECT_EQ(third.error().message, "Cannot exceed quota for AccessKeysPerUser: 2");
  const Value first = must(iam("ListAccessKeys", object({{"UserName", "alice"}, {"MaxItems", 1}})));
  EXPECT_TRUE(first.flag("IsTruncated"));
  EXPECT_FALSE(
      must(iam("ListAccessKeys", object({{"UserName", "alice"}, {"MaxItems", 1}, {"Marker", first.text("Marker")}})))
          .flag("IsTruncated"));
}

TEST_F(AccessKeysTest, UsersAndRootRotateTheirOwn) {
  const Keys alice = user("alice", allow("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}"));
  const Keys second = keys_of(must(iam(alice, "CreateAccessKey")));
  EXPECT_EQ(identity(second)->caller.user_name, "alice");
  must(iam(second, "UpdateAccessKey", object({{"AccessKeyId", alice.id}, {"Status", "Inactive"}})));
  EXPECT_EQ(error_of(find(alice)), "InvalidClientTokenId");
  must(iam(second, "DeleteAccessKey", object({{"AccessKeyId", alice.id}})));
  user("bob");
  EXPECT_EQ(error_of(iam(second, "CreateAccessKey", object({{"UserName", "bob"}}))), "permission_denied");
  const Keys of_root = keys_of(must(iam("CreateAccessKey")));
  EXPECT_EQ(identity(of_root)->caller.kind, api::Caller::Kind::kRoot);
  EXPECT_EQ(must(iam("ListAccessKeys")).list("AccessKeyMetadata").size(), 2U);
  must(iam("DeleteAccessKey", object({{"AccessKeyId", of_root.id}})));
  EXPECT_EQ(error_of(find(of_root)), "InvalidClientTokenId");
}

TEST_F(AccessKeysTest, AnInactiveKeyOpensNothingUntilItIsActiveAgain) {
  const Keys alice = user("alice");
  ASSERT_TRUE(find(alice).ok());
  const auto set = [&](const char* status) {
    return iam("UpdateAccessKey", object({{"UserName", "alice"}, {"AccessKeyId", alice.id}, {"Status", status}}));
  };
  must(set("Inactive"));
  EXPECT_EQ(error_of(find(alice)), "InvalidClientTokenId");
  must(set("Active"));
  EXPECT_EQ(error_of(find(alice)), "");
  EXPECT_EQ(error_of(set("Expired")), "InvalidInput");
}

TEST_F(AccessKeysTest, KeysOfOthersAreNotThere) {
  const Keys alice = user("alice");
  user("bob");
  for (const char* operation : {"UpdateAccessKey", "DeleteAccessKey"}) {
    const Value input = object({{"UserName", "bob"}, {"AccessKeyId", alice.id}, {"Status", "Inactive"}});
    const auto answer = iam(operation, input);
    EXPECT_EQ(error_of(answer), "NoSuchEntity");
    EXPECT_EQ(answer.error().message, "The Access Key with id " + alice.id + " cannot be found");
  }
  EXPECT_EQ(error_of(iam(root(kOther), "GetAccessKeyLastUsed", object({{"AccessKeyId", alice.id}}))),
            "permission_denied");
  EXPECT_EQ(error_of(iam("GetAccessKeyLastUsed", object({{"AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"}}))),
            "permission_denied");
}

TEST_F(AccessKeysTest, TheLastUseIsKnownAtOnceAndAfterARestart) {
  const Keys alice = user("alice");
  const auto last_used = [&] { return must(iam("GetAccessKeyLastUsed", object({{"AccessKeyId", alice.id}}))); };
  EXPECT_EQ(last_used().text("UserName"), "alice");
  EXPECT_EQ(last_used().find("AccessKeyLastUsed")->text("ServiceName"), "N/A");
  EXPECT_FALSE(last_used().find("AccessKeyLastUsed")->has("LastUsedDate"));
  authority_->note_use(alice.id, "kms", "us-east-1", clock_.wall());
  authority_->note_use(alice.id, "s3", "eu-west-1", clock_.wall() + std::chrono::seconds(1));
  for (int i = 0; i < 2; ++i) {
    const Value used = *last_used().find("AccessKeyLastUsed");
    EXPECT_EQ(used.text("ServiceName"), "s3");
    EXPECT_EQ(used.text("Region"), "eu-west-1");
    EXPECT_EQ(used.time("LastUsedDate"), clock_.wall() + std::chrono::seconds(1));
    reopen();  // what was noted is written when the authority ends
  }
}

TEST_F(AccessKeysTest, NotedUsesAreWrittenNowAndThen) {
  const Keys alice = user("alice");
  clock_.advance(std::chrono::minutes(1));
  authority_->note_use(alice.id, "kms", "us-east-1", clock_.wall());
  EXPECT_FALSE(authority_->noted_use(alice.id));  // long since the last writing
  authority_->note_use(alice.id, "s3", "us-east-1", clock_.wall());
  EXPECT_TRUE(authority_->noted_use(alice.id));
  clock_.advance(std::chrono::minutes(1));
  authority_->note_use(alice.id, "sts", "us-east-1", clock_.wall());
  EXPECT_FALSE(authority_->noted_use(alice.id));
  EXPECT_EQ(must(iam("GetAccessKeyLastUsed", object({{"AccessKeyId", alice.id}})))
                .find("AccessKeyLastUsed")
                ->text("ServiceName"),
            "sts");
}

class FileHouse : public House {
 protected:
  FileHouse() : House(path()) {}
  ~FileHouse() override {
    authority_.reset();
    database_.reset();
    std::filesystem::remove_all(std::filesystem::path(path()).parent_path());
  }
  static const std::string& path() {
    static const std::string where = [] {
      SystemEntropy entropy;
      const auto folder = std::filesystem::temp_directory_path() / ("coffer-iam-test-" + random_uuid(entropy));
      std::filesystem::create_directory(folder);
      return (folder / "catalog.db").string();
    }();
    return where;
  }
};

TEST_F(FileHouse, NoFileOfTheCatalogHoldsASecretOrAToken) {
  const Keys alice = user("alice");
  const Keys session = keys_of(must(assume(alice, role("r", trust(aws("arn:aws:iam::" + kAccount + ":user/alice"))))));
  const Keys of_user = keys_of(must(sts(alice, "GetSessionToken")));
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path())) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    ++files;
    for (const std::string& planted :
         {root().secret, root(kOther).secret, alice.secret, session.secret, session.token, of_user.secret}) {
      ASSERT_GE(planted.size(), 40U);
      EXPECT_EQ(bytes.find(planted.substr(0, 20)), std::string::npos) << entry.path();
      EXPECT_EQ(bytes.find(planted.substr(20, 20)), std::string::npos) << entry.path();
    }
    EXPECT_EQ(bytes.find(as_text(root_.view())), std::string::npos);
  }
  EXPECT_GE(files, 1U);
  // The search would find what is there.
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path())) {
    std::ifstream in(entry.path(), std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  EXPECT_NE(all.find(alice.id), std::string::npos);
}

}  // namespace
}  // namespace coffer::iam
