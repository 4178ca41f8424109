// The kinds of targets, and where dead letters go.
#include "world.h"

namespace coffer::events {
namespace {

using Targets = World;

TEST_F(Targets, AnotherBusOfTheAccountHearsTheEventWithTheSameId) {
  must(events("CreateEventBus", object({{"Name", "app"}})));
  rule("forward", R"({"source":["my.app"]})", {target("1", bus_arn("app"))});
  rule("take", R"({"source":["my.app"]})", {target("1", function_arn())}, "app");
  const std::string id = put("{}");
  deliver();
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(json(reached_[0].payload()).text_of("id"), id);
  EXPECT_EQ(reached_[0].call.source_arn, "arn:aws:events:us-east-1:" + kHome + ":rule/app/take");
}

TEST_F(Targets, ABusOfAnotherAccountLetsInWhomItsPolicyNames) {
  rule("forward", R"({"source":["my.app"]})", {target("1", bus_arn("default", kOther))});
  const Keys other = root(kOther);
  rule("take", R"({"source":["my.app"]})", {target("1", function_arn())}, "default", &other);
  put("{}");
  deliver();
  EXPECT_TRUE(reached_.empty());
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].error_code, "NO_PERMISSIONS");
  must(events(other, "PutPermission",
              object({{"Action", "events:PutEvents"}, {"Principal", kHome}, {"StatementId", "s"}})));
  put("{}");
  deliver();
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(json(reached_[0].payload()).text_of("account"), kHome);
}

TEST_F(Targets, PutEventsToAnotherAccountsBusNeedsItsPolicyToo) {
  const Keys stranger = user("stranger", allow("events:PutEvents"));
  Value one = entry("{}");
  one.set("EventBusName", bus_arn("default", kOther));
  const auto send = [&] { return error_of(events(stranger, "PutEvents", object({{"Entries", api::List{one}}}))); };
  EXPECT_EQ(send(), "permission_denied");
  const Keys other = root(kOther);
  rule("take", R"({"source":["my.app"]})", {target("1", function_arn())}, "default", &other);
  must(events(other, "PutPermission",
              object({{"Action", "events:PutEvents"}, {"Principal", kHome}, {"StatementId", "s"}})));
  EXPECT_EQ(send(), "");
  deliver();
  EXPECT_EQ(reached_.size(), 1U);
}

TEST_F(Targets, BusesThatFeedEachOtherStop) {
  must(events("CreateEventBus", object({{"Name", "app"}})));
  rule("there", R"({"source":["my.app"]})", {target("1", bus_arn("app"))});
  rule("back", R"({"source":["my.app"]})", {target("1", bus_arn("default"))}, "app");
  put("{}");
  deliver();
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].error_code, "TOO_MANY_BUSES");
}

TEST_F(Targets, ALogGroupGetsALine) {
  rule("r", R"({"source":["my.app"]})",
       {target("1", "arn:aws:logs:us-east-1:" + kHome + ":log-group:/aws/events/x:*")});
  const std::string id = put("{}");
  deliver();
  ASSERT_EQ(reached_.size(), 2U);
  EXPECT_EQ(reached_[0].operation, "CreateLogStream");
  EXPECT_EQ(reached_[1].input.text("logGroupName"), "/aws/events/x");
  const Value& line = reached_[1].input.list("logEvents").at(0);
  EXPECT_EQ(line.integer("timestamp"), clock_.wall().micros / 1000);
  EXPECT_EQ(json(std::string(line.text("message"))).text_of("id"), id);
}

