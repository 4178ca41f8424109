// Lifecycle rules by themselves: which are valid, which objects they mean, when something is due.
#include "services/s3/lifecycle_rules.h"

#include <gtest/gtest.h>

#include "services/api/value.h"

namespace coffer::s3 {
namespace {

using api::List;
using api::Value;

constexpr int64_t kDay = 86'400'000'000;

Value object(std::initializer_list<api::Members::value_type> members) { return Value::object(members); }
Value with(Value value, const Value& more) {
  for (const auto& [name, member] : more.entries()) value.set(name, member);
  return value;
}
/// With the prefix beside the rule, as old clients write it.
Value in_old_style(Value value, const char* prefix) {
  value.set("Filter", Value());
  return prefix ? value.set("Prefix", prefix) : value;
}
Value rule(const Value& more) {
  return with(object({{"Status", "Enabled"}, {"Filter", object({{"Prefix", ""}})}}), more);
}
Value expiring(const Value& more = Value::object()) {
  return rule(with(object({{"Expiration", object({{"Days", 7}})}}), more));
}
/// The name of the failure; "" for a valid configuration.
std::string refused(List rules) {
  const auto parsed = parse_lifecycle(object({{"Rules", std::move(rules)}}));
  return parsed.ok() ? "" : parsed.error().name;
}
std::string refused(const Value& one) { return refused(List{one}); }
LifecycleRule parsed(const Value& one) { return parse_lifecycle(object({{"Rules", List{one}}})).value().rules.front(); }
WallTime at(const char* text) { return parse_utc(text).value(); }

TEST(LifecycleRulesTest, ARuleNeedsAStatusAFilterAndAnAction) {
  EXPECT_EQ(refused(expiring()), "");
  EXPECT_EQ(refused(rule({})), "InvalidRequest");
  EXPECT_EQ(refused(expiring(object({{"Status", "On"}}))), "MalformedXML");
  EXPECT_EQ(refused(expiring(object({{"Prefix", ""}}))), "MalformedXML");
  EXPECT_EQ(refused(in_old_style(expiring(), nullptr)), "MalformedXML");
  EXPECT_EQ(refused(in_old_style(expiring(), "a")), "");
  EXPECT_EQ(refused(expiring(object({{"Filter", Value::object()}}))), "");
}

TEST(LifecycleRulesTest, HowManyRulesAndTheirNames) {
  EXPECT_EQ(refused(List{}), "MalformedXML");
  EXPECT_EQ(refused(List(1000, expiring())), "");
  EXPECT_EQ(refused(List(1001, expiring())), "MalformedXML");
  EXPECT_EQ(refused(expiring(object({{"ID", std::string(255, 'x')}}))), "");
  EXPECT_EQ(refused(expiring(object({{"ID", std::string(256, 'x')}}))), "InvalidArgument");
  EXPECT_EQ(refused(List(2, expiring(object({{"ID", "x"}})))), "InvalidArgument");
}

TEST(LifecycleRulesTest, Expiration) {
  const auto expire = [](const Value& expiration) { return refused(rule(object({{"Expiration", expiration}}))); };
  EXPECT_EQ(expire(object({{"Days", 1}})), "");
  EXPECT_EQ(expire(object({{"Days", 0}})), "InvalidArgument");
  EXPECT_EQ(expire(object({{"Days", -1}})), "InvalidArgument");
  EXPECT_EQ(expire(object({{"Date", at("2030-01-01T00:00:00Z")}})), "");
  EXPECT_EQ(expire(object({{"Date", at("2030-01-01T00:00:01Z")}})), "InvalidArgument");
  EXPECT_EQ(expire(object({{"ExpiredObjectDeleteMarker", true}})), "");
  EXPECT_EQ(expire(object({{"ExpiredObjectDeleteMarker", true}, {"Days", 1}})), "MalformedXML");
  EXPECT_EQ(expire(object({{"Days", 1}, {"Date", at("2030-01-01T00:00:00Z")}})), "MalformedXML");
  EXPECT_EQ(expire(Value::object()), "MalformedXML");
}

TEST(LifecycleRulesTest, Filters) {
  const auto tag = [](const char* key) { return object({{"Key", key}, {"Value", "v"}}); };
  const auto filter = [](const Value& value) { return refused(expiring(object({{"Filter", value}}))); };
  EXPECT_EQ(filter(object({{"Tag", tag("a")}})), "");
  EXPECT_EQ(filter(object({{"Tag", tag("a")}, {"Prefix", "p"}})), "MalformedXML");
  EXPECT_EQ(filter(object({{"And", object({{"Prefix", "p"}, {"Tags", List{tag("a"), tag("b")}}})}})), "");
  EXPECT_EQ(filter(object({{"And", object({{"Tags", List{tag("a"), tag("a")}}})}})), "InvalidRequest");
  EXPECT_EQ(filter(object({{"And", Value::object()}})), "MalformedXML");
  EXPECT_EQ(filter(object({{"ObjectSizeGreaterThan", 0}})), "");
  EXPECT_EQ(filter(object({{"ObjectSizeGreaterThan", -1}})), "InvalidArgument");
  EXPECT_EQ(filter(object({{"ObjectSizeLessThan", 0}})), "InvalidArgument");
  const auto sizes = [&](int greater, int less) {
    return filter(object({{"And", object({{"ObjectSizeGreaterThan", greater}, {"ObjectSizeLessThan", less}})}}));
  };
  EXPECT_EQ(sizes(10, 11), "");
  EXPECT_EQ(sizes(10, 10), "InvalidRequest");
  // What knows neither tags nor sizes is not filtered by them.
  for (const Value& by : {object({{"Tag", tag("a")}}), object({{"ObjectSizeLessThan", 5}})}) {
    EXPECT_EQ(refused(rule(
                  object({{"Filter", by}, {"AbortIncompleteMultipartUpload", object({{"DaysAfterInitiation", 1}})}}))),
              "InvalidRequest");
    EXPECT_EQ(refused(rule(object({{"Filter", by}, {"Expiration", object({{"ExpiredObjectDeleteMarker", true}})}}))),
              "InvalidRequest");
  }
}

TEST(LifecycleRulesTest, Transitions) {
  const auto move = [](List transitions, const Value& more = Value::object()) {
    return refused(rule(with(object({{"Transitions", std::move(transitions)}}), more)));
  };
  const auto to = [](const char* name, int days) { return object({{"Days", days}, {"StorageClass", name}}); };
  EXPECT_EQ(move({to("GLACIER", 0)}), "");
  EXPECT_EQ(move({to("GLACIER", -1)}), "InvalidArgument");
  EXPECT_EQ(move({to("STANDARD_IA", 30)}), "");
  EXPECT_EQ(move({to("STANDARD_IA", 29)}), "InvalidArgument");
  EXPECT_EQ(move({to("ONEZONE_IA", 29)}), "InvalidArgument");
  EXPECT_EQ(move({to("STANDARD", 30)}), "MalformedXML");
  EXPECT_EQ(move({object({{"StorageClass", "GLACIER"}})}), "MalformedXML");
  EXPECT_EQ(move({to("GLACIER", 1), to("GLACIER", 2)}), "InvalidRequest");
  EXPECT_EQ(move({to("GLACIER", 1), to("DEEP_ARCHIVE", 100)}), "");
  const Value by_date = object({{"Date", at("2030-01-01T00:00:00Z")}, {"StorageClass", "DEEP_ARCHIVE"}});
  EXPECT_EQ(move({by_date}), "");
  EXPECT_EQ(move({to("GLACIER", 1), by_date}), "InvalidRequest");
  EXPECT_EQ(move({by_date}, object({{"Expiration", object({{"Days", 7}})}})), "InvalidRequest");
  EXPECT_EQ(move({to("GLACIER", 7)}, object({{"Expiration", object({{"Days", 7}})}})), "InvalidArgument");
  EXPECT_EQ(move({to("GLACIER", 6)}, object({{"Expiration", object({{"Days", 7}})}})), "");
}

TEST(LifecycleRulesTest, NoncurrentVersions) {
  const auto expire = [](const Value& expiration, const Value& more = Value::object()) {
    return refused(rule(with(object({{"NoncurrentVersionExpiration", expiration}}), more)));
  };
  const auto keeping = [](int count) { return object({{"NoncurrentDays", 1}, {"NewerNoncurrentVersions", count}}); };
  EXPECT_EQ(expire(object({{"NoncurrentDays", 1}})), "");
  EXPECT_EQ(expire(object({{"NoncurrentDays", 0}})), "InvalidArgument");
  EXPECT_EQ(expire(Value::object()), "MalformedXML");
  EXPECT_EQ(expire(keeping(1)), "");
  EXPECT_EQ(expire(keeping(100)), "");
  EXPECT_EQ(expire(keeping(0)), "InvalidArgument");
  EXPECT_EQ(expire(keeping(101)), "InvalidArgument");
  EXPECT_EQ(refused(in_old_style(rule(object({{"NoncurrentVersionExpiration", keeping(1)}})), "")), "InvalidRequest");
  const auto moving = [](const char* name, int days) {
    return object({{"NoncurrentVersionTransitions", List{object({{"NoncurrentDays", days}, {"StorageClass", name}})}}});
  };
  EXPECT_EQ(refused(rule(moving("GLACIER", 0))), "");
  EXPECT_EQ(refused(rule(moving("STANDARD_IA", 29))), "InvalidArgument");
  EXPECT_EQ(expire(object({{"NoncurrentDays", 5}}), moving("GLACIER", 5)), "InvalidArgument");
  EXPECT_EQ(expire(object({{"NoncurrentDays", 5}}), moving("GLACIER", 4)), "");
}

TEST(LifecycleRulesTest, UploadsThatWereNotFinished) {
  const auto abort = [](const Value& value) {
    return refused(rule(object({{"AbortIncompleteMultipartUpload", value}})));
  };
  EXPECT_EQ(abort(object({{"DaysAfterInitiation", 1}})), "");
  EXPECT_EQ(abort(object({{"DaysAfterInitiation", 0}})), "InvalidArgument");
  EXPECT_EQ(abort(Value::object()), "MalformedXML");
}

TEST(LifecycleRulesTest, WhichObjectsARuleMeans) {
  const LifecycleRule one =
      parsed(expiring(object({{"Filter", object({{"And", object({{"Prefix", "logs/"},
                                                                 {"Tags", List{object({{"Key", "a"}, {"Value", "1"}})}},
                                                                 {"ObjectSizeGreaterThan", 10},
                                                                 {"ObjectSizeLessThan", 20}})}})}})));
  const std::map<std::string, std::string> tags{{"a", "1"}, {"b", "2"}};
  EXPECT_TRUE(one.selects("logs/x", tags, 11));
  EXPECT_TRUE(one.selects("logs/", tags, 19));
  EXPECT_FALSE(one.selects("logs/x", tags, 10));
  EXPECT_FALSE(one.selects("logs/x", tags, 20));
  EXPECT_FALSE(one.selects("log", tags, 11));
  EXPECT_FALSE(one.selects("logs/x", {{"a", "2"}}, 11));
  EXPECT_FALSE(one.selects("logs/x", {}, 11));
}

TEST(LifecycleRulesTest, DueTimesAreMidnights) {
  EXPECT_EQ(due_after(at("2014-01-15T10:30:00Z"), 3), at("2014-01-19T00:00:00Z"));
  EXPECT_EQ(due_after(at("2014-01-15T00:00:00Z"), 3), at("2014-01-18T00:00:00Z"));
  EXPECT_EQ(due_after(WallTime{at("2014-01-15T00:00:00Z").micros + 1}, 3), at("2014-01-19T00:00:00Z"));
  for (int64_t days = 0; days < 1000; days += 37)
    EXPECT_EQ(due_after(at("2014-01-15T10:30:00Z"), days).micros % kDay, 0);
}

TEST(LifecycleRulesTest, TheFirstExpirationIsAnnounced) {
  const auto named = [](const char* id, int days, const char* status = "Enabled") {
    return expiring(object({{"ID", id}, {"Status", status}, {"Expiration", object({{"Days", days}})}}));
  };
  const auto configuration =
      parse_lifecycle(object({{"Rules", List{named("late", 9), named("early", 3), named("off", 1, "Disabled")}}}));
  const auto expiry = expiry_of(*configuration, "k", {}, 1, at("2014-01-15T10:30:00Z"));
  ASSERT_TRUE(expiry);
  EXPECT_EQ(expiry->rule_id, "early");
  EXPECT_EQ(expiry->at, at("2014-01-19T00:00:00Z"));
  const auto none = parse_lifecycle(object({{"Rules", List{named("off", 1, "Disabled")}}}));
  EXPECT_FALSE(expiry_of(*none, "k", {}, 1, at("2014-01-15T10:30:00Z")));
}

}  // namespace
}  // namespace coffer::s3
