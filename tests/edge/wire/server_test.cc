#include "edge/wire/server.h"

#include <atomic>
#include <random>
#include <thread>

#include "edge/wire/server_testing.h"

namespace coffer::wire {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Says what it was asked.
Response echo(const Context& context, Request& request) {
  Response response;
  response.headers.add("X-Method", request.method);
  response.headers.add("X-Target", request.target);
  response.body = request.body;
  if (!request.stream) return response;
  Bytes buffer(100'000);
  for (;;) {
    auto size = request.stream->read(context, buffer);
    if (!size.ok()) {
      response.status = 400;
      response.body = size.error().message;
      return response;
    }
    if (*size == 0) return response;
    response.body += as_text(ByteView(buffer).first(*size));
  }
}

std::string post(std::string_view body, std::string_view more = {}) {
  return "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) +
         "\r\n" + std::string(body);
}

/// Waits for the server to see what the client did.
template <class Condition>
bool comes_true(const Condition& condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    ::poll(nullptr, 0, 1);
  }
  return false;
}

TEST(Server, AnswersRequestsOnOneConnectionInOrder) {
  auto server = start_server({}, echo);
  Client client(server->port());
  for (std::string body : {"", "a", "bb"}) {
    const Answer answer = client.ask(post(body));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.headers.at("x-target"), "/x");
    EXPECT_EQ(answer.headers.at("server"), "Coffer");
    EXPECT_TRUE(answer.headers.at("date").ends_with(" GMT"));
    EXPECT_FALSE(answer.headers.contains("connection"));
  }
  EXPECT_EQ(server->counts().requests_total, 3U);
  EXPECT_EQ(server->counts().connections_total, 1U);
  EXPECT_EQ(server->counts().malformed_total, 0U);
}

TEST(Server, ToleratesRequestsThatComeBeforeTheAnswersAreRead) {
  auto server = start_server({}, echo);
  Client client(server->port());
  std::string all;
  for (int i = 0; i < 100; ++i) all += post(std::to_string(i)) + "\r\n";  // and an empty line between them
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.read_answer().body, std::to_string(i));
}

Server::Options with_brief(BriefHandler handler) {
  Server::Options options;
  options.brief_handler = std::move(handler);
  return options;
}

/// Answers GET itself, leaves the rest to the handler, and throws for DELETE.
std::optional<Response> gets_only(const Context&, Request& request) {
  if (request.method == "DELETE") throw std::runtime_error("broken");
  if (request.method != "GET") return std::nullopt;
  Response response;
  response.body = "in brief";
  return response;
}

TEST(Server, ABriefHandlerIsAskedFirstAndTheHandlerForTheRest) {
  std::atomic<int> handled{0};
  auto server = start_server(with_brief(gets_only), [&](const Context& context, Request& request) {
    ++handled;
    return echo(context, request);
  });
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.ask(kGet).body, "in brief");
    EXPECT_EQ(client.ask(post("at length")).body, "at length");
  }
  EXPECT_EQ(handled, 3);
  EXPECT_EQ(server->counts().requests_total, 6U);
}

TEST(Server, ABriefHandlerIsNotAskedAboutAStreamedBody) {
  std::atomic<int> asked{0};
  Server::Options options = with_brief([&](const Context&, Request&) {
    ++asked;
    return std::optional<Response>();
  });
  options.small_body_size_bytes = 10;
  auto server = start_server(options, echo);
  EXPECT_EQ(Client(server->port()).ask(post("longer than ten bytes")).body, "longer than ten bytes");
  EXPECT_EQ(asked, 0);
}

TEST(Server, WhatABriefHandlerThrowsIsA500AndTheConnectionGoesOn) {
  auto server = start_server(with_brief(gets_only), echo);
  Client client(server->port());
  EXPECT_EQ(client.ask("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").status, 500);
  EXPECT_EQ(client.ask(kGet).body, "in brief");
}

// More than one connection is given before others have their turn, brief and not, in order.
TEST(Server, ManyRequestsAtOnceAreAnsweredInOrderInBriefOrNot) {
  auto server = start_server(with_brief(gets_only), echo);
  Client client(server->port()), other(server->port());
  std::string all;
  for (int i = 0; i < 200; ++i) all += i % 10 == 9 ? post(std::to_string(i)) : std::string(kGet);
  ASSERT_TRUE(client.send(all));
  EXPECT_EQ(other.ask(kGet).body, "in brief");
  for (int i = 0; i < 200; ++i)
    ASSERT_EQ(client.read_answer().body, i % 10 == 9 ? std::to_string(i) : std::string("in brief"));
}

