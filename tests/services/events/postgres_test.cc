// The same on a shared catalog: every statement on PostgreSQL, and two daemons beside each other.
#include "services/catalog/catalogs.h"
#include "world.h"

namespace coffer::events {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class OnPostgres : public World {
 protected:
  OnPostgres() : World(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(OnPostgres, ALifeOfRulesEventsAndArchives) {
  must(events("CreateEventBus", object({{"Name", "app"}, {"Tags", iam::tags({{"a", "1"}})}})));
  must(events("CreateArchive",
              object({{"ArchiveName", "a"}, {"EventSourceArn", bus_arn("default")}, {"RetentionDays", 1}})));
  rule("forward", R"({"source":["my.app"]})", {target("1", bus_arn("app"))});
  rule("take", R"({"source":[{"prefix":"my."}]})", {target("1", function_arn()), target("2", function_arn("g"))},
       "app");
  must(events("PutRule", object({{"Name", "clock"}, {"ScheduleExpression", "rate(1 minute)"}})));
  must(events("PutTargets", object({{"Rule", "clock"}, {"Targets", api::List{target("1", function_arn("h"))}}})));
  failures_ = {Error{ErrorCode::kUnavailable, "away", {}}};
  put(R"({"text":"Grüße"})");
  deliver();
  pass(std::chrono::minutes(2));
  EXPECT_EQ(reached_.size(), 4U);  // two functions and two minutes
  must(events("StartReplay", object({{"ReplayName", "r"},
                                     {"EventSourceArn", "arn:aws:events:us-east-1:" + kHome + ":archive/a"},
                                     {"EventStartTime", clock_.wall() - std::chrono::hours(1)},
                                     {"EventEndTime", clock_.wall()},
                                     {"Destination", object({{"Arn", bus_arn("default")}})}})));
  must(events("DisableRule", object({{"Name", "clock"}})));
  pass(std::chrono::minutes(1));
  EXPECT_EQ(reached_.size(), 6U);
  EXPECT_EQ(must(events("ListRuleNamesByTarget", object({{"TargetArn", function_arn()}, {"EventBusName", "app"}})))
                .texts("RuleNames")
                .size(),
            1U);
  resource_policy_ = policy_for(R"({"Service":"s3.amazonaws.com"})");
  put("{}");
  deliver();
  EXPECT_EQ(dead().size(), 2U);
  pass(std::chrono::hours(26), std::chrono::hours(13));
  EXPECT_EQ(must(events("DescribeArchive", object({{"ArchiveName", "a"}}))).integer("EventCount"), 0);
  must(events("RemoveTargets", object({{"Rule", "take"}, {"EventBusName", "app"}, {"Ids", texts({"1", "2"})}})));
  must(events("DeleteRule", object({{"Name", "take"}, {"EventBusName", "app"}})));
  must(events("DeleteEventBus", object({{"Name", "app"}})));
}

TEST_F(OnPostgres, TwoDaemonsDeliverEachEventOnce) {
  rule("r", R"({"source":["my.app"]})", {target("1", function_arn())});
  auto second = open_service(
      *database_, *authority_,
      [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
        return gate_->run(call, identity, input);
      },
      web_, root_.clone(), clock_, entropy_, Options{});
  for (int i = 0; i < 20; ++i) put("{}");
  const auto handled = must(second->deliver(Context(), clock_.wall()));
  EXPECT_GT(handled, 0);
  for (int i = 0; i < 20; ++i) put("{}");
  deliver();  // the second holds the lease on the outbox
  EXPECT_EQ(reached_.size(), 20U);
  must(second->deliver(Context(), clock_.wall()));
  EXPECT_EQ(reached_.size(), 40U);
  for (int i = 0; i < 3; ++i) put("{}");
  second.reset();
  pass(std::chrono::seconds(20), std::chrono::seconds(20));  // it is gone: its lease ends
  EXPECT_EQ(reached_.size(), 43U);
}

}  // namespace
}  // namespace coffer::events
