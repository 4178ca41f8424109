#include "services/logs/world.h"

namespace coffer::logs {
namespace {

class Events : public World {
 protected:
  Events() { make("g", {"s", "t"}); }
  /// GetLogEvents on the stream "s".
  Result<Value> get(Value more = Value::object()) {
    more.set("logGroupName", "g");
    more.set("logStreamName", "s");
    return logs("GetLogEvents", more);
  }
  Value filter(Value more = Value::object()) {
    more.set("logGroupName", "g");
    return more;
  }
  /// One event a second, "0" to "count - 1", the last one now.
  void put_numbered(int count) {
    api::List events;
    for (int i = 0; i < count; ++i) events.push_back(event(now() - 1000 * (count - 1 - i), std::to_string(i)));
    must(put("g", "s", std::move(events)));
  }
};

TEST_F(Events, AreReadAsTheyWereWritten) {
  must(put("g", "s",
           {event(now() - 5, "first"), event(now() - 5, "second"), event(now(), std::string("nul\0line\n", 9))}));
  const Value page = must(get(object({{"startFromHead", true}})));
  ASSERT_EQ(page.list("events").size(), 3U);
  EXPECT_EQ(page.list("events")[0].text("message"), "first");
  EXPECT_EQ(page.list("events")[1].text("message"), "second");
  EXPECT_EQ(page.list("events")[2].text("message"), std::string("nul\0line\n", 9));
  EXPECT_EQ(page.list("events")[0].integer("timestamp"), now() - 5);
  EXPECT_EQ(page.list("events")[0].integer("ingestionTime"), now());
}

TEST_F(Events, TheEndOfAStreamIsShownUnlessTheHeadIsAskedFor) {
  put_numbered(10);
  EXPECT_EQ(messages(must(get(object({{"limit", 3}})))), "7 8 9");
  EXPECT_EQ(messages(must(get(object({{"limit", 3}, {"startFromHead", true}})))), "0 1 2");
}

TEST_F(Events, ForwardTokensLeadToTheEndAndThenStay) {
  put_numbered(7);
  Value page = must(get(object({{"limit", 3}, {"startFromHead", true}})));
  std::string all = messages(page);
  for (int i = 0; i < 2; ++i) {
    page = must(get(object({{"limit", 3}, {"nextToken", page.text("nextForwardToken")}})));
    all += " " + messages(page);
  }
  EXPECT_EQ(all, "0 1 2 3 4 5 6");
  const std::string end(page.text("nextForwardToken"));
  page = must(get(object({{"limit", 3}, {"nextToken", end}})));
  EXPECT_EQ(messages(page), "");
  EXPECT_EQ(page.text("nextForwardToken"), end);
  clock_.advance(std::chrono::seconds(1));
  must(put("g", "s", {event(now(), "new")}));
  EXPECT_EQ(messages(must(get(object({{"nextToken", end}})))), "new");
}

TEST_F(Events, BackwardTokensLeadToTheHeadAndThenStay) {
  put_numbered(7);
  Value page = must(get(object({{"limit", 3}})));
  EXPECT_EQ(messages(page), "4 5 6");
  page = must(get(object({{"limit", 3}, {"nextToken", page.text("nextBackwardToken")}})));
  EXPECT_EQ(messages(page), "1 2 3");
  page = must(get(object({{"limit", 3}, {"nextToken", page.text("nextBackwardToken")}})));
  EXPECT_EQ(messages(page), "0");
  const std::string head(page.text("nextBackwardToken"));
  page = must(get(object({{"limit", 3}, {"nextToken", head}})));
  EXPECT_EQ(messages(page), "");
  EXPECT_EQ(page.text("nextBackwardToken"), head);
  EXPECT_EQ(messages(must(get(object({{"limit", 2}, {"nextToken", page.text("nextForwardToken")}})))), "0 1");
}

TEST_F(Events, FromAnEndTheOtherTokenLeadsBack) {
  put_numbered(3);
  Value page = must(get());
  page = must(get(object({{"nextToken", page.text("nextForwardToken")}})));
  EXPECT_EQ(messages(page), "");
  EXPECT_EQ(messages(must(get(object({{"nextToken", page.text("nextBackwardToken")}})))), "0 1 2");
}

TEST_F(Events, AnEmptyStreamHasTokensThatFindWhatComes) {
  const Value page = must(get());
  EXPECT_EQ(messages(page), "");
  put_numbered(2);
  EXPECT_EQ(messages(must(get(object({{"nextToken", page.text("nextForwardToken")}})))), "0 1");
}

TEST_F(Events, ABadTokenIsRefused) {
  put_numbered(1);
  const std::string good(must(get()).text("nextForwardToken"));
  std::string minus = good;
  minus[2] = '-';
  for (const std::string& token : {std::string("f/1/s"), std::string("x"), "z" + good.substr(1), good + "s", minus,
                                   good.substr(0, good.size() - 1), "f/" + std::string(56, '9') + "/s"})
    EXPECT_EQ(error_of(get(object({{"nextToken", token}}))), "InvalidParameterException") << token;
}

TEST_F(Events, ATimeRangeHasItsStartAndNotItsEnd) {
  put_numbered(5);
  EXPECT_EQ(messages(must(get(object({{"startTime", now() - 3000}, {"endTime", now() - 1000}})))), "1 2");
  EXPECT_EQ(filtered(filter(object({{"startTime", now() - 3000}, {"endTime", now() - 1000}}))), "1 2 3");
}

TEST_F(Events, ABatchMustBeInOrderAndWithinADay) {
  EXPECT_EQ(error_of(put("g", "s", {event(now(), "b"), event(now() - 1, "a")})), "InvalidParameterException");
  EXPECT_EQ(error_of(put("g", "s", {event(now() - 25 * kHour, "a"), event(now(), "b")})), "InvalidParameterException");
  EXPECT_EQ(error_of(put("g", "s", {event(now() - 24 * kHour, "a"), event(now(), "b")})), "");
}

TEST_F(Events, ABatchHasASizeCountedWithTheOverheadOfEachEvent) {
  const std::string half(524'288 - 26, 'x');
  EXPECT_EQ(error_of(put("g", "s", {event(now(), half), event(now(), half)})), "");
  EXPECT_EQ(error_of(put("g", "s", {event(now(), half), event(now(), half + "x")})), "InvalidParameterException");
}

TEST_F(Events, WhatIsTooOldOrTooNewIsLeftOutAndSaid) {
  Value output = must(put("g", "s", {event(now() - 15 * 24 * kHour, "old"), event(now() - 14 * 24 * kHour, "edge")}));
  EXPECT_EQ(output.find("rejectedLogEventsInfo")->integer("tooOldLogEventEndIndex"), 1);
  output = must(put("g", "s", {event(now(), "good"), event(now() + 2 * kHour + 1, "new")}));
  EXPECT_EQ(output.find("rejectedLogEventsInfo")->integer("tooNewLogEventStartIndex"), 1);
  must(logs("PutRetentionPolicy", object({{"logGroupName", "g"}, {"retentionInDays", 1}})));
  output = must(put("g", "s", {event(now() - 24 * kHour - 1, "over"), event(now() - 1, "kept")}));
  EXPECT_EQ(output.find("rejectedLogEventsInfo")->integer("expiredLogEventEndIndex"), 1);
  EXPECT_FALSE(must(put("g", "s", {event(now(), "fine")})).has("rejectedLogEventsInfo"));
  EXPECT_EQ(filtered(filter()), "kept good fine");
}

TEST_F(Events, ASequenceTokenIsTakenAndMeansNothing) {
  Value input = in("g", "s");
  input.set("sequenceToken", "anything");
  input.set("logEvents", api::List{event(now(), "x")});
  EXPECT_TRUE(must(logs("PutLogEvents", input)).has("nextSequenceToken"));
  EXPECT_EQ(error_of(logs("PutLogEvents", input)), "");
}

TEST_F(Events, NeedTheirGroupAndStream) {
  EXPECT_EQ(error_of(put("none", "s", {event(now(), "x")})), "ResourceNotFoundException");
  EXPECT_EQ(error_of(put("g", "none", {event(now(), "x")})), "ResourceNotFoundException");
  EXPECT_EQ(error_of(logs("GetLogEvents", in("g", "none"))), "ResourceNotFoundException");
  EXPECT_EQ(error_of(logs("FilterLogEvents", object({{"logGroupName", "none"}}))), "ResourceNotFoundException");
}

TEST_F(Events, StreamsOfAGroupAreShownInOneOrder) {
  must(put("g", "s", {event(now() - 30, "1"), event(now() - 10, "3")}));
  must(put("g", "t", {event(now() - 20, "2"), event(now(), "4")}));
  EXPECT_EQ(filtered(filter()), "1 2 3 4");
  EXPECT_EQ(filtered(filter(object({{"limit", 1}}))), "1 2 3 4");
  EXPECT_EQ(filtered(filter(object({{"logStreamNames", texts({"t"})}}))), "2 4");
  EXPECT_EQ(filtered(filter(object({{"logStreamNames", texts({"t", "s"})}, {"limit", 3}}))), "1 2 3 4");
  EXPECT_EQ(filtered(filter(object({{"logStreamNamePrefix", "s"}}))), "1 3");
  EXPECT_EQ(error_of(logs("FilterLogEvents", filter(object({{"logStreamNames", texts({"none"})}})))),
            "ResourceNotFoundException");
  EXPECT_EQ(error_of(logs("FilterLogEvents",
                          filter(object({{"logStreamNames", texts({"s"})}, {"logStreamNamePrefix", "s"}})))),
            "InvalidParameterException");
  const Value page = must(logs("FilterLogEvents", filter()));
  EXPECT_EQ(page.list("events")[1].text("logStreamName"), "t");
  EXPECT_TRUE(page.has("searchedLogStreams"));
  EXPECT_NE(page.list("events")[0].text("eventId"), page.list("events")[1].text("eventId"));
}

TEST_F(Events, APatternChoosesThem) {
  must(put("g", "s", {event(now(), "{\"level\":\"ERROR\"}"), event(now(), "ERROR\x20plain"), event(now(), "fine")}));
  EXPECT_EQ(filtered(filter(object({{"filterPattern", "ERROR -level"}}))), "ERROR plain");
  EXPECT_EQ(filtered(filter(object({{"filterPattern", "{ $.level = \"ERROR\" }"}}))), "{\"level\":\"ERROR\"}");
  EXPECT_EQ(filtered(filter(object({{"filterPattern", "ERROR"}, {"limit", 1}}))), "{\"level\":\"ERROR\"} ERROR plain");
  EXPECT_EQ(error_of(logs("FilterLogEvents", filter(object({{"filterPattern", "{ $.x"}})))),
            "InvalidParameterException");
  const Value tested = must(logs(
      "TestMetricFilter", object({{"filterPattern", "[a, b > 1]"}, {"logEventMessages", texts({"x 1", "y 2", "z"})}})));
  ASSERT_EQ(tested.list("matches").size(), 1U);
  EXPECT_EQ(tested.list("matches")[0].integer("eventNumber"), 2);
  EXPECT_EQ(tested.list("matches")[0].text_map("extractedValues").at("$b"), "2");
}

TEST_F(Events, AnAnswerHoldsNoMoreThanAMegabyteAndLeavesNothingOut) {
  const std::string large(300'000, 'x');
  for (int i = 0; i < 8; ++i) must(put("g", "s", {event(now(), std::to_string(i) + large)}));
  Value page = must(get(object({{"startFromHead", true}})));
  std::string seen;
  while (!page.list("events").empty()) {
    EXPECT_LE(page.list("events").size(), 3U);
    for (const Value& one : page.list("events")) seen += one.text("message").front();
    page = must(get(object({{"nextToken", page.text("nextForwardToken")}})));
  }
  EXPECT_EQ(seen, "01234567");
  page = must(logs("FilterLogEvents", filter()));
  EXPECT_EQ(page.list("events").size(), 3U);
  EXPECT_EQ(filtered(filter()).size(), 8U * 300'001 + 7);
}

TEST_F(Events, AScanStopsInTimeAndGoesOnWithItsToken) {
  api::List batch;
  for (int i = 0; i < 10'000; ++i) batch.push_back(event(now(), "dull"));
  for (int i = 0; i < 6; ++i) must(put("g", "s", batch));
  must(put("g", "t", {event(now(), "rare")}));
  const Value page = must(logs("FilterLogEvents", filter(object({{"filterPattern", "rare"}}))));
  EXPECT_TRUE(page.list("events").empty());
  EXPECT_TRUE(page.has("nextToken"));
  EXPECT_EQ(filtered(filter(object({{"filterPattern", "rare"}}))), "rare");
}

TEST_F(Events, OverTheirRetentionAreGoneAtOnceForReadersAndSoonFromTheCatalog) {
  must(logs("PutRetentionPolicy", object({{"logGroupName", "g"}, {"retentionInDays", 1}})));
  must(put("g", "s", {event(now(), "old")}));
  clock_.advance(std::chrono::hours(20));
  must(put("g", "s", {event(now(), "young")}));
  clock_.advance(std::chrono::hours(5));
  EXPECT_EQ(messages(must(get())), "young");
  EXPECT_EQ(filtered(filter()), "young");
  EXPECT_EQ(rows_in("logs_events"), 2);
  must(logs_->run_due(Context(), clock_.wall()));
  EXPECT_EQ(rows_in("logs_events"), 1);
  EXPECT_EQ(must(logs("DescribeLogGroups")).list("logGroups").at(0).integer("storedBytes"), 5);
  pass(std::chrono::hours(24));
  EXPECT_EQ(rows_in("logs_events"), 0);
  EXPECT_FALSE(must(logs("DescribeLogStreams", object({{"logGroupName", "g"}, {"logStreamNamePrefix", "s"}})))
                   .list("logStreams")
                   .at(0)
                   .has("lastEventTimestamp"));
}

TEST_F(Events, OfWhatIsDeletedAreSeenByNobodyAndRemovedAfterwards) {
  must(put("g", "s", {event(now(), "s")}));
  must(put("g", "t", {event(now(), "t")}));
  must(logs("DeleteLogStream", in("g", "s")));
  EXPECT_EQ(filtered(filter()), "t");
  must(logs("CreateLogStream", in("g", "s")));
  EXPECT_EQ(messages(must(get())), "");
  must(logs("DeleteLogGroup", object({{"logGroupName", "g"}})));
  make("g", {"s"});
  EXPECT_EQ(filtered(filter()), "");
  EXPECT_EQ(rows_in("logs_events"), 2);
  pass(std::chrono::hours(0));
  EXPECT_EQ(rows_in("logs_events"), 0);
  EXPECT_EQ(rows_in("logs_remains"), 0);
}

TEST_F(Events, OfServicesOfThisHouseMakeTheirGroupAndStream) {
  must(logs_->append(Context(), kHome, "us-east-1", "/aws/lambda/f", "2026/11/25/[$LATEST]x",
                     {{clock_.wall(), "START"}, {clock_.wall(), "bad \xff\xc3 bytes"}, {clock_.wall(), ""}}));
  must(
      logs_->append(Context(), kHome, "us-east-1", "/aws/lambda/f", "2026/11/25/[$LATEST]x", {{clock_.wall(), "END"}}));
  EXPECT_EQ(filtered(object({{"logGroupName", "/aws/lambda/f"}})), "START bad \xef\xbf\xbd\xef\xbf\xbd bytes END");
  must(logs_->append(Context(), kHome, "us-east-1", "empty", "s", {}));
  EXPECT_EQ(error_of(logs("GetLogEvents", in("empty", "s"))), "");
}

TEST_F(Events, ALongLineOfAServiceBecomesSeveralEvents) {
  must(logs_->append(Context(), kHome, "us-east-1", "g", "s", {{clock_.wall(), std::string(600'000, 'x')}}));
  EXPECT_EQ(must(get()).list("events").size(), 3U);
}

TEST_F(Events, TheirTextIsNotInTheAuditLog) {
  must(put("g", "s", {event(now(), "very private")}));
  must(audit_->flush(Context()));
  auto t = read();
  for (const catalog::Row& row : must(t->run("SELECT record FROM audit_records")))
    EXPECT_EQ(row.text(0).find("very private"), std::string::npos);
}

}  // namespace
}  // namespace coffer::logs
