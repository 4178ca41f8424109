// The parts of the server that need no socket: the head of a request, the framing of its body, the patience with slow
// clients, the pool of tasks.
#include <random>

#include "edge/wire/server_body.h"
#include "edge/wire/server_head.h"
#include "edge/wire/server_pace.h"
#include "edge/wire/server_tasks.h"
#include "edge/wire/server_testing.h"

namespace coffer::wire {
namespace {

constexpr HeadLimits kLimits{.size_max_bytes = 1000, .count_max = 5};
constexpr std::string_view kHead = "GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";

TEST(HeadScanner, FindsTheEndHoweverTheBytesArrive) {
  for (size_t cut = 1; cut < kHead.size(); ++cut) {
    for (std::string_view behind : {"", "x", "\n\n", "GET / HTTP/1.1\r\n"}) {
      HeadScanner scanner(kLimits);
      ASSERT_EQ(scanner.scan(kHead.substr(0, cut)), HeadScanner::State::kPartial) << cut;
      ASSERT_EQ(scanner.scan(std::string(kHead) + std::string(behind)), HeadScanner::State::kComplete);
      ASSERT_EQ(scanner.size(), kHead.size());
    }
  }
}

TEST(HeadScanner, SaysTheSameForEveryCutOfAnyBytes) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(kHead);
    for (int i = 0; i < 3; ++i) bytes.insert(random() % (bytes.size() + 1), 1, "\r\n :xG"[random() % 6]);
    HeadScanner whole(kLimits), piecewise(kLimits);
    const HeadScanner::State expected = whole.scan(bytes);
    HeadScanner::State state = HeadScanner::State::kPartial;
    for (size_t size = 1; size <= bytes.size() && state == HeadScanner::State::kPartial; ++size)
      state = piecewise.scan(std::string_view(bytes).substr(0, size));
    ASSERT_EQ(state, expected) << bytes;
    if (state == HeadScanner::State::kComplete) {
      ASSERT_EQ(piecewise.size(), whole.size());
    }
    if (state == HeadScanner::State::kRefused) {
      ASSERT_EQ(piecewise.refusal().text, whole.refusal().text);
    }
  }
}

TEST(HeadScanner, NeverReadsBeyondItsLimit) {
  HeadScanner scanner(kLimits);
  EXPECT_EQ(scanner.scan("GET /" + std::string(994, 'x')), HeadScanner::State::kPartial);
  EXPECT_EQ(scanner.scan("GET /" + std::string(996, 'x')), HeadScanner::State::kRefused);
  EXPECT_EQ(scanner.refusal().status, 431);
}

TEST(ParseHead, RefusesAHeadThatIsCutAnywhere) {
  for (size_t size = 0; size < kHead.size(); ++size)
    EXPECT_TRUE(std::holds_alternative<Refusal>(parse_head(kHead.substr(0, size)))) << size;
  EXPECT_TRUE(std::holds_alternative<Head>(parse_head(kHead)));
  EXPECT_TRUE(std::holds_alternative<Refusal>(parse_head(std::string(kHead) + "x")));
}

TEST(ParseHead, NeverLetsAControlCharacterThrough) {
  for (size_t at = 0; at < kHead.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string bytes(kHead);
      bytes[at] = static_cast<char>(c);
      const auto parsed = parse_head(bytes);
      const Head* head = std::get_if<Head>(&parsed);
      if (head == nullptr) continue;
      std::string all = head->method + head->target;
      for (const auto& [name, value] : head->headers.fields()) all += name + value;
      for (char x : all) ASSERT_FALSE(static_cast<unsigned char>(x) < 0x20 && x != '\t') << at << " " << c;
    }
  }
}

/// All of `wire` in pieces; the data, and "!" when it is broken, "." when done, "?" when more is needed.
std::string unframe(BodyFraming framing, std::string_view wire, size_t in_size, size_t out_size) {
  std::string data;
  Bytes out(out_size);
  while (!wire.empty() && !framing.is_done() && !framing.is_broken()) {
    const std::string_view piece = wire.substr(0, in_size);
    const auto step = framing.step(piece, out);
    EXPECT_TRUE(step.consumed > 0 || step.produced > 0);
    data += as_text(ByteView(out).first(step.produced));
    wire.remove_prefix(step.consumed);
  }
  return data + (framing.is_broken() ? "!" : framing.is_done() ? "." + std::string(wire) : "?");
}

TEST(BodyFraming, GivesTheSameForEveryCut) {
  const std::string chunks = "3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\nnext";
  for (size_t in = 1; in < 60; ++in) {
    for (size_t out = 1; out < 16; ++out) {
      ASSERT_EQ(unframe(BodyFraming::of_chunks(), chunks, in, out), "abc0123456789.next");
      ASSERT_EQ(unframe(BodyFraming::of_length(7), "abcdefgnext", in, out), "abcdefg.next");
    }
  }
  EXPECT_TRUE(BodyFraming::none().is_done());
  for (size_t size = 0; size < chunks.size() - 4; ++size)
    EXPECT_TRUE(unframe(BodyFraming::of_chunks(), chunks.substr(0, size), 7, 7).ends_with("?"));
}

TEST(BodyFraming, BreaksOnEachFlippedByteOfTheFraming) {
  const std::string chunks = "3\r\nabc\r\n0\r\n\r\n";
  for (size_t at : {1U, 2U, 6U, 7U, 9U, 10U, 11U, 12U}) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = chunks;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      ASSERT_FALSE(unframe(BodyFraming::of_chunks(), changed, 100, 100) == "abc.") << at << " " << bit;
    }
  }
}

TEST(Pace, GrantsOneStallTimeoutBeyondWhatTheBytesDeserve) {
  using namespace std::chrono_literals;
  Pace pace(10s);
  EXPECT_EQ(pace.patience(), 10s);
  pace.waited(4s);
  EXPECT_EQ(pace.patience(), 6s);
  pace.moved(2 * kLowestSpeed);
  EXPECT_EQ(pace.patience(), 8s);
  pace.moved(1000 * kLowestSpeed);
  EXPECT_EQ(pace.patience(), 10s);  // never more for the next bytes
  pace.waited(2000s);
  EXPECT_LT(pace.patience(), 0s);
}

class OpenGate final : public TaskPool::Job {
 public:
  explicit OpenGate(Gate& gate) : gate_(gate) {}
  void run() override { gate_.open(); }

 private:
  Gate& gate_;
};

TEST(TaskPool, RunsWhatIsQueuedBeforeItCloses) {
  Gate gates[50];
  TaskPool pool(2, 100);
  for (Gate& gate : gates) {
    ASSERT_TRUE(pool.reserve());
    pool.submit(std::make_unique<OpenGate>(gate));
  }
  pool.close();
  for (Gate& gate : gates) EXPECT_TRUE(gate.wait());
}

TEST(TaskPool, HasNoMorePlacesThanItWasGiven) {
  TaskPool pool(2, 3);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool.reserve());
  EXPECT_FALSE(pool.reserve());
}

}  // namespace
}  // namespace coffer::wire