TEST_F(Targets, ACommandRunsByTheRoleOfTheTarget) {
  const std::string export_role =
      role("exporter", iam::trust(iam::service("events.amazonaws.com")), allow("rds:StartExportTask"));
  const Value more = object(
      {{"RoleArn", export_role},
       {"InputTransformer", object({{"InputPathsMap", object({{"arn", "$.resources[0]"}})},
                                    {"InputTemplate", R"({"ExportTaskIdentifier":"x","SourceArn":<arn>,"N":3})"}})}});
  rule("r", R"({"source":["aws.backup"]})", {target("1", "arn:aws:scheduler:::aws-sdk:rds:startExportTask", more)});
  tell("aws.backup", object({}), {"arn:aws:rds:us-east-1:1:snapshot:s"});
  resource_policy_ = policy_for(R"({"Service":"nobody.amazonaws.com"})");
  deliver();
  ASSERT_EQ(reached_.size(), 1U);
  EXPECT_EQ(reached_[0].operation, "StartExportTask");
  EXPECT_EQ(reached_[0].input,
            object({{"ExportTaskIdentifier", "x"}, {"SourceArn", "arn:aws:rds:us-east-1:1:snapshot:s"}, {"N", 3}}));
  EXPECT_EQ(reached_[0].call.caller.principal_arn, export_role);
  EXPECT_EQ(reached_[0].call.via_service, "events.amazonaws.com");
}

TEST_F(Targets, ACommandThatTheRoleMayNotRunOrNobodyHasIsADeadLetter) {
  const std::string powerless = role("powerless", iam::trust(iam::service("events.amazonaws.com")));
  const std::string foreign = role("foreign", iam::trust(iam::service("lambda.amazonaws.com")), allow("*"));
  const std::string able = role("able", iam::trust(iam::service("events.amazonaws.com")), allow("*"));
  resource_policy_ = policy_for(R"({"Service":"nobody.amazonaws.com"})");
  rule("r", R"({"source":["my.app"]})",
       {target("1", "arn:aws:scheduler:::aws-sdk:rds:startExportTask", object({{"RoleArn", powerless}})),
        target("2", "arn:aws:scheduler:::aws-sdk:rds:startExportTask", object({{"RoleArn", foreign}})),
        target("3", "arn:aws:scheduler:::aws-sdk:rds:dropEverything", object({{"RoleArn", able}}))});
  put("{}");
  deliver();
  EXPECT_TRUE(reached_.empty());
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 3U);
  EXPECT_EQ(letters[0].error_code, "NO_PERMISSIONS");
  EXPECT_EQ(letters[1].error_code, "NO_PERMISSIONS");
  EXPECT_EQ(letters[2].error_code, "INTERNAL_ERROR");
}

TEST_F(Targets, ATemplateThatGivesNothingIsADeadLetter) {
  rule("r", R"({"source":["my.app"]})",
       {target("1", function_arn(), object({{"InputTransformer", object({{"InputTemplate", "plain words"}})}}))});
  put("{}");
  deliver();
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].error_code, "INVALID_PARAMETER");
}

