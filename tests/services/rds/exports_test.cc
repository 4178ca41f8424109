// Export tasks: who may, what is checked, limits, states, files in the bucket under the key.
#include "services/rds/world.h"

namespace coffer::rds {
namespace {

class Exports : public World {
 protected:
  Exports() {
    add("orders");
    snapshot("mine");
    key_ = key();
    make_bucket("exports");
    must(iam("CreateRole",
             object({{"RoleName", "writer"},
                     {"AssumeRolePolicyDocument", iam::trust(iam::service("export.rds.amazonaws.com"))}})));
    set_role_policy(R"("s3:*")");
  }
  void set_role_policy(const std::string& actions) {
    must(iam("PutRolePolicy", object({{"RoleName", "writer"},
                                      {"PolicyName", "p"},
                                      {"PolicyDocument",
                                       R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":)" + actions +
                                           R"(,"Resource":["arn:aws:s3:::exports","arn:aws:s3:::exports/*"]}]})"}})));
  }
  static std::string role() { return "arn:aws:iam::" + kHome + ":role/writer"; }
  [[nodiscard]] Value request(const std::string& id, const Value& more = {}) const {
    return s3::with(object({{"ExportTaskIdentifier", id},
                            {"SourceArn", snapshot_arn("mine")},
                            {"S3BucketName", "exports"},
                            {"IamRoleArn", role()},
                            {"KmsKeyId", key_}}),
                    more);
  }
  Result<Value> start(const std::string& id, const Value& more = {}) {
    return rds("StartExportTask", request(id, more));
  }
  Value task(const std::string& id) {
    return must(rds("DescribeExportTasks", object({{"ExportTaskIdentifier", id}}))).list("ExportTasks").at(0);
  }
  std::string key_;
};

TEST_F(Exports, ATaskWritesItsFilesUnderTheKeyAndIsComplete) {
  const Value begun =
      must(start("nightly-1", object({{"S3Prefix", "a b/c"}, {"ExportOnly", texts({"shop.public.orders"})}})));
  EXPECT_EQ(begun.text("Status"), "STARTING");
  EXPECT_EQ(begun.integer("PercentProgress"), 0);
  EXPECT_EQ(begun.text("SourceType"), "SNAPSHOT");
  run();
  const Value done = task("nightly-1");
  EXPECT_EQ(done.text("Status"), "COMPLETE") << done.text("FailureCause");
  EXPECT_EQ(done.integer("PercentProgress"), 100);
  EXPECT_EQ(done.integer("TotalExtractedDataInGB"), 5);
  EXPECT_TRUE(done.has("TaskStartTime"));
  EXPECT_TRUE(done.has("TaskEndTime"));
  const auto head = s3("HeadObject", object({{"Bucket", "exports"}, {"Key", "a_b/c/nightly-1/part-1"}}));
  EXPECT_EQ(head.error(), "");
  EXPECT_EQ(head.text("ServerSideEncryption"), "aws:kms");
  EXPECT_EQ(head.text("SSEKMSKeyId"), arn(key_));
  EXPECT_EQ(events().back(), "RDS-EVENT-0161 snapshot:mine");
  EXPECT_EQ(fake_.exported.at(0).only, std::vector<std::string>{"shop.public.orders"});
  // The role may use the key no more.
  EXPECT_EQ(must(kms("ListGrants", object({{"KeyId", key_}}))).list("Grants").size(), 0U);
  EXPECT_EQ(error_of(start("nightly-1")), "ExportTaskAlreadyExists");
}

TEST_F(Exports, RefusalsHaveRdsNames) {
  for (const char* id : {"1a", "a--b", "a-", "a_b", "a b", ""})
    EXPECT_EQ(error_of(start(id)), "InvalidParameterValue") << id;
  EXPECT_EQ(error_of(start(std::string(61, 'a'))), "InvalidParameterValue");
  const auto refused = [&](const Value& more) { return error_of(start("x", more)); };
  EXPECT_EQ(refused(object({{"SourceArn", snapshot_arn("none")}})), "DBSnapshotNotFound");
  EXPECT_EQ(refused(object({{"SourceArn", "arn:aws:rds:us-east-1:" + kHome + ":cluster:c"}})),
            "DBClusterNotFoundFault");
  EXPECT_EQ(refused(object({{"SourceArn", "arn:aws:rds:us-east-1:" + kHome + ":cluster-snapshot:c"}})),
            "DBClusterSnapshotNotFoundFault");
  EXPECT_EQ(refused(object({{"SourceArn", "mine"}})), "InvalidParameterValue");
  EXPECT_EQ(refused(object({{"S3BucketName", "nobodys-bucket"}})), "InvalidS3BucketFault");
  EXPECT_EQ(refused(object({{"S3Prefix", "a:b"}})), "InvalidParameterValue");
  EXPECT_EQ(refused(object({{"IamRoleArn", "arn:aws:iam::" + kHome + ":role/none"}})), "IamRoleNotFound");
  EXPECT_EQ(refused(object({{"KmsKeyId", "alias/none"}})), "KMSKeyNotAccessibleFault");
  for (const char* only : {"*", "a..b", "a.b.c.d", ".a", "a b", ""})
    EXPECT_EQ(refused(object({{"ExportOnly", texts({only})}})), "InvalidExportOnly") << only;
  must(iam("CreateRole", object({{"RoleName", "others"},
                                 {"AssumeRolePolicyDocument", iam::trust(iam::service("lambda.amazonaws.com"))}})));
  EXPECT_EQ(refused(object({{"IamRoleArn", "arn:aws:iam::" + kHome + ":role/others"}})), "InvalidParameterValue");
  set_role_policy(R"("s3:PutObject")");
  EXPECT_EQ(refused({}), "IamRoleMissingPermissions");
  must(kms("DisableKey", object({{"KeyId", key_}})));
  set_role_policy(R"("s3:*")");
  EXPECT_EQ(refused({}), "KMSKeyNotAccessibleFault");
  EXPECT_EQ(must(rds("DescribeExportTasks")).list("ExportTasks").size(), 0U);
}

TEST_F(Exports, WhoStartsOneMayPassTheRoleAndGrantTheKey) {
  const auto policy = [&](const std::string& more) {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"rds:StartExportTask","Resource":"*"})" +
           more + "]}";
  };
  const std::string pass = R"(,{"Effect":"Allow","Action":"iam:PassRole","Resource":")" + role() + "\"}";
  const std::string grant = R"(,{"Effect":"Allow","Action":["kms:CreateGrant","kms:DescribeKey"],"Resource":"*"})";
  EXPECT_EQ(error_of(rds(user("a", policy("")), "StartExportTask", request("x"))), kms::kDenied);
  EXPECT_EQ(error_of(rds(user("b", policy(pass)), "StartExportTask", request("x"))), "KMSKeyNotAccessibleFault");
  EXPECT_EQ(error_of(rds(user("c", policy(pass + grant)), "StartExportTask", request("x"))), "");
}

TEST_F(Exports, OneAtATimeOfASnapshotAndFiveInAll) {
  for (int i = 0; i < 6; ++i) snapshot("s" + std::to_string(i));
  const auto of = [](const std::string& name) { return object({{"SourceArn", snapshot_arn(name)}}); };
  must(start("first", of("s0")));
  EXPECT_EQ(error_of(start("second", of("s0"))), "InvalidExportSourceState");
  for (int i = 1; i < 5; ++i) must(start("e" + std::to_string(i), of("s" + std::to_string(i))));
  EXPECT_EQ(error_of(start("sixth", of("s5"))), "ExportTaskLimitReached");
  run();
  EXPECT_EQ(error_of(start("sixth", of("s5"))), "");
  EXPECT_EQ(error_of(start("again", of("s0"))), "");
  const auto filtered =
      must(rds("DescribeExportTasks",
               object({{"Filters", api::List{object({{"Name", "status"}, {"Values", texts({"complete"})}})}}})));
  EXPECT_EQ(filtered.list("ExportTasks").size(), 5U);
}

TEST_F(Exports, ATaskIsCanceledBeforeItRunsAndWhileItDoes) {
  must(start("waiting"));
  EXPECT_EQ(must(rds("CancelExportTask", object({{"ExportTaskIdentifier", "waiting"}}))).text("Status"), "CANCELING");
  EXPECT_EQ(error_of(rds("CancelExportTask", object({{"ExportTaskIdentifier", "waiting"}}))),
            "InvalidExportTaskStateFault");
  run();
  EXPECT_EQ(task("waiting").text("Status"), "CANCELED");
  must(start("running"));
  fake_.while_exporting = [&](ExportSink&, ExportProgress&) -> Status {
    if (task("running").text("Status") == "IN_PROGRESS")
      must(rds("CancelExportTask", object({{"ExportTaskIdentifier", "running"}})));
    return ok_status();
  };
  run();
  EXPECT_EQ(task("running").text("Status"), "CANCELED");
  EXPECT_EQ(events().back(), "RDS-EVENT-0160 snapshot:mine");
  EXPECT_EQ(error_of(rds("CancelExportTask", object({{"ExportTaskIdentifier", "running"}}))),
            "InvalidExportTaskStateFault");
  EXPECT_EQ(error_of(rds("CancelExportTask", object({{"ExportTaskIdentifier", "none"}}))), "ExportTaskNotFound");
}

TEST_F(Exports, ARoleThatIsTakenBackMeanwhileFailsTheTaskWithItsReason) {
  must(start("x"));
  int calls = 0;
  fake_.while_exporting = [&](ExportSink&, ExportProgress&) -> Status {
    if (++calls == 2) must(iam("DeleteRolePolicy", object({{"RoleName", "writer"}, {"PolicyName", "p"}})));
    return ok_status();
  };
  run();
  const Value failed = task("x");
  EXPECT_EQ(failed.text("Status"), "FAILED");
  EXPECT_NE(failed.text("FailureCause").find("AccessDenied"), std::string::npos) << failed.text("FailureCause");
  EXPECT_EQ(events().back(), "RDS-EVENT-0159 snapshot:mine");
  EXPECT_EQ(must(kms("ListGrants", object({{"KeyId", key_}}))).list("Grants").size(), 0U);
}

TEST_F(Exports, ADaemonThatDiesBeginsAgainAndEndsOnce) {
  must(start("x"));
  bool died = false;
  fake_.while_exporting = [&](ExportSink&, ExportProgress&) -> Status {
    if (!std::exchange(died, true)) throw std::runtime_error("the daemon dies");
    return ok_status();
  };
  run();
  EXPECT_EQ(task("x").text("Status"), "IN_PROGRESS");
  clock_.advance(std::chrono::minutes(10));
  run();
  EXPECT_EQ(task("x").text("Status"), "COMPLETE");
  const auto all = events();
  EXPECT_EQ(std::count(all.begin(), all.end(), "RDS-EVENT-0161 snapshot:mine"), 1);
}

TEST_F(Exports, ASnapshotMayBeDeletedWhileItIsExported) {
  must(start("x"));
  fake_.while_exporting = [&](ExportSink&, ExportProgress&) -> Status {
    if (rds("DeleteDBSnapshot", object({{"DBSnapshotIdentifier", "mine"}})).ok()) {
      EXPECT_EQ(fake_.count(), 1U);
    }
    return ok_status();
  };
  run();
  EXPECT_EQ(task("x").text("Status"), "COMPLETE");
  clock_.advance(std::chrono::minutes(10));
  run();
  EXPECT_EQ(fake_.count(), 0U);
}

TEST_F(Exports, LargeFilesGoInPartsAndComeBackAsTheyWere) {
  must(start("x"));
  const std::string large = s3::noise(size_t{40} << 20);
  fake_.while_exporting = [&](ExportSink& sink, ExportProgress&) -> Status {
    s3::TextBody body(large);
    COFFER_CHECK_OK(sink.put(Context(), "x/large", body));
    COFFER_TRY(auto back, sink.open(Context(), "x/large"));
    EXPECT_TRUE(read_all(*back) == large);
    COFFER_TRY(const auto names, sink.list(Context(), "x/"));
    EXPECT_FALSE(names.empty());
    COFFER_CHECK_OK(sink.remove(Context(), "x/large"));
    return ok_status();
  };
  run();
  EXPECT_EQ(task("x").text("Status"), "COMPLETE") << task("x").text("FailureCause");
}

}  // namespace
}  // namespace coffer::rds
