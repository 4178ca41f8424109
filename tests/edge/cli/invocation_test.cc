// Whole command lines in one process, in a world that a test can hold still.
#include "edge/cli/invocation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "edge/cli/exit_codes.h"
#include "edge/cli/point_list.h"
#include "edge/cli/retention_options.h"
#include "fake_world.h"

namespace coffer::cli {
namespace {

using vault::PointState;
using vault::PointSummary;

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world.run({"keys", "generate", world.path("key")}), kExitDone) << world.messages.text();
    ASSERT_EQ(world.run({"vault", "init", "--vault", world.path("vault"), "--key", "ops=" + world.path("key")}),
              kExitDone)
        << world.messages.text();
  }
  int opened(std::vector<std::string> words) {
    words.insert(words.end(), {"--vault", world.path("vault"), "--key", world.path("key")});
    return world.run(words);
  }
  FakeWorld world;
};

TEST_F(CommandLineTest, RemovingASlotAsksAndANoChangesNothing) {
  world.environment["P"] = "one";
  ASSERT_EQ(opened({"keys", "add", "second", "--new-key", "passphrase-env:P"}), kExitDone) << world.messages.text();
  world.prompter.answers = {"n"};
  EXPECT_EQ(opened({"keys", "remove", "second"}), kExitUsage);
  ASSERT_EQ(world.prompter.questions.size(), 1U);
  ASSERT_EQ(opened({"keys", "list"}), kExitUsage) << "keys list takes no key";
  EXPECT_EQ(world.run({"keys", "list", "--vault", world.path("vault")}), kExitDone);
  EXPECT_EQ(world.out.text(), "SLOT    TYPE\nops     key-file\nsecond  passphrase\n");
  world.prompter.answers = {"y"};
  EXPECT_EQ(opened({"keys", "remove", "second"}), kExitDone) << world.messages.text();
}

TEST_F(CommandLineTest, AStopThatCameBeforeIsSeenAndToldAsInterrupted) {
  world.stop.request_stop();
  EXPECT_EQ(opened({"verify", "--all"}), kExitInterrupted) << world.messages.text();
}

TEST_F(CommandLineTest, MistakesInOptionsAreFoundBeforeAnythingIsDone) {
  const std::vector<std::vector<std::string>> cases = {{"collect", "--grace", "soon"},
                                                       {"collect", "--jobs", "many"},
                                                       {"collect", "--memory", "1k"},
                                                       {"prove", "latest", "--pg-bin", "17"},
                                                       {"prove", "latest", "--pg-bin", "x=/y"},
                                                       {"backup", "--compress", "zip"},
                                                       {"backup", "--source", "stream", "--pgdata", "/x"},
                                                       {"backup", "--source", "stream", "--max-rate", "1"},
                                                       {"restore", "latest", "--to", "/x", "--tablespace", "nothing"},
                                                       {"restore", "latest", "--to", "/x", "--until", "yesterday"},
                                                       {"forget"},
                                                       {"forget", "--keep-last", "-1"},
                                                       {"forget", "abcd", "--keep-last", "1"},
                                                       {"verify"},
                                                       {"verify", "latest", "--all"},
                                                       {"recover", "latest"}};
  for (const auto& words : cases) {
    const int code = opened(words);
    EXPECT_TRUE(code == kExitUsage || (words[0] == "prove" && code == kExitNotFound))
        << words[0] << " " << words.back() << ": " << code << " " << world.messages.text();
    EXPECT_EQ(world.out.text(), "");
  }
}

TEST_F(CommandLineTest, AFailedWriteOfTheAnswerIsAFailure) {
  world.out.failure = Error{ErrorCode::kResourceExhausted, "writing standard output: no space", {}};
  EXPECT_EQ(world.run({"version"}), kExitFailed);
}

TEST_F(CommandLineTest, AnEmptyVaultHasNothingToRecover) {
  EXPECT_EQ(opened({"recover", "--to", world.path("x")}), kExitNotFound);
  EXPECT_FALSE(std::filesystem::exists(world.path("x")));
  EXPECT_EQ(opened({"recover"}), kExitDone);
  EXPECT_EQ(opened({"restore", "latest", "--to", world.path("x")}), kExitNotFound);
}

TEST_F(CommandLineTest, ManAndHelpKnowCommandsOfTwoWords) {
  EXPECT_EQ(world.run({"man", "vault", "init"}), kExitDone);
  EXPECT_NE(world.out.text().find(".Dt COFFER-VAULT-INIT 1"), std::string::npos);
  EXPECT_EQ(world.run({"man", "vault"}), kExitNotFound);
  EXPECT_EQ(world.run({"help", "vault"}), kExitDone);
  EXPECT_EQ(world.run({"help", "vault", "inti"}), kExitNotFound);
  EXPECT_EQ(world.run({}), kExitUsage);
  EXPECT_EQ(world.out.text(), "") << "help that nobody asked for is no data";
}

