#include "engine/vault/witness.h"

#include <gtest/gtest.h>

#include "support/vault_world.h"

namespace coffer::vault {

using namespace testing_support;  // NOLINT: tests

namespace {

class Witness : public ::testing::Test {
 protected:
  Witness() : store_(store::open_memory()), keep_(store::open_memory()), vault_(world_.create_vault(*store_)) {}

  static WitnessKey key(std::string name = "second") { return {std::move(name), Secret(Bytes(32, std::byte{0x21}))}; }
  static crypto::Ed25519PublicKey public_key() { return crypto::ed25519_public_key(Bytes(32, std::byte{0x21})); }
  /// Entries of which each looks different.
  void append(const Vault& vault, int count, const std::string& what = "change") {
    auto log = must(CommitLog::load({}, vault));
    for (int i = 0; i < count; ++i)
      must(log->append({}, LogEntryType::kKeysetChanged, what + std::to_string(log->size()), {}, {}));
  }
  Result<WitnessReport> witness_of(store::ObjectStore& source, store::ObjectStore& keep) {
    auto vault = must(world_.open_vault(source));
    return witness({}, *vault, nullptr, keep, world_.clock(), key());
  }
  /// Only the log up to `size`, as an earlier state of the whole store has it.
  static Objects earlier(Objects objects, uint64_t size) {
    std::erase_if(objects, [&](const auto& item) {
      if (item.first.starts_with("log/entries/")) return std::stoull(item.first.substr(12), nullptr, 16) >= size;
      return item.first.starts_with("log/");
    });
    return objects;
  }

  World world_;
  std::unique_ptr<store::ObjectStore> store_, keep_;
  std::unique_ptr<Vault> vault_;
};

}  // namespace

TEST_F(Witness, AHistoryThatGrowsIsWitnessedAgainAndAgain) {
  const WitnessReport empty = must(witness_of(*store_, *keep_));
  EXPECT_EQ(empty.head.size, 0U);
  for (int round = 1; round <= 5; ++round) {
    append(*vault_, round);
    const WitnessReport report = must(witness_of(*store_, *keep_));
    EXPECT_TRUE(report.is_new);
    ASSERT_TRUE(report.before);
    EXPECT_EQ(report.head.size, report.before->size + static_cast<uint64_t>(round));
    const WitnessReport again = must(witness_of(*store_, *keep_));
    EXPECT_FALSE(again.is_new);
    EXPECT_EQ(again.head.root, report.head.root);
  }
  auto log = must(CommitLog::load({}, *vault_));
  const auto head = must(newest_head({}, vault_->format(), *keep_, "second", public_key()));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->root, log->root());
}

TEST_F(Witness, EachOfAHundredEarlierStatesIsFound) {
  append(*vault_, 101);
  const Objects now = snapshot(*store_);
  must(witness_of(*store_, *keep_));
  const Objects kept = snapshot(*keep_);
  for (uint64_t size = 0; size <= 100; ++size) {
    auto old = store_of(earlier(now, size));
    auto report = witness_of(*old, *keep_);
    ASSERT_FALSE(report.ok()) << size;
    EXPECT_EQ(report.code(), ErrorCode::kCorruption);
    EXPECT_NE(report.error().message.find("shortened: 101 entries were witnessed"), std::string::npos)
        << report.error().message;
    EXPECT_NE(report.error().message.find("it has " + std::to_string(size)), std::string::npos);
  }
  EXPECT_EQ(snapshot(*keep_), kept) << "nothing is kept of what was refused";
}

TEST_F(Witness, AForkFromEachEarlierStateIsFoundAlsoWhenItIsLonger) {
  append(*vault_, 30);
  const Objects now = snapshot(*store_);
  must(witness_of(*store_, *keep_));
  for (uint64_t size = 0; size < 30; ++size)
    for (uint64_t grown : {uint64_t{30}, uint64_t{33}}) {
      auto forked = store_of(earlier(now, size));
      auto vault = must(world_.open_vault(*forked));
      append(*vault, static_cast<int>(grown - size), "other");
      auto report = witness_of(*forked, *keep_);
      ASSERT_FALSE(report.ok()) << size << " " << grown;
      EXPECT_EQ(report.code(), ErrorCode::kCorruption);
      EXPECT_NE(report.error().message.find("forked"), std::string::npos) << report.error().message;
    }
}

TEST_F(Witness, AForkIsNamedByTheHeadsThatItStillAgreesWith) {
  append(*vault_, 10);
  must(witness_of(*store_, *keep_));
  append(*vault_, 10);
  must(witness_of(*store_, *keep_));
  auto forked = store_of(earlier(snapshot(*store_), 14));
  auto vault = must(world_.open_vault(*forked));
  append(*vault, 20, "other");
  auto report = witness_of(*forked, *keep_);
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message.find("entries 10 to 19"), std::string::npos) << report.error().message;
}

