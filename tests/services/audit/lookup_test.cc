#include "services/audit/actions.h"
#include "services/audit/audit_fixture.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

using api::Value;

class LookupTest : public AuditTest {
 protected:
  void add(const std::string& operation, const std::function<void(Record&)>& change = {}) {
    clock_.advance(std::chrono::seconds(1));
    Record r = record(operation);
    if (change) change(r);
    append(r);
  }
  std::vector<std::string> names_of(const std::vector<std::string>& events) {
    std::vector<std::string> names;
    for (const std::string& event : events) names.push_back(must(filing_of(event)).event_name);
    return names;
  }
  std::vector<std::string> find(const std::string& key, const std::string& value) {
    must(log().flush(context_));
    return names_of(must(lookup(*read(), "111122223333", LookupFilter{key, value}, {}, {}, {}, 50)).events);
  }
  Result<Value> call(Value input) {
    must(log().flush(context_));
    static const api::ServiceTable table = actions();
    api::Call call;
    call.caller.account = "111122223333";
    auto transaction = read();
    return table.actions.at(0).run(api::Operation{call, input, *transaction});
  }
  static Value attribute(const char* key, const char* value) {
    return Value(api::List{Value::object({{"AttributeKey", key}, {"AttributeValue", value}})});
  }
};

using Names = std::vector<std::string>;

TEST_P(LookupTest, EachAttributeFindsItsRecordsNewestFirst) {
  add("CreateKey", [](Record& r) { r.read_only = false; });
  add("DescribeKey", [](Record& r) { r.caller.user_name = "bob"; });
  add("CreateUser", [](Record& r) {
    r.service = "iam";
    r.read_only = false;
    r.event_id = "11111111-2222-4333-8444-555555555555";
    r.caller.access_key_id = "AKIAOTHER";
    r.resources = {"arn:aws:iam::111122223333:user/team/carol"};
  });

  EXPECT_EQ(find("EventName", "CreateKey"), Names({"CreateKey"}));
  EXPECT_EQ(find("Username", "bob"), Names({"DescribeKey"}));
  EXPECT_EQ(find("Username", "alice"), Names({"CreateUser", "CreateKey"}));
  EXPECT_EQ(find("EventSource", "kms.amazonaws.com"), Names({"DescribeKey", "CreateKey"}));
  EXPECT_EQ(find("EventId", "11111111-2222-4333-8444-555555555555"), Names({"CreateUser"}));
  EXPECT_EQ(find("AccessKeyId", "AKIAOTHER"), Names({"CreateUser"}));
  EXPECT_EQ(find("ReadOnly", "false"), Names({"CreateUser", "CreateKey"}));
  EXPECT_EQ(find("ReadOnly", "true"), Names({"DescribeKey"}));
  EXPECT_EQ(find("ResourceName", "carol"), Names({"CreateUser"}));
  EXPECT_EQ(find("ResourceName", "arn:aws:iam::111122223333:user/team/carol"), Names({"CreateUser"}));
  EXPECT_EQ(find("ResourceType", "AWS::KMS::Key"), Names({"DescribeKey", "CreateKey"}));
  EXPECT_EQ(find("ResourceName", "%"), Names());
  EXPECT_EQ(find("EventName", "' OR 1=1 --"), Names());
}

TEST_P(LookupTest, AnAccountSeesItsOwnRecordsOnly) {
  add("CreateKey");
  add("DescribeKey", [](Record& r) { r.account = "999999999999"; });
  must(log().flush(context_));
  EXPECT_EQ(names_of(must(lookup(*read(), "111122223333", {}, {}, {}, {}, 50)).events), Names({"CreateKey"}));
  EXPECT_EQ(names_of(must(lookup(*read(), "999999999999", {}, {}, {}, {}, 50)).events), Names({"DescribeKey"}));
}

