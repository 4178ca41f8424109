// What the S3 store does when the network or the store misbehaves. tests/.../object_store_contract_test.cc has what it
// promises on a good day.
#include "engine/store/s3_object_store.h"

#include "base/tasks.h"
#include "engine/crypto/digest.h"
#include "engine/store/s3_testing.h"

namespace coffer::store {
namespace {

using Kind = FakeFault::Kind;

/// The fault on the first `times` requests with this method, and only those.
FakeS3::Decide first(std::string method, FakeFault fault, int times = 1) {
  auto left = std::make_shared<std::atomic<int>>(times);
  return [method = std::move(method), fault, left](const FakeS3::Seen& seen) -> std::optional<FakeFault> {
    if (seen.method != method || left->fetch_sub(1) <= 0) return std::nullopt;
    return fault;
  };
}
FakeS3::Decide always(std::string method, FakeFault fault) { return first(std::move(method), fault, 1 << 30); }

FakeFault status(int code, std::string text) {
  return {.kind = Kind::kStatus, .status = code, .text = std::move(text)};
}
FakeFault status_after(int code, std::string text) {
  return {.kind = Kind::kStatusAfter, .status = code, .text = std::move(text)};
}
FakeFault of(Kind kind) { return {.kind = kind}; }

class S3Store : public ::testing::Test {
 protected:
  static Context ctx() { return {}; }
  ObjectStore& store() { return world_.store(); }
  FakeS3& server() { return world_.server(); }
  ObjectStore& hopeless_store() { return *hopeless_; }
  static Bytes large() {
    Bytes body(300'000);
    for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::byte>(i * 7 + i / 251);
    return body;
  }
  S3World world_;
  std::unique_ptr<ObjectStore> hopeless_ = world_.open(hopeless());
};

// ---- cuts

// What put() answers is true, wherever the connection ends: stored when it says so, and nothing but the whole object.
TEST_F(S3Store, PutIsTrueWhereverTheRequestIsCut) {
  for (size_t at = 20; at < 1400; at += 3) {
    const std::string key = "cut/" + std::to_string(at);
    server().set_faults(first("PUT", {.kind = Kind::kCutRequest, .at = at}));
    ASSERT_TRUE(succeeds(store().put(ctx(), key, as_bytes("body")))) << at;
    ASSERT_EQ(server().stored("vault/" + key), "body") << at;
  }
}

// The object is there and the answer is not: the second attempt meets its own first.
TEST_F(S3Store, PutKnowsItsOwnObjectWhereverTheAnswerIsCut) {
  for (size_t at = 0; at < 110; ++at) {
    const std::string key = "cut/" + std::to_string(at);
    server().set_faults(first("PUT", {.kind = Kind::kCutAnswer, .at = at}));
    ASSERT_TRUE(succeeds(store().put(ctx(), key, as_bytes("body")))) << at;
    ASSERT_EQ(server().stored("vault/" + key), "body") << at;
  }
}

// The same bytes under the same key by somebody else are not ours: a commit relies on that.
TEST_F(S3Store, PutDoesNotTakeAnEqualObjectOfAnotherForItsOwn) {
  auto other = world_.open();
  must(other->put(ctx(), "log/1", as_bytes("equal")));
  server().set_faults(first("PUT", {.kind = Kind::kCutRequest, .at = 400}));

  EXPECT_TRUE(fails_with(store().put(ctx(), "log/1", as_bytes("equal")), ErrorCode::kAlreadyExists));
}

TEST_F(S3Store, GetIsTrueWhereverTheAnswerIsCut) {
  must(store().put(ctx(), "a", as_bytes("0123456789")));
  for (size_t at = 0; at < 400; at += 2) {
    server().set_faults(first("GET", {.kind = Kind::kCutAnswer, .at = at}));
    ASSERT_EQ(to_text(must(store().get(ctx(), "a", 2, 5))), "23456") << at;
    server().set_faults(first("GET", {.kind = Kind::kCutAnswer, .at = at}));
    ASSERT_EQ(to_text(must(store().get_all(ctx(), "a"))), "0123456789") << at;
  }
}

TEST_F(S3Store, ListIsWholeWhereverTheAnswerIsCut) {
  for (const char* key : {"l/a", "l/b", "l/c"}) must(store().put(ctx(), key, {}));
  for (size_t at = 0; at < 600; at += 5) {
    server().set_faults(first("GET", {.kind = Kind::kCutAnswer, .at = at}));
    int seen = 0;
    ASSERT_TRUE(succeeds(store().list(ctx(), "l/", [&](const ObjectInfo&) { return ++seen, true; }))) << at;
    ASSERT_EQ(seen, 3) << at;
  }
}

TEST_F(S3Store, RemoveIsTrueWhereverTheAnswerIsCut) {
  for (size_t at = 0; at < 60; ++at) {
    must(store().put(ctx(), "a", {}));
    server().set_faults(first("DELETE", {.kind = Kind::kCutAnswer, .at = at}));
    ASSERT_TRUE(succeeds(store().remove(ctx(), "a"))) << at;
    ASSERT_EQ(server().objects(), 0U) << at;
  }
}

// ---- failures by status

TEST_F(S3Store, PassingFailuresPass) {
  struct Case {
    int status;
    const char* code;
  };
  for (auto [code, text] : {Case{500, "InternalError"}, Case{503, "SlowDown"}, Case{503, "ServiceUnavailable"},
                            Case{503, ""}, Case{429, "TooManyRequests"}, Case{400, "RequestTimeout"}, Case{502, ""},
                            Case{504, ""}, Case{409, "ConditionalRequestConflict"}, Case{409, "OperationAborted"},
                            Case{200, "InternalError"}, Case{200, "SlowDown"}}) {
    const std::string key = std::string("k/") + std::to_string(code) + text;
    for (bool happened : {false, true}) {
      const std::string one = key + (happened ? "-after" : "-before");
      server().set_faults(first("PUT", happened ? status_after(code, text) : status(code, text), 3));
      if (code == 200 && happened) continue;  // that is kErrorIn200, below
      EXPECT_TRUE(succeeds(store().put(ctx(), one, as_bytes("x")))) << one;
      EXPECT_EQ(server().stored("vault/" + one), "x");
    }
  }
}

// pgBackRest #1116: a 200 that carries an error was taken for success.
TEST_F(S3Store, AnErrorInA200IsAnError) {
  server().set_faults(first("PUT", {.kind = Kind::kErrorIn200, .text = "InternalError"}, 2));
  EXPECT_TRUE(succeeds(store().put(ctx(), "a", as_bytes("x"))));
  EXPECT_EQ(server().stored("vault/a"), "x");

  server().set_faults(always("PUT", {.kind = Kind::kErrorIn200, .text = "InternalError"}));
  EXPECT_TRUE(fails_with(hopeless_store().put(ctx(), "b", as_bytes("x")), ErrorCode::kUnavailable, "InternalError"));
}

TEST_F(S3Store, AStoreThatSaysItStoredAndDidNotIsFoundOut) {
  server().set_faults(always("PUT", of(Kind::kLost)));
  EXPECT_TRUE(fails_with(store().put(ctx(), "a", as_bytes("x")), ErrorCode::kCorruption, "does not have it"));
}

// Right after a PUT some stores answer 404 for a moment.
TEST_F(S3Store, WhatAppearsLateIsWaitedFor) {
  server().set_faults(first("GET", status(404, "NoSuchKey"), 3));
  EXPECT_TRUE(succeeds(store().put(ctx(), "small", as_bytes("x"))));
  server().set_faults(first("HEAD", status(404, ""), 3));
  EXPECT_TRUE(succeeds(store().put(ctx(), "large", large())));
  int left = 4;
  server().set_faults([&](const FakeS3::Seen& seen) -> std::optional<FakeFault> {
    if (seen.method == "PUT" || left-- <= 0) return std::nullopt;
    return status(404, "NoSuchKey");
  });
  EXPECT_TRUE(succeeds(store().put(ctx(), "large-too", large())));
}

TEST_F(S3Store, ALargeObjectIsReadBackByItsDigestAlone) {
  must(store().put(ctx(), "a", large()));
  EXPECT_EQ(server().requests(), 2U) << "PUT and HEAD";
}

TEST_F(S3Store, WrongEtagsMeanNothing) {
  server().set_faults(always("PUT", of(Kind::kWrongEtag)));
  EXPECT_TRUE(succeeds(store().put(ctx(), "a", large())));
}

TEST_F(S3Store, DamagedBytesAreAskedForAgainAndNeverGivenOut) {
  must(store().put(ctx(), "a", large()));
  for (Kind kind : {Kind::kFlippedBit, Kind::kTruncatedBody}) {
    server().set_faults(first("GET", of(kind)));
    EXPECT_TRUE(equal(must(store().view(ctx(), "a"))->bytes(), large()));
    server().set_faults(always("GET", of(kind)));
    EXPECT_TRUE(fails_with(store().view(ctx(), "a"), ErrorCode::kCorruption, "other bytes"));
  }
  server().set_faults(first("GET", of(Kind::kTruncatedBody)));
  EXPECT_TRUE(equal(must(store().get(ctx(), "a", 10, 1000)), ByteView(large()).subspan(10, 1000)));
  server().set_faults(always("GET", of(Kind::kTruncatedBody)));
  EXPECT_TRUE(fails_with(hopeless_store().get(ctx(), "a", 10, 1000), ErrorCode::kUnavailable, "fewer bytes"));
}

TEST_F(S3Store, AnswersThatAreNoHttpAreFailures) {
  must(store().put(ctx(), "a", as_bytes("x")));
  for (const char* text :
       {"", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx",
        "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 206 X\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 5-5/9\r\n\r\nx",
        "HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes x-/9\r\n\r\nx"}) {
    server().set_faults(first("GET", {.kind = Kind::kAnswer, .text = text}, 2));
    EXPECT_EQ(to_text(must(store().get_all(ctx(), "a"))), "x") << text;
    server().set_faults(first("GET", {.kind = Kind::kAnswer, .text = text}, 2));
    if (std::string_view(text) == "HTTP/1.1 200 OK\r\n\r\n") continue;  // an empty object, as a ranged read sees it
    EXPECT_EQ(to_text(must(store().get(ctx(), "a", 0, 1))), "x") << text;
  }
}

// ---- absence

// An empty 404 is what a proxy says that knows nothing of S3.
TEST_F(S3Store, OnlyANamedAbsenceIsOne) {
  must(store().put(ctx(), "a", as_bytes("x")));
  server().set_faults([](const FakeS3::Seen&) { return status(404, ""); });
  EXPECT_TRUE(fails_with(hopeless_store().head(ctx(), "a"), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(hopeless_store().get(ctx(), "a", 0, 1), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(hopeless_store().view(ctx(), "a"), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(hopeless_store().remove(ctx(), "a"), ErrorCode::kUnavailable));
  server().set_faults([](const FakeS3::Seen&) { return status(404, "NoSuchBucket"); });
  EXPECT_TRUE(fails_with(store().head(ctx(), "a"), ErrorCode::kFailedPrecondition, "no bucket"));
  EXPECT_TRUE(fails_with(store().view(ctx(), "a"), ErrorCode::kFailedPrecondition, "no bucket"));
}

TEST_F(S3Store, ListingsThatContradictThemselvesAreRefused) {
  for (const char* key : {"l/a", "l/b"}) must(store().put(ctx(), key, {}));
  const auto answer = [](const std::string& body) {
    return FakeFault{.kind = Kind::kAnswer,
                     .text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
  };
  const auto visit = [](const ObjectInfo&) { return true; };
  for (const char* body :
       {"", "<ListBucketResult/>", "<html/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>2</KeyCount></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>other/x</Key><Size>1</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>vault/l/a</Key></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>vault/l/b</Key><Size>1</Size></Contents>"
        "<Contents><Key>vault/l/a</Key><Size>1</Size></Contents></ListBucketResult>",
        "<Error><Code>InternalError</Code></Error>"}) {
    server().set_faults(always("GET", answer(body)));
    EXPECT_TRUE(fails_with(hopeless_store().list(ctx(), "l/", visit), ErrorCode::kUnavailable)) << body;
  }
}

// ---- who may, and where

TEST_F(S3Store, RefusalsAreToldAtOnce) {
  struct Case {
    int status;
    const char* name;
    ErrorCode code;
  };
  for (auto [code, name, wanted] : {Case{403, "AccessDenied", ErrorCode::kPermissionDenied},
                                    Case{403, "InvalidAccessKeyId", ErrorCode::kUnauthenticated},
                                    Case{403, "SignatureDoesNotMatch", ErrorCode::kUnauthenticated},
                                    Case{400, "ExpiredToken", ErrorCode::kUnauthenticated},
                                    Case{403, "QuotaExceeded", ErrorCode::kResourceExhausted},
                                    Case{507, "InsufficientStorage", ErrorCode::kResourceExhausted},
                                    Case{405, "MethodNotAllowed", ErrorCode::kFailedPrecondition}}) {
    server().set_faults([fault = status(code, name)](const FakeS3::Seen&) { return fault; });
    const uint64_t before = server().requests();
    EXPECT_TRUE(fails_with(store().put(ctx(), "a", {}), wanted, name));
    EXPECT_LE(server().requests() - before, 2U) << name;
  }
}

TEST(S3StoreElsewhere, AWrongRegionIsCorrectedFromTheAnswer) {
  FakeS3 server({.region = "eu-north-1"});
  SystemClock clock;
  SystemEntropy entropy;
  PosixFileSystem files;
  auto store = must(open_s3(clock, entropy, files, FakeS3::environment(),
                            "s3://bucket/v?region=us-east-1&endpoint=" + server.endpoint(), impatient()));
  EXPECT_TRUE(succeeds(store->put(Context(), "a", as_bytes("x"))));
  EXPECT_EQ(server.requests(), 3U);
}

TEST(S3StoreElsewhere, NobodyThereIsToldWithinAFewAttempts) {
  std::string endpoint;
  {
    FakeS3 gone;
    endpoint = gone.endpoint();
  }
  SystemClock clock;
  SystemEntropy entropy;
  PosixFileSystem files;
  S3Options options = impatient();
  options.give_up_after = std::chrono::minutes(10);
  auto store =
      must(open_s3(clock, entropy, files, FakeS3::environment(), "s3://bucket/v?endpoint=" + endpoint, options));
  EXPECT_TRUE(fails_with(store->head(Context(), "a"), ErrorCode::kUnavailable, "127.0.0.1"));
}

TEST(S3StoreElsewhere, AnotherBucketIsNamed) {
  FakeS3 server;
  SystemClock clock;
  SystemEntropy entropy;
  PosixFileSystem files;
  auto store = must(open_s3(clock, entropy, files, FakeS3::environment(),
                            "s3://elsewhere/v?endpoint=" + server.endpoint(), impatient()));
  EXPECT_TRUE(fails_with(store->put(Context(), "a", {}), ErrorCode::kFailedPrecondition, "no bucket elsewhere"));
}

TEST(S3StoreElsewhere, WithoutCredentialsItSaysWhereItLooked) {
  FakeS3 server;
  SystemClock clock;
  SystemEntropy entropy;
  PosixFileSystem files;
  auto store = must(open_s3(clock, entropy, files, {{"AWS_EC2_METADATA_DISABLED", "true"}}, server.url(), impatient()));
  EXPECT_TRUE(fails_with(store->head(Context(), "a"), ErrorCode::kUnauthenticated, "no credentials"));
}

// ---- kinds of stores

TEST(S3StoreKinds, OneThatKnowsNoChecksumsIsStillReadBack) {
  S3World world({.refuses_checksums = true});
  Bytes body(200'000, std::byte{1});
  EXPECT_TRUE(succeeds(world.store().put(Context(), "a", body)));
  EXPECT_TRUE(succeeds(world.store().put(Context(), "b", body)));
  EXPECT_EQ(world.server().requests(), 7U) << "PUT twice, HEAD, GET; then PUT, HEAD, GET";
}

TEST(S3StoreKinds, OneThatInsistsOnMd5GetsIt) {
  S3World world({.wants_md5 = true});
  EXPECT_TRUE(succeeds(world.store().put(Context(), "a", as_bytes("x"))));
}

// Rule R21: such a store serves one writer at most, and is found out before there is a vault.
TEST(S3StoreKinds, OneWithoutConditionalCreateIsFoundByTheProbe) {
  S3World world({.conditional = false});
  SystemEntropy entropy;
  EXPECT_TRUE(fails_with(probe_conditional_create(Context(), world.store(), entropy), ErrorCode::kFailedPrecondition));
}

TEST(S3StoreKinds, ListingsGoOverManyPages) {
  S3World world({.page_size = 3});
  std::vector<std::string> all, seen;
  for (int i = 10; i < 30; ++i) all.push_back("p/" + std::to_string(i));
  for (const auto& key : all) must(world.store().put(Context(), key, {}));
  must(world.store().list(Context(), "p/", [&](const ObjectInfo& info) { return seen.push_back(info.key), true; }));
  EXPECT_EQ(seen, all);
}

TEST(S3StoreKinds, NamesThatNoVaultMakesArePassedOver) {
  S3World world;
  for (const char* name : {"vault/", "vault/a b", "vault/a//b", "vault/x/", "vaults/other", "vaul"})
    world.server().store(name, "x");
  must(world.store().put(Context(), "a", {}));
  std::vector<std::string> seen;
  must(world.store().list(Context(), "", [&](const ObjectInfo& info) { return seen.push_back(info.key), true; }));
  EXPECT_EQ(seen, std::vector<std::string>{"a"});
}

// ---- pace

TEST(S3StorePace, ConnectionsAreKept) {
  S3World world;
  for (int i = 0; i < 20; ++i) must(world.store().put(Context(), "k" + std::to_string(i), as_bytes("x")));
  EXPECT_EQ(world.server().connections(), 1U);
}

TEST(S3StorePace, OneInFiveRefusalsDelaysAndLosesNothing) {
  S3World world;
  world.server().set_faults([](const FakeS3::Seen& seen) -> std::optional<FakeFault> {
    if (seen.number % 5 == 0) return status(503, "SlowDown");
    return std::nullopt;
  });
  TaskGroup group{Context()};
  for (int racer = 0; racer < 8; ++racer)
    group.spawn([&, racer]() -> Status {
      for (int i = 0; i < 25; ++i)
        COFFER_CHECK_OK(world.store().put(group.context(), "k/" + std::to_string(racer) + "-" + std::to_string(i),
                                          to_bytes(std::to_string(i))));
      return ok_status();
    });
  EXPECT_TRUE(succeeds(group.wait()));
  EXPECT_EQ(world.server().objects(), 200U);
}

TEST(S3StorePace, AStopEndsAWaitForASilentServer) {
  S3World world;
  world.server().set_faults(always("GET", of(Kind::kStall)));
  StopSource stop;
  TaskGroup group{Context()};
  group.spawn([&]() -> Status {
    auto got = world.store().get(Context(stop), "a", 0, 1);
    EXPECT_TRUE(fails_with(got, ErrorCode::kCancelled));
    return ok_status();
  });
  while (world.server().requests() == 0) std::this_thread::yield();
  stop.request_stop();
  EXPECT_TRUE(succeeds(group.wait()));
}

TEST(S3StorePace, ASilentServerIsGivenUpByAttempt) {
  S3Options options = impatient();
  options.attempt_deadline = std::chrono::milliseconds(100);
  S3World world({}, options);
  must(world.store().put(Context(), "a", as_bytes("x")));
  world.server().set_faults(first("HEAD", of(Kind::kStall)));
  EXPECT_TRUE(succeeds(world.store().head(Context(), "a")));
}

TEST(RequestWindow, GrowsSlowlyAndHalvesOncePerBurst) {
  ManualClock clock(WallTime{});
  RequestWindow window(clock, 8, 10);
  window.too_fast();
  window.too_fast();
  EXPECT_EQ(window.size(), 4);
  clock.advance(std::chrono::seconds(1));
  window.too_fast();
  EXPECT_EQ(window.size(), 2);
  for (int i = 0; i < 3; ++i) window.succeeded();
  EXPECT_GT(window.size(), 3);
  for (int i = 0; i < 1000; ++i) window.succeeded();
  EXPECT_EQ(window.size(), 10);
  for (int i = 0; i < 20; ++i) {
    clock.advance(std::chrono::seconds(1));
    window.too_fast();
  }
  EXPECT_EQ(window.size(), 1) << "never nothing";
}

TEST(Backoff, IsFullJitterBelowADoublingCeiling) {
  const Backoff backoff{std::chrono::milliseconds(100), std::chrono::milliseconds(1000)};
  for (int retry = 0; retry < 70; ++retry) {
    const auto most = std::chrono::milliseconds(std::min<int64_t>(1000, 100LL << std::min(retry, 20)));
    for (uint64_t random : {uint64_t{0}, uint64_t{12345678901}, ~uint64_t{0}}) {
      const auto delay = backoff_delay(backoff, retry, false, random);
      EXPECT_GE(delay.count(), 0);
      EXPECT_LE(delay, most) << retry;
    }
  }
  EXPECT_GT(backoff_delay(backoff, 0, true, 900'000'000), std::chrono::milliseconds(100));
}

TEST(RetryBudget, RunsOutAndIsEarnedByFirstAttempts) {
  RetryBudget budget;
  int taken = 0;
  while (budget.take()) ++taken;
  EXPECT_EQ(taken, 100);
  for (int i = 0; i < 6; ++i) budget.first_attempt();
  EXPECT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
}

}  // namespace
}  // namespace coffer::store
