#include "services/backup/world.h"

namespace coffer::backup {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;

class Plans : public World {
 protected:
  Plans() { vault("daily"); }
  Value get(const std::string& id, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("BackupPlanId", id);
    return must(backup("GetBackupPlan", more));
  }
  static constexpr const char* kAtFive = "cron(0 5 ? * * *)";
};

TEST_F(Plans, APlanIsGivenBackWithDefaultsAndRuleIds) {
  const std::string id = plan("seed", {object({{"RuleName", "daily-backup"}, {"TargetBackupVaultName", "daily"}})});
  const Value rule = get(id).find("BackupPlan")->list("Rules")[0];
  EXPECT_EQ(rule.text("ScheduleExpression"), kAtFive);
  EXPECT_EQ(rule.text("ScheduleExpressionTimezone"), "Etc/UTC");
  EXPECT_EQ(rule.integer("StartWindowMinutes"), 480);
  EXPECT_EQ(rule.integer("CompletionWindowMinutes"), 10'080);
  EXPECT_EQ(rule.text("RuleId").size(), 36u);
  EXPECT_EQ(get(id).text("VersionId").size(), 48u);
  EXPECT_EQ(events("Backup Plan State Change").back().state(), "CREATED");
}

TEST_F(Plans, EveryChangeIsAVersionAndRuleIdsStayWithTheirNames) {
  const std::string id = plan("p", {rule("a", "daily", kAtFive), rule("b", "daily", kAtFive)});
  const Value before = get(id);
  Value update = plan_input("p2", {rule("b", "daily", "cron(0 6 ? * * *)"), rule("c", "daily", kAtFive)});
  update.set("BackupPlanId", id);
  const Value updated = must(backup("UpdateBackupPlan", update));
  EXPECT_NE(updated.text("VersionId"), before.text("VersionId"));
  const Value after = get(id);
  EXPECT_EQ(after.find("BackupPlan")->text("BackupPlanName"), "p2");
  EXPECT_EQ(after.find("BackupPlan")->list("Rules")[0].text("RuleId"),
            before.find("BackupPlan")->list("Rules")[1].text("RuleId"));
  EXPECT_EQ(get(id, object({{"VersionId", before.text("VersionId")}})).find("BackupPlan")->text("BackupPlanName"), "p");
  EXPECT_EQ(
      must(backup("ListBackupPlanVersions", object({{"BackupPlanId", id}}))).list("BackupPlanVersionsList").size(), 2u);
  EXPECT_EQ(events("Backup Plan State Change").back().state(), "MODIFIED");
}

TEST_F(Plans, ARequestIdGivesTheSamePlanAndTheSameContentIsRefused) {
  Value input = plan_input("p", {rule("a", "daily", kAtFive)});
  input.set("CreatorRequestId", "one");
  const Value first = must(backup("CreateBackupPlan", input));
  EXPECT_EQ(must(backup("CreateBackupPlan", input)).text("BackupPlanId"), first.text("BackupPlanId"));
  input.set("CreatorRequestId", "two");
  EXPECT_EQ(error_of(backup("CreateBackupPlan", input)), "AlreadyExistsException");
}

TEST_F(Plans, WrongRulesAreRefused) {
  const auto refused = [&](const Value& one) { return error_of(backup("CreateBackupPlan", plan_input("p", {one}))); };
  const std::string invalid = "InvalidParameterValueException";
  EXPECT_EQ(refused(rule("bad name", "daily", kAtFive)), invalid);
  EXPECT_EQ(refused(rule("a", "daily", "cron(0 5 * * * *)")), invalid);
  EXPECT_EQ(refused(rule("a", "daily", "at(2026-01-01T00:00:00)")), invalid);
  EXPECT_EQ(refused(rule("a", "daily", kAtFive, object({{"ScheduleExpressionTimezone", "Mars/Base"}}))), invalid);
  EXPECT_EQ(refused(rule("a", "daily", kAtFive, object({{"StartWindowMinutes", 0}}))), invalid);
  EXPECT_EQ(refused(rule("a", "daily", kAtFive, object({{"Lifecycle", days(0)}}))), invalid);
  EXPECT_EQ(
      refused(rule("a", "daily", kAtFive,
                   object({{"Lifecycle", object({{"MoveToColdStorageAfterDays", 10}, {"DeleteAfterDays", 99}})}}))),
      invalid);
  EXPECT_EQ(refused(rule("a", "daily", kAtFive,
                         object({{"CopyActions", api::List{object({{"DestinationBackupVaultArn", "x"}})}}}))),
            invalid);
  EXPECT_EQ(refused(rule("a", "daily", kAtFive, object({{"EnableContinuousBackup", true}, {"Lifecycle", days(36)}}))),
            invalid);
  EXPECT_EQ(
      error_of(backup("CreateBackupPlan", plan_input("p", {rule("a", "daily", kAtFive), rule("a", "daily", kAtFive)}))),
      invalid);
}

TEST_F(Plans, ATemplateGoesOutAndComesBackTheSame) {
  const std::string id = plan("p", {rule("a", "daily", kAtFive, object({{"Lifecycle", days(7)}}))});
  const std::string text(
      must(backup("ExportBackupPlanTemplate", object({{"BackupPlanId", id}}))).text("BackupPlanTemplateJson"));
  EXPECT_EQ(text.find("RuleId"), std::string::npos);
  const Value back = must(backup("GetBackupPlanFromJSON", object({{"BackupPlanTemplateJson", text}})));
  EXPECT_EQ(back.find("BackupPlan")->list("Rules")[0].find("Lifecycle")->integer("DeleteAfterDays"), 7);
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(backup("GetBackupPlanFromJSON", object({{"BackupPlanTemplateJson", text.substr(0, length)}})).ok());
  EXPECT_FALSE(backup("GetBackupPlanFromJSON", object({{"BackupPlanTemplateJson", std::string(5000, '[')}})).ok());
  EXPECT_TRUE(must(backup("ListBackupPlanTemplates")).list("BackupPlanTemplatesList").empty());
}

TEST_F(Plans, ThePreviewShowsTheNextRuns) {
  to_midnight();
  const std::string id = plan("p", {rule("a", "daily", kAtFive), rule("b", "daily", "cron(0 17 ? * * *)")});
  const auto runs = get(id, object({{"MaxScheduledRunsPreview", 3}})).list("ScheduledRunsPreview");
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].time("ExecutionTime"), clock_.wall() + std::chrono::hours(5));
  EXPECT_EQ(runs[1].time("ExecutionTime"), clock_.wall() + std::chrono::hours(17));
}

