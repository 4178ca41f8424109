// Snapshots and restores: states, events, quotas, sharing, copies, automated ones, crashes in between.
#include "services/rds/world.h"

namespace coffer::rds {
namespace {

class Snapshots : public World {
 protected:
  Snapshots() { add("orders"); }
  Result<Value> create(const std::string& name, const std::string& database = "orders") {
    return rds("CreateDBSnapshot", object({{"DBSnapshotIdentifier", name}, {"DBInstanceIdentifier", database}}));
  }
  size_t listed(const Value& input = {}) { return must(rds("DescribeDBSnapshots", input)).list("DBSnapshots").size(); }
};

TEST_F(Snapshots, ASnapshotIsCreatingAndThenAvailableWithAnEventForEach) {
  const Value made = *must(create("Mine")).find("DBSnapshot");
  EXPECT_EQ(made.text("DBSnapshotIdentifier"), "mine");
  EXPECT_EQ(made.text("Status"), "creating");
  EXPECT_EQ(made.integer("PercentProgress"), 0);
  run();
  const Value shown = describe_snapshot("mine");
  EXPECT_EQ(shown.text("Status"), "available");
  EXPECT_EQ(shown.integer("PercentProgress"), 100);
  EXPECT_EQ(shown.text("DBSnapshotArn"), snapshot_arn("mine"));
  EXPECT_EQ(shown.text("SnapshotType"), "manual");
  EXPECT_TRUE(shown.flag("Encrypted"));
  EXPECT_EQ(events(), (std::vector<std::string>{"RDS-EVENT-0005 db:orders", "RDS-EVENT-0040 snapshot:mine",
                                                "RDS-EVENT-0042 snapshot:mine"}));
  EXPECT_EQ(error_of(create("mine")), "DBSnapshotAlreadyExists");
  EXPECT_EQ(error_of(create("a--b")), "InvalidParameterValue");
  EXPECT_EQ(error_of(create("rds:mine")), "InvalidParameterValue");
  EXPECT_EQ(error_of(create("x", "none")), "DBInstanceNotFound");
}

TEST_F(Snapshots, ADaemonThatDiesAnywhereInBetweenTakesThePointOnce) {
  for (const char* dies_in : {"before", "meanwhile", "after"}) {
    SCOPED_TRACE(dies_in);
    bool died = false;
    const auto die = [&] {
      if (std::exchange(died, true)) return;
      throw std::runtime_error("the daemon dies");
    };
    fake_.before = [&](std::string_view operation) -> Status {
      if (operation == "take" && dies_in == std::string("before")) die();
      return ok_status();
    };
    fake_.meanwhile = [&](const Context&, Progress&) -> Status {
      if (dies_in == std::string("meanwhile")) die();
      return ok_status();
    };
    fake_.after = [&](std::string_view) {
      if (dies_in == std::string("after")) die();
    };
    must(create(dies_in));
    run();
    EXPECT_EQ(describe_snapshot(dies_in).text("Status"), "creating");
    clock_.advance(std::chrono::minutes(10));
    run();
    EXPECT_EQ(describe_snapshot(dies_in).text("Status"), "available");
  }
  for (const auto& [label, times] : fake_.taken) EXPECT_EQ(times, 1) << label;
  EXPECT_EQ(fake_.count(), 3U);
}

TEST_F(Snapshots, WhatPassesIsTriedAgainAndWhatStaysFailsWithItsReason) {
  int failures = 2;
  fake_.before = [&](std::string_view operation) -> Status {
    if (operation == "take" && failures-- > 0) return Error{ErrorCode::kUnavailable, "the store is away", {}};
    return ok_status();
  };
  must(create("later"));
  for (int i = 0; i < 3; ++i) {
    run();
    clock_.advance(std::chrono::minutes(5));
  }
  EXPECT_EQ(describe_snapshot("later").text("Status"), "available");
  fake_.before = [&](std::string_view operation) -> Status {
    if (operation == "take") return Error{ErrorCode::kFailedPrecondition, "wal_level is minimal", {}};
    return ok_status();
  };
  must(create("never"));
  run();
  EXPECT_EQ(describe_snapshot("never").text("Status"), "failed");
  must(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "never"}})));
}

