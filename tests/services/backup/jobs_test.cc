#include "services/api/event.h"
#include "services/backup/world.h"

namespace coffer::backup {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;

class BackupJobs : public World {
 protected:
  BackupJobs() {
    vault("daily");
    orders_ = database("orders", {{"team", "shop"}});
  }
  std::string orders_;
};

TEST_F(BackupJobs, AJobTakesAPointAndTellsEveryStateOnce) {
  const std::string id = start("daily", orders_, object({{"Lifecycle", days(7)}}));
  EXPECT_EQ(state(id), "CREATED");
  work();

  const Value done = job(id);
  EXPECT_EQ(done.text("State"), "COMPLETED");
  EXPECT_EQ(done.text("PercentDone"), "100.0");
  EXPECT_EQ(done.integer("BackupSizeInBytes"), 1'000'000);
  std::string lower = id;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  EXPECT_EQ(done.text("RecoveryPointArn"), "arn:aws:rds:us-east-1:111111111111:snapshot:awsbackup:job-" + lower);
  EXPECT_THAT(job_states(id), ElementsAre("CREATED", "RUNNING", "COMPLETED"));
}

TEST_F(BackupJobs, ACompletedJobsEventHasAwssFieldsAndTypes) {
  const std::string id = start("daily", orders_);
  clock_.advance(std::chrono::milliseconds(392));
  work();

  const Told told = events("Backup Job State Change").back();
  EXPECT_EQ(told.event.at("source").as_string(), "aws.backup");
  EXPECT_EQ(told.event.at("resources").as_array().at(0).as_string(), std::string(job(id).text("RecoveryPointArn")));
  EXPECT_EQ(told.text("backupVaultName"), "daily");
  EXPECT_EQ(told.text("backupSizeInBytes"), "1000000");
  EXPECT_EQ(told.text("bytesTransferred"), "100000");
  EXPECT_EQ(told.detail().at("percentDone").as_int64(), 100);
  EXPECT_EQ(told.text("resourceType"), "RDS");
  EXPECT_EQ(told.text("resourceArn"), orders_);
  EXPECT_EQ(told.text("iamRoleArn"), role_);
  EXPECT_FALSE(told.detail().contains("createdBy"));
  EXPECT_FALSE(told.detail().contains("statusMessage"));
}

TEST_F(BackupJobs, TheRecoveryPointIsASnapshotOfRdsWithTheTagsOfTheDatabase) {
  const std::string arn =
      point("daily", orders_, object({{"RecoveryPointTags", api::text_map({{"team", "ops"}, {"kind", "own"}})}}));

  const auto snapshot = must(rds::find_snapshot(*read(), arn));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->type, "awsbackup");
  EXPECT_EQ(snapshot->status, "available");
  EXPECT_EQ(snapshot->database_identifier, "orders");
  EXPECT_EQ(snapshot->place.name, "daily");
  EXPECT_FALSE(snapshot->reference.empty());
  EXPECT_EQ(snapshot->tags, (std::map<std::string, std::string>{{"team", "ops"}, {"kind", "own"}}));
}

TEST_F(BackupJobs, ARepeatedTokenGivesTheSameJobAndAnotherRequestWithItIsRefused) {
  const Value input = job_input("daily", orders_, object({{"IdempotencyToken", "once"}}));
  const Value first = must(backup("StartBackupJob", input));
  EXPECT_EQ(must(backup("StartBackupJob", input)).text("BackupJobId"), first.text("BackupJobId"));
  const Value other = job_input("daily", orders_, object({{"IdempotencyToken", "once"}, {"Lifecycle", days(3)}}));
  EXPECT_EQ(error_of(backup("StartBackupJob", other)), "InvalidParameterValueException");
}