TEST(Server, ReadsARequestThatComesByteByByte) {
  auto server = start_server({}, echo);
  Client client(server->port());
  for (char c :
       "POST /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: "
       "x\r\n\r\n" +
           std::string(kGet))
    ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  EXPECT_EQ(client.read_answer().body, "abcde");
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST(Server, TellsTheHandlerWhoAskedAndHow) {
  Request seen;
  auto server = start_server({}, [&](const Context&, Request& request) {
    seen = std::move(request);
    return Response{};
  });
  Client client(server->port());
  client.ask("PUT /a%20b?c=%2F&d HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 2\r\n\r\nxy");
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.target, "/a%20b?c=%2F&d");
  EXPECT_EQ(seen.path(), "/a%20b");
  EXPECT_EQ(seen.query(), "c=%2F&d");
  EXPECT_EQ(seen.remote_ip, "127.0.0.1");
  EXPECT_FALSE(seen.secure);
  EXPECT_EQ(seen.content_length, 2U);
  EXPECT_EQ(seen.body, "xy");
  EXPECT_EQ(seen.stream, nullptr);
  std::string values;
  for (const auto& [name, value] : seen.headers.fields())
    if (same_name(name, "x-a")) values += value + ",";
  EXPECT_EQ(values, "1,2,");
}

