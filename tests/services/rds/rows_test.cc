// Databases, snapshots, export tasks and events keep what they were given, on every catalog.
#include "services/rds/rows.h"

#include "services/catalog/catalogs.h"
#include "services/rds/row_text.h"
#include "services/rds/service.h"

namespace coffer::rds {
namespace {

using catalog::must;

constexpr const char* kAccount = "111111111111";
constexpr const char* kRegion = "us-east-2";

Database database_named(const std::string& name) {
  Database d;
  d.account = kAccount;
  d.region = kRegion;
  d.identifier = name;
  d.resource_id = "db-" + name;
  d.system_identifier = 18'000'000'000'000'000'001ULL;  // more than a signed number holds
  d.engine_version = "15.18";
  d.host = "db.example";
  d.user = "backup";
  d.database_name = "shop";
  d.kms_key_arn = "arn:aws:kms:us-east-2:111111111111:key/1";
  d.settings = {{"PreferredBackupWindow", "05:00-06:00"}};
  d.tags = {{"team", "a \"b\"\n"}};
  d.created = WallTime{1'000'000};
  return d;
}

class Rows : public catalog::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    must(database().migrate(context_, migrations()));
  }
};

TEST_P(Rows, ADatabaseComesBackAsItWasPutAndItsConnectionStaysSealed) {
  const Bytes sealed{std::byte{0}, std::byte{0xFF}, std::byte{'x'}};
  auto t = write();
  must(rows::insert_database(*t, database_named("orders"), sealed));
  must(rows::insert_database(*t, database_named("bills"), {}));
  must(t->commit());
  t = write();
  auto found = must(find_database(*t, "arn:aws:rds:us-east-2:111111111111:db:orders"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->system_identifier, 18'000'000'000'000'000'001ULL);
  EXPECT_EQ(found->settings.at("PreferredBackupWindow"), "05:00-06:00");
  EXPECT_EQ(found->tags.at("team"), "a \"b\"\n");
  EXPECT_EQ(must(rows::connection_of(*t, *found)), sealed);
  EXPECT_TRUE(must(rows::connection_of(*t, database_named("bills"))).empty());
  found->status = "stopped";
  found->probed = WallTime{5};
  must(rows::update_database(*t, *found));
  const auto all = must(list_databases(*t, kAccount, ""));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].identifier, "bills");
  EXPECT_EQ(all[1].status, "stopped");
  const auto due = must(rows::databases_probed_before(*t, WallTime{5}, 10));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].identifier, "bills");
  must(rows::remove_database(*t, *found));
  EXPECT_FALSE(must(find_database(*t, found->arn())));
  const Status twice = rows::insert_database(*t, database_named("bills"), {});
  EXPECT_EQ(twice.code(), ErrorCode::kAlreadyExists);
}

TEST_P(Rows, ASnapshotIsReplacedUnderItsNameWhichMayHaveColons) {
  Snapshot s;
  s.account = kAccount;
  s.region = kRegion;
  s.identifier = "awsbackup:job-1";
  s.type = "awsbackup";
  s.place = {kAccount, kRegion, "nightly", "key"};
  auto t = write();
  must(put_snapshot(*t, s));
  s.status = "available";
  s.reference = "point";
  s.restore_accounts = {"222222222222"};
  s.percent = 100;
  must(put_snapshot(*t, s));
  const auto found = must(find_snapshot(*t, "arn:aws:rds:us-east-2:111111111111:snapshot:awsbackup:job-1"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status, "available");
  EXPECT_EQ(found->place, s.place);
  EXPECT_EQ(found->restore_accounts, s.restore_accounts);
  EXPECT_EQ(must(rows::snapshots_of_point(*t, s.place, "point")), 1);
  EXPECT_EQ(must(rows::shared_snapshots(*t, "222222222222", kRegion)).size(), 1U);
  EXPECT_TRUE(must(rows::shared_snapshots(*t, kAccount, kRegion)).empty());
  EXPECT_EQ(must(list_snapshots(*t, kAccount, kRegion, "", 10)).size(), 1U);
  EXPECT_TRUE(must(list_snapshots(*t, kAccount, kRegion, s.identifier, 10)).empty());
  must(remove_snapshot(*t, s.arn()));
  must(remove_snapshot(*t, s.arn()));
  EXPECT_FALSE(must(find_snapshot(*t, s.arn())));
}

TEST_P(Rows, AnExportTaskHoldsItsPointUntilItIsOver) {
  rows::ExportTask e;
  e.account = kAccount;
  e.region = kRegion;
  e.identifier = "nightly-1";
  e.only = {"shop.public.orders"};
  e.place = {kAccount, kRegion, "v", "key"};
  e.reference = "point";
  auto t = write();
  must(rows::insert_export(*t, e));
  EXPECT_TRUE(must(rows::is_exported(*t, e.place, "point")));
  e.status = "COMPLETE";
  e.ended = WallTime{9};
  must(rows::update_export(*t, e));
  EXPECT_FALSE(must(rows::is_exported(*t, e.place, "point")));
  const auto found = must(rows::find_export(*t, kAccount, kRegion, "nightly-1"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->only, e.only);
  EXPECT_EQ(found->ended, e.ended);
  EXPECT_FALSE(found->started);
  EXPECT_TRUE(must(rows::running_exports(*t, kAccount, kRegion)).empty());
  EXPECT_EQ(must(rows::exports_behind(*t, kAccount, kRegion, "", 10)).size(), 1U);
}

TEST_P(Rows, EventsAreReadInTheirOrderAndGoWithTheirTime) {
  auto t = write();
  for (int i = 0; i < 3; ++i)
    must(rows::insert_event(
        *t, {0, kAccount, kRegion, "db-instance", "orders", "arn", "RDS-EVENT-0001", "text", {"backup"}, WallTime{i}}));
  auto all = must(rows::events_between(*t, kAccount, kRegion, WallTime{1}, WallTime{3}, 0, 10));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].time, WallTime{1});
  EXPECT_EQ(all[0].categories, std::vector<std::string>{"backup"});
  all = must(rows::events_between(*t, kAccount, kRegion, WallTime{1}, WallTime{3}, all[0].sequence, 10));
  EXPECT_EQ(all.size(), 1U);
  must(rows::remove_events_before(*t, WallTime{2}));
  EXPECT_EQ(must(rows::events_between(*t, kAccount, kRegion, WallTime{0}, WallTime{3}, 0, 10)).size(), 1U);
}

COFFER_ON_EVERY_CATALOG(Rows);

TEST(Arn, ReadsNamesWithColonsAndNothingElse) {
  const auto arn = parse_arn("arn:aws:rds:us-east-2:111111111111:snapshot:rds:orders-2026-01-05-05-00");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->type, "snapshot");
  EXPECT_EQ(arn->name, "rds:orders-2026-01-05-05-00");
  const std::string whole = "arn:aws:rds:us-east-2:111111111111:db:orders";
  for (size_t size = 0; size < whole.find("orders"); ++size) EXPECT_FALSE(parse_arn(whole.substr(0, size))) << size;
  EXPECT_FALSE(parse_arn("arn:aws:rds:::db:orders"));
  EXPECT_FALSE(parse_arn("arn:aws:kms:us-east-2:111111111111:key:1"));
}

TEST(RowText, DamageIsReadAsNothing) {
  EXPECT_TRUE(map_of("{").empty());
  EXPECT_TRUE(list_of("5").empty());
  EXPECT_EQ(number_of("12x"), 0U);
  EXPECT_EQ(text_of(std::map<std::string, std::string>()), "");
}

}  // namespace
}  // namespace coffer::rds
