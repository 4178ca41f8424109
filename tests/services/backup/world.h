// Two accounts with users, roles and databases, and Backup behind the gate, on a fake engine: every call is authorised
// by the real IAM, every job is worked on by the real runner.
#pragma once
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "services/api/event.h"
#include "services/audit/audit_log.h"
#include "services/backup/service.h"
#include "services/catalog/outbox.h"
#include "services/gate/gate.h"
#include "services/iam/house.h"
#include "services/kms/service.h"
#include "services/rds/rows.h"
#include "support/fake_engine.h"

namespace coffer::backup {

using api::Value;
using iam::allow;
using iam::deny;
using iam::error_of;
using iam::Keys;
using iam::must;
using iam::object;
using iam::texts;

inline const std::string kHome = iam::kAccount, kOther = iam::kOther;
constexpr const char *kRegion = "us-east-1", *kFar = "eu-west-1";

class World : public iam::House {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : House(where), engine_(clock_) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), iam::migrations(), organizations::migrations(), kms::migrations(),
                      audit::migrations(), work::migrations(), rds::migrations(), migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    audit_ = must(audit::open_audit_log(*database_, clock_, entropy_, Secret(Bytes(32, std::byte{5}))));
    kms_ = kms::open_service(*database_, *authority_, root_.clone(), clock_, entropy_, {{kRegion, kFar}});
    open_backup();
    role_ = backup_role(kHome);
  }
  ~World() override { close_backup(); }

  /// As after a restart of the daemon.
  void open_backup() {
    gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
    gate_->add(kms_->actions());
    Options options;
    options.regions = {kRegion, kFar};
    options.restore_root = "/restores";
    backup_ = open_service(
        *database_, *authority_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        rds_, engine_, clock_, entropy_, options);
    gate_->add(backup_->actions());
    work::RunnerOptions runner;
    runner.holder = "daemon-" + std::to_string(++daemons_);
    runner_ = std::make_unique<work::Runner>(
        *database_, clock_, runner, [this](std::string_view, std::string_view text) { log_.emplace_back(text); });
    backup_->add_handlers(*runner_);
  }
  void close_backup() {
    runner_.reset();
    gate_.reset();
    backup_.reset();
  }
  void restart() {
    close_backup();
    open_backup();
  }

  Result<Value> call(const Keys& keys, const std::string& operation, Value input = {},
                     const std::string& region = kRegion) {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    api::Call call = call_of(*credential.identity, "backup", operation);
    call.region = region;
    return gate_->run(call, credential.identity.get(), input);
  }
  /// As the root of kHome.
  Result<Value> backup(const std::string& operation, Value input = {}) {
    return call(root(), operation, std::move(input));
  }

  std::string backup_role(const std::string& account, const std::string& name = "AWSBackupDefaultServiceRole",
                          const std::string& policy = "") {
    const std::string made = role(name, iam::trust(iam::service("backup.amazonaws.com")), policy, account);
    if (policy.empty()) {
      for (const char* managed : {"AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"})
        must(iam(root(account), "AttachRolePolicy",
                 object({{"RoleName", name},
                         {"PolicyArn", std::string("arn:aws:iam::aws:policy/service-role/") + managed}})));
    }
    return made;
  }
  /// The ARN of a new database.
  std::string database(const std::string& name, std::map<std::string, std::string> tags = {},
                       const std::string& account = kHome, const std::string& region = kRegion) {
    rds::Database d;
    d.account = account;
    d.region = region;
    d.identifier = name;
    d.resource_id = "db-" + name;
    d.system_identifier = 7;
    d.engine_version = "15.18";
    d.user = "postgres";
    d.tags = std::move(tags);
    d.size_bytes = 1000;
    d.created = d.probed = clock_.wall();
    change([&](catalog::Transaction& t) { return rds::rows::insert_database(t, d, Bytes(8)); });
    return d.arn();
  }
  std::string vault(const std::string& name, Value more = {}, const std::string& region = kRegion,
                    const std::string& account = kHome) {
    if (more.is_null()) more = Value::object();
    more.set("BackupVaultName", name);
    return std::string(must(call(root(account), "CreateBackupVault", more, region)).text("BackupVaultArn"));
  }
  static Value days(int64_t count) { return object({{"DeleteAfterDays", count}}); }
  Value job_input(const std::string& vault, const std::string& resource, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("BackupVaultName", vault);
    more.set("ResourceArn", resource);
    more.set("IamRoleArn", role_);
    return more;
  }
  std::string start(const std::string& vault, const std::string& resource, Value more = {}) {
    return std::string(must(backup("StartBackupJob", job_input(vault, resource, std::move(more)))).text("BackupJobId"));
  }
  Value job(const std::string& id) { return must(backup("DescribeBackupJob", object({{"BackupJobId", id}}))); }
  std::string state(const std::string& id) { return std::string(job(id).text("State")); }
  /// A job that is done, and the ARN of its point.
  std::string point(const std::string& vault, const std::string& resource, Value more = {}) {
    const std::string id = start(vault, resource, std::move(more));
    work();
    EXPECT_EQ(state(id), "COMPLETED") << job(id).text("StatusMessage");
    return std::string(job(id).text("RecoveryPointArn"));
  }
  std::string status(const std::string& vault, const std::string& arn) {
    auto described = backup("DescribeRecoveryPoint", object({{"BackupVaultName", vault}, {"RecoveryPointArn", arn}}));
    return described.ok() ? std::string(described->text("Status")) : error_of(described);
  }

  static Value rule(const std::string& name, const std::string& vault, const std::string& schedule, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("RuleName", name);
    more.set("TargetBackupVaultName", vault);
    more.set("ScheduleExpression", schedule);
    return more;
  }
  static Value plan_input(const std::string& name, std::initializer_list<Value> rules) {
    return object({{"BackupPlan", object({{"BackupPlanName", name}, {"Rules", api::List(rules)}})}});
  }
  std::string plan(const std::string& name, std::initializer_list<Value> rules) {
    return std::string(must(backup("CreateBackupPlan", plan_input(name, rules))).text("BackupPlanId"));
  }
  Value selection_input(const std::string& plan, Value more) {
    if (!more.has("SelectionName")) more.set("SelectionName", "selection");
    more.set("IamRoleArn", role_);
    return object({{"BackupPlanId", plan}, {"BackupSelection", std::move(more)}});
  }
  std::string select(const std::string& plan, Value more) {
    return std::string(
        must(backup("CreateBackupSelection", selection_input(plan, std::move(more)))).text("SelectionId"));
  }
  /// Everything of the account.
  void select_all(const std::string& plan) { select(plan, object({{"Resources", texts({"arn:aws:rds:*:*:db:*"})}})); }

  /// The daemon's loop once, and all work that is due.
  void work() {
    must(backup_->run_due(Context(), clock_.wall()));
    must(runner_->run_due(Context()));
  }
  /// Time passes in steps, with the loop running.
  void pass(std::chrono::minutes time, std::chrono::minutes step = std::chrono::minutes(10)) {
    for (std::chrono::minutes done{0}; done < time; done += step) {
      clock_.advance(std::min(step, time - done));
      work();
    }
  }
  static std::chrono::minutes hours(int count) { return std::chrono::hours(count); }
  void pass_days(int count) { pass(std::chrono::hours(24 * count), std::chrono::minutes(60)); }
  /// To the next full day, without the loop.
  void to_midnight() {
    constexpr int64_t kDay = 86'400'000'000;
    clock_.advance(std::chrono::microseconds(kDay - clock_.wall().micros % kDay));
  }

  struct Told {
    std::string type;
    boost::json::object event;
    [[nodiscard]] const boost::json::object& detail() const { return event.at("detail").as_object(); }
    [[nodiscard]] std::string text(const char* member) const {
      const auto* value = detail().if_contains(member);
      return value && value->is_string() ? std::string(value->as_string()) : "";
    }
    [[nodiscard]] std::string state() const { return text("state").empty() ? text("status") : text("state"); }
  };
  /// Events so far, in order; of one kind when it is named.
  std::vector<Told> events(const std::string& type = "") {
    std::vector<Told> all;
    auto t = read();
    for (const auto& entry : must(catalog::outbox_due(*t, api::kEventTopic, WallTime{INT64_MAX}, 1'000'000))) {
      Told told;
      told.event = boost::json::parse(entry.payload).as_object();
      told.type = told.event.at("detail-type").as_string();
      if (type.empty() || told.type == type) all.push_back(std::move(told));
    }
    return all;
  }
  std::vector<std::string> job_states(const std::string& id) {
    std::vector<std::string> states;
    for (const Told& told : events("Backup Job State Change")) {
      if (told.text("backupJobId") == id) states.push_back(told.state());
    }
    return states;
  }
  std::vector<Value> jobs(Value filter = {}) {
    return must(backup("ListBackupJobs", std::move(filter))).list("BackupJobs");
  }

  testing_support::FakeRds rds_;
  testing_support::FakeEngine engine_;
  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<kms::Service> kms_;
  std::unique_ptr<Service> backup_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<work::Runner> runner_;
  std::vector<std::string> log_;
  std::string role_;
  int daemons_ = 0;
};

}  // namespace coffer::backup
