// A process that dies, or a database that goes away, at any call: nothing is lost, and what comes twice comes with the
// same id.
#include <map>
#include <set>

#include "world.h"

namespace coffer::events {
namespace {

/// Fails the call number `fail_at` and everything after it, as for a process that ends there. A failing commit has
/// happened or not.
class DyingDatabase final : public catalog::Database {
 public:
  DyingDatabase(catalog::Database& inner, int64_t fail_at, bool commits_first)
      : inner_(inner), left_(fail_at), commits_first_(commits_first) {}

  Result<std::unique_ptr<catalog::Transaction>> begin(const Context& context, Mode mode) override {
    if (dies()) return gone();
    COFFER_TRY(auto transaction, inner_.begin(context, mode));
    return std::unique_ptr<catalog::Transaction>(std::make_unique<Wrapped>(*this, std::move(transaction)));
  }
  Status migrate(const Context& context, std::span<const catalog::Migration> all) override {
    return inner_.migrate(context, all);
  }
  [[nodiscard]] bool shared() const override { return inner_.shared(); }
  [[nodiscard]] bool died() const { return left_ <= 0; }
  bool dies() { return left_ <= 0 || --left_ == 0; }

 private:
  static Error gone() { return Error{ErrorCode::kUnavailable, "the process died here", {}}; }

  class Wrapped final : public catalog::Transaction {
   public:
    Wrapped(DyingDatabase& owner, std::unique_ptr<catalog::Transaction> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    Result<catalog::Rows> run(std::string_view sql, std::span<const catalog::Parameter> parameters) override {
      if (owner_.dies()) return gone();
      return inner_->run(sql, parameters);
    }
    Status commit() override {
      if (owner_.died()) return gone();
      if (!owner_.dies()) return inner_->commit();
      if (owner_.commits_first_) must(inner_->commit());
      return gone();
    }
    [[nodiscard]] bool writes() const override { return inner_->writes(); }

   private:
    DyingDatabase& owner_;
    std::unique_ptr<catalog::Transaction> inner_;
  };

  catalog::Database& inner_;
  int64_t left_;
  bool commits_first_;
};

class Sweep : public World {
 protected:
  std::unique_ptr<Service> on(catalog::Database& database) {
    return open_service(
        database, *authority_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        web_, root_.clone(), clock_, entropy_, Options{});
  }
};

TEST_F(Sweep, NothingIsLostWhereverAProcessDies) {
  must(events("CreateEventBus", object({{"Name", "app"}})));
  must(events("CreateArchive", object({{"ArchiveName", "a"}, {"EventSourceArn", bus_arn("default")}})));
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn("f")), target("2", bus_arn("app"))});
  rule("take", R"({"source":["my.app"]})", {target("1", function_arn("g"))}, "app");
  int64_t archived = 0;
  bool whole = false;
  for (int64_t fail_at = 1; !whole; ++fail_at) {
    for (const bool commits_first : {false, true}) {
      reached_.clear();
      const std::set<std::string> told{put("{}"), put("{}")};
      archived += 2;
      DyingDatabase dying(*database_, fail_at, commits_first);
      static_cast<void>(on(dying)->deliver(Context(), clock_.wall()).ok());
      whole = !dying.died();
      clock_.advance(std::chrono::seconds(61));  // what the dead process held is free again
      deliver();
      std::map<std::string, std::set<std::string>> got;
      for (const Reached& one : reached_)
        got[std::string(one.input.text("FunctionName"))].emplace(json(one.payload()).text_of("id"));
      ASSERT_EQ(got[function_arn("f")], told) << fail_at << (commits_first ? " committed" : "");
      ASSERT_EQ(got[function_arn("g")], told) << fail_at << (commits_first ? " committed" : "");
      // Only what was sent and not noted is sent again: one of them at most.
      ASSERT_LE(reached_.size(), 5U) << fail_at;
      ASSERT_EQ(count("events_deliveries"), 0);
      ASSERT_EQ(count("events_messages"), 0);
      ASSERT_EQ(count("events_archived"), archived) << fail_at;
    }
  }
  EXPECT_TRUE(dead().empty());
}

TEST_F(Sweep, ARunOfAScheduleIsToldOnceWhereverAProcessDies) {
  must(events("PutRule", object({{"Name", "r"}, {"ScheduleExpression", "rate(5 minutes)"}})));
  must(events("PutTargets", object({{"Rule", "r"}, {"Targets", api::List{target("1", function_arn())}}})));
  bool whole = false;
  size_t runs = 0;
  for (int64_t fail_at = 1; !whole; ++fail_at) {
    for (const bool commits_first : {false, true}) {
      clock_.advance(std::chrono::minutes(5));
      DyingDatabase dying(*database_, fail_at, commits_first);
      static_cast<void>(on(dying)->run_due(Context(), clock_.wall()).ok());
      whole = !dying.died();
      must(events_->run_due(Context(), clock_.wall()));
      deliver();
      ASSERT_EQ(reached_.size(), ++runs) << fail_at;
    }
  }
}

}  // namespace
}  // namespace coffer::events