TEST_F(Witness, TwoForksThatTwoReadersWereShownAreFoundWhenTheyCompare) {
  append(*vault_, 7);
  auto other = store_of(snapshot(*store_));
  auto other_vault = must(world_.open_vault(*other));
  append(*vault_, 3, "a");
  append(*other_vault, 5, "b");
  auto other_keep = store::open_memory();
  must(witness_of(*store_, *keep_));
  must(witness_of(*other, *other_keep));
  // Each reader is content; one look at the other's note is enough, whichever way round.
  const auto head_a = must(newest_head({}, vault_->format(), *keep_, "second", public_key()));
  const auto head_b = must(newest_head({}, vault_->format(), *other_keep, "second", public_key()));
  auto log_a = must(CommitLog::load({}, *vault_));
  auto log_b = must(CommitLog::load({}, *other_vault));
  EXPECT_FALSE(check_agrees(*log_b, *head_a).ok());
  EXPECT_FALSE(check_agrees(*log_a, *head_b).ok());
  EXPECT_TRUE(check_agrees(*log_a, *head_a).ok());
}

TEST_F(Witness, WhatIsComparedIsWhatAConsistencyProofShows) {
  append(*vault_, 37);
  auto log = must(CommitLog::load({}, *vault_));
  std::vector<crypto::Digest256> leaves;
  for (const LogEntry& entry : log->entries()) leaves.push_back(crypto::merkle_leaf(encode_log_entry(entry)));
  for (uint64_t size = 1; size <= 37; ++size) {
    EXPECT_EQ(root_at(*log, size), size < 37 ? log->entries()[size].previous_root : log->root());
    EXPECT_TRUE(crypto::verify_consistency(size, root_at(*log, size), 37, log->root(),
                                           crypto::consistency_proof(leaves, size)));
  }
}

TEST_F(Witness, ASourceThatDoesNotKnowWhatWasCopiedFromItIsFound) {
  auto mirror_store = store_of(snapshot(*store_));
  auto mirror = must(world_.open_vault(*mirror_store));
  auto mirror_log = must(CommitLog::load({}, *mirror));
  const std::string point = "20261124T120000Z-00000001";
  crypto::Digest256 digest{};
  must(mirror_log->append({}, LogEntryType::kPointCommitted, point, encode_commit_body({10, digest, "lease"}), {}));
  auto report = witness({}, *vault_, mirror_log.get(), *keep_, world_.clock(), key());
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message.find(point), std::string::npos) << report.error().message;

  auto log = must(CommitLog::load({}, *vault_));
  digest[0] = std::byte{1};
  must(log->append({}, LogEntryType::kPointCommitted, point, encode_commit_body({10, digest, "lease"}), {}));
  EXPECT_FALSE(witness({}, *vault_, mirror_log.get(), *keep_, world_.clock(), key()).ok()) << "another manifest";
}

TEST_F(Witness, AnEntryThatWasAlteredIsFoundBeforeAnyHeadIsAsked) {
  append(*vault_, 5);
  must(witness_of(*store_, *keep_));
  auto altered = store_of(snapshot(*store_));
  const std::string entry = "log/entries/0000000000000002";
  Bytes bytes = must(altered->get_all({}, entry));
  bytes[bytes.size() / 2] ^= std::byte{1};
  overwrite(*altered, entry, bytes);
  auto report = witness_of(*altered, *keep_);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kCorruption);
}

TEST_F(Witness, ANoteIsOneOfC2spAndEveryAlteredByteOfItIsRefused) {
  append(*vault_, 5);
  const WitnessReport report = must(witness_of(*store_, *keep_));
  const auto notes = snapshot(*keep_);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes.begin()->first, "witness/" + vault_->format().uuid + "/0000000000000005");
  const std::string note = to_text(notes.begin()->second);
  const std::string origin = log_origin(vault_->format());
  EXPECT_TRUE(note.starts_with(origin + "\n5\n")) << note;
  EXPECT_NE(note.find("\n\n\xe2\x80\x94 second "), std::string::npos) << note;
  EXPECT_EQ(must(open_note(note, origin, "second", public_key())).root, report.head.root);
  for (size_t i = 0; i < note.size(); ++i) {
    std::string turned = note;
    turned[i] = static_cast<char>(turned[i] ^ 1);
    EXPECT_FALSE(open_note(turned, origin, "second", public_key()).ok()) << i;
    EXPECT_FALSE(open_note(std::string_view(note).substr(0, i), origin, "second", public_key()).ok()) << i;
  }
  EXPECT_FALSE(open_note(note, origin, "third", public_key()).ok());
  EXPECT_FALSE(open_note(note, origin, "second", crypto::ed25519_public_key(Bytes(32, std::byte{1}))).ok());
  EXPECT_FALSE(open_note(note, "coffer-vault/other/log", "second", public_key()).ok());
  // A second signature beside ours does not disturb.
  EXPECT_TRUE(open_note(note + "\xe2\x80\x94 other AAAA\n", origin, "second", public_key()).ok());
}

}  // namespace coffer::vault
