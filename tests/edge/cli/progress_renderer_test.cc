#include "edge/cli/progress_renderer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "edge/cli/text_table.h"
#include "fake_world.h"

namespace coffer::cli {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kMiB = 1 << 20;

class ProgressRendererTest : public ::testing::Test {
 protected:
  void pass(ProgressRenderer& renderer, std::chrono::nanoseconds time, uint64_t bytes) {
    clock.advance(time);
    renderer.advance(bytes);
    renderer.tick();
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::string text = sink.text();
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      all.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return all;
  }

  TextSink sink;
  ManualClock clock{WallTime{0}};
};

TEST_F(ProgressRendererTest, WithoutATerminalAStepIsALine) {
  ProgressRenderer renderer(sink, clock, {}, ProgressRenderer::Ticker::kByHand);
  renderer.step("connect", 0);
  renderer.step("copy", 100 * kMiB);
  renderer.finish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"coffer: connect", "coffer: copy (100 MiB)"}));
}

TEST_F(ProgressRendererTest, WithoutATerminalTheNextLineComesAfterTenPercent) {
  ProgressRenderer renderer(sink, clock, {}, ProgressRenderer::Ticker::kByHand);
  renderer.step("copy", 100 * kMiB);
  for (int i = 0; i < 9; ++i) pass(renderer, 1s, kMiB);
  EXPECT_EQ(lines().size(), 1U);
  pass(renderer, 1s, kMiB);
  ASSERT_EQ(lines().size(), 2U);
  EXPECT_EQ(lines()[1], "coffer: copy 10 %, 10 MiB of 100 MiB, 1.0 MiB/s, ETA 1 min 30 s");
}

TEST_F(ProgressRendererTest, WithoutATerminalAndATotalTheNextLineComesAfterThirtySeconds) {
  ProgressRenderer renderer(sink, clock, {}, ProgressRenderer::Ticker::kByHand);
  renderer.step("recover", 0);
  for (int i = 0; i < 29; ++i) pass(renderer, 1s, 0);
  EXPECT_EQ(lines().size(), 1U);
  pass(renderer, 1s, 0);
  EXPECT_EQ(lines().size(), 2U);
}

TEST_F(ProgressRendererTest, AFastStepDoesNotFloodALog) {
  ProgressRenderer renderer(sink, clock, {}, ProgressRenderer::Ticker::kByHand);
  renderer.step("copy", 100 * kMiB);
  for (int i = 0; i < 10; ++i) pass(renderer, 100ms, 10 * kMiB);
  renderer.finish();
  EXPECT_EQ(lines().size(), 1U);
}

TEST_F(ProgressRendererTest, OnATerminalTheLineIsRedrawnAndANoteStandsAboveIt) {
  sink.terminal = true;
  ProgressRenderer renderer(sink, clock, {ProgressStyle::Kind::kTerminal, false}, ProgressRenderer::Ticker::kByHand);
  renderer.step("copy", 100 * kMiB);
  pass(renderer, 1s, 50 * kMiB);
  sink.clear();
  renderer.note("a file\x1b[2J vanished");
  const std::string text = sink.text();
  EXPECT_TRUE(text.starts_with("\r\x1b[K  note: a file?[2J vanished\n")) << text;
  EXPECT_NE(text.find("50 %"), std::string::npos) << text;
}

TEST_F(ProgressRendererTest, JsonLinesCarryTheNumbers) {
  ProgressRenderer renderer(sink, clock, {ProgressStyle::Kind::kJson, false}, ProgressRenderer::Ticker::kByHand);
  renderer.step("copy", 100 * kMiB);
  pass(renderer, 2s, 20 * kMiB);
  renderer.note("a \"note\" \xff");
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  const auto line = nlohmann::json::parse(all[1]);
  EXPECT_EQ(line["schema"], "coffer.progress/1");
  EXPECT_EQ(line["seq"], 1);
  EXPECT_EQ(line["step"], "copy");
  EXPECT_EQ(line["done_bytes"], 20 * kMiB);
  EXPECT_EQ(line["total_bytes"], 100 * kMiB);
  EXPECT_EQ(line["bytes_per_second"], 10 * kMiB);
  EXPECT_EQ(line["eta_seconds"], 8);
  EXPECT_EQ(nlohmann::json::parse(all[2])["schema"], "coffer.note/1");
}

