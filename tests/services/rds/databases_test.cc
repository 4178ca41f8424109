// Databases: registered, checked, described, modified, removed; their status follows a live probe.
#include "services/rds/world.h"

namespace coffer::rds {
namespace {

class Databases : public World {};

TEST_F(Databases, ARegisteredDatabaseIsADbInstanceWithItsIdentityPinned) {
  const Value made = add("Orders", object({{"Tags", iam::tags({{"team", "shop"}})}}));
  const Value& d = *made.find("Database");
  EXPECT_EQ(d.text("DBInstanceIdentifier"), "orders");
  EXPECT_EQ(d.text("DBInstanceArn"), db_arn("orders"));
  EXPECT_EQ(d.text("SystemIdentifier"), "7000000000000000001");
  EXPECT_TRUE(made.list("Findings").empty());
  const Value shown = describe_database("orders");
  EXPECT_EQ(shown.text("DBInstanceStatus"), "available");
  EXPECT_EQ(shown.text("Engine"), "postgres");
  EXPECT_EQ(shown.text("EngineVersion"), "15.18");
  EXPECT_EQ(shown.integer("AllocatedStorage"), 3);
  EXPECT_EQ(shown.find("Endpoint")->text("Address"), "db.example");
  EXPECT_EQ(shown.find("Endpoint")->integer("Port"), 5433);
  EXPECT_TRUE(shown.text("DbiResourceId").starts_with("db-"));
  EXPECT_EQ(shown.text("DbiResourceId").size(), 29U);
  EXPECT_EQ(shown.list("TagList").at(0).text("Value"), "shop");
  // The account's key for RDS was made for it.
  EXPECT_TRUE(shown.text("KmsKeyId").starts_with("arn:aws:kms:us-east-1:" + kHome + ":key/"));
  EXPECT_EQ(events(), std::vector<std::string>{"RDS-EVENT-0005 db:orders"});
}

TEST_F(Databases, TheConnectionIsSealedAndOpensOnlyWithItsKey) {
  const std::string id = key();
  add("orders", object({{"KmsKeyId", id}}));
  auto t = read();
  const auto database = *must(find_database(*t, db_arn("orders")));
  const Bytes sealed = must(rows::connection_of(*t, database));
  t.reset();
  EXPECT_EQ(to_text(sealed).find("pa"), std::string::npos);
  const DatabaseAccess access = must(rds_->access_of(Context(), database));
  const std::string text = to_text(access.conninfo.view());
  EXPECT_NE(text.find("password='pa\\'ss'"), std::string::npos) << text;
  EXPECT_NE(text.find("passfile='/nonexistent/pgpass'"), std::string::npos) << text;
  EXPECT_EQ(access.system_identifier, fake_.system_identifier);
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(error_of(rds_->access_of(Context(), database)), "DisabledException");
  clock_.advance(std::chrono::minutes(2));
  due();
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "inaccessible-encryption-credentials-recoverable");
  must(kms("EnableKey", object({{"KeyId", id}})));
  clock_.advance(std::chrono::minutes(2));
  due();
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "available");
}

TEST_F(Databases, ThePasswordIsInNoAuditRecord) {
  add("orders");
  must(audit_->flush(Context()));
  for (const auto& row : iam::must(read()->run("SELECT record FROM audit_records")))
    EXPECT_EQ(row.text(0).find("pa'ss"), std::string::npos) << row.text(0);
}