TEST_F(Plans, APlanWithSelectionsIsNotDeletedAndADeletedOneIsListedOnRequest) {
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  const std::string selection = [&] {
    select_all(id);
    return std::string(must(backup("ListBackupSelections", object({{"BackupPlanId", id}})))
                           .list("BackupSelectionsList")[0]
                           .text("SelectionId"));
  }();
  EXPECT_EQ(error_of(backup("DeleteBackupPlan", object({{"BackupPlanId", id}}))), "InvalidRequestException");
  must(backup("DeleteBackupSelection", object({{"BackupPlanId", id}, {"SelectionId", selection}})));
  const std::string version(must(backup("DeleteBackupPlan", object({{"BackupPlanId", id}}))).text("VersionId"));
  EXPECT_EQ(error_of(backup("GetBackupPlan", object({{"BackupPlanId", id}}))), "ResourceNotFoundException");
  EXPECT_TRUE(get(id, object({{"VersionId", version}})).has("DeletionDate"));
  EXPECT_EQ(must(backup("ListBackupPlans")).list("BackupPlansList").size(), 0u);
  EXPECT_EQ(must(backup("ListBackupPlans", object({{"IncludeDeleted", true}}))).list("BackupPlansList").size(), 1u);
  EXPECT_EQ(events("Backup Plan State Change").back().state(), "DELETED");
}

TEST_F(Plans, ARuleRunsAtItsTimeForEveryDatabaseOfItsSelections) {
  to_midnight();
  database("orders", {{"backup", "yes"}});
  database("users");
  const std::string id = plan("seed", {rule("daily-backup", "daily", kAtFive, object({{"Lifecycle", days(7)}}))});
  select(id, object({{"ListOfTags", api::List{object({{"ConditionType", "STRINGEQUALS"},
                                                      {"ConditionKey", "backup"},
                                                      {"ConditionValue", "yes"}})}}}));
  pass(minutes(299));
  EXPECT_EQ(jobs().size(), 0u);
  pass(minutes(2), minutes(1));
  ASSERT_EQ(jobs().size(), 1u);
  const Value job = jobs()[0];
  EXPECT_EQ(job.text("State"), "COMPLETED");
  EXPECT_EQ(job.text("ResourceName"), "orders");
  EXPECT_EQ(job.find("CreatedBy")->text("BackupPlanId"), id);
  EXPECT_EQ(job.find("CreatedBy")->text("BackupRuleName"), "daily-backup");
  const Told told = events("Backup Job State Change").back();
  EXPECT_EQ(told.detail().at("createdBy").at("backupPlanId").as_string(), id);
  EXPECT_EQ(told.detail().at("createdBy").as_object().size(), 4u);
  pass_days(1);
  EXPECT_EQ(jobs().size(), 2u);
  EXPECT_TRUE(get(id).has("LastExecutionDate"));
}

