#include "edge/wire/peer_calls.h"

#include <gtest/gtest.h>

#include "edge/wire/front_testing.h"
#include "edge/wire/peer_signature.h"
#include "engine/crypto/ed25519.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

using api::Value;

constexpr WallTime kNow{1'790'000'000'000'000};

/// Allows what is asked of "open" and remembers who asked.
class NotingAuthority final : public OneKey {
 public:
  Status authorize(catalog::Transaction&, const api::Call& call, const iam::Identity& identity,
                   const std::vector<api::AccessRequest>& requests) override {
    caller = call.caller;
    identity_policies = identity.policies->identity.size();
    if (requests.front().resource == "open") return ok_status();
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "no");
  }
  api::Caller caller;
  size_t identity_policies = 0;
};

/// A network of one cable: the body arrives whole, or cut.
class Cable final : public HttpClient {
 public:
  explicit Cable(PeerFront& front) : front_(front) {}
  Result<Response> send(const Context& context, const std::string&, const Request& request) override {
    Request arrived;
    arrived.method = request.method;
    arrived.target = request.target;
    arrived.headers = request.headers;
    arrived.content_length = request.content_length;
    std::array<std::byte, 7> piece{};
    while (true) {
      COFFER_TRY(const size_t size, request.stream->read(context, piece));
      if (size == 0) break;
      arrived.body.append(reinterpret_cast<const char*>(piece.data()), size);
    }
    sent_size = arrived.body.size();
    if (cut < arrived.body.size()) arrived.body.resize(cut);
    if (flip < arrived.body.size()) arrived.body[flip] = static_cast<char>(arrived.body[flip] ^ 1);
    return front_.handle(context, arrived);
  }
  size_t cut = SIZE_MAX, flip = SIZE_MAX, sent_size = 0;

 private:
  PeerFront& front_;
};

class TextBody final : public api::RequestBody {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min(out.size(), text_.size() - at_);
    std::copy_n(as_bytes(text_).begin() + static_cast<std::ptrdiff_t>(at_), size, out.begin());
    at_ += size;
    return size;
  }
  [[nodiscard]] std::optional<uint64_t> size() const override { return text_.size(); }

 private:
  std::string text_;
  size_t at_ = 0;
};

class PeerCallsTest : public testing::Test {
 protected:
  PeerCallsTest()
      : database_(std::move(catalog::Database::open(":memory:")).value()),
        gate_(*database_, authority_, audit_, clock_) {
    api::ServiceTable table{"s3", {}};
    table.actions.push_back(
        {.operation = "ReplicateObject",
         .access = api::allow_on("s3:ReplicateObject",
                                 [](const api::Operation& o) { return std::string(o.input.text("Bucket")); }),
         .run = [](const api::Operation& o) -> Result<Value> {
           std::string body;
           std::array<std::byte, 5> piece{};
           while (true) {
             COFFER_TRY(const size_t size, o.body->read({}, piece));
             if (size == 0) break;
             body.append(reinterpret_cast<const char*>(piece.data()), size);
           }
           return Value::object(
               {{"Body", body}, {"Modified", o.input.find("Modified")->get_if<WallTime>() != nullptr}});
         }});
    table.actions.push_back({.operation = "DeleteBucket",
                             .access = nullptr,
                             .run = [](const api::Operation&) -> Result<Value> { return Value::object(); }});
    gate_.add(std::move(table));
  }

  PeerFront front(ByteView enrolled_seed) {
    const auto key = crypto::ed25519_public_key(enrolled_seed);
    return PeerFront(gate_, clock_, entropy_,
                     {.accounts = {{"111111111111", Bytes(key.begin(), key.end())}},
                      .is_ours = [](std::string_view account) { return account == "222222222222"; },
                      .region = "us-east-1"});
  }
  Result<Value> call(HttpClient& client, std::string bucket = "open", std::string operation = "ReplicateObject",
                     std::string to = "222222222222") {
    api::Call asked;
    asked.operation = std::move(operation);
    asked.caller.account = "111111111111";
    asked.caller.arn = "arn:aws:sts::111111111111:assumed-role/crr/s3-replication";
    asked.caller.principal_arn = "arn:aws:iam::111111111111:role/service-role/crr";
    asked.caller.principal_id = "AROAEXAMPLE";
    TextBody body("the bytes of an object");
    return call_peer(client, {"https://b.example:9420", std::move(to)}, seed_, asked,
                     Value::object({{"Bucket", bucket}, {"Modified", kNow}}), &body, kNow);
  }

  NotingAuthority authority_;
  NoAudit audit_;
  ManualClock clock_{kNow};
  SeededEntropy entropy_{7};
  std::unique_ptr<catalog::Database> database_;
  gate::Gate gate_;
  const Bytes seed_ = Bytes(crypto::kEd25519SeedSize, std::byte{'a'});
};

TEST_F(PeerCallsTest, InputAndBytesArriveAndTheRoleIsTheCaller) {
  PeerFront peer = front(seed_);
  Cable cable(peer);
  const auto answer = call(cable);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->text("Body"), "the bytes of an object");
  EXPECT_TRUE(answer->flag("Modified"));
  EXPECT_EQ(authority_.caller.account, "111111111111");
  EXPECT_EQ(authority_.caller.principal_arn, "arn:aws:iam::111111111111:role/service-role/crr");
  EXPECT_EQ(authority_.caller.session_name, "s3-replication");
  EXPECT_EQ(authority_.identity_policies, 1u);
}

TEST_F(PeerCallsTest, ARefusalKeepsItsNameAndCode) {
  PeerFront peer = front(seed_);
  Cable cable(peer);
  const auto answer = call(cable, "closed");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().name, "AccessDenied");
  EXPECT_EQ(answer.code(), ErrorCode::kPermissionDenied);
}

TEST_F(PeerCallsTest, OnlyEnrolledKeysForOurAccountsAndPeerOperations) {
  PeerFront stranger = front(Bytes(crypto::kEd25519SeedSize, std::byte{'b'}));
  Cable to_stranger(stranger);
  EXPECT_EQ(call(to_stranger).error().name, "SignatureDoesNotMatch");
  PeerFront peer = front(seed_);
  Cable cable(peer);
  EXPECT_EQ(call(cable, "open", "ReplicateObject", "333333333333").error().name, "AccessDenied");
  EXPECT_EQ(call(cable, "open", "DeleteBucket").error().name, "UnknownOperationException");
}

TEST_F(PeerCallsTest, ACutBodyIsIncompleteAndAChangedInputIsRefused) {
  PeerFront peer = front(seed_);
  Cable cable(peer);
  ASSERT_TRUE(call(cable).ok());
  const size_t whole = cable.sent_size;
  for (size_t cut = 0; cut < whole; ++cut) {
    cable.cut = cut;
    EXPECT_FALSE(call(cable).ok()) << cut;
  }
  cable.cut = SIZE_MAX;
  for (size_t flip = 0; flip < whole - std::string_view("the bytes of an object").size(); ++flip) {
    cable.flip = flip;
    EXPECT_FALSE(call(cable).ok()) << flip;
  }
}

TEST_F(PeerCallsTest, RequestsWithoutASignatureAreRefused) {
  PeerFront peer = front(seed_);
  Request request;
  request.method = "POST";
  request.target = "/.coffer/peer/v1/ReplicateObject";
  EXPECT_TRUE(PeerFront::takes(request));
  EXPECT_EQ(peer.handle({}, request).status, 403);
  request.target = "/bucket/.coffer/peer/v1/ReplicateObject";
  EXPECT_FALSE(PeerFront::takes(request));
}

}  // namespace
}  // namespace coffer::wire
