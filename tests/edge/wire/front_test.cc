// The front over services that do what they may not: whatever they return or throw, the answer is the protocol's.
#include "edge/wire/front.h"

#include <gtest/gtest.h>

#include "edge/wire/front_testing.h"
#include "edge/wire/sigv4_testing.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

using api::Value;

class CountingAudit final : public NoAudit {
 public:
  Status append(catalog::Transaction&, const audit::Record&) override {
    ++appended;
    return ok_status();
  }
  Status enqueue(audit::Record) override {
    if (queue_throws) throw std::runtime_error("the queue broke");
    return ok_status();
  }
  [[nodiscard]] bool is_crowded() const override { return crowded; }
  int appended = 0;
  bool queue_throws = false, crowded = false;
};

class FrontTest : public testing::Test {
 protected:
  using Run = std::function<Result<Value>(const api::Operation&)>;

  FrontTest() : database_(must(catalog::Database::open(":memory:"))), gate_(*database_, authority_, audit_, clock_) {
    EXPECT_TRUE(succeeds(database_->migrate(Context(), catalog::migrations())));
    const auto add = [&](const std::string& service, std::initializer_list<std::string> operations) {
      api::ServiceTable table{service, {}};
      for (const std::string& operation : operations) {
        api::Action action;
        action.operation = operation;
        action.changes = operation == "CreateKey";
        if (operation == "ListKeys") action.brief = [](const Value& input) { return !input.has("Marker"); };
        action.run = [this](const api::Operation& o) { return run_(o); };
        table.actions.push_back(std::move(action));
      }
      gate_.add(std::move(table));
    };
    add("kms", {"CreateKey", "ListKeys"});
    add("iam", {"GetUser"});
    add("s3", {"HeadBucket", "GetObject"});
    add("lambda", {"CreateFunction"});
    Front::Options options;
    options.regions = {"us-east-1"};
    options.log = [this](std::string_view level, std::string_view text) {
      log_.push_back(std::string(level) + ": " + std::string(text));
    };
    front_ = std::make_unique<Front>(gate_, authority_, clock_, entropy_, std::move(options));
  }

  Response ask(Run run, Request request, std::string_view service) {
    run_ = std::move(run);
    request.headers.set("Host", "127.0.0.1:9420");
    const Secret secret(to_bytes(std::string_view(kSecretKey)));
    sign_request(request, {kAccessKey, secret, ""}, "us-east-1", service, clock_.wall(), sha256_hex(request.body));
    return front_->handle(Context(), request);
  }
  Response ask_kms(Run run, const std::string& operation = "CreateKey", const std::string& body = "{}") {
    Request request;
    request.method = "POST";
    request.target = "/";
    request.headers.set("Content-Type", "application/x-amz-json-1.1");
    request.headers.set("X-Amz-Target", "TrentService." + operation);
    request.body = body;
    return ask(std::move(run), std::move(request), "kms");
  }
  Response ask_iam(Run run) {
    Request request;
    request.method = "POST";
    request.target = "/";
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = "Action=GetUser&Version=2010-05-08";
    return ask(std::move(run), std::move(request), "iam");
  }
  Response ask_s3(Run run, const std::string& method, const std::string& target) {
    Request request;
    request.method = method;
    request.target = target;
    return ask(std::move(run), std::move(request), "s3");
  }
  static Run gives(Value value) {
    return [value = std::move(value)](const api::Operation&) -> Result<Value> { return value; };
  }
  /// One line in the log, with the answer's request id and all of `parts`.
  testing::AssertionResult logged(const Response& response, std::initializer_list<std::string_view> parts) {
    if (log_.size() != 1) return testing::AssertionFailure() << log_.size() << " lines";
    const std::string line = std::exchange(log_, {}).front();
    const std::string_view id =
        response.headers.get(response.headers.has("x-amz-id-2") ? "x-amz-id-2" : "x-amzn-RequestId");
    if (id.size() != 36 || line.find(id) == std::string::npos)
      return testing::AssertionFailure() << id << " in " << line;
    for (std::string_view part : parts) {
      if (line.find(part) == std::string::npos) return testing::AssertionFailure() << part << " in " << line;
    }
    return testing::AssertionSuccess() << line;
  }

