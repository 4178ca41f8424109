// `coffer database ...`: what is asked, what a person sees, what an error says.
#include "edge/cli/database_commands.h"

#include <gtest/gtest.h>

#include "edge/cli/command_table.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/fake_world.h"

namespace coffer::cli {
namespace {

using nlohmann::json;

class ScriptedApi final : public AccountApi {
 public:
  Result<json> answer = json::object();
  std::string target;

  Result<json> call(std::string_view service, std::string_view asked, const json&) override {
    EXPECT_EQ(service, "coffer");
    target = asked;
    return answer;
  }
  Result<json> get(std::string_view, const std::string&) override { return Error{}; }
  Result<xml::Element> get_xml(const std::string&) override { return Error{}; }
  Result<xml::Element> query(std::string_view, const std::string&, const Parameters&) override { return Error{}; }
  Result<Bytes> download(const std::string&) override { return Error{}; }
};

Result<json> input_of(std::vector<std::string> words) {
  auto parsed = parse_command_line(words, {});
  if (!parsed.ok()) return std::move(parsed).error();
  return registration_input(*parsed->arguments);
}

TEST(DatabaseCommands, AddAsksForWhatWasGiven) {
  const auto input = input_of({"database", "add", "orders", "--conninfo", "host=h user=u", "--pgdata", "/data", "--tag",
                               "team=shop", "--tag", "a=b=c", "--protect", "--kms-key", "alias/k"});
  ASSERT_TRUE(input.ok()) << input.error().message;
  EXPECT_EQ(*input, json::parse(R"({"DBInstanceIdentifier":"orders","Conninfo":"host=h user=u","DataDirectory":"/data",
      "KmsKeyId":"alias/k","DeletionProtection":true,
      "Tags":[{"Key":"team","Value":"shop"},{"Key":"a","Value":"b=c"}]})"));
  EXPECT_EQ(input_of({"database", "add", "orders", "--conninfo", "x", "--tag", "team"}).code(),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(input_of({"database", "add", "orders"}).ok());
}

TEST(DatabaseCommands, AFailureHasItsNextStepOnALineOfItsOwn) {
  ScriptedApi api;
  api.answer = Error{ErrorCode::kFailedPrecondition,
                     "Coffer_20261125.RegisterDatabase: DatabaseNotReachableException: cannot connect: refused. Next: "
                     "check host and port",
                     {},
                     "DatabaseNotReachableException"};
  const auto refused = call_coffer(api, "RegisterDatabase", json::object());
  EXPECT_EQ(api.target, "Coffer_20261125.RegisterDatabase");
  EXPECT_EQ(refused.error().message, "cannot connect: refused");
  EXPECT_EQ(refused.error().next_step, "check host and port");
  api.answer = Error{ErrorCode::kFailedPrecondition, "there is one", {}, "DatabaseAlreadyExistsException"};
  EXPECT_EQ(call_coffer(api, "RegisterDatabase", json::object()).code(), ErrorCode::kAlreadyExists);
}

TEST(DatabaseCommands, WhatAServerNamesDoesNotSteerTheTerminal) {
  const json d = {{"DBInstanceIdentifier", "orders"},
                  {"Status", "available"},
                  {"Host", "h\x1b[2J"},
                  {"Port", 5432},
                  {"User", "u"},
                  {"SizeInBytes", 3 << 20}};
  EXPECT_EQ(database_lines(d).find('\x1b'), std::string::npos);
  EXPECT_EQ(database_table(json::array({d})).find('\x1b'), std::string::npos);
  EXPECT_NE(database_table(json::array({d})).find("stream"), std::string::npos);
  EXPECT_EQ(finding_lines(json::parse(R"([{"What":"a\u001bb","NextStep":"c"}])")),
            "  BAD      a?b\n           next: c\n");
  EXPECT_NE(database_table(json::array()).find("coffer database add"), std::string::npos);
}

TEST(DatabaseCommands, AnAnswerOfNonsenseIsShownAsNothing) {
  for (const char* text : {"{}", R"({"Port":"x","Status":5,"Tags":{},"SizeInBytes":-1})"})
    EXPECT_FALSE(database_lines(json::parse(text)).empty()) << text;
}

TEST(DatabaseCommands, WithoutADaemonTheNextStepSaysHowToStartOne) {
  FakeWorld world;
  world.environment["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLE";
  world.environment["AWS_SECRET_ACCESS_KEY"] = "secret";
  // Nobody listens on port 1.
  EXPECT_EQ(world.run({"database", "list", "--endpoint", "http://127.0.0.1:1"}), kExitUnreachable);
  EXPECT_NE(world.messages.text().find("coffer up"), std::string::npos) << world.messages.text();
  EXPECT_NE(world.run({"database", "list", "--data", world.path("none")}), kExitDone);
  EXPECT_NE(world.messages.text().find("--data"), std::string::npos) << world.messages.text();
}

}  // namespace
}  // namespace coffer::cli