TEST_F(Targets, DeadLettersGoToABucketOrALogGroupToo) {
  const auto with_letters = [](const std::string& arn) {
    return object(
        {{"DeadLetterConfig", object({{"Arn", arn}})}, {"RetryPolicy", object({{"MaximumRetryAttempts", 0}})}});
  };
  rule("r", R"({"source":["my.app"]})",
       {target("1", function_arn(), with_letters("arn:aws:s3:::letters")),
        target("2", function_arn(), with_letters("arn:aws:logs:us-east-1:" + kHome + ":log-group:letters"))});
  failures_ = {Error{ErrorCode::kUnavailable, "away", {}}};
  const std::string id = put("{}");
  deliver();  // the first target fails, its letter is written; the second works
  ASSERT_EQ(reached_.size(), 2U);
  EXPECT_EQ(reached_[0].operation, "PutObject");
  EXPECT_EQ(reached_[0].input.text("Bucket"), "letters");
  EXPECT_EQ(reached_[0].input.text("Key"), "dead-letters/r/1/" + id + ".json");
  const Json letter = json(to_text(reached_[0].input.blob("Body")));
  EXPECT_EQ(letter.find("event")->text_of("id"), id);
  EXPECT_EQ(letter.find("attributes")->text_of("EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].sent_to, "arn:aws:s3:::letters");
  failures_ = {Error{ErrorCode::kPermissionDenied, "no", {}}, Error{ErrorCode::kPermissionDenied, "no", {}},
               Error{ErrorCode::kPermissionDenied, "no", {}}};
  put("{}");
  deliver();  // the bucket refuses: the catalog has it all the same
  ASSERT_GE(dead().size(), 2U);
  EXPECT_EQ(dead()[1].sent_to, "");
}

class Destinations : public World {
 protected:
  void SetUp() override {
    role_ = role("caller", iam::trust(iam::service("events.amazonaws.com")), allow("events:InvokeApiDestination"));
  }
  std::string connect(const std::string& type, Value parameters) {
    return std::string(
        must(events("CreateConnection",
                    object({{"Name", "c"}, {"AuthorizationType", type}, {"AuthParameters", std::move(parameters)}})))
            .text("ConnectionArn"));
  }
  void destine(const std::string& connection, Value http = {}) {
    const Value made = must(events("CreateApiDestination", object({{"Name", "d"},
                                                                   {"ConnectionArn", connection},
                                                                   {"InvocationEndpoint", "https://hook.example/a/*"},
                                                                   {"HttpMethod", "POST"}})));
    Value more = object({{"RoleArn", role_}});
    if (!http.is_null()) more.set("HttpParameters", http);
    rule("r", R"({"source":["my.app"]})", {target("1", std::string(made.text("ApiDestinationArn")), more)});
  }
  std::string header(size_t request, const std::string& name) {
    for (const auto& [key, value] : web_.sent.at(request).headers) {
      if (key == name) return value;
    }
    return "";
  }
  std::string role_;
};

TEST_F(Destinations, AWebhookIsCalledWithItsKeyAndParameters) {
  const Value key = object({{"ApiKeyAuthParameters", object({{"ApiKeyName", "X-Key"}, {"ApiKeyValue", "s3cret"}})},
                            {"InvocationHttpParameters",
                             object({{"BodyParameters", api::List{object({{"Key", "extra"}, {"Value", "v"}})}}})}});
  destine(connect("API_KEY", key), object({{"PathParameterValues", texts({"$.detail.part"})},
                                           {"HeaderParameters", object({{"X-State", "$.detail.state"}})},
                                           {"QueryStringParameters", object({{"q", "a b"}})}}));
  const std::string id = put(R"({"part":"x/y","state":"ON"})");
  deliver();
  ASSERT_EQ(web_.sent.size(), 1U);
  EXPECT_EQ(web_.sent[0].url, "https://hook.example/a/x%2fy?q=a%20b");
  EXPECT_EQ(web_.sent[0].method, "POST");
  EXPECT_EQ(header(0, "X-Key"), "s3cret");
  EXPECT_EQ(header(0, "X-State"), "ON");
  EXPECT_EQ(json(web_.sent[0].body).text_of("id"), id);
  EXPECT_EQ(json(web_.sent[0].body).text_of("extra"), "v");
}

TEST_F(Destinations, SecretsAreSealedAndNeverShown) {
  connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "very-secret"}})}}));
  const Value shown = must(events("DescribeConnection", object({{"Name", "c"}})));
  EXPECT_EQ(shown.find("AuthParameters")->find("BasicAuthParameters")->text("Username"), "me");
  EXPECT_FALSE(shown.find("AuthParameters")->find("BasicAuthParameters")->has("Password"));
  const auto row = must(read()->first("SELECT settings, secret FROM events_endpoints"));
  EXPECT_EQ(row->text(0).find("very-secret"), std::string::npos);
  EXPECT_EQ(to_text(row->blob(1)).find("very-secret"), std::string::npos);
}

TEST_F(Destinations, BasicAndOauthAuthorize) {
  destine(connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}})));
  put("{}");
  deliver();
  EXPECT_EQ(header(0, "Authorization"), "Basic bWU6cHc=");
  must(events("UpdateConnection",
              object({{"Name", "c"},
                      {"AuthorizationType", "OAUTH_CLIENT_CREDENTIALS"},
                      {"AuthParameters",
                       object({{"OAuthParameters",
                                object({{"ClientParameters", object({{"ClientID", "id"}, {"ClientSecret", "sec"}})},
                                        {"AuthorizationEndpoint", "https://auth.example/token"},
                                        {"HttpMethod", "POST"}})}})}})));
  web_.sent.clear();
  web_.answers = {Web::Answer{200, R"({"access_token":"tok"})", ""}};
  put("{}");
  deliver();
  ASSERT_EQ(web_.sent.size(), 2U);
  EXPECT_EQ(web_.sent[0].body, "grant_type=client_credentials&client_id=id&client_secret=sec");
  EXPECT_EQ(header(1, "Authorization"), "Bearer tok");
}