  OneKey authority_;
  CountingAudit audit_;
  ManualClock clock_{WallTime{1'700'000'000'000'000}};
  SystemEntropy entropy_;
  std::unique_ptr<catalog::Database> database_;
  gate::Gate gate_;
  Run run_;
  std::unique_ptr<Front> front_;
  std::vector<std::string> log_;
};

// What must wait is refused without a trace, so that it can be asked for again.
TEST_F(FrontTest, OnlyWhatIsBriefIsAnsweredBriefly) {
  int runs = 0;
  run_ = [&](const api::Operation&) -> Result<Value> {
    ++runs;
    return Value::object();
  };
  const auto briefly = [&](const std::string& operation, const std::string& body) {
    Request request;
    request.method = "POST";
    request.target = "/";
    request.headers.set("Host", "127.0.0.1:9420");
    request.headers.set("Content-Type", "application/x-amz-json-1.1");
    request.headers.set("X-Amz-Target", "TrentService." + operation);
    request.body = body;
    const Secret secret(to_bytes(std::string_view(kSecretKey)));
    sign_request(request, {kAccessKey, secret, ""}, "us-east-1", "kms", clock_.wall(), sha256_hex(body));
    if (operation == "ListKeys" && body == "{ }") request.body = "{}";  // not what was signed
    return front_->handle_briefly(Context(), request);
  };
  const auto answered = briefly("ListKeys", "{}");
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->status, 200);
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(briefly("ListKeys", R"({"Marker":"m"})").has_value());  // by its input
  EXPECT_FALSE(briefly("CreateKey", "{}").has_value());                // by its name
  const auto refused = briefly("ListKeys", "{ }");
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 400);
  audit_.crowded = true;
  EXPECT_FALSE(briefly("ListKeys", "{}").has_value());
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(log_, std::vector<std::string>());
}

TEST_F(FrontTest, OfThePagesOnlyTheOneThatAsksNobodyIsBrief) {
  for (const auto& [path, brief] : {std::pair{"/healthz", true}, {"/readyz", false}, {"/metrics", false}}) {
    Request request;
    request.method = "GET";
    request.target = path;
    EXPECT_EQ(front_->handle_briefly(Context(), request).has_value(), brief) << path;
  }
}

TEST_F(FrontTest, AnAnswerThatTheModelDoesNotHaveIsAnInternalFailureInTheProtocolsShapeAndLogged) {
  const Value outputs[] = {
      Value::object({{"KeyMetadata", Value::object({{"KeyId", "k"}, {"NoSuchMember", "x"}})}}),
      Value::object({{"KeyMetadata", Value::object({{"KeyId", 7}})}}),
      Value::object({{"KeyMetadata", "text"}}),
      Value::object({{"KeyMetadata", Value::object({{"KeyId", "k"}, {"GrantTokens", Value(api::List{Value(1)})}})}}),
  };
  for (const Value& output : outputs) {
    const Response response = ask_kms(gives(output));
    EXPECT_EQ(response.status, 500);
    EXPECT_NE(response.body.find("{\"__type\":\"KMSInternalException\",\"message\":\"An internal failure"),
              std::string::npos)
        << response.body;
    EXPECT_EQ(response.body.find("NoSuchMember"), std::string::npos) << response.body;
    EXPECT_TRUE(
        logged(response, {"error: request ", ": kms CreateKey, while encoding the answer, after its effect: "}));
  }
  EXPECT_EQ(audit_.appended, 4);  // the effects stand, and so do their records
  EXPECT_EQ(ask_kms(gives(Value::object())).status, 200);
  EXPECT_TRUE(log_.empty());
}

TEST_F(FrontTest, WhatAHandlerThrowsIsAnInternalFailureAndLogged) {
  const Run broken = [](const api::Operation&) -> Result<Value> { throw std::logic_error("row 7\nis missing"); };
  const Response json = ask_kms(broken);
  EXPECT_EQ(json.status, 500);
  EXPECT_EQ(json.headers.get("x-amzn-ErrorType"), "KMSInternalException");
  EXPECT_TRUE(logged(json, {"error: ", "kms CreateKey, while running it: ", "row 7 is missing"}));

  const Response query = ask_iam(broken);
  EXPECT_EQ(query.status, 500);
  EXPECT_NE(query.body.find("<Code>ServiceFailure</Code>"), std::string::npos) << query.body;
  EXPECT_EQ(query.body.find("row 7"), std::string::npos) << query.body;
  EXPECT_TRUE(logged(query, {"iam GetUser", "row 7"}));

  const Response xml = ask_s3(broken, "GET", "/bucket/key");
  EXPECT_EQ(xml.status, 500);
  EXPECT_NE(xml.body.find("<Error><Code>InternalError</Code>"), std::string::npos) << xml.body;
  EXPECT_TRUE(logged(xml, {"s3 GetObject", "row 7"}));
}

TEST_F(FrontTest, WhatIsThrownAroundAHandlerIsAnInternalFailureAndLogged) {
  const Run foreign = [](const api::Operation&) -> Result<Value> { throw 7; };
  const Response odd = ask_kms(foreign);
  EXPECT_EQ(odd.status, 500);
  EXPECT_TRUE(logged(odd, {"kms CreateKey, while running it"}));

  audit_.queue_throws = true;
  const Response queue = ask_kms(gives(Value::object()), "ListKeys");
  EXPECT_EQ(queue.status, 500);
  EXPECT_TRUE(logged(queue, {"kms ListKeys, while running it: the queue broke"}));
  audit_.queue_throws = false;

  authority_.use_throws = true;
  const Response signature = ask_kms(gives(Value::object()));
  EXPECT_EQ(signature.status, 500);
  EXPECT_TRUE(logged(signature, {"while checking the signature"}));
}

