#include "edge/cli/key_source.h"

#include <gtest/gtest.h>

#include <fstream>

#include "fake_world.h"

namespace coffer::cli {
namespace {

using Kind = KeySource::Kind;

TEST(ParseKeySource, KnowsEachForm) {
  const std::pair<const char*, KeySource> cases[] = {
      {"file:/a:b", {Kind::kKeyFile, "/a:b"}},
      {"/etc/k", {Kind::kKeyFile, "/etc/k"}},
      {"k.key", {Kind::kKeyFile, "k.key"}},
      {"./odd:name", {Kind::kKeyFile, "./odd:name"}},
      {"passphrase", {Kind::kPassphrasePrompt, ""}},
      {"passphrase-file:/p", {Kind::kPassphraseFile, "/p"}},
      {"passphrase-env:P", {Kind::kPassphraseEnvironment, "P"}},
      {"escrow:a,b", {Kind::kEscrow, "a,b"}},
      {"passphrase-command:pass show x", {Kind::kPassphraseCommand, "pass show x"}}};
  for (const auto& [text, source] : cases) {
    auto parsed = parse_key_source(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, source) << text;
  }
}

TEST(ParseKeySource, AMistypedKindIsNoFile) {
  for (const char* text :
       {"", "file:", "passphrase-env:", "pasphrase-file:/p", "kms:", "kmz:arn:aws:kms", "passphrase:secret"}) {
    auto parsed = parse_key_source(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.error().next_step.find("passphrase-command:COMMAND"), std::string::npos) << text;
  }
}

TEST(ParseNamedKeySource, TheNameIsBeforeTheFirstEqualsSign) {
  EXPECT_EQ(parse_named_key_source("officer=file:/a=b")->name, "officer");
  EXPECT_EQ(parse_named_key_source("officer=file:/a=b")->source.argument, "/a=b");
  EXPECT_EQ(parse_named_key_source("passphrase-command:get x=1")->name, "passphrase");
  EXPECT_EQ(parse_named_key_source("/dir/a=b")->source.argument, "/dir/a=b");
  EXPECT_EQ(parse_named_key_source("k.key")->name, "key-file");
  for (const char* text : {"=k", "a b=k", "a=", "\x1b=k"}) EXPECT_FALSE(parse_named_key_source(text).ok()) << text;
}

class KeyLoaderTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<crypto::SlotKey>> load(std::string_view text, bool confirm = false) {
    auto source = parse_key_source(text);
    if (!source.ok()) return source.error();
    return loader.load(*source, "a test", confirm);
  }
  void write(const std::string& name, const std::string& text, std::filesystem::perms mode) {
    std::ofstream(world.path(name)) << text;
    std::filesystem::permissions(world.path(name), mode);
  }
  static constexpr auto kPrivate = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;

  FakeWorld world;
  Context context;
  KeyLoader loader{context,        world.files,    world.clock,      world.processes,
                   world.prompter, world.messages, world.environment};
};

TEST_F(KeyLoaderTest, AKeyFileOfAnotherFormIsRefusedByName) {
  write("k", "hello", kPrivate);
  auto key = load("file:" + world.path("k"));
  ASSERT_FALSE(key.ok());
  EXPECT_NE(key.error().message.find(world.path("k")), std::string::npos);
  EXPECT_EQ(load("file:" + world.path("none")).code(), ErrorCode::kNotFound);
}

TEST_F(KeyLoaderTest, AKeyFileThatOthersMayReadIsTold) {
  write("k", crypto::format_key_file(Bytes(32, std::byte{7})), kPrivate | std::filesystem::perms::others_read);
  EXPECT_TRUE(load(world.path("k")).ok());
  EXPECT_NE(world.messages.text().find("others on this machine may read"), std::string::npos);
  world.messages.clear();
  std::filesystem::permissions(world.path("k"), kPrivate);
  EXPECT_TRUE(load(world.path("k")).ok());
  EXPECT_EQ(world.messages.text(), "");
}

TEST_F(KeyLoaderTest, SharesComeFromFilesAndAWrongOneIsNamedByItsFile) {
  SeededEntropy entropy(1);
  auto set = crypto::make_escrow(2, 3, entropy);
  ASSERT_TRUE(set.ok());
  for (const auto& share : set->shares)
    write("share" + std::to_string(share.index), "# a note\n" + crypto::format_share(share) + "\n", kPrivate);
  const std::string first = world.path("share1"), third = world.path("share3");
  auto key = load("escrow:" + first + "," + third);
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ((*key)->type(), "escrow");
  auto few = load("escrow:" + first);
  ASSERT_FALSE(few.ok());
  EXPECT_NE(few.error().message.find("2 shares of set"), std::string::npos) << few.error().message;
  write("typo", "coffer-share1qqqq\n", kPrivate);
  auto typo = load("escrow:" + first + "," + world.path("typo"));
  ASSERT_FALSE(typo.ok());
  EXPECT_NE(typo.error().message.find(world.path("typo")), std::string::npos) << typo.error().message;
  EXPECT_FALSE(load("escrow:" + world.path("none")).ok());
}

TEST_F(KeyLoaderTest, PassphrasesComeFromFilesVariablesAndCommands) {
  write("p", "secret\n", kPrivate);
  world.environment["P"] = "secret";
  world.environment["EMPTY"] = "";
  EXPECT_EQ((*load("passphrase-file:" + world.path("p")))->type(), "passphrase");
  EXPECT_TRUE(load("passphrase-env:P").ok());
  EXPECT_TRUE(load("passphrase-command:echo noise >&2; echo secret").ok());
  EXPECT_FALSE(load("passphrase-env:EMPTY").ok());
  EXPECT_FALSE(load("passphrase-env:MISSING").ok());
  EXPECT_FALSE(load("passphrase-command:exit 3").ok());
  EXPECT_FALSE(load("passphrase-command:true").ok()) << "nothing printed is no passphrase";
}

// The same passphrase, whichever way it comes: else a vault made one way could not be opened the other.
TEST_F(KeyLoaderTest, ANewlineAtTheEndIsNotPartOfAPassphrase) {
  write("p", "secret\n", kPrivate);
  world.environment["P"] = "secret";
  auto from_file = std::move(load("passphrase-file:" + world.path("p"))).value();
  auto from_command = std::move(load("passphrase-command:printf 'secret\\r\\n'")).value();
  auto from_variable = std::move(load("passphrase-env:P")).value();
  const Bytes root(64, std::byte{1});
  auto slot = from_file->wrap("x", root, {}, world.entropy);
  ASSERT_TRUE(slot.ok());
  EXPECT_TRUE(from_variable->unwrap(*slot, {}).ok());
  EXPECT_TRUE(from_command->unwrap(*slot, {}).ok());
}

TEST_F(KeyLoaderTest, ANewPassphraseIsTypedTwice) {
  world.prompter.answers = {"one", "two"};
  EXPECT_EQ(load("passphrase", true).code(), ErrorCode::kInvalidArgument);
  world.prompter.answers = {"one", "one"};
  EXPECT_TRUE(load("passphrase", true).ok());
  world.prompter.answers = {"one"};
  EXPECT_TRUE(load("passphrase", false).ok());
}

}  // namespace
}  // namespace coffer::cli