TEST_F(Snapshots, DeletingForgetsThePointAndItsSpaceComesBack) {
  snapshot("mine");
  EXPECT_EQ(fake_.count(), 1U);
  must(create("running"));
  EXPECT_EQ(error_of(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "running"}}))), "InvalidDBSnapshotState");
  run();
  const Value gone = must(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "mine"}})));
  EXPECT_EQ(gone.find("DBSnapshot")->text("Status"), "deleted");
  EXPECT_EQ(error_of(rds("DescribeDBSnapshots", object({{"DBSnapshotIdentifier", "mine"}}))), "DBSnapshotNotFound");
  run();
  EXPECT_EQ(fake_.forgotten.size(), 1U);
  EXPECT_EQ(fake_.collections, 1);
  clock_.advance(std::chrono::hours(26));
  run();
  EXPECT_EQ(fake_.collections, 2);  // what the first round marked is removed after its grace
  EXPECT_EQ(events().back(), "RDS-EVENT-0041 snapshot:mine");
  // Under the same name again it is another point.
  snapshot("mine");
  EXPECT_EQ(fake_.count(), 2U);
}

TEST_F(Snapshots, ThoseOfBackupAreShownWhenAskedForAndNotDeletableHere) {
  snapshot("mine");
  change([&](catalog::Transaction& t) -> Status {
    Snapshot s;
    s.account = kHome;
    s.region = "us-east-1";
    s.identifier = "awsbackup:job-1";
    s.type = "awsbackup";
    s.status = "available";
    s.database_identifier = "orders";
    s.place = {kHome, "us-east-1", "nightly", "key"};
    s.reference = "point";
    return put_snapshot(t, s);
  });
  EXPECT_EQ(listed(), 1U);
  EXPECT_EQ(listed(object({{"SnapshotType", "awsbackup"}})), 1U);
  EXPECT_EQ(listed(object({{"DBSnapshotIdentifier", "awsbackup:job-1"}})), 1U);
  EXPECT_EQ(listed(object({{"DBSnapshotIdentifier", snapshot_arn("awsbackup:job-1")}})), 1U);
  EXPECT_EQ(error_of(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "awsbackup:job-1"}}))),
            "InvalidDBSnapshotState");
  EXPECT_EQ(error_of(rds("DescribeDBSnapshots", object({{"SnapshotType", "other"}}))), "InvalidParameterValue");
}

TEST_F(Snapshots, OneHundredManualSnapshotsAreEnough) {
  for (int i = 0; i < 100; ++i) must(create("s" + std::to_string(i)));
  EXPECT_EQ(error_of(create("more")), "SnapshotQuotaExceeded");
  std::set<std::string> names;
  Value input = object({{"MaxRecords", 30}});
  for (;;) {
    const Value page = must(rds("DescribeDBSnapshots", input));
    for (const Value& s : page.list("DBSnapshots"))
      EXPECT_TRUE(names.insert(std::string(s.text("DBSnapshotIdentifier"))).second);
    if (!page.has("Marker")) break;
    input.set("Marker", page.text("Marker"));
  }
  EXPECT_EQ(names.size(), 100U);
}

TEST_F(Snapshots, ACopyMayHaveAnotherKeyAndIsAPointOfItsOwn) {
  snapshot("mine", "orders", object({{"Tags", iam::tags({{"a", "1"}})}}));
  const std::string id = key();
  Value copy = *must(rds("CopyDBSnapshot", object({{"SourceDBSnapshotIdentifier", "mine"},
                                                   {"TargetDBSnapshotIdentifier", "copy"},
                                                   {"KmsKeyId", id},
                                                   {"CopyTags", true}})))
                    .find("DBSnapshot");
  EXPECT_EQ(copy.text("Status"), "creating");
  EXPECT_EQ(copy.text("KmsKeyId"), arn(id));
  run();
  copy = describe_snapshot("copy");
  EXPECT_EQ(copy.text("Status"), "available");
  EXPECT_EQ(copy.text("SourceDBSnapshotIdentifier"), snapshot_arn("mine"));
  EXPECT_EQ(copy.list("TagList").size(), 1U);
  EXPECT_EQ(copy.time("OriginalSnapshotCreateTime"), describe_snapshot("mine").time("SnapshotCreateTime"));
  EXPECT_EQ(events().back(), "RDS-EVENT-0197 snapshot:copy");
  must(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "mine"}})));
  run();
  EXPECT_EQ(fake_.count(), 1U);
  EXPECT_EQ(error_of(rds("CopyDBSnapshot",
                         object({{"SourceDBSnapshotIdentifier", "mine"}, {"TargetDBSnapshotIdentifier", "copy2"}}))),
            "DBSnapshotNotFound");
}

