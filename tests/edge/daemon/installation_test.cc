#include "edge/daemon/installation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/crypto/keyset.h"

namespace coffer::daemon {
namespace {

class InstallationTest : public testing::Test {
 protected:
  InstallationTest() {
    std::string pattern = testing::TempDir() + "installation-XXXXXX";
    COFFER_ASSERT(::mkdtemp(pattern.data()));
    folder_ = pattern;
    config_.data = folder_ + "/data";
  }
  ~InstallationTest() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Installation>> open() { return Installation::open(files_, clock_, entropy_, config_); }
  Bytes root_of_next_start() {
    auto installation = open();
    EXPECT_TRUE(installation.ok()) << installation.error().message;
    return installation.ok() ? to_bytes((*installation)->root().view()) : Bytes();
  }
  static uint32_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777;
  }

  PosixFileSystem files_;
  SystemClock clock_;
  SystemEntropy entropy_;
  std::string folder_;
  Config config_;
};

TEST_F(InstallationTest, TheFirstStartMakesAKeysetWithTwoSlotsAndLaterOnesOpenIt) {
  Bytes root;
  {
    auto first = open();
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_TRUE((*first)->is_new());
    EXPECT_EQ((*first)->slot_count(), 2U);
    root = to_bytes((*first)->root().view());
    EXPECT_EQ(root.size(), 64U);
  }
  auto second = open();
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_FALSE((*second)->is_new());
  EXPECT_TRUE(equal((*second)->root().view(), root));
}

TEST_F(InstallationTest, TheRecoveryKeyOpensItWhenTheMachinesKeyIsLost) {
  const Bytes root = root_of_next_start();
  std::filesystem::remove(config_.data + "/keys/installation.key");
  auto without = open();
  ASSERT_FALSE(without.ok());
  EXPECT_NE(without.error().next_step.find("recovery.key"), std::string::npos);
  config_.installation_key = config_.data + "/recovery.key";
  EXPECT_EQ(root_of_next_start(), root);
}

TEST_F(InstallationTest, AnotherKeyIsRefusedAndChangesNothing) {
  const Bytes root = root_of_next_start();
  const std::string other = folder_ + "/other.key";
  std::ofstream(other) << crypto::format_key_file(Bytes(32, std::byte{9}));
  config_.installation_key = other;
  auto refused = open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), ErrorCode::kUnauthenticated);
  config_.installation_key.clear();
  EXPECT_EQ(root_of_next_start(), root);
}

TEST_F(InstallationTest, ASecondDaemonOnTheFolderIsRefused) {
  auto first = open();
  ASSERT_TRUE(first.ok());
  auto second = open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.code(), ErrorCode::kConflict);
}

TEST_F(InstallationTest, AStartThatWasCutOffBeforeTheKeysetBeginsAgain) {
  root_of_next_start();
  std::filesystem::remove(config_.data + "/keys/keyset-1");
  auto again = open();
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE((*again)->is_new());
}

TEST_F(InstallationTest, OnlyTheOwnerReadsKeysAndCredentials) {
  auto installation = open();
  ASSERT_TRUE(installation.ok());
  ASSERT_TRUE((*installation)->add_credentials("main", "111111111111", "AKIAEXAMPLE", "secret").ok());
  ASSERT_TRUE((*installation)->add_credentials("second", "222222222222", "AKIAOTHER", "other").ok());
  for (const char* name : {"keys/installation.key", "recovery.key", "credentials", "keys/keyset-1"})
    EXPECT_EQ(mode_of(config_.data + "/" + name), 0600U) << name;
  EXPECT_EQ(mode_of(config_.data), 0700U);
  const std::string text = to_text(files_.read_file(config_.data + "/credentials").value());
  EXPECT_NE(text.find("[main]"), std::string::npos);
  EXPECT_NE(text.find("[second]"), std::string::npos);
}

TEST_F(InstallationTest, AProfileIsThereOnceHoweverOftenItsAccountWasMade) {
  auto installation = open();
  ASSERT_TRUE(installation.ok());
  const auto add = [&](std::string_view profile, std::string_view account, std::string_view key) {
    EXPECT_TRUE((*installation)->add_credentials(profile, account, key, "secret").ok());
  };
  const auto text = [&] { return to_text(files_.read_file(config_.data + "/credentials").value()); };
  const auto profile = [](const std::string& name, const std::string& account, const std::string& key) {
    return "[" + name + "]\n# root of account " + account + "\naws_access_key_id = " + key +
           "\naws_secret_access_key = secret\n";
  };
  add("main", "111111111111", "AKIA1");
  add("main", "111111111111", "AKIA2");
  EXPECT_EQ(text(), profile("main", "111111111111", "AKIA2"));
  add("second", "222222222222", "AKIA3");
  add("third", "333333333333", "AKIA4");
  add("second", "222222222222", "AKIA5");
  const std::string main = profile("main", "111111111111", "AKIA2"), third = profile("third", "333333333333", "AKIA4"),
                    second = profile("second", "222222222222", "AKIA5");
  EXPECT_EQ(text(), main + "\n" + third + "\n" + second);
  add("second", "222222222222", "AKIA5");
  EXPECT_EQ(text(), main + "\n" + third + "\n" + second);
  // A name that another account has keeps that account's key: it may be the only one.
  add("main", "444444444444", "AKIA6");
  EXPECT_EQ(text(), main + "\n" + third + "\n" + second + "\n" + profile("main", "444444444444", "AKIA6"));
  add("main", "111111111111", "AKIA7");
  EXPECT_TRUE(text().starts_with(third)) << text();
}

TEST_F(InstallationTest, PurposesHaveKeysOfTheirOwn) {
  auto installation = open();
  ASSERT_TRUE(installation.ok());
  const Secret one = (*installation)->derive("audit signing v1"), same = (*installation)->derive("audit signing v1"),
               other = (*installation)->derive("audit signing v2");
  EXPECT_TRUE(equal(one.view(), same.view()));
  EXPECT_FALSE(equal(one.view(), other.view()));
  EXPECT_EQ(one.size(), 32U);
}

}  // namespace
}  // namespace coffer::daemon