TEST_F(BackupJobs, OneJobOfAResourceRunsAtATimeAndTheOtherWaits) {
  const std::string first = start("daily", orders_);
  const std::string second = start("daily", orders_);
  engine_.meanwhile = [&](const Context&, Progress&) -> Status {
    engine_.meanwhile = nullptr;
    EXPECT_EQ(state(first), "RUNNING");
    must(runner_->run_due(Context()));  // another worker
    EXPECT_EQ(state(second), "PENDING");
    return ok_status();
  };
  work();
  EXPECT_EQ(state(first), "COMPLETED");
  EXPECT_EQ(state(second), "COMPLETED");
  EXPECT_THAT(job_states(second), ElementsAre("CREATED", "PENDING", "RUNNING", "COMPLETED"));
}

TEST_F(BackupJobs, AJobThatCannotStartInItsWindowExpires) {
  const std::string first = start("daily", orders_);
  const std::string second = start("daily", orders_, object({{"StartWindowMinutes", 60}}));
  engine_.meanwhile = [&](const Context&, Progress&) -> Status {
    engine_.meanwhile = nullptr;
    clock_.advance(minutes(61));
    must(backup_->run_due(Context(), clock_.wall()));
    return ok_status();
  };
  work();
  EXPECT_EQ(state(first), "COMPLETED");
  EXPECT_EQ(state(second), "EXPIRED");
  EXPECT_THAT(job_states(second), ElementsAre("CREATED", "EXPIRED"));
}

TEST_F(BackupJobs, AJobThatRunsBeyondItsCompletionWindowExpiresAndLeavesNothing) {
  const std::string id = start("daily", orders_, object({{"StartWindowMinutes", 60}, {"CompleteWindowMinutes", 120}}));
  engine_.meanwhile = [&](const Context&, Progress&) -> Status {
    clock_.advance(minutes(121));
    return ok_status();
  };
  work();
  EXPECT_EQ(state(id), "EXPIRED");
  EXPECT_EQ(job(id).text("StatusMessage"), "Backup job expired before completion.");
  engine_.meanwhile = nullptr;
  pass(minutes(30));
  EXPECT_EQ(engine_.count(), 0u);
}

TEST_F(BackupJobs, AStoppedJobIsAbortingWhileItRunsAndAbortedAfterwards) {
  const std::string id = start("daily", orders_);
  engine_.meanwhile = [&](const Context& context, Progress& progress) -> Status {
    must(backup("StopBackupJob", object({{"BackupJobId", id}})));
    EXPECT_EQ(state(id), "ABORTING");
    EXPECT_FALSE(context.stopped());
    clock_.advance(std::chrono::seconds(2));
    progress.advance(1);
    EXPECT_TRUE(context.stopped());
    return context.check();
  };
  work();
  EXPECT_EQ(state(id), "ABORTED");
  EXPECT_THAT(job_states(id), ElementsAre("CREATED", "RUNNING", "ABORTING", "ABORTED"));
  EXPECT_EQ(error_of(backup("StopBackupJob", object({{"BackupJobId", id}}))), "InvalidRequestException");
}

TEST_F(BackupJobs, AWaitingJobIsStoppedAtOnce) {
  const std::string id = start("daily", orders_);
  must(backup("StopBackupJob", object({{"BackupJobId", id}})));
  EXPECT_EQ(state(id), "ABORTED");
  work();
  EXPECT_THAT(job_states(id), ElementsAre("CREATED", "ABORTED"));
  EXPECT_EQ(engine_.count(), 0u);
}

TEST_F(BackupJobs, AnUnreachableDatabaseIsTriedAgainUntilTheStartWindowIsOver) {
  rds_.unreachable.insert("orders");
  const std::string id = start("daily", orders_, object({{"StartWindowMinutes", 120}}));
  work();
  EXPECT_EQ(state(id), "RUNNING");
  pass(minutes(60));
  EXPECT_EQ(state(id), "RUNNING");
  rds_.unreachable.clear();
  pass(minutes(20));
  EXPECT_EQ(state(id), "COMPLETED");

  rds_.unreachable.insert("orders");
  const std::string lost = start("daily", orders_, object({{"StartWindowMinutes", 60}}));
  pass(minutes(150));
  EXPECT_EQ(state(lost), "FAILED");
  EXPECT_EQ(job(lost).text("StatusMessage"), "no connection to orders");
  EXPECT_EQ(job_states(lost).back(), "FAILED");
}