TEST_F(Snapshots, ACopyIntoAnotherRegionNeedsAKeyThere) {
  snapshot("mine");
  Value input = object({{"SourceDBSnapshotIdentifier", snapshot_arn("mine")}, {"TargetDBSnapshotIdentifier", "away"}});
  EXPECT_EQ(error_of(far("CopyDBSnapshot", input)), "InvalidParameterCombination");
  const std::string there(
      must(kms(root(), "CreateKey", {}, kms::Way{.region = kms::kFar})).find("KeyMetadata")->text("KeyId"));
  input.set("KmsKeyId", there);
  must(far("CopyDBSnapshot", input));
  run();
  EXPECT_EQ(must(far("DescribeDBSnapshots")).list("DBSnapshots").at(0).text("Status"), "available");
}

TEST_F(Snapshots, SharingLetsAnotherAccountSeeCopyAndRestore) {
  const std::string policy = kms::key_policy({kms::account_statement(), kms::account_statement(kOther)});
  const std::string id = key(object({{"Policy", policy}}));
  add("shared", object({{"KmsKeyId", id}}));
  snapshot("mine", "shared");
  const auto modify = [&](const Value& more) {
    return rds("ModifyDBSnapshotAttribute",
               s3::with(object({{"DBSnapshotIdentifier", "mine"}, {"AttributeName", "restore"}}), more));
  };
  const Value by_arn = object({{"DBSnapshotIdentifier", snapshot_arn("mine")}});
  EXPECT_EQ(error_of(rds(root(kOther), "DescribeDBSnapshots", by_arn)), "DBSnapshotNotFound");
  EXPECT_EQ(error_of(modify(object({{"ValuesToAdd", texts({"all"})}}))), "InvalidParameterValue");
  EXPECT_EQ(error_of(modify(object({{"ValuesToAdd", texts({"12"})}}))), "InvalidParameterValue");
  must(modify(object({{"ValuesToAdd", texts({kOther})}})));
  EXPECT_EQ(
      must(rds(root(kOther), "DescribeDBSnapshots", object({{"SnapshotType", "shared"}}))).list("DBSnapshots").size(),
      1U);
  EXPECT_EQ(must(rds(root(kOther), "DescribeDBSnapshots")).list("DBSnapshots").size(), 0U);
  must(rds(root(kOther), "RestoreDBInstanceFromDBSnapshot",
           object({{"DBInstanceIdentifier", "again"}, {"DBSnapshotIdentifier", snapshot_arn("mine")}})));
  run();
  EXPECT_EQ(fake_.restored, std::vector<std::string>{"/restored/" + kOther + "/again"});
  EXPECT_EQ(error_of(rds(root(kOther), "DeleteDBSnapshot", by_arn)), "DBSnapshotNotFound");
  must(modify(object({{"ValuesToRemove", texts({kOther})}})));
  EXPECT_EQ(error_of(rds(root(kOther), "DescribeDBSnapshots", by_arn)), "DBSnapshotNotFound");
}

TEST_F(Snapshots, ARestoreMakesAStoppedDatabaseThatIsRegisteredOnceItsServerRuns) {
  snapshot("mine");
  const Value input = object({{"DBInstanceIdentifier", "again"}, {"DBSnapshotIdentifier", "mine"}});
  EXPECT_EQ(must(rds("RestoreDBInstanceFromDBSnapshot", input)).find("DBInstance")->text("DBInstanceStatus"),
            "creating");
  EXPECT_EQ(error_of(rds("RestoreDBInstanceFromDBSnapshot", input)), "DBInstanceAlreadyExists");
  run();
  EXPECT_EQ(describe_database("again").text("DBInstanceStatus"), "stopped");
  EXPECT_EQ(events().back(), "RDS-EVENT-0043 db:again");
  clock_.advance(std::chrono::minutes(3));
  due();
  EXPECT_EQ(describe_database("again").text("DBInstanceStatus"), "stopped");
  EXPECT_EQ(
      error_of(rds("CreateDBSnapshot", object({{"DBSnapshotIdentifier", "x"}, {"DBInstanceIdentifier", "again"}}))),
      "InvalidDBInstanceState");
  const std::string resource(describe_database("again").text("DbiResourceId"));
  add("again");
  EXPECT_EQ(describe_database("again").text("DBInstanceStatus"), "available");
  EXPECT_EQ(describe_database("again").text("DbiResourceId"), resource);
  EXPECT_EQ(
      error_of(coffer("RegisterDatabase", object({{"DBInstanceIdentifier", "again"}, {"Conninfo", "host=h user=u"}}))),
      "DatabaseAlreadyExistsException");
}

