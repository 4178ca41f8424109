#include "services/kms/key_cache.h"

#include "services/catalog/catalogs.h"
#include "services/kms/service.h"

namespace coffer::kms {
namespace {

using catalog::Backend;
using catalog::must;

class KeyCacheTest : public catalog::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (!database_) return;
    must(database_->migrate(context_, migrations()));
    key_.account = "111122223333";
    key_.region = "eu-central-1";
    key_.id = "1234";
    key_.spec = "SYMMETRIC_DEFAULT";
    change([&](catalog::Transaction& t) { must(rows::insert_key(t, key_)); });
    cache_.emplace(*database_, clock_);
  }
  void change(const std::function<void(catalog::Transaction&)>& work) {
    auto transaction = write();
    work(*transaction);
    must(transaction->commit());
  }
  KeyFactsPtr find(catalog::Transaction& t, std::string_view id = "1234") {
    return must(cache_->find(context_, t, "eu-central-1", id));
  }
  rows::Alias alias(std::string name) { return {key_.account, key_.region, std::move(name), key_.id, {}, {}}; }

  ManualClock clock_{WallTime{1'795'522'800'000'000}};
  rows::Key key_;
  std::optional<KeyCache> cache_;
};

TEST_P(KeyCacheTest, GivesWhatWasCommittedLast) {
  EXPECT_TRUE(find(*read())->aliases.empty());
  change([&](catalog::Transaction& t) {
    must(rows::put_alias(t, alias("alias/a")));
    must(rows::put_tag(t, key_, {"team", "blue"}));
  });
  const KeyFactsPtr facts = find(*read());
  ASSERT_EQ(facts->aliases.size(), 1u);
  ASSERT_EQ(facts->tags.size(), 1u);
  EXPECT_EQ(must(cache_->key_id_of_alias(context_, *read(), key_.account, key_.region, "alias/a")), "1234");
  change([&](catalog::Transaction& t) { must(rows::remove_key(t, key_)); });
  EXPECT_EQ(find(*read()), nullptr);
  EXPECT_EQ(must(cache_->key_id_of_alias(context_, *read(), key_.account, key_.region, "alias/a")), "");
}

TEST_P(KeyCacheTest, ATransactionSeesItsOwnChangesAndNobodyElseDoes) {
  EXPECT_EQ(find(*read())->key.state, "Enabled");
  auto transaction = write();
  key_.state = "Disabled";
  must(rows::update_key(*transaction, key_));
  EXPECT_EQ(find(*transaction)->key.state, "Disabled");
  EXPECT_EQ(find(*read())->key.state, "Enabled");
  transaction.reset();  // rolled back
  EXPECT_EQ(find(*read())->key.state, "Enabled");
}

// What a transaction sees that began before a change must not be what those after it are given.
TEST_P(KeyCacheTest, AnOldSnapshotIsNotRemembered) {
  auto old = read();
  must(old->run("SELECT count(*) FROM kms_keys"));
  key_.state = "Disabled";
  change([&](catalog::Transaction& t) { must(rows::update_key(t, key_)); });
  find(*old);
  EXPECT_EQ(find(*read())->key.state, "Disabled");
}

TEST_P(KeyCacheTest, WhatWasNotThereIsFoundOnceItIs) {
  EXPECT_EQ(find(*read(), "5678"), nullptr);
  key_.id = "5678";
  change([&](catalog::Transaction& t) { must(rows::insert_key(t, key_)); });
  EXPECT_NE(find(*read(), "5678"), nullptr);
}

// Past the rows' own functions nothing tells of a change; a minute bounds how long it is unseen.
TEST_P(KeyCacheTest, NothingIsRememberedForLong) {
  find(*read());
  change([&](catalog::Transaction& t) { must(t.run("UPDATE kms_keys SET state = 'Disabled'")); });
  clock_.advance(std::chrono::minutes(2));
  EXPECT_EQ(find(*read())->key.state, "Disabled");
}

INSTANTIATE_TEST_SUITE_P(All, KeyCacheTest, testing::Values(Backend::kMemory, Backend::kPostgres),
                         catalog::backend_name);

}  // namespace
}  // namespace coffer::kms