TEST_F(Databases, RefusalsSayWhatIsWrong) {
  const auto refused = [&](const Value& more) {
    return error_of(
        coffer("RegisterDatabase",
               s3::with(object({{"DBInstanceIdentifier", "orders"}, {"Conninfo", "host=h user=u"}}), more)));
  };
  for (const char* name : {"9lives", "a--b", "a-", "a b", "-a"})
    EXPECT_EQ(refused(object({{"DBInstanceIdentifier", name}})), "ValidationException") << name;
  for (const char* conninfo : {"host=h", "user=u", "service=prod user=u host=h", "passfile=/etc/shadow user=u host=h",
                               "replication=true host=h user=u", "=", "host='h"})
    EXPECT_EQ(refused(object({{"Conninfo", conninfo}})), "ValidationException") << conninfo;
  EXPECT_EQ(refused(object({{"DataDirectory", "data"}})), "ValidationException");
  EXPECT_EQ(refused(object({{"DataDirectory", "/data/../etc"}})), "ValidationException");
  EXPECT_EQ(refused(object({{"KmsKeyId", "alias/none"}})), "KMSKeyNotAccessibleFault");
  EXPECT_EQ(refused(object({{"Tags", iam::tags({{"aws:x", "1"}})}})), "ValidationException");
  fake_.unreachable = Error{ErrorCode::kUnavailable, "cannot connect: no route", "check host and port"};
  auto away = coffer("RegisterDatabase", object({{"DBInstanceIdentifier", "orders"}, {"Conninfo", "host=h user=u"}}));
  EXPECT_EQ(error_of(away), "DatabaseNotReachableException");
  EXPECT_NE(away.error().message.find("check host and port"), std::string::npos);
  fake_.unreachable.reset();
  add("orders");
  EXPECT_EQ(refused({}), "DatabaseAlreadyExistsException");
  EXPECT_EQ(error_of(coffer("CheckDatabase", object({{"DBInstanceIdentifier", "none"}}))), "DatabaseNotFoundException");
}

TEST_F(Databases, ACheckTellsEveryFindingAndItsRemedyAlsoWhenTheServerIsAway) {
  fake_.findings = {{"role backup has no REPLICATION attribute", "ALTER ROLE \"backup\" REPLICATION;"}};
  EXPECT_EQ(add("orders").list("Findings").at(0).text("NextStep"), "ALTER ROLE \"backup\" REPLICATION;");
  Value checked = must(coffer("CheckDatabase", object({{"DBInstanceIdentifier", "orders"}})));
  EXPECT_TRUE(checked.flag("Reachable"));
  EXPECT_FALSE(checked.flag("Healthy"));
  fake_.unreachable = Error{ErrorCode::kUnavailable, "cannot connect", "start it"};
  checked = must(coffer("CheckDatabase", object({{"DBInstanceIdentifier", "orders"}})));
  EXPECT_FALSE(checked.flag("Reachable"));
  EXPECT_EQ(checked.list("Findings").at(0).text("NextStep"), "start it");
}

TEST_F(Databases, TheStatusFollowsTheServerAndEachChangeIsOneEvent) {
  add("orders");
  clock_.advance(std::chrono::seconds(59));
  due();
  fake_.unreachable = Error{ErrorCode::kUnavailable, "cannot connect: refused", {}};
  due();  // looked at less than a minute ago
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "available");
  for (int i = 0; i < 3; ++i) {
    clock_.advance(std::chrono::minutes(1));
    due();
  }
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "stopped");
  EXPECT_EQ(
      error_of(rds("CreateDBSnapshot", object({{"DBSnapshotIdentifier", "s"}, {"DBInstanceIdentifier", "orders"}}))),
      "InvalidDBInstanceState");
  fake_.unreachable = Error{ErrorCode::kFailedPrecondition, "another cluster", {}};
  clock_.advance(std::chrono::minutes(1));
  due();
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "incompatible-restore");
  fake_.unreachable.reset();
  clock_.advance(std::chrono::minutes(1));
  due();
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "available");
  EXPECT_EQ(events(), (std::vector<std::string>{"RDS-EVENT-0005 db:orders", "RDS-EVENT-0087 db:orders",
                                                "RDS-EVENT-0035 db:orders", "RDS-EVENT-0088 db:orders"}));
}