TEST(Server, EndsTheConnectionWhenEitherSideWantsTo) {
  auto server = start_server({}, [](const Context&, Request& request) {
    Response response;
    if (request.target == "/close") response.headers.add("Connection", "close");
    return response;
  });
  for (std::string_view request : {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                   "GET /close HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    Client client(server->port());
    const Answer answer = client.ask(request);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_TRUE(client.is_at_end());
  }
  Client client(server->port());
  EXPECT_EQ(client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").headers.at("connection"), "keep-alive");
  EXPECT_EQ(client.ask(kGet).status, 200);
}

TEST(Server, GivesNoBodyToHead) {
  auto server = start_server({}, [](const Context&, Request& request) {
    Response response;
    response.body = "12345";
    if (request.target == "/object") {
      response.body.clear();
      response.headers.add("Content-Length", "1000000");
    }
    return response;
  });
  Client client(server->port());
  EXPECT_EQ(client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").headers.at("content-length"), "5");
  EXPECT_EQ(client.ask("HEAD /object HTTP/1.1\r\nHost: h\r\n\r\n").headers.at("content-length"), "1000000");
  EXPECT_EQ(client.ask("GET /object HTTP/1.1\r\nHost: h\r\n\r\n").headers.at("content-length"), "0");
  EXPECT_EQ(client.ask(kGet).body, "12345");
}

TEST(Server, TurnsAFailingHandlerInto500WithoutDetail) {
  auto server = start_server({}, [](const Context&, Request& request) -> Response {
    if (request.target == "/throw") throw std::logic_error("a secret detail");
    if (request.target == "/int") throw 7;
    Response response;
    if (request.target == "/split") response.headers.add("X", "a\r\nSet-Cookie: b");
    if (request.target == "/name") response.headers.add("a b", "c");
    if (request.target == "/status") response.status = 100;
    return response;
  });
  for (std::string_view target : {"/throw", "/int", "/split", "/name", "/status"}) {
    Client client(server->port());
    const Answer answer = client.ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(answer.status, 500) << target;
    EXPECT_EQ(answer.body, "An internal failure happened.\n");
    EXPECT_FALSE(answer.headers.contains("set-cookie"));
  }
  EXPECT_EQ(Client(server->port()).ask(kGet).status, 200);
}

TEST(Server, TellsWhatAHandlerThrewButNotTheClient) {
  std::mutex mutex;
  std::vector<std::string> told;
  Server::Options options;
  options.on_failure = [&](std::string_view text) {
    std::lock_guard lock(mutex);
    told.emplace_back(text);
    throw std::runtime_error("the log is full");
  };
  auto server = start_server(options, [](const Context&, Request& request) -> Response {
    if (request.target == "/int") throw 7;
    throw std::logic_error("the reason");
  });
  Client client(server->port());
  EXPECT_EQ(client.ask(kGet).body, "An internal failure happened.\n");
  EXPECT_EQ(client.ask("POST /int HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").status, 500);
  std::lock_guard lock(mutex);
  EXPECT_EQ(told, (std::vector<std::string>{"a GET request was answered 500: the reason",
                                            "a POST request was answered 500"}));
}

TEST(Server, AHeadIsAnsweredWithoutBodyWhateverHappens) {
  Server::Options options;
  options.tasks_max = 1;
  options.queued_max = 1;
  Gate entered, leave;
  auto server = start_server(options, [&](const Context&, Request& request) -> Response {
    if (request.target == "/throw") throw std::logic_error("broken");
    if (request.target == "/wait") {
      entered.open();
      EXPECT_TRUE(leave.wait());
    }
    Response response;
    response.status = 404;
    response.body = "no such thing";
    if (request.target == "/split") response.headers.add("X", "a\r\nb");
    return response;
  });
  const auto head = [](std::string_view target) {
    return "HEAD " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  Client client(server->port());
  // One after the other on one connection: a body would be taken for the next answer.
  EXPECT_EQ(client.ask(head("/")).status, 404);
  EXPECT_EQ(client.ask(head("/throw")).status, 500);
  EXPECT_EQ(client.ask(head("/split")).status, 500);
  EXPECT_TRUE(client.is_at_end());

  // A server that is busy: of the second and the third one waits and the other is refused.
  Client first(server->port()), second(server->port()), third(server->port());
  first.send(head("/wait"));
  ASSERT_TRUE(entered.wait());
  second.send(head("/"));
  third.send(head("/"));
  pollfd waits[] = {{.fd = second.descriptor(), .events = POLLIN, .revents = 0},
                    {.fd = third.descriptor(), .events = POLLIN, .revents = 0}};
  ASSERT_GT(::poll(waits, 2, 20'000), 0);
  Client& refused = waits[0].revents != 0 ? second : third;
  EXPECT_EQ(refused.read_answer(true).status, 503);
  leave.open();
  EXPECT_EQ(first.read_answer(true).status, 404);
  EXPECT_EQ(refused.ask(head("/")).status, 404);
}

// --- what is refused ---

class Refused : public ::testing::Test {
 protected:
  std::unique_ptr<Server> server = start_server({}, [this](const Context&, Request&) {
    ++handled;
    return Response{};
  });
  std::atomic<int> handled{0};

  /// Answered with `status`, not handled, and the connection ends.
  void expect(int status, std::string_view request) {
    Client client(server->port());
    const uint64_t before = server->counts().malformed_total;
    Answer answer = client.ask(request);
    EXPECT_EQ(answer.status, status) << request.substr(0, 200);
    EXPECT_EQ(answer.headers["content-type"], "text/plain; charset=utf-8");
    EXPECT_EQ(answer.headers["connection"], "close");
    EXPECT_FALSE(answer.body.empty());
    client.end_sending();
    EXPECT_TRUE(client.is_at_end());
    EXPECT_EQ(handled, 0);
    EXPECT_EQ(server->counts().malformed_total, before + 1);
  }
};

TEST_F(Refused, IsAHeaderThatIsTooLong) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: h\r\nX: ", end = "\r\n\r\n";
  expect(431, begin + std::string(16 * 1024, 'x') + end);
  expect(431, begin + std::string(100 * 1024, 'x'));  // and without an end
  expect(431, "GET /" + std::string(16 * 1024, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n");
  Client client(server->port());
  EXPECT_EQ(client.ask(begin + std::string(16 * 1024 - begin.size() - end.size(), 'x') + end).status, 200);
}

TEST_F(Refused, IsAHeaderOfTooManyFields) {
  const auto with_fields = [](int count) {
    std::string request = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (int i = 1; i < count; ++i) request += "X" + std::to_string(i) + ": y\r\n";
    return request + "\r\n";
  };
  expect(431, with_fields(101));
  Client client(server->port());
  EXPECT_EQ(client.ask(with_fields(100)).status, 200);
}

TEST_F(Refused, IsWhatTwoServersMightReadDifferently) {
  const std::pair<int, std::string_view> shapes[] = {
      {400, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"},
      {400, "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"},
      {400, "Content-Length: 3\r\nContent-Length: 3\r\n"},
      {400, "Content-Length: 3\r\nContent-Length: 4\r\n"},
      {400, "Content-Length: 3, 3\r\n"},
      {400, "Content-Length: +3\r\n"},
      {400, "Content-Length: -3\r\n"},
      {400, "Content-Length: 0x3\r\n"},
      {400, "Content-Length: 3 3\r\n"},
      {400, "Content-Length:\r\n"},
      {400, "Content-Length: 18446744073709551616\r\n"},
      {400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
      {501, "Transfer-Encoding: gzip, chunked\r\n"},
      {501, "Transfer-Encoding: chunked, identity\r\n"},
      {501, "Transfer-Encoding: identity\r\n"},
      {501, "Transfer-Encoding: xchunked\r\n"},
      {400, "Transfer-Encoding : chunked\r\n"},
      {400, "X: a\r\n b\r\n"},
      {400, "X: a\r\n\tb\r\n"},
      {400, " X: a\r\n"},
      {400, "X: a\nY: b\r\n"},
      {400, "X: a\n"},
      {400, "X: a\rb\r\n"},
      {400, "X: a\r\r\n"},
      {400, "X\r\n"},
      {400, ": a\r\n"},
      {400, "X Y: a\r\n"},
      {400, std::string_view("X: a\0b\r\n", 8)},
      {400, std::string_view("X\0: a\r\n", 7)},
      {400, "Host: other\r\n"},
      {417, "Expect: something\r\n"},
  };
  for (const auto& [status, fields] : shapes)
    expect(status, "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n");
  expect(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST_F(Refused, IsARequestLineThatIsNone) {
  for (std::string_view line :
       {"GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /", "get / HTTP/1.1", "GET", "GET / HTTP/1", "GET / HTTX/1.1",
        "GET\t/\tHTTP/1.1", "GET x HTTP/1.1", "GET http://h/ HTTP/1.1", "GET /# HTTP/1.1", "G\x01T / HTTP/1.1",
        "GET /\x7f HTTP/1.1", " GET / HTTP/1.1", "\x16\x03\x01", "{}"})
    expect(400, std::string(line) + "\r\nHost: h\r\n\r\n");
  expect(400, "GET / HTTP/1.1\r\n\r\n");  // no Host
  expect(400, "GET / HTTP/1.1\nHost: h\n\n");
  expect(505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n");
  expect(505, "GET / HTTP/1.2\r\nHost: h\r\n\r\n");
}

TEST_F(Refused, AreChunksThatAreNone) {
  for (std::string_view chunks : {"x\r\n", "\r\n", "-1\r\n", "1\nab", "1\r\nab\r\n", "1\r\na\n0\r\n\r\n",
                                  "10000000000000000\r\n", "1 x\r\n\x01", "0\r\n\x01: y\r\n\r\n", "1;\n"})
    expect(400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(chunks));
  expect(400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(1000, 'x'));
  expect(400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(10'000, 'x'));
}

TEST(Server, SurvivesTenThousandMalformedRequests) {
  auto server = start_server({}, echo);
  std::mt19937_64 random(5);
  const std::string seeds[] = {std::string(kGet), post("hello", "X-A: b\r\n"),
                               "PUT /a?b=c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: "
                               "100-continue\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"};
  static constexpr std::string_view kTokens[] = {"\r\n",
                                                 "\n",
                                                 "\r",
                                                 "\0",
                                                 ":",
                                                 " ",
                                                 "HTTP/1.1",
                                                 "Content-Length: 5\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "ffffffffffffffff",
                                                 "\x80\xff",
                                                 "Host: h\r\n",
                                                 "0\r\n\r\n"};
  for (int i = 0; i < 10'000; ++i) {
    std::string request = seeds[random() % 3];
    for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = random() % (request.size() + 1);
      switch (random() % 4) {
        case 0: request.insert(at, kTokens[random() % std::size(kTokens)]); break;
        case 1: request.erase(at, 1 + random() % 5); break;
        case 2:
          if (at < request.size()) request[at] = static_cast<char>(random());
          break;
        default: request += request.substr(at);
      }
    }
    Client client(server->port());
    ASSERT_TRUE(client.is_connected()) << i;
    client.send(request);
    client.end_sending();
    if (i % 7 == 0) continue;  // and some go away without reading
    client.read_to_end();
  }
  EXPECT_EQ(Client(server->port()).ask(kGet).status, 200);
  EXPECT_GT(server->counts().malformed_total, 1000U);
  EXPECT_TRUE(comes_true([&] { return server->counts().connections_open == 0; }));
}

// --- slow and missing clients ---

Server::Options impatient() {
  Server::Options options;
  options.header_timeout = options.idle_timeout = options.body_stall_timeout = 100ms;
  return options;
}

TEST(Server, CutsClientsThatAreSlowOrSilent) {
  auto server = start_server(impatient(), echo);
  for (std::string_view begin :
       {"", "G", "GET / HTTP/1.1\r\nHost: h\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    Client client(server->port());
    ASSERT_TRUE(client.send(begin));
    EXPECT_EQ(client.read_to_end(), "") << begin;
  }
  Client client(server->port());
  EXPECT_EQ(client.ask(kGet).status, 200);
  EXPECT_TRUE(client.is_at_end());  // idle
}

TEST(Server, CutsClientsThatKeepADripGoing) {
  auto server = start_server(impatient(), echo);
  for (std::string_view begin :
       {"GET / HTTP/1.1\r\nHost: h\r\nX: ", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"}) {
    Client client(server->port());
    ASSERT_TRUE(client.send(begin));
    int sent = 0;
    while (!client.can_read(5)) {
      client.send("x");
      ASSERT_LT(++sent, 2000);
    }
    EXPECT_EQ(client.read_to_end(), "");
  }
}

TEST(Server, TellsAHandlerThatItsClientIsTooSlowOrGone) {
  Server::Options options = impatient();
  options.small_body_size_bytes = 10;
  std::mutex mutex;
  std::vector<ErrorCode> codes;
  auto server = start_server(options, [&](const Context& context, Request& request) {
    Bytes buffer(1000);
    for (;;) {
      auto size = request.stream->read(context, buffer);
      if (size.ok()) continue;
      std::lock_guard lock(mutex);
      codes.push_back(size.code());
      EXPECT_EQ(request.stream->read(context, buffer).code(), size.code());
      return Response{};
    }
  });
  const auto last_code = [&]() -> std::optional<ErrorCode> {
    std::lock_guard lock(mutex);
    if (codes.empty()) return std::nullopt;
    return codes.back();
  };
  {
    Client client(server->port());
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_TRUE(comes_true([&] { return last_code() == ErrorCode::kDeadlineExceeded; }));
  }
  {
    Client client(server->port());
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
    client.end_sending();
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_TRUE(comes_true([&] { return last_code() == ErrorCode::kUnavailable; }));
  }
  {
    Client client(server->port());
    client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" +
                std::string(32, 'x') + "\r\nxyz");
    EXPECT_EQ(client.read_answer().status, 200);  // whatever the handler says of it
    EXPECT_EQ(last_code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(client.is_at_end());
  }
}

TEST(Server, GivesNoTaskToAClientThatIsNotDoneSending) {
  Server::Options options;
  options.tasks_max = 1;
  auto server = start_server(options, echo);
  Client slow(server->port()), quick(server->port());
  const std::string request = post(std::string(100'000, 'x'));
  slow.send(std::string_view(request).substr(0, 50'000));
  EXPECT_EQ(quick.ask(kGet).status, 200);
  slow.send(std::string_view(request).substr(50'000));
  EXPECT_EQ(slow.read_answer().body.size(), 100'000U);
}

/// Without end.
class Endless final : public BodySource {
 public:
  explicit Endless(Gate& gone) : gone_(gone) {}
  ~Endless() override { gone_.open(); }
  Result<size_t> read(const Context&, MutableByteView out) override { return out.size(); }

 private:
  Gate& gone_;
};

TEST(Server, StopsSendingToAClientThatDoesNotReadOrIsGone) {
  for (const bool goes : {false, true}) {
    Gate gone;
    auto server = start_server(impatient(), [&](const Context&, Request&) {
      Response response;
      response.stream = std::make_unique<Endless>(gone);
      return response;
    });
    auto client = std::make_unique<Client>(server->port());
    client->send(kGet);
    if (goes) {
      client->read_exactly(1000);
      client.reset();
    }
    EXPECT_TRUE(gone.wait());
  }
}

TEST(Server, CutsAClientThatDoesNotReadALongAnswer) {
  auto server = start_server(impatient(), [](const Context&, Request&) {
    Response response;
    response.body.assign(64 << 20, 'x');
    return response;
  });
  Client client(server->port());
  client.send(kGet);
  EXPECT_TRUE(
      comes_true([&] { return server->counts().requests_total == 1 && server->counts().connections_open == 0; }));
}

// --- limits of the server ---

TEST(Server, AnswersBusyWhenItsQueueIsFull) {
  Server::Options options;
  options.tasks_max = 1;
  options.queued_max = 1;
  Gate entered, leave;
  auto server = start_server(options, [&](const Context&, Request&) {
    entered.open();
    EXPECT_TRUE(leave.wait());
    return Response{};
  });
  Client first(server->port()), second(server->port()), third(server->port());
  first.send(kGet);
  ASSERT_TRUE(entered.wait());
  second.send(kGet);
  third.send(kGet);
  // One of them waits, whichever came later is told to come again.
  pollfd waits[] = {{.fd = second.descriptor(), .events = POLLIN, .revents = 0},
                    {.fd = third.descriptor(), .events = POLLIN, .revents = 0}};
  ASSERT_GT(::poll(waits, 2, 20'000), 0);
  Client& refused = waits[0].revents != 0 ? second : third;
  Client& waiting = waits[0].revents != 0 ? third : second;
  const Answer busy = refused.read_answer();
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers.at("retry-after"), "1");
  EXPECT_FALSE(busy.headers.contains("connection"));  // it may ask again on the same one
  leave.open();
  EXPECT_EQ(first.read_answer().status, 200);
  EXPECT_EQ(waiting.read_answer().status, 200);
  EXPECT_EQ(refused.ask(kGet).status, 200);
}

TEST(Server, RefusesAConnectionTooManyAndTakesItLater) {
  Server::Options options;
  options.connections_max = 2;
  auto server = start_server(options, echo);
  auto first = std::make_unique<Client>(server->port());
  Client second(server->port());
  EXPECT_EQ(first->ask(kGet).status, 200);
  EXPECT_EQ(second.ask(kGet).status, 200);
  Client third(server->port());
  EXPECT_EQ(third.read_answer().status, 503);
  first.reset();
  EXPECT_TRUE(comes_true([&] { return server->counts().connections_open == 1; }));
  EXPECT_EQ(Client(server->port()).ask(kGet).status, 200);
}

TEST(Server, HoldsAThousandIdleConnectionsInLittleMemory) {
  if (!kMemoryIsAsInProduction) GTEST_SKIP() << "a sanitizer's memory is its own";
  auto server = start_server({}, echo);
  EXPECT_EQ(Client(server->port()).ask(kGet).status, 200);
  const size_t before = resident_size();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    ASSERT_EQ(clients.back()->ask(post(std::string(2000, 'x'))).status, 200) << i;
  }
  EXPECT_GE(server->counts().connections_open, 1000U);
  const size_t after = resident_size(), grown = after > before ? after - before : 0;
  RecordProperty("kib_per_connection", std::to_string(grown / 1000 / 1024));
  EXPECT_LT(grown, 16U << 20);
}

// --- streams ---

TEST(Server, StreamsALongUploadInFlatMemory) {
  std::atomic<uint64_t> received{0};
  std::atomic<size_t> highest{0};
  auto server = start_server({}, [&](const Context& context, Request& request) {
    Bytes buffer(64 << 10);
    uint64_t sum = 0;
    for (;;) {
      auto size = request.stream->read(context, buffer);
      EXPECT_TRUE(succeeds(size));
      if (!size.ok() || *size == 0) break;
      received += *size;
      for (std::byte b : ByteView(buffer).first(*size)) sum += static_cast<uint64_t>(b);
      highest = std::max<size_t>(highest, resident_size());
    }
    Response response;
    response.body = std::to_string(sum);
    return response;
  });
  for (const bool chunked : {false, true}) {
    received = highest = 0;
    Client client(server->port());
    const size_t before = resident_size();
    const std::string piece(1 << 20, '\1');
    client.send("PUT /x HTTP/1.1\r\nHost: h\r\n" +
                std::string(chunked ? "Transfer-Encoding: chunked" : "Content-Length: 67108864") + "\r\n\r\n");
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(client.send(chunked ? "100000\r\n" + piece + "\r\n" : piece));
    if (chunked) client.send("0\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, "67108864");
    EXPECT_EQ(received, 64U << 20);
    if (kMemoryIsAsInProduction) {
      EXPECT_LT(highest.load(), before + (8U << 20));
    }
  }
}

TEST(Server, SendsContinueOnlyWhenTheHandlerReads) {
  Server::Options options;
  options.small_body_size_bytes = 10;
  auto server = start_server(options, [](const Context& context, Request& request) {
    if (request.target == "/x") return echo(context, request);
    Response response;
    response.status = 403;
    return response;
  });
  const std::string body(100, 'b');
  for (std::string_view length : {"Content-Length: 100", "Transfer-Encoding: chunked"}) {
    const std::string head = " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + std::string(length) + "\r\n\r\n";
    const std::string sent = length[0] == 'C' ? body : "64\r\n" + body + "\r\n0\r\n\r\n";
    Client reads(server->port());
    reads.send("PUT /x" + head);
    EXPECT_TRUE(reads.read_continue());
    reads.send(sent);
    EXPECT_EQ(reads.read_answer().body, body);
    EXPECT_EQ(reads.ask(kGet).status, 403);

    Client refused(server->port());
    const Answer answer = refused.ask("PUT /refused" + head);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.headers.at("connection"), "close");
    refused.end_sending();
    EXPECT_TRUE(refused.is_at_end());

    // A client that did not wait has nothing to be told.
    Client hasty(server->port());
    hasty.send("PUT /x" + head + sent);
    std::string text = hasty.read_exactly(9);
    EXPECT_EQ(text, "HTTP/1.1 ");
  }
  Client small(server->port());
  small.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_TRUE(small.read_continue());
  EXPECT_EQ(small.ask("abc").body, "abc");
  Client small_refused(server->port());
  EXPECT_EQ(small_refused.ask("PUT /r HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n").status,
            403);
}

TEST(Server, KeepsTheAnswerWholeWhenTheBodyWasNotRead) {
  Server::Options options;
  options.small_body_size_bytes = 10;
  auto server = start_server(options, [](const Context&, Request&) {
    Response response;
    response.status = 403;
    response.body = "no";
    return response;
  });
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {  // short: dropped, the connection goes on
    const Answer answer = client.ask(post(std::string(50'000, 'x')));
    ASSERT_EQ(answer.status, 403);
    ASSERT_EQ(answer.body, "no");
  }
  Client longer(server->port());
  longer.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
  longer.send(std::string(4'000'000, 'x'));
  const Answer answer = longer.read_answer();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, "no");
  EXPECT_TRUE(longer.is_at_end());
}

TEST(Server, StreamsALongChunkedBodyThatNobodyAnnounced) {
  Server::Options options;
  options.small_body_size_bytes = 1000;
  auto server = start_server(options, [](const Context& context, Request& request) {
    Response response = echo(context, request);
    response.headers.add("X-Streamed", request.stream ? "yes" : "no");
    return response;
  });
  Client client(server->port());
  for (size_t size : {1U, 999U, 1000U, 1001U, 5000U, 300'000U}) {
    std::string body(size, ' ');
    for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 23);
    std::string wire;
    for (size_t at = 0; at < size; at += 700) {
      const std::string piece = body.substr(at, 700);
      char digits[20];
      wire += std::string(digits, std::to_chars(digits, digits + 20, piece.size(), 16).ptr) + "\r\n" + piece + "\r\n";
    }
    const Answer answer =
        client.ask("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + wire + "0\r\n\r\n");
    EXPECT_EQ(answer.body, body);
    if (size > 70'000) {
      EXPECT_EQ(answer.headers.at("x-streamed"), "yes");
    }
    if (size <= 1000) {
      EXPECT_EQ(answer.headers.at("x-streamed"), "no");
    }
  }
}

/// `size` bytes, then its end, or a failure.
class Counting final : public BodySource {
 public:
  Counting(uint64_t size, bool fails) : left_(size), fails_(fails) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    if (left_ == 0 && fails_) return Error{ErrorCode::kCorruption, "a secret detail", {}};
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left_, out.size()));
    for (std::byte& b : out.first(size)) b = static_cast<std::byte>('a' + left_-- % 23);
    return size;
  }

 private:
  uint64_t left_;
  const bool fails_;
};

TEST(Server, StreamsAnswersOfKnownAndUnknownLength) {
  struct Wanted {
    uint64_t size = 0;
    std::optional<uint64_t> told;
    bool fails = false;
  } wanted;
  auto server = start_server({}, [&](const Context&, Request&) {
    Response response;
    response.stream = std::make_unique<Counting>(wanted.size, wanted.fails);
    response.stream_size = wanted.told;
    return response;
  });
  Client client(server->port());
  for (uint64_t size : {0U, 1U, 100U, 131072U, 131073U, 3'000'000U}) {
    for (const bool told : {false, true}) {
      wanted = {.size = size, .told = told ? std::optional(size) : std::nullopt};
      const Answer answer = client.ask(kGet);
      EXPECT_TRUE(answer.is_whole);
      EXPECT_EQ(answer.body.size(), size);
      EXPECT_EQ(answer.headers.contains("content-length"), told);
    }
  }
  wanted = {.size = 1000, .told = {}};
  EXPECT_FALSE(client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").headers.contains("content-length"));
  wanted.told = 1000;
  EXPECT_EQ(client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").headers.at("content-length"), "1000");
  // To an older client the end of the connection is the end of the body.
  wanted.told.reset();
  Client old(server->port());
  const Answer answer = old.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(answer.body.size(), 1000U);
}

TEST(Server, NeverMakesHalfABodyLookWhole) {
  struct Case {
    uint64_t size, told;
    bool fails, is_told;
  };
  Case now{};
  auto server = start_server({}, [&](const Context&, Request&) {
    Response response;
    response.stream = std::make_unique<Counting>(now.size, now.fails);
    if (now.is_told) response.stream_size = now.told;
    return response;
  });
  for (const Case& one : {Case{200'000, 0, true, false}, Case{200'000, 300'000, true, true},
                          Case{200'000, 300'000, false, true}, Case{200'000, 100'000, false, true}}) {
    now = one;
    Client client(server->port());
    const Answer answer = client.ask(kGet);
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.is_whole);
    EXPECT_TRUE(client.is_at_end());
  }
  now = {0, 0, true, false};  // what fails at once can still be told
  Client client(server->port());
  const Answer answer = client.ask(kGet);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.ask(kGet).status, 500);
}

TEST(Server, MaySendBackWhatItReads) {
  Server::Options options;
  options.small_body_size_bytes = 10;
  auto server = start_server(options, [](const Context&, Request& request) {
    Response response;
    response.stream = std::move(request.stream);
    response.stream_size = request.content_length;
    return response;
  });
  Client client(server->port());
  const std::string body(100'000, 'x');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask(post(body)).body, body);
}

// --- start and stop ---

TEST(Server, FinishesWhatIsAtWorkBeforeItStops) {
  Gate entered, leave;
  auto server = start_server({}, [&](const Context&, Request&) {
    entered.open();
    EXPECT_TRUE(leave.wait());
    Response response;
    response.body = "done";
    return response;
  });
  Client busy(server->port()), idle(server->port()), used(server->port());
  busy.send(std::string(kGet) + std::string(kGet));
  ASSERT_TRUE(entered.wait());
  std::thread stopper([&] { server->stop(20s); });
  EXPECT_TRUE(idle.is_at_end());
  EXPECT_TRUE(used.is_at_end());
  leave.open();
  const Answer answer = busy.read_answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(busy.is_at_end());
  stopper.join();
  EXPECT_FALSE(Client(server->port()).is_connected());
  EXPECT_EQ(server->counts().connections_open, 0U);
}

TEST(Server, StopsHandlersAtTheEndOfTheGrace) {
  Gate entered;
  std::atomic<bool> was_stopped{false};
  auto server = start_server({}, [&](const Context& context, Request& request) {
    entered.open();
    Bytes buffer(1000);
    while (request.stream->read(context, buffer).ok()) {
    }
    was_stopped = context.stopped();
    return Response{};
  });
  Client client(server->port());
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
  ASSERT_TRUE(entered.wait());
  server->stop(0s);
  EXPECT_TRUE(was_stopped);
  EXPECT_TRUE(client.is_at_end());
}

TEST(Server, StopsWhileManyAreAtIt) {
  for (int round = 0; round < 10; ++round) {
    auto server = start_server({}, echo);
    std::vector<std::thread> threads;
    std::atomic<int> answered{0};
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (;;) {
          Client client(server->port());
          if (!client.is_connected()) return;
          while (client.ask(kGet).status == 200) ++answered;
        }
      });
    comes_true([&] { return answered > 50; });
    server->stop(5s);
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Server, RefusesToShowSignaturesToTheNetwork) {
  Server::Options options;
  options.host = "0.0.0.0";
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kInvalidArgument, "plain HTTP"));
  options.plain_http_anywhere = true;
  auto server = start_server(options, echo);
  EXPECT_EQ(Client(server->port()).ask(kGet).status, 200);
}

TEST(Server, SaysWhyItCannotStart) {
  Server::Options options;
  options.host = "not an address";
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kInvalidArgument, "no IP address"));
  auto server = start_server({}, echo);
  options.host = "127.0.0.1";
  options.port = server->port();
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kUnavailable, std::to_string(options.port)));
  options = {};
  options.tasks_max = 0;
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kInvalidArgument));
  options = {};
  options.certificate_file = "/nonexistent";
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kInvalidArgument, "together"));
  options.private_key_file = "/nonexistent";
  EXPECT_TRUE(fails_with(Server::start(options, echo), ErrorCode::kInvalidArgument, "/nonexistent"));
}

TEST(Server, TakesItsPortAgainAtOnce) {
  Server::Options options;
  for (int i = 0; i < 3; ++i) {
    auto server = start_server(options, echo);
    options.port = server->port();
    Client client(server->port());
    EXPECT_EQ(client.ask(kGet).status, 200);
    server->stop(0s);
  }
}

}  // namespace
}  // namespace coffer::wire
