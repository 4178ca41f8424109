#include "edge/functions/runtime_api.h"

#include <gtest/gtest.h>

namespace coffer::functions {
namespace {

HttpRequest request(const std::string& text, size_t body_max = kResponseSizeMax) {
  HttpReader reader(body_max);
  EXPECT_TRUE(reader.feed(text).ok());
  auto taken = reader.take();
  EXPECT_TRUE(taken.has_value());
  return taken ? std::move(*taken) : HttpRequest{};
}
std::string head_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

TEST(HttpReader, ARequestMayComeInAnyPieces) {
  const std::string text =
      "POST /a/b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhelloGET /2 HTTP/1.0\r\n\r\n";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    HttpReader reader(100);
    std::vector<HttpRequest> all;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(reader.feed(text.substr(at, piece)).ok());
      while (auto one = reader.take()) {
        all.push_back(std::move(*one));
        ASSERT_TRUE(reader.feed({}).ok());
      }
    }
    ASSERT_EQ(all.size(), 2U) << piece;
    EXPECT_EQ(all[0].method, "POST");
    EXPECT_EQ(all[0].path, "/a/b");
    EXPECT_EQ(all[0].body, "hello");
    EXPECT_EQ(all[0].header("x-a"), "b");
    EXPECT_TRUE(all[0].keep_alive);
    EXPECT_FALSE(all[1].keep_alive);
  }
}

TEST(HttpReader, ChunksAndTrailersAreRead) {
  const HttpRequest r = request(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT-A: v\r\n\r\n");
  EXPECT_EQ(r.body, "abc0123456789");
  EXPECT_EQ(r.header("t-a"), "v");
}

TEST(HttpReader, ABodyThatIsTooLargeIsCountedAndNotKept) {
  const HttpRequest r = request("POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n01234567890123456789", 10);
  EXPECT_EQ(r.body_size, 20U);
  EXPECT_TRUE(r.body.empty());
}

TEST(HttpReader, WhatIsNoRequestIsRefused) {
  for (const std::string& text :
       {std::string("nonsense\r\n\r\n"), std::string("GET /\r\n\r\n"), std::string("GET / HTTP/2.0\r\n\r\n"),
        std::string("GET x HTTP/1.1\r\n\r\n"), std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n: x\r\n\r\n"), std::string("GET / HTTP/1.1\r\na b: x\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc"),
        "GET / HTTP/1.1\r\nA: " + std::string(40'000, 'x'),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(5'000, '0')}) {
    EXPECT_FALSE(HttpReader(100).feed(text).ok()) << text.substr(0, 60);
  }
}

TEST(HttpReader, ATruncatedRequestIsNeverComplete) {
  const std::string text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (size_t size = 0; size < text.size(); ++size) {
    HttpReader reader(100);
    ASSERT_TRUE(reader.feed(text.substr(0, size)).ok()) << size;
    EXPECT_FALSE(reader.take().has_value()) << size;
  }
}

class Api : public testing::Test {
 protected:
  std::string say(const std::string& method, const std::string& path, const std::string& body = "") {
    HttpRequest r;
    r.method = method;
    r.path = "/2018-06-01/runtime/" + path;
    r.body = body;
    r.body_size = body.size();
    return api_.handle(r).value_or("waits");
  }
  std::string give(const std::string& id) {
    lambda::Invocation invocation;
    invocation.request_id = id;
    invocation.payload = to_bytes(std::string("{\"a\":1}"));
    invocation.trace_id = "Root=1\r\nX-Evil: 1";
    return api_.give(invocation, WallTime{5'000'000});
  }
  RuntimeApi api_;
};

TEST_F(Api, AnInvocationIsGivenAndAnswered) {
  EXPECT_EQ(say("GET", "invocation/next"), "waits");
  ASSERT_TRUE(api_.is_ready());
  const std::string given = give("id1");
  EXPECT_NE(given.find("Lambda-Runtime-Aws-Request-Id: id1\r\n"), std::string::npos);
  EXPECT_NE(given.find("Lambda-Runtime-Deadline-Ms: 5000\r\n"), std::string::npos);
  EXPECT_EQ(given.find("\r\nX-Evil"), std::string::npos);
  EXPECT_TRUE(given.ends_with("\r\n\r\n{\"a\":1}"));
  EXPECT_FALSE(api_.take_result().has_value());
  EXPECT_EQ(head_of(say("POST", "invocation/id1/response", "[1]")), "HTTP/1.1 202 Accepted");
  const auto result = api_.take_result();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->payload, "[1]");
  EXPECT_FALSE(result->is_error);
}

TEST_F(Api, AnErrorIsTold) {
  say("GET", "invocation/next");
  give("id1");
  say("POST", "invocation/id1/error", R"({"errorType":"E"})");
  EXPECT_TRUE(api_.take_result()->is_error);
}

TEST_F(Api, TheOrderOfThingsIsKept) {
  EXPECT_EQ(head_of(say("POST", "invocation/id1/response", "1")), "HTTP/1.1 403 Forbidden");
  say("GET", "invocation/next");
  EXPECT_EQ(head_of(say("GET", "invocation/next")), "HTTP/1.1 403 Forbidden");
  give("id1");
  EXPECT_EQ(head_of(say("GET", "invocation/next")), "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(head_of(say("POST", "invocation/id2/response", "1")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(head_of(say("POST", "invocation/id1/response", "1")), "HTTP/1.1 202 Accepted");
  EXPECT_EQ(head_of(say("POST", "invocation/id1/response", "2")), "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(api_.take_result()->payload, "1");
}

TEST_F(Api, AnErrorOfTheInitPhaseIsKept) {
  say("POST", "init/error", "{}");
  EXPECT_EQ(api_.init_error(), "{}");
}

TEST_F(Api, OtherPathsAreNotThere) {
  for (const char* path : {"", "x", "invocation/", "invocation/a", "invocation/a/b", "restore/next"})
    EXPECT_EQ(head_of(say("POST", path)), "HTTP/1.1 404 Not Found") << path;
}

}  // namespace
}  // namespace coffer::functions