TEST_F(Databases, ListsComeInPagesAndByFilters) {
  for (int i = 0; i < 45; ++i) add("db" + std::to_string(100 + i));
  std::vector<std::string> names;
  Value input = object({{"MaxRecords", 20}});
  for (;;) {
    const Value page = must(rds("DescribeDBInstances", input));
    EXPECT_LE(page.list("DBInstances").size(), 20U);
    for (const Value& d : page.list("DBInstances")) names.emplace_back(d.text("DBInstanceIdentifier"));
    if (!page.has("Marker")) break;
    input.set("Marker", page.text("Marker"));
  }
  EXPECT_EQ(names.size(), 45U);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  const auto filtered = [&](const char* name, std::initializer_list<std::string> values) {
    return rds("DescribeDBInstances",
               object({{"Filters", api::List{object({{"Name", name}, {"Values", texts(values)}})}}}));
  };
  EXPECT_EQ(must(filtered("db-instance-id", {"db100", db_arn("db101")})).list("DBInstances").size(), 2U);
  EXPECT_EQ(must(filtered("engine", {"mysql"})).list("DBInstances").size(), 0U);
  EXPECT_EQ(error_of(filtered("color", {"red"})), "InvalidParameterValue");
  EXPECT_EQ(error_of(rds("DescribeDBInstances", object({{"MaxRecords", 5}}))), "InvalidParameterValue");
  EXPECT_EQ(error_of(rds("DescribeDBInstances", object({{"Marker", "x"}}))), "InvalidParameterValue");
  EXPECT_EQ(error_of(rds("DescribeDBInstances", object({{"DBInstanceIdentifier", "none"}}))), "DBInstanceNotFound");
}

TEST_F(Databases, IamDecidesOnTheDatabaseAndItsTags) {
  add("orders", object({{"Tags", iam::tags({{"team", "shop"}})}}));
  add("bills");
  const Keys alice = user("alice", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"rds:Describe*",)"
                                   R"("Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"shop"}}},)"
                                   R"({"Effect":"Allow","Action":"coffer:CheckDatabase","Resource":")" +
                                       db_arn("bills") + "\"}]}");
  EXPECT_EQ(error_of(rds(alice, "DescribeDBInstances", object({{"DBInstanceIdentifier", "orders"}}))), "");
  EXPECT_EQ(error_of(rds(alice, "DescribeDBInstances", object({{"DBInstanceIdentifier", "bills"}}))), kms::kDenied);
  EXPECT_EQ(error_of(call(alice, "coffer", "CheckDatabase", object({{"DBInstanceIdentifier", "bills"}}))), "");
  EXPECT_EQ(error_of(call(alice, "coffer", "CheckDatabase", object({{"DBInstanceIdentifier", "orders"}}))),
            kms::kDenied);
  EXPECT_EQ(error_of(call(alice, "coffer", "DeregisterDatabase", object({{"DBInstanceIdentifier", "bills"}}))),
            kms::kDenied);
}

TEST_F(Databases, ModifyChangesWhatIsOursAndRefusesWhatIsTheServers) {
  add("orders");
  const auto modify = [&](const Value& more) {
    return rds("ModifyDBInstance", s3::with(object({{"DBInstanceIdentifier", "orders"}}), more));
  };
  must(modify(
      object({{"DeletionProtection", true}, {"BackupRetentionPeriod", 7}, {"PreferredBackupWindow", "03:10-03:40"}})));
  const Value shown = describe_database("orders");
  EXPECT_TRUE(shown.flag("DeletionProtection"));
  EXPECT_EQ(shown.integer("BackupRetentionPeriod"), 7);
  EXPECT_EQ(shown.text("PreferredBackupWindow"), "03:10-03:40");
  EXPECT_EQ(error_of(modify(object({{"MasterUserPassword", "x"}}))), "InvalidParameterCombination");
  EXPECT_EQ(error_of(modify(object({{"BackupRetentionPeriod", 36}}))), "InvalidParameterValue");
  EXPECT_EQ(error_of(modify(object({{"PreferredBackupWindow", "25:00-26:00"}}))), "InvalidParameterValue");
  EXPECT_EQ(
      error_of(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "orders"}, {"SkipFinalSnapshot", true}}))),
      "InvalidParameterCombination");
  EXPECT_EQ(error_of(coffer("DeregisterDatabase", object({{"DBInstanceIdentifier", "orders"}}))),
            "InvalidDatabaseStateException");
}

