#include <random>

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

// Records reach the log in groups, late ones among them; what is found must not depend on that.
TEST_P(LookupTest, EveryFilterAndPageFindsWhatGoingThroughAllRecordsFinds) {
  std::mt19937 random(20261124);
  const auto below = [&](uint32_t n) { return random() % n; };
  const WallTime start = clock_.wall();
  for (int i = 0; i < 700; ++i) {
    if (below(4) == 0) clock_.advance(std::chrono::seconds(below(40)));
    Record r = record("Event" + std::to_string(below(3)));
    r.time = r.time - std::chrono::seconds(below(5) == 0 ? below(200) : 0);
    r.read_only = below(3) != 0;
    r.caller.user_name = below(2) ? "alice" : "bob";
    r.resources = {"arn:aws:kms:eu-central-1:111122223333:key/" + std::to_string(below(3))};
    if (below(50) == 0) r.event_id = "11111111-2222-4333-8444-55555555555" + std::to_string(below(10));
    if (below(6) == 0) r.account = "999999999999";
    if (r.read_only) {
      must(log().enqueue(std::move(r)));
    } else {
      append(r);
    }
    if (below(40) == 0) must(log().flush(context_));
  }
  must(log().flush(context_));

  struct Known {
    WallTime time;
    int64_t sequence;
    Filing filing;
    std::string json;
  };
  std::vector<Known> all;
  for (const auto& row : must(read()->run("SELECT sequence, record FROM audit_records ORDER BY sequence"))) {
    Filing filing = must(filing_of(row.text(1)));
    all.push_back({filing.time, row.integer(0), filing, row.text(1)});
  }
  std::sort(all.begin(), all.end(), [](const Known& a, const Known& b) {
    return std::pair(a.time, a.sequence) > std::pair(b.time, b.sequence);
  });
  const auto has = [](const LookupFilter& filter, const Filing& f) {
    if (filter.key == "EventId") return f.event_id == filter.value;
    if (filter.key == "EventName") return f.event_name == filter.value;
    if (filter.key == "Username") return f.user_name == filter.value;
    if (filter.key == "ReadOnly") return f.read_only == (filter.value == "true");
    if (filter.key == "ResourceName") return f.resources.at(0).arn.ends_with("/" + filter.value);
    return f.resources.at(0).type == filter.value;
  };
  std::vector<std::optional<LookupFilter>> filters{
      std::nullopt,
      LookupFilter{"EventName", "Event1"},
      LookupFilter{"Username", "bob"},
      LookupFilter{"ReadOnly", "false"},
      LookupFilter{"ReadOnly", "true"},
      LookupFilter{"ResourceName", "2"},
      LookupFilter{"ResourceType", "AWS::KMS::Key"},
      LookupFilter{"EventId", "11111111-2222-4333-8444-555555555555"},
      LookupFilter{"EventId", all.at(300).filing.event_id},
  };
  for (const auto& filter : filters) {
    for (int64_t limit : {1, 7, 50}) {
      std::optional<WallTime> from, until;
      if (below(2)) from = start + std::chrono::seconds(below(2000));
      if (below(2)) until = start + std::chrono::seconds(1000 + below(2000));
      std::vector<std::string> wanted, found;
      for (const Known& one : all) {
        const bool in_time = (!from || one.time >= *from) && (!until || one.time <= *until);
        if (in_time && one.filing.account == "111122223333" && (!filter || has(*filter, one.filing)))
          wanted.push_back(one.json);
      }
      std::optional<int64_t> next;
      do {
        const LookupPage page = must(lookup(*read(), "111122223333", filter, from, until, next, limit));
        found.insert(found.end(), page.events.begin(), page.events.end());
        next = page.next;
      } while (next && found.size() < 100);
      wanted.resize(
          std::min(wanted.size(), found.size() < wanted.size() && found.size() >= 100 ? found.size() : wanted.size()));
      EXPECT_EQ(found, wanted) << (filter ? filter->key + " " + filter->value : "all") << " by " << limit;
    }
  }
  EXPECT_EQ(verified().problems, std::vector<std::string>());
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

class OlderCatalogTest : public AuditTest {
 protected:
  void SetUp() override { CatalogTest::SetUp(); }  // without the tables
};

TEST_P(OlderCatalogTest, RecordsFromBeforeGroupsAreFound) {
  must(database_->migrate(context_, migrations().first(1)));
  Record r = record();
  r.event_id = "11111111-2222-4333-8444-555555555555";
  r.read_only = false;
  {
    auto transaction = write();
    must(
        transaction->run("INSERT INTO audit_records VALUES (1, $1, $2, $3, 'CreateKey', 'kms.amazonaws.com', 'alice', "
                         "'AKIAEXAMPLE', 0, $4, $5)",
                         {r.account, r.time, r.event_id, record_json(r), Bytes(32, std::byte{1})}));
    for (const char* term : {"n:1234", "t:AWS::KMS::Key"})
      must(transaction->run("INSERT INTO audit_terms VALUES ($1, $2, $3, 1)", {r.account, term, r.time}));
    must(transaction->commit());
  }
  must(database_->migrate(context_, migrations()));
  for (const auto& [key, value] : {std::pair{"EventId", "11111111-2222-4333-8444-555555555555"},
                                   {"EventName", "CreateKey"},
                                   {"Username", "alice"},
                                   {"EventSource", "kms.amazonaws.com"},
                                   {"AccessKeyId", "AKIAEXAMPLE"},
                                   {"ReadOnly", "false"},
                                   {"ResourceName", "1234"},
                                   {"ResourceType", "AWS::KMS::Key"}})
    EXPECT_EQ(must(lookup(*read(), r.account, LookupFilter{key, value}, {}, {}, {}, 50)).events.size(), 1u) << key;
}

INSTANTIATE_TEST_SUITE_P(All, OlderCatalogTest, testing::Values(Backend::kMemory, Backend::kPostgres),
                         catalog::backend_name);
INSTANTIATE_TEST_SUITE_P(All, LookupTest, testing::Values(Backend::kMemory, Backend::kPostgres), catalog::backend_name);

}  // namespace
}  // namespace coffer::audit