TEST_F(Snapshots, ARestoreThatFailsSaysSo) {
  snapshot("mine");
  fake_.before = [](std::string_view operation) -> Status {
    if (operation == "restore") return Error{ErrorCode::kFailedPrecondition, "the target is not empty", {}};
    return ok_status();
  };
  must(rds("RestoreDBInstanceFromDBSnapshot",
           object({{"DBInstanceIdentifier", "again"}, {"DBSnapshotIdentifier", "mine"}})));
  run();
  EXPECT_EQ(describe_database("again").text("DBInstanceStatus"), "restore-error");
  must(rds("DeleteDBInstance", object({{"DBInstanceIdentifier", "again"}, {"SkipFinalSnapshot", true}})));
}

TEST_F(Snapshots, APointInTimeIsTheTimeOfASnapshot) {
  const auto restore = [&](const Value& more) {
    return rds(
        "RestoreDBInstanceToPointInTime",
        s3::with(object({{"SourceDBInstanceIdentifier", "orders"}, {"TargetDBInstanceIdentifier", "again"}}), more));
  };
  EXPECT_EQ(error_of(restore({})), "InvalidParameterCombination");
  EXPECT_EQ(error_of(restore(object({{"UseLatestRestorableTime", true}}))), "PointInTimeRestoreNotEnabled");
  snapshot("first");
  const WallTime first = *describe_snapshot("first").time("SnapshotCreateTime");
  clock_.advance(std::chrono::hours(1));
  snapshot("second");
  EXPECT_EQ(error_of(restore(object({{"RestoreTime", first + std::chrono::minutes(5)}}))), "InvalidRestoreFault");
  EXPECT_EQ(error_of(restore(object({{"RestoreTime", first + std::chrono::hours(9)}}))), "InvalidParameterValue");
  must(restore(object({{"RestoreTime", first}})));
  run();
  EXPECT_EQ(describe_database("again").text("DBInstanceStatus"), "stopped");
}

TEST_F(Snapshots, AutomatedOnesComeOnceADayInTheirWindowAndGoAfterTheirDays) {
  must(rds("ModifyDBInstance", object({{"DBInstanceIdentifier", "orders"},
                                       {"BackupRetentionPeriod", 2},
                                       {"PreferredBackupWindow", "03:10-03:40"}})));
  for (int hour = 0; hour < 24 * 6; ++hour) {
    clock_.advance(std::chrono::hours(1));
    due();
    due();
  }
  const Value list = must(rds("DescribeDBSnapshots", object({{"SnapshotType", "automated"}})));
  EXPECT_EQ(list.list("DBSnapshots").size(), 2U);
  for (const Value& s : list.list("DBSnapshots")) {
    const std::string name(s.text("DBSnapshotIdentifier"));
    EXPECT_TRUE(name.starts_with("rds:orders-") && name.ends_with("-03-10")) << name;
    EXPECT_EQ(error_of(rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", name}}))), "InvalidDBSnapshotState");
  }
  EXPECT_EQ(fake_.taken.size(), 6U);
  EXPECT_EQ(fake_.count(), 2U);
  const Value kept = must(rds("DescribeDBInstanceAutomatedBackups")).list("DBInstanceAutomatedBackups").at(0);
  EXPECT_EQ(kept.text("Status"), "active");
  EXPECT_TRUE(kept.find("RestoreWindow")->has("LatestTime"));
}

TEST_F(Snapshots, TheLastAutomatedOneStaysWhileNoneFollowsIt) {
  must(rds("ModifyDBInstance", object({{"DBInstanceIdentifier", "orders"}, {"BackupRetentionPeriod", 1}})));
  clock_.advance(std::chrono::hours(24));
  due();
  fake_.unreachable = Error{ErrorCode::kUnavailable, "gone", {}};
  for (int day = 0; day < 10; ++day) {
    clock_.advance(std::chrono::hours(24));
    due();
  }
  EXPECT_EQ(must(rds("DescribeDBSnapshots", object({{"SnapshotType", "automated"}}))).list("DBSnapshots").size(), 1U);
}

}  // namespace
}  // namespace coffer::rds