TEST_F(Destinations, TheAnswerDecidesAboutRetries) {
  destine(connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}})));
  web_.answers = {Web::Answer{503, "", ""}, Web::Answer{429, "", "30"}, Error{ErrorCode::kDeadlineExceeded, "slow", {}},
                  Web::Answer{204, "", ""}};
  put("{}");
  deliver();
  pass(std::chrono::seconds(29), std::chrono::seconds(1));
  EXPECT_EQ(web_.sent.size(), 2U);
  pass(std::chrono::seconds(30), std::chrono::seconds(1));
  EXPECT_EQ(web_.sent.size(), 4U);
  EXPECT_TRUE(dead().empty());
  web_.answers = {Web::Answer{400, "", ""}};
  put("{}");
  deliver();
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].error_code, "SDK_CLIENT_ERROR");
}

TEST_F(Destinations, IsCalledNoFasterThanItsRate) {
  destine(connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}})));
  must(events("UpdateApiDestination", object({{"Name", "d"}, {"InvocationRateLimitPerSecond", 2}})));
  for (int i = 0; i < 6; ++i) put(root(), {entry("{}", "my.app")});
  // All of one source: they would wait for each other anyway, one after the other.
  deliver();
  EXPECT_EQ(web_.sent.size(), 2U);
  pass(std::chrono::seconds(20), std::chrono::seconds(1));
  EXPECT_EQ(web_.sent.size(), 6U);
  EXPECT_TRUE(dead().empty());
  EXPECT_EQ(must(read()->first("SELECT count(*) FROM events_deliveries"))->integer(0), 0);
}

TEST_F(Destinations, AHeaderFromAnEventCannotBecomeTwo) {
  destine(connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}})),
          object({{"HeaderParameters", object({{"X-State", "$.detail.state"}})}}));
  put(R"({"state":"ON\r\nX-Evil: 1"})");
  deliver();
  EXPECT_TRUE(web_.sent.empty());
  EXPECT_EQ(dead().size(), 1U);
}

TEST_F(Destinations, PlainHttpAndForeignConnectionsAreRefused) {
  const std::string connection =
      connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}}));
  const auto make = [&](const std::string& endpoint, const std::string& arn) {
    return error_of(events(
        "CreateApiDestination",
        object({{"Name", "x"}, {"ConnectionArn", arn}, {"InvocationEndpoint", endpoint}, {"HttpMethod", "POST"}})));
  };
  EXPECT_EQ(make("http://hook.example", connection), "ValidationException");
  EXPECT_EQ(make("https://hook.example", connection + "x"), "ResourceNotFoundException");
  EXPECT_EQ(make("https://hook.example", connection), "");
  EXPECT_EQ(must(events("ListConnections")).list("Connections").size(), 1U);
  EXPECT_EQ(must(events("ListApiDestinations")).list("ApiDestinations").size(), 1U);
  must(events("DeauthorizeConnection", object({{"Name", "c"}})));
  EXPECT_EQ(must(events("DescribeConnection", object({{"Name", "c"}}))).text("ConnectionState"), "DEAUTHORIZED");
  must(events("DeleteApiDestination", object({{"Name", "x"}})));
  must(events("DeleteConnection", object({{"Name", "c"}})));
  EXPECT_EQ(error_of(events("DescribeConnection", object({{"Name", "c"}}))), "ResourceNotFoundException");
}

TEST_F(Destinations, ASlowLaneIsApart) {
  destine(connect("BASIC", object({{"BasicAuthParameters", object({{"Username", "me"}, {"Password", "pw"}})}})));
  rule("f", R"({"source":["my.app"]})", {target("1", function_arn())});
  put("{}");
  must(events_->deliver(Context(), clock_.wall(), Lane::kHouse));
  EXPECT_EQ(reached_.size(), 1U);
  EXPECT_TRUE(web_.sent.empty());
  must(events_->deliver(Context(), clock_.wall(), Lane::kOutside));
  EXPECT_EQ(web_.sent.size(), 1U);
}

}  // namespace
}  // namespace coffer::events