TEST_F(Databases, DeletingAsksForAFinalSnapshotAndGoesWithIt) {
  add("orders");
  EXPECT_EQ(error_of(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "orders"}}))),
            "InvalidParameterCombination");
  EXPECT_EQ(error_of(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "orders"},
                                                     {"SkipFinalSnapshot", true},
                                                     {"FinalDBSnapshotIdentifier", "last"}}))),
            "InvalidParameterCombination");
  const Value answer = must(
      rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "orders"}, {"FinalDBSnapshotIdentifier", "last"}})));
  EXPECT_EQ(answer.find("DBInstance")->text("DBInstanceStatus"), "deleting");
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "deleting");
  run();
  EXPECT_EQ(error_of(rds("DescribeDBInstances", object({{"DBInstanceIdentifier", "orders"}}))), "DBInstanceNotFound");
  EXPECT_EQ(describe_snapshot("last").text("Status"), "available");
  add("bills");
  must(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "bills"}, {"SkipFinalSnapshot", true}})));
  EXPECT_EQ(error_of(rds("DescribeDBInstances", object({{"DBInstanceIdentifier", "bills"}}))), "DBInstanceNotFound");
}

TEST_F(Databases, WithoutItsFinalSnapshotADatabaseStays) {
  add("orders");
  fake_.before = [](std::string_view operation) -> Status {
    if (operation == "take") return Error{ErrorCode::kFailedPrecondition, "wal_level is minimal", {}};
    return ok_status();
  };
  must(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "orders"}, {"FinalDBSnapshotIdentifier", "last"}})));
  run();
  EXPECT_EQ(describe_database("orders").text("DBInstanceStatus"), "available");
  EXPECT_EQ(describe_snapshot("last").text("Status"), "failed");
}

TEST_F(Databases, TagsAreAddedListedAndRemoved) {
  add("orders");
  snapshot("mine");
  for (const std::string& arn : {db_arn("orders"), snapshot_arn("mine")}) {
    must(rds("AddTagsToResource", object({{"ResourceName", arn}, {"Tags", iam::tags({{"a", "1"}, {"b", "2"}})}})));
    must(rds("RemoveTagsFromResource", object({{"ResourceName", arn}, {"TagKeys", texts({"a"})}})));
    const Value list = must(rds("ListTagsForResource", object({{"ResourceName", arn}})));
    ASSERT_EQ(list.list("TagList").size(), 1U);
    EXPECT_EQ(list.list("TagList").at(0).text("Key"), "b");
  }
  EXPECT_EQ(error_of(rds("ListTagsForResource", object({{"ResourceName", db_arn("none")}}))), "DBInstanceNotFound");
  EXPECT_EQ(error_of(rds("ListTagsForResource", object({{"ResourceName", "orders"}}))), "InvalidParameterValue");
}

TEST_F(Databases, EventsAreToldForTwoWeeks) {
  add("orders");
  snapshot("mine");
  const auto told = [&](Value input) { return must(rds("DescribeEvents", std::move(input))).list("Events").size(); };
  EXPECT_EQ(told({}), 3U);
  EXPECT_EQ(told(object({{"SourceType", "db-snapshot"}})), 2U);
  EXPECT_EQ(told(object({{"SourceType", "db-snapshot"}, {"SourceIdentifier", "mine"}})), 2U);
  EXPECT_EQ(told(object({{"EventCategories", texts({"deletion"})}})), 0U);
  EXPECT_EQ(error_of(rds("DescribeEvents", object({{"SourceIdentifier", "mine"}}))), "InvalidParameterCombination");
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(told({}), 0U);
  EXPECT_EQ(told(object({{"Duration", 180}})), 3U);
  clock_.advance(std::chrono::hours(24 * 15));
  due();
  EXPECT_EQ(rows_in("rds_events"), 0);
  EXPECT_EQ(must(rds("DescribeEventCategories")).list("EventCategoriesMapList").size(), 2U);
}

}  // namespace
}  // namespace coffer::rds