TEST(RetentionOptions, EachNumberGoesWhereItBelongs) {
  const EnvironmentVariables none;
  auto parsed = parse_command_line({"forget", "--keep-within", "7d", "--keep-last", "1", "--keep-daily", "2",
                                    "--keep-weekly", "3", "--keep-monthly", "4", "--keep-yearly", "5"},
                                   none);
  ASSERT_TRUE(parsed.ok());
  auto policy = retention_policy(*parsed->arguments);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->keep_within, std::chrono::hours(7 * 24));
  EXPECT_EQ(policy->keep_last, 1U);
  EXPECT_EQ(policy->keep_daily, 2U);
  EXPECT_EQ(policy->keep_weekly, 3U);
  EXPECT_EQ(policy->keep_monthly, 4U);
  EXPECT_EQ(policy->keep_yearly, 5U);
}

constexpr WallTime kNow{1'795'521'600'000'000};  // 2026-11-24T12:00:00Z

PointSummary point(std::string id, PointState state, std::chrono::seconds old) {
  PointSummary p;
  p.manifest.id = std::move(id);
  p.manifest.system_identifier = 7711734832714633235;
  p.manifest.major = 15;
  p.manifest.finished = kNow - old;
  p.manifest.size_bytes = 225 << 20;
  p.manifest.written.stored_bytes = 35 << 20;
  p.state = state;
  return p;
}

PointList two_points() {
  PointList list;
  list.points = {point("20261124T100000Z-aaaaaaaa", PointState::kProven, std::chrono::hours(2)),
                 point("20261124T113000Z-bbbbbbbb", PointState::kDamaged, std::chrono::minutes(30))};
  list.points[0].last_proof = kNow - std::chrono::minutes(90);
  list.points[1].last_proof = kNow;
  list.points[1].manifest.name = "nightly\x1b[31m";
  list.points[1].manifest.damaged_page_count = 2;
  return list;
}

TEST(PointsText, TheAgeOfTheLastProofIsTheFirstFigure) {
  EXPECT_EQ(points_text(two_points(), kNow),
            "last proof: 1 h 30 min ago (20261124T100000Z-aaaaaaaa)   2 points of 1 cluster, 70 MiB stored\n\n"
            "ID                         CLUSTER     PG  TAKEN (UTC)          SIZE     NEW  STATE                  "
            "PROVEN          LABEL\n"
            "20261124T100000Z-aaaaaaaa  ..14633235  15  2026-11-24 10:00  225 MiB  35 MiB  PROVEN                 1 h "
            "30 min ago\n"
            "20261124T113000Z-bbbbbbbb  ..14633235  15  2026-11-24 11:30  225 MiB  35 MiB  DAMAGED (2 bad pages)  -    "
            "           "
            "nightly?[31m\n");
}

TEST(PointsText, WithoutAProofItSaysSo) {
  EXPECT_EQ(points_text({}, kNow), "last proof: NEVER   0 points of 0 clusters, 0 B stored\n");
}

TEST(PointsDocument, HoldsStatesTimesAndWhatCannotBeRead) {
  PointList list = two_points();
  list.damaged.emplace_back("20261124T114500Z-cccccccc", Error{ErrorCode::kCorruption, "manifest does not open", {}});
  const auto document = points_document(list, "uuid");
  EXPECT_EQ(document["schema"], "coffer.points/1");
  EXPECT_EQ(document["last_proof"], "2026-11-24T10:30:00Z");
  EXPECT_EQ(document["points"][0]["state"], "PROVEN");
  EXPECT_EQ(document["points"][0]["system_identifier"], "7711734832714633235")
      << "a number of 64 bits is no JSON number";
  EXPECT_EQ(document["points"][1]["damaged_page_count"], 2);
  EXPECT_EQ(document["unreadable"][0]["id"], "20261124T114500Z-cccccccc");
}

TEST(NewestGoodPoint, PassesOverWhatIsDamaged) {
  EXPECT_EQ(*newest_good_point(two_points()), "20261124T100000Z-aaaaaaaa");
  EXPECT_EQ(newest_good_point({}).code(), ErrorCode::kNotFound);
  PointList damaged;
  damaged.points = {two_points().points[1]};
  EXPECT_EQ(newest_good_point(damaged).code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace coffer::cli