TEST_F(BackupJobs, ARefusalOfTheEngineFailsTheJobWithItsReason) {
  engine_.before = [](std::string_view what) -> Status {
    if (what == "take") return Error{ErrorCode::kFailedPrecondition, "another cluster answers at this address", {}};
    return ok_status();
  };
  const std::string id = start("daily", orders_);
  work();
  EXPECT_EQ(state(id), "FAILED");
  EXPECT_EQ(job(id).text("StatusMessage"), "another cluster answers at this address");
  const Told told = events("Backup Job State Change").back();
  EXPECT_EQ(told.text("statusMessage"), "\"another cluster answers at this address\"");
  EXPECT_TRUE(told.event.at("resources").as_array().empty());
}

TEST_F(BackupJobs, TheRoleMustBeAssumableAndAllowedToTakeSnapshots) {
  Value input = job_input("daily", orders_);
  input.set("IamRoleArn", "arn:aws:iam::111111111111:role/nobody");
  EXPECT_EQ(error_of(backup("StartBackupJob", input)), "InvalidParameterValueException");
  input.set("IamRoleArn", backup_role(kHome, "weak", allow("s3:*")));
  const std::string id(must(backup("StartBackupJob", input)).text("BackupJobId"));
  work();
  EXPECT_EQ(state(id), "FAILED");
  EXPECT_EQ(job(id).text("MessageCategory"), "AccessDenied");
}

TEST_F(BackupJobs, HandingOverARoleNeedsPassRole) {
  const Keys operator_without = user("a", allow("backup:*"));
  EXPECT_EQ(error_of(call(operator_without, "StartBackupJob", job_input("daily", orders_))), "permission_denied");
  const Keys with = user("b", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["backup:*",
      "iam:PassRole"],"Resource":"*"}]})");
  EXPECT_EQ(error_of(call(with, "StartBackupJob", job_input("daily", orders_))), "");
}

TEST_F(BackupJobs, ADaemonThatDiesAfterTheBackupWasTakenFindsItAgain) {
  const std::string id = start("daily", orders_);
  engine_.after = [&](std::string_view) {
    engine_.after = nullptr;
    throw std::runtime_error("killed");
  };
  work();
  EXPECT_EQ(state(id), "RUNNING");
  restart();
  clock_.advance(minutes(10));
  work();
  EXPECT_EQ(state(id), "COMPLETED");
  EXPECT_EQ(engine_.taken.size(), 1u);
  EXPECT_EQ(engine_.taken.begin()->second, 1);
  EXPECT_THAT(job_states(id), ElementsAre("CREATED", "RUNNING", "COMPLETED"));
}

TEST_F(BackupJobs, JobsAreListedNewestFirstInPagesAndByFilters) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    clock_.advance(std::chrono::seconds(1));
    ids.push_back(start("daily", orders_));
  }
  std::vector<std::string> listed;
  Value input = object({{"MaxResults", 2}});
  for (;;) {
    const Value page = must(backup("ListBackupJobs", input));
    for (const Value& one : page.list("BackupJobs")) listed.emplace_back(one.text("BackupJobId"));
    if (!page.has("NextToken")) break;
    input.set("NextToken", page.text("NextToken"));
  }
  EXPECT_THAT(listed, testing::ElementsAreArray(ids.rbegin(), ids.rend()));
  EXPECT_EQ(jobs(object({{"ByState", "RUNNING"}})).size(), 0u);
  EXPECT_EQ(jobs(object({{"ByResourceArn", orders_}})).size(), 5u);
  EXPECT_EQ(error_of(backup("ListBackupJobs", object({{"NextToken", "bm90IG91cnM="}}))),
            "InvalidParameterValueException");
  clock_.advance(std::chrono::hours(24 * 31));
  EXPECT_EQ(jobs().size(), 0u);
}

}  // namespace
}  // namespace coffer::backup