TEST_F(Plans, ARunMissedInDowntimeIsMadeLateInsideItsWindow) {
  to_midnight();
  database("orders");
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  select_all(id);
  work();
  clock_.advance(std::chrono::hours(12));  // nobody is there at five; the window lasts until thirteen
  work();
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].text("State"), "COMPLETED");
  EXPECT_TRUE(events("Backup Plan Missed Runs").empty());
}

TEST_F(Plans, ARunMissedForGoodIsToldAndStandsAsAnExpiredJob) {
  to_midnight();
  database("orders");
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  select_all(id);
  work();
  clock_.advance(std::chrono::hours(24 * 3 + 14));  // three days' windows over, and the fourth's
  work();
  EXPECT_EQ(jobs(object({{"ByState", "EXPIRED"}})).size(), 4u);
  EXPECT_EQ(jobs().size(), 4u);
  const auto missed = events("Backup Plan Missed Runs");
  ASSERT_EQ(missed.size(), 1u);
  EXPECT_EQ(missed[0].detail().at("missedRuns").as_int64(), 4);
  EXPECT_EQ(missed[0].text("backupPlanId"), id);
  work();
  EXPECT_EQ(jobs().size(), 4u);
  EXPECT_EQ(events("Backup Plan Missed Runs").size(), 1u);
}

TEST_F(Plans, AClockThatGoesBackMakesNoRunTwice) {
  to_midnight();
  database("orders");
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  select_all(id);
  pass(hours(6));
  ASSERT_EQ(jobs().size(), 1u);
  clock_.jump_to(clock_.wall() - std::chrono::hours(3));
  pass(hours(6));
  EXPECT_EQ(jobs().size(), 1u);
  clock_.jump_to(clock_.wall() - std::chrono::hours(24 * 365 * 20));
  work();
  pass_days(2);
  EXPECT_GE(jobs().size(), 2u);  // plans go on by the time that is shown
}

TEST_F(Plans, RulesThatWouldTakeTheSameBackupTakeTheOneThatIsKeptLonger) {
  to_midnight();
  database("orders");
  const std::string id = plan("p", {rule("short", "daily", kAtFive, object({{"Lifecycle", days(7)}})),
                                    rule("long", "daily", kAtFive, object({{"Lifecycle", days(30)}}))});
  select_all(id);
  pass(hours(6));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].find("CreatedBy")->text("BackupRuleName"), "long");
}

TEST_F(Plans, AChangedPlanStillMakesWhatHadComeDue) {
  to_midnight();
  database("orders");
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  select_all(id);
  work();
  clock_.advance(minutes(301));
  Value update = plan_input("p", {rule("a", "daily", "cron(0 6 ? * * *)")});
  update.set("BackupPlanId", id);
  must(backup("UpdateBackupPlan", update));
  EXPECT_EQ(jobs().size(), 1u);
  pass(hours(2));
  EXPECT_EQ(jobs().size(), 2u);
}

TEST_F(Plans, SelectionsAreChecked) {
  const std::string id = plan("p", {rule("a", "daily", kAtFive)});
  const auto refused = [&](Value more) {
    return error_of(backup("CreateBackupSelection", selection_input(id, std::move(more))));
  };
  EXPECT_EQ(refused(Value::object()), "InvalidParameterValueException");
  EXPECT_EQ(refused(object({{"SelectionName", "a b"}, {"Resources", texts({"*"})}})), "InvalidParameterValueException");
  EXPECT_EQ(refused(object({{"Resources", texts({"orders"})}})), "InvalidParameterValueException");
  Value foreign = selection_input(id, object({{"Resources", texts({"*"})}}));
  Value document = *foreign.find("BackupSelection");
  document.set("IamRoleArn", "arn:aws:iam::111111111111:role/nobody");
  foreign.set("BackupSelection", document);
  EXPECT_EQ(error_of(backup("CreateBackupSelection", foreign)), "InvalidParameterValueException");
  EXPECT_EQ(refused(object({{"Resources", texts({"*"})}})), "");
  EXPECT_EQ(refused(object({{"Resources", texts({"*"})}})), "AlreadyExistsException");
}

TEST_F(Plans, AContinuousRuleMakesASnapshotAndSaysSo) {
  to_midnight();
  database("orders");
  const std::string id =
      plan("p", {rule("a", "daily", kAtFive, object({{"EnableContinuousBackup", true}, {"Lifecycle", days(7)}}))});
  select_all(id);
  pass(hours(6));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0].text("State"), "COMPLETED");
  EXPECT_NE(jobs()[0].text("StatusMessage").find("snapshot"), std::string::npos);
  EXPECT_NE(jobs()[0].text("MessageCategory"), "SUCCESS");
}

}  // namespace
}  // namespace coffer::backup