TEST_F(ProgressRendererTest, QuietSaysNothing) {
  ProgressRenderer renderer(sink, clock, {ProgressStyle::Kind::kQuiet, false}, ProgressRenderer::Ticker::kByHand);
  renderer.step("copy", 5);
  renderer.note("something");
  pass(renderer, 60s, 5);
  renderer.finish();
  EXPECT_EQ(sink.text(), "");
}

TEST_F(ProgressRendererTest, AStepBeginsItsCountAnew) {
  ProgressRenderer renderer(sink, clock, {ProgressStyle::Kind::kJson, false}, ProgressRenderer::Ticker::kByHand);
  renderer.step("one", 10);
  renderer.advance(7);
  renderer.step("two", 10);
  EXPECT_EQ(nlohmann::json::parse(lines().back())["done_bytes"], 0);
}

// The real clock and ticker, under as many threads as a job has.
TEST_F(ProgressRendererTest, ManyTasksMayCountAtOnce) {
  SystemClock real;
  sink.terminal = true;
  ProgressRenderer renderer(sink, real, {ProgressStyle::Kind::kTerminal, true});
  renderer.step("copy", 8000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) renderer.advance(1);
      renderer.note("done");
    });
  for (auto& t : threads) t.join();
  renderer.finish();
  EXPECT_NE(sink.text().find("copy: 7.8 KiB"), std::string::npos) << sink.text();
}

ProgressView half_done() { return {"copy", 412 * kMiB, 655 * kMiB, 41.0 * kMiB, 10s}; }

TEST(ProgressLine, ShowsBarPercentBytesRateAndTime) {
  const std::string line = progress_line(half_done(), 100, false);
  for (const char* part : {"copy", "[###", " 62 %", "412 MiB of 655 MiB", "41 MiB/s", "ETA 6 s"})
    EXPECT_NE(line.find(part), std::string::npos) << line;
}

TEST(ProgressLine, NeverExceedsTheTerminal) {
  for (bool unicode : {false, true})
    for (int columns = 1; columns < 200; ++columns)
      EXPECT_LT(width_of(progress_line(half_done(), columns, unicode)), static_cast<size_t>(std::max(columns, 2)))
          << columns;
}

TEST(ProgressLine, AnEarlyEtaIsAGuess) {
  ProgressView view{"copy", 4, 100, 1, 4s};
  EXPECT_NE(progress_line(view, 80, false).find("ETA ~"), std::string::npos);
  view.done_bytes = 50;
  EXPECT_EQ(progress_line(view, 80, false).find("ETA ~"), std::string::npos);
}

TEST(ProgressLine, AnEstimateThatWasTooLowDoesNotPassOneHundred) {
  ProgressView view{"copy", 150, 100, 1, 4s};
  EXPECT_EQ(percent_of(view), 100);
  EXPECT_EQ(eta_of(view), 0s);
}

TEST(RateWindowTest, ForgetsWhatIsOlderThanTenSeconds) {
  RateWindow window;
  MonoTime now{0};
  window.add(now, 0);
  for (int second = 1; second <= 10; ++second) window.add({second * 1'000'000'000L}, 100);  // a stall after 100 bytes
  EXPECT_GT(window.bytes_per_second(), 0);
  for (int second = 11; second <= 30; ++second) window.add({second * 1'000'000'000L}, 100);
  EXPECT_EQ(window.bytes_per_second(), 0);
}

}  // namespace
}  // namespace coffer::cli