TEST_F(FrontTest, RefusalsAreNotLoggedAndOutagesAreWarnings) {
  const Run missing = [](const api::Operation&) -> Result<Value> {
    return api::fault(ErrorCode::kNotFound, "NotFoundException", "no such key");
  };
  EXPECT_EQ(ask_kms(missing).status, 400);
  EXPECT_TRUE(log_.empty());
  const Run away = [](const api::Operation&) -> Result<Value> {
    return Error{ErrorCode::kUnavailable, "the catalog is away", {}};
  };
  EXPECT_TRUE(logged(ask_kms(away), {"warning: ", "the catalog is away"}));
}

TEST_F(FrontTest, TheLogHasNothingOfTheRequest) {
  const Run broken = [](const api::Operation&) -> Result<Value> { throw std::logic_error("broken"); };
  static_cast<void>(ask_kms(broken, "CreateKey", R"({"Description":"a planted secret"})"));
  ASSERT_EQ(log_.size(), 1U);
  for (std::string_view secret : {"planted", kSecretKey, kAccessKey, "Signature"})
    EXPECT_EQ(log_[0].find(secret), std::string::npos) << log_[0];
}

TEST_F(FrontTest, ALongReasonIsCutInTheLog) {
  const Run broken = [](const api::Operation&) -> Result<Value> { throw std::logic_error(std::string(100'000, 'x')); };
  static_cast<void>(ask_kms(broken));
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_LT(log_[0].size(), 2000U);
}

TEST_F(FrontTest, AHeaderThatCannotBeSentIsAnInternalFailureAndLogged) {
  const Value metadata(api::Members{{"a b", Value("x")}});
  const Response response = ask_s3(gives(Value::object({{"Metadata", metadata}})), "GET", "/bucket/key");
  EXPECT_EQ(response.status, 500);
  EXPECT_FALSE(response.headers.has("x-amz-meta-a b"));
  EXPECT_NE(response.body.find("InternalError"), std::string::npos) << response.body;
  EXPECT_TRUE(logged(response, {"s3 GetObject, while encoding the answer"}));
}

TEST_F(FrontTest, FailuresAreCountedLikeAnswers) {
  static_cast<void>(ask_kms([](const api::Operation&) -> Result<Value> { throw std::logic_error("broken"); }));
  Request request;
  request.method = "GET";
  request.target = "/metrics";
  EXPECT_NE(front_->handle(Context(), request)
                .body.find(R"(coffer_api_requests_total{service="kms",operation="CreateKey",code="500"} 1)"),
            std::string::npos);
}

// A function's zip is larger than what is read of a request at once.
TEST_F(FrontTest, ALargeBodyIsReadForWhoHasAKeyAndForServicesThatHaveSuch) {
  const std::string body = R"({"FunctionName":"f","Role":"arn:aws:iam::111111111111:role/r","Code":{"ZipFile":")" +
                           std::string(4 << 20, 'A') + "\"}}";
  std::vector<size_t> sizes;
  run_ = [&](const api::Operation& o) -> Result<Value> {
    sizes.push_back(o.input.find("Code")->blob("ZipFile").size());
    return Value::object();
  };
  const auto ask_large = [&](const char* key, const char* service, const std::string& text) {
    Request request;
    request.method = "POST";
    request.target = std::string(service) == "lambda" ? "/2015-03-31/functions" : "/";
    request.headers.set("Host", "127.0.0.1:9420");
    const Secret secret(to_bytes(std::string_view(kSecretKey)));
    sign_request(request, {key, secret, ""}, "us-east-1", service, clock_.wall(), sha256_hex(body));
    request.content_length = text.size();
    request.stream = std::make_unique<PieceSource>(text, 100'000);
    return front_->handle(Context(), request);
  };
  EXPECT_EQ(ask_large(kAccessKey, "lambda", body).status, 201);
  EXPECT_EQ(sizes, std::vector<size_t>{3 << 20});
  EXPECT_EQ(ask_large("AKIAIOSFODNN7UNKNOWN", "lambda", body).status, 403);
  EXPECT_EQ(ask_large(kAccessKey, "lambda", body + " ").status, 403);  // not what was signed
  EXPECT_EQ(ask_large(kAccessKey, "lambda", std::string(72 << 20, 'x')).status, 413);
  EXPECT_NE(ask_large(kAccessKey, "kms", body).status, 200);
  EXPECT_EQ(sizes.size(), 1U);
}

}  // namespace
}  // namespace coffer::wire
