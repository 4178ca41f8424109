#include "services/gate/gate.h"

#include <gtest/gtest.h>

#include <mutex>

#include "services/api/fault.h"

namespace coffer::gate {
namespace {

using api::Value;

constexpr catalog::Migration kThings[] = {
    {900, "test: things", "CREATE TABLE things (name TEXT PRIMARY KEY);\nCREATE TABLE audited (event TEXT);\n"}};

class FakeAuthority final : public iam::Authority {
 public:
  Result<iam::Credential> find_credential(const Context&, std::string_view, std::string_view, WallTime) override {
    return Error{ErrorCode::kInternal, "not asked", {}};
  }
  Result<std::shared_ptr<const iam::Identity>> assume_for_service(catalog::Transaction&, std::string_view,
                                                                  std::string_view, const api::Call&) override {
    return Error{ErrorCode::kInternal, "not asked", {}};
  }
  Status authorize(catalog::Transaction&, const api::Call&, const iam::Identity&,
                   const std::vector<api::AccessRequest>& requests) override {
    for (const auto& request : requests) {
      if (request.action == "test:Forbidden") return Error{ErrorCode::kPermissionDenied, "no", {}};
    }
    return ok_status();
  }
  Result<bool> principal_exists(catalog::Transaction&, std::string_view) override { return true; }
  void note_use(std::string_view, std::string_view, std::string_view, WallTime) override {}
};

class FakeAudit final : public audit::AuditLog {
 public:
  Status append(catalog::Transaction& transaction, const audit::Record& record) override {
    appended.push_back(record);
    return transaction.run("INSERT INTO audited VALUES ($1)", {record.operation}).ok() ? ok_status() : Status(Error{});
  }
  Status enqueue(audit::Record record) override {
    enqueued.push_back(std::move(record));
    return ok_status();
  }
  Status flush(const Context&) override { return ok_status(); }
  Status checkpoint(const Context&, bool) override { return ok_status(); }
  std::vector<audit::Record> appended, enqueued;
};

class GateTest : public testing::Test {
 protected:
  GateTest()
      : database_(std::move(catalog::Database::open(":memory:")).value()),
        gate_(*database_, authority_, audit_, clock_) {
    std::vector<catalog::Migration> migrations(catalog::migrations().begin(), catalog::migrations().end());
    migrations.push_back(kThings[0]);
    EXPECT_TRUE(database_->migrate(Context(), migrations).ok());
    api::ServiceTable table{"test", {}};
    const auto allow = api::allow_on("test:Do", [](const api::Operation&) { return "arn:aws:test:::thing"; });
    const auto insert = [](const api::Operation& o) -> Result<Value> {
      COFFER_CHECK_OK(o.transaction.run("INSERT INTO things VALUES ($1)", {o.input.text("Name")}));
      return Value::object({{"Done", true}});
    };
    table.actions.push_back({.operation = "Insert", .changes = true, .access = allow, .run = insert});
    table.actions.push_back({.operation = "InsertThenFail",
                             .changes = true,
                             .access = allow,
                             .run = [insert](const api::Operation& o) -> Result<Value> {
                               COFFER_CHECK_OK(insert(o));
                               return api::fault(ErrorCode::kFailedPrecondition, "DeleteConflict", "cannot");
                             }});
    table.actions.push_back({.operation = "InsertThenThrow",
                             .changes = true,
                             .access = allow,
                             .run = [insert](const api::Operation& o) -> Result<Value> {
                               COFFER_CHECK_OK(insert(o));
                               throw std::runtime_error("broken");
                             }});
    table.actions.push_back({.operation = "Forbidden",
                             .changes = true,
                             .access = api::allow_on("test:Forbidden", [](const api::Operation&) { return "*"; }),
                             .run = insert});
    table.actions.push_back({.operation = "RaceTwice",
                             .changes = true,
                             .access = allow,
                             .run = [this, insert](const api::Operation& o) -> Result<Value> {
                               if (++races_ <= 2) return Error{ErrorCode::kConflict, "lost a race", {}};
                               return insert(o);
                             }});
    table.actions.push_back({.operation = "Read", .access = allow, .run = [](const api::Operation& o) -> Result<Value> {
                               COFFER_TRY(auto rows, o.transaction.run("SELECT name FROM things"));
                               return Value::object({{"Count", static_cast<int64_t>(rows.size())}});
                             }});
    gate_.add(std::move(table));
    identity_.policies = std::make_shared<const policy::PrincipalPolicies>();
    identity_.caller.account = "111111111111";
  }

