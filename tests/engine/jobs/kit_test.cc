#include "engine/jobs/kit.h"

#include <gtest/gtest.h>

#include "engine/crypto/escrow.h"
#include "engine/jobs/copy_world.h"
#include "engine/jobs/escrow.h"
#include "engine/vault/drill.h"

namespace coffer::jobs {

namespace {

class KitTest : public ::testing::Test {
 protected:
  KitTest() : store_(store::open_memory()), vault_(world_.create_vault(*store_)) {
    point_ = must(back_up(world_, *vault_, 1)).manifest.id;
  }
  Kit kit(std::map<std::string, std::string> documents = {}) {
    return must(make_kit(world_.context(), world_.environment(), *store_, vault_.get(), std::move(documents)));
  }

  World world_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
  std::string point_;
};

}  // namespace

TEST_F(KitTest, AKitIsWrittenAndReadAgain) {
  const Kit written = kit({{"plans.json", "{\"a\": \"\xc3\xa9\\n\"}"}});
  const Kit read = must(parse_kit(encode_kit(written)));
  EXPECT_EQ(read.vault_uuid, vault_->format().uuid);
  EXPECT_EQ(read.objects, written.objects);
  EXPECT_EQ(read.documents, written.documents);
  ASSERT_EQ(read.points.size(), 1U);
  EXPECT_EQ(read.points[0].id, point_);
  ASSERT_EQ(read.slots.size(), 1U);
  EXPECT_EQ(read.slots[0].name, "test");
  EXPECT_EQ(encode_kit(read), encode_kit(written));
}

TEST_F(KitTest, AKitThatIsCutOrTurnedAnywhereIsRefused) {
  const std::string text = encode_kit(kit());
  for (size_t size = 0; size + 1 < text.size(); ++size) EXPECT_FALSE(parse_kit(text.substr(0, size)).ok()) << size;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string turned = text;
    turned[i] = static_cast<char>(turned[i] ^ 1);
    auto parsed = parse_kit(turned);
    // White space between members is not content.
    EXPECT_TRUE(!parsed.ok() || encode_kit(*parsed) == text) << i;
  }
}

TEST_F(KitTest, AVaultWithoutItsKeysetsRestoresWithTheKitAndOneKey) {
  const Kit whole = must(parse_kit(encode_kit(kit())));
  vault_.reset();
  Objects objects = snapshot(*store_);
  std::erase_if(objects, [](const auto& item) { return item.first == "format" || item.first.starts_with("keysets/"); });
  EXPECT_FALSE(world_.open_vault(*store_of(objects)).ok());
  auto rescued = with_kit(store_of(objects), whole);
  auto vault = must(world_.open_vault(*rescued));
  expect_restores(world_, *vault, point_, 1);

  // Damaged ones stand back as well.
  for (auto& [key, body] : whole.objects) objects[key] = Bytes(body.size(), std::byte{1});
  auto damaged = with_kit(store_of(objects), whole);
  expect_restores(world_, *must(world_.open_vault(*damaged)), point_, 1);
}

TEST_F(KitTest, WhatTheKitHoldsIsListedInItsPlaceAndCannotBeWrittenOver) {
  const Kit whole = kit();
  auto plain = snapshot(*store_);
  Objects without = plain;
  for (const auto& [key, body] : whole.objects) without.erase(key);
  for (const auto& start : {plain, without}) {
    auto store = with_kit(store_of(start), whole);
    std::vector<std::string> keys;
    must(store->list({}, "", [&](const store::ObjectInfo& info) { return keys.push_back(info.key), true; }));
    std::vector<std::string> wanted;
    for (const auto& [key, body] : plain) wanted.push_back(key);
    EXPECT_EQ(keys, wanted);
    size_t given = 0;
    must(store->list({}, "", [&](const store::ObjectInfo&) { return ++given < 3; }));
    EXPECT_EQ(given, 3U);
    auto put = store->put({}, "format", to_bytes("x"));
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.code(), ErrorCode::kAlreadyExists);
  }
}

TEST_F(KitTest, AKeyIsTriedOnTheKitAlone) {
  auto second = crypto::key_file_slot(receiver_key());
  must(add_key_slot(world_.context(), *vault_, {"second", second.get()}));
  const Kit whole = kit();
  EXPECT_EQ(must(try_kit(whole, *crypto::key_file_slot(test_key()))), "test");
  EXPECT_EQ(must(try_kit(whole, *second)), "second");
  auto wrong = try_kit(whole, *crypto::key_file_slot(Secret(Bytes(32, std::byte{1}))));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.code(), ErrorCode::kUnauthenticated);
}

TEST_F(KitTest, AKitWithoutAKeyStillHasTheKeysets) {
  const Kit blind = must(make_kit(world_.context(), world_.environment(), *store_, nullptr, {}));
  EXPECT_TRUE(blind.points.empty());
  EXPECT_EQ(must(try_kit(blind, *crypto::key_file_slot(test_key()))), "test");
}

// ---- escrow as a whole

TEST_F(KitTest, WithEverySlotsKeyGoneTheQuorumRestores) {
  crypto::EscrowSet set = must(crypto::make_escrow(3, 5, world_.entropy()));
  must(add_key_slot(world_.context(), *vault_, {"officers", set.key.get()}));
  must(remove_key_slot(world_.context(), *vault_, "test"));
  vault_.reset();
  EXPECT_FALSE(world_.open_vault(*store_).ok());
  auto shares = [&](std::vector<size_t> indexes) {
    std::vector<crypto::EscrowShare> chosen;
    for (size_t i : indexes) chosen.push_back(must(crypto::parse_share(crypto::format_share(set.shares[i]))));
    return chosen;
  };
  auto quorum = must(crypto::combine_escrow(shares({4, 0, 2})));
  auto vault = must(vault::Vault::open(world_.context(), *store_, world_.clock(), world_.entropy(), *quorum));
  expect_restores(world_, *vault, point_, 1);

  const EscrowDrill drill = must(run_escrow_drill(world_.context(), world_.environment(), *vault, shares({4, 0, 2})));
  EXPECT_TRUE(drill.attestation.success);
  EXPECT_EQ(drill.slot, "officers");
  EXPECT_EQ(drill.point_id, point_);
  const auto drills = must(vault::read_drills(world_.context(), *vault));
  ASSERT_EQ(drills.size(), 1U);
  EXPECT_EQ(drills[0].facts.at("shares"), "5, 1, 3");
  EXPECT_TRUE(must(verify(world_, *vault)).clean()) << "a drill is a part of the vault";

  const crypto::EscrowSet other = must(crypto::make_escrow(2, 3, world_.entropy()));
  std::vector<crypto::EscrowShare> foreign;
  for (size_t i : {size_t{0}, size_t{1}})
    foreign.push_back(must(crypto::parse_share(crypto::format_share(other.shares[i]))));
  EXPECT_FALSE(run_escrow_drill(world_.context(), world_.environment(), *vault, foreign).ok());
}

}  // namespace coffer::jobs