TEST_P(LookupTest, PagesGiveEachEventOnceAlsoWithinOneSecond) {
  for (int i = 0; i < 23; ++i) {
    Record r = record("Event" + std::to_string(i));
    append(r);
    if (i % 5 == 0) clock_.advance(std::chrono::seconds(1));
  }
  must(log().flush(context_));
  for (const std::optional<LookupFilter>& filter :
       {std::optional<LookupFilter>(), std::optional<LookupFilter>({"ResourceType", "AWS::KMS::Key"})}) {
    Names seen;
    std::optional<int64_t> next;
    do {
      const LookupPage page = must(lookup(*read(), "111122223333", filter, {}, {}, next, 4));
      EXPECT_LE(page.events.size(), 4u);
      for (const std::string& name : names_of(page.events)) seen.push_back(name);
      next = page.next;
    } while (next);
    ASSERT_EQ(seen.size(), 23u);
    for (int i = 0; i < 23; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], "Event" + std::to_string(22 - i));
  }
}

TEST_P(LookupTest, TimesLimitBothEnds) {
  const WallTime start = clock_.wall();
  for (int i = 1; i <= 5; ++i) add("At" + std::to_string(i));
  must(log().flush(context_));
  const auto page = must(
      lookup(*read(), "111122223333", {}, start + std::chrono::seconds(2), start + std::chrono::seconds(4), {}, 50));
  EXPECT_EQ(names_of(page.events), Names({"At4", "At3", "At2"}));
}

TEST_P(LookupTest, LookupEventsAnswersInTheModelsShape) {
  add("CreateKey", [](Record& r) { r.read_only = false; });
  const Value output = must(call(Value::object()));

  ASSERT_EQ(output.list("Events").size(), 1u);
  const Value& event = output.list("Events")[0];
  EXPECT_EQ(event.text("EventName"), "CreateKey");
  EXPECT_EQ(event.text("ReadOnly"), "false");
  EXPECT_EQ(event.text("AccessKeyId"), "AKIAEXAMPLE");
  EXPECT_EQ(event.text("EventSource"), "kms.amazonaws.com");
  EXPECT_EQ(event.text("Username"), "alice");
  EXPECT_EQ(event.time("EventTime"), clock_.wall());
  ASSERT_EQ(event.list("Resources").size(), 1u);
  EXPECT_EQ(event.list("Resources")[0].text("ResourceType"), "AWS::KMS::Key");
  EXPECT_EQ(event.list("Resources")[0].text("ResourceName"), "arn:aws:kms:eu-central-1:111122223333:key/1234");
  EXPECT_EQ(event.text("CloudTrailEvent"), records().at(0));
  EXPECT_FALSE(output.has("NextToken"));
}

TEST_P(LookupTest, ATokenGoesOnWithItsOwnListOnly) {
  for (int i = 0; i < 5; ++i) add("CreateKey");
  const Value first = must(call(Value::object({{"MaxResults", 2}})));
  const std::string token(first.text("NextToken"));
  EXPECT_EQ(must(call(Value::object({{"MaxResults", 50}, {"NextToken", token}}))).list("Events").size(), 3u);
  for (const Value& input :
       {Value::object({{"NextToken", token}, {"LookupAttributes", attribute("EventName", "CreateKey")}}),
        Value::object({{"NextToken", token}, {"StartTime", WallTime{0}}}), Value::object({{"NextToken", "7"}}),
        Value::object({{"NextToken", token + "A"}})}) {
    const auto refused = call(input);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().name, "InvalidNextTokenException");
  }
}

TEST_P(LookupTest, WrongRequestsGetTheModelsErrors) {
  const auto name_of = [&](Value input) {
    const auto refused = call(std::move(input));
    return refused.ok() ? std::string() : refused.error().name;
  };
  EXPECT_EQ(name_of(Value::object({{"LookupAttributes", attribute("ReadOnly", "maybe")}})),
            "InvalidLookupAttributesException");
  Value two = attribute("EventName", "a");
  two.push_back(attribute("EventName", "b").items()[0]);
  EXPECT_EQ(name_of(Value::object({{"LookupAttributes", two}})), "InvalidLookupAttributesException");
  EXPECT_EQ(name_of(Value::object({{"StartTime", WallTime{2'000'000}}, {"EndTime", WallTime{1'000'000}}})),
            "InvalidTimeRangeException");
  EXPECT_EQ(name_of(Value::object({{"MaxResults", 51}})), "InvalidMaxResultsException");
  EXPECT_EQ(must(call(Value::object({{"EventCategory", "insight"}}))).list("Events").size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, LookupTest, testing::Values(Backend::kMemory, Backend::kPostgres), catalog::backend_name);

}  // namespace
}  // namespace coffer::audit