  Result<Value> call(const std::string& operation, std::string_view name = "a") {
    api::Call call;
    call.service = "test";
    call.operation = operation;
    call.caller = identity_.caller;
    return gate_.run(call, &identity_, Value::object({{"Name", name}}));
  }
  int64_t rows(std::string_view table) {
    auto transaction = std::move(database_->begin(Context(), catalog::Database::Mode::kRead)).value();
    return (*transaction->run("SELECT count(*) FROM " + std::string(table)))[0].integer(0);
  }

  FakeAuthority authority_;
  FakeAudit audit_;
  ManualClock clock_{WallTime{1'700'000'000'000'000}};
  std::unique_ptr<catalog::Database> database_;
  Gate gate_;
  iam::Identity identity_;
  int races_ = 0;
};

// A service principal has no identity of its own: the resource's policy decides, and the record is in the account for
// which it acts.
TEST_F(GateTest, AServiceCallsByItselfForAResourceOfAnAccount) {
  api::Call call;
  call.service = "test";
  call.operation = "Insert";
  call.caller.kind = api::Caller::Kind::kService;
  call.caller.arn = "events.amazonaws.com";
  call.source_arn = "arn:aws:events:us-east-1:222222222222:rule/r";
  call.source_account = "222222222222";
  const auto done = gate_.run(call, nullptr, Value::object({{"Name", "a"}}));
  ASSERT_TRUE(done.ok()) << done.error().message;
  ASSERT_EQ(audit_.appended.size(), 1U);
  EXPECT_EQ(audit_.appended[0].account, "222222222222");
  EXPECT_EQ(audit_.appended[0].caller.arn, "events.amazonaws.com");
  call.caller.kind = api::Caller::Kind::kAnonymous;
  EXPECT_FALSE(gate_.run(call, nullptr, Value::object({{"Name", "b"}})).ok());
}

TEST_F(GateTest, AChangeAndItsAuditRecordAreOneTransaction) {
  auto done = call("Insert");
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_TRUE(done->flag("Done"));
  EXPECT_EQ(rows("things"), 1);
  EXPECT_EQ(rows("audited"), 1);
  ASSERT_EQ(audit_.appended.size(), 1U);
  EXPECT_TRUE(audit_.enqueued.empty());
  EXPECT_FALSE(audit_.appended[0].read_only);
  EXPECT_EQ(audit_.appended[0].resources, std::vector<std::string>{"arn:aws:test:::thing"});
}

TEST_F(GateTest, AFailureLeavesNothingButItsRecord) {
  for (const char* operation : {"InsertThenFail", "InsertThenThrow", "Forbidden"}) {
    audit_.enqueued.clear();
    EXPECT_FALSE(call(operation).ok());
    EXPECT_EQ(rows("things"), 0) << operation;
    EXPECT_EQ(rows("audited"), 0) << operation;
    ASSERT_EQ(audit_.enqueued.size(), 1U) << operation;
    EXPECT_FALSE(audit_.enqueued[0].error_code.empty());
  }
}

TEST_F(GateTest, WhatAHandlerThrowsIsInternal) { EXPECT_EQ(call("InsertThenThrow").code(), ErrorCode::kInternal); }

TEST_F(GateTest, ALostRaceIsRunAgain) {
  EXPECT_TRUE(call("RaceTwice").ok());
  EXPECT_EQ(races_, 3);
  EXPECT_EQ(rows("things"), 1);
  EXPECT_EQ(audit_.appended.size() + audit_.enqueued.size(), 1U);
}

TEST_F(GateTest, AReadIsRecordedAsSuch) {
  ASSERT_TRUE(call("Insert").ok());
  auto read = call("Read");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->integer("Count"), 1);
  ASSERT_EQ(audit_.enqueued.size(), 1U);
  EXPECT_TRUE(audit_.enqueued[0].read_only);
}

TEST_F(GateTest, WithoutCredentialsOnlyAnonymousActionsRun) {
  api::Call anonymous;
  anonymous.service = "test";
  anonymous.operation = "Read";
  auto refused = gate_.run(anonymous, nullptr, Value::object());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().name, "MissingAuthenticationToken");
}

TEST_F(GateTest, AnUnknownOperationIsNotFound) {
  EXPECT_EQ(gate_.find("test", "Other"), nullptr);
  EXPECT_EQ(gate_.find("other", "Read"), nullptr);
  EXPECT_NE(gate_.find("test", "Read"), nullptr);
}

}  // namespace
}  // namespace coffer::gate
