// A front over an S3 that does what the test says, and one key.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "edge/wire/front.h"
#include "edge/wire/sigv4_testing.h"
#include "services/api/fault.h"

namespace coffer::wire {

inline constexpr char kS3AccessKey[] = "AKIAIOSFODNN7EXAMPLE";
inline constexpr char kS3SecretKey[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

class S3OneKey final : public iam::Authority {
 public:
  S3OneKey() {
    auto identity = std::make_shared<iam::Identity>();
    identity->caller.kind = api::Caller::Kind::kUser;
    identity->caller.account = "111111111111";
    identity->policies = std::make_shared<const policy::PrincipalPolicies>();
    identity_ = identity;
  }
  Result<iam::Credential> find_credential(const Context&, std::string_view access_key_id, std::string_view,
                                          WallTime) override {
    if (access_key_id != kS3AccessKey)
      return api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId", "unknown");
    return iam::Credential{secret_, identity_};
  }
  Result<std::shared_ptr<const iam::Identity>> assume_for_service(catalog::Transaction&, std::string_view,
                                                                  std::string_view, const api::Call&) override {
    return Error{ErrorCode::kInternal, "not asked", {}};
  }
  Status authorize(catalog::Transaction&, const api::Call&, const iam::Identity&,
                   const std::vector<api::AccessRequest>&) override {
    return ok_status();
  }
  Result<bool> principal_exists(catalog::Transaction&, std::string_view) override { return true; }
  void note_use(std::string_view, std::string_view, std::string_view, WallTime) override {}

 private:
  std::shared_ptr<const Secret> secret_ = std::make_shared<const Secret>(to_bytes(std::string_view(kS3SecretKey)));
  std::shared_ptr<const iam::Identity> identity_;
};

class S3NoAudit final : public audit::AuditLog {
 public:
  Status append(catalog::Transaction&, const audit::Record&) override { return ok_status(); }
  Status enqueue(audit::Record) override { return ok_status(); }
  Status flush(const Context&) override { return ok_status(); }
  Status checkpoint(const Context&, bool) override { return ok_status(); }
};

/// Gives its text in pieces of one size, as a connection does.
class PieceSource final : public BodySource {
 public:
  PieceSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min({out.size(), piece_, text_.size() - at_});
    std::memcpy(out.data(), text_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string text_;
  size_t piece_, at_ = 0;
};

class S3Test : public testing::Test {
 protected:
  /// What an operation saw.
  struct Seen {
    std::string operation, body;
    api::Value input;
    api::Members trailing;
    api::Call call;
    bool has_body = false, is_form = false, is_anonymous = false;
  };

  S3Test() : database_(must(catalog::Database::open(":memory:"))), gate_(*database_, authority_, audit_, clock_) {
    EXPECT_TRUE(succeeds(database_->migrate(Context(), catalog::migrations())));
    api::ServiceTable table{"s3", {}};
    for (const char* operation :
         {"PutObject", "UploadPart", "GetObject", "HeadObject", "HeadBucket", "DeleteObjects", "PutBucketTagging",
          "GetBucketLocation", "GetBucketPolicy", "PutBucketPolicy", "CreateBucket", "ListBuckets", "ListObjectsV2",
          "CompleteMultipartUpload", "DeleteObject", "PutBucketVersioning"}) {
      api::Action action;
      action.operation = operation;
      action.anonymous = action.operation != "ListBuckets";
      action.prepare = [this](const api::Operation& o) { return receive(o); };
      action.run = [this](const api::Operation& o) -> Result<api::Value> {
        seen_.push_back(*std::static_pointer_cast<Seen>(o.prepared));
        return run_ ? run_(o) : api::Value::object();
      };
      table.actions.push_back(std::move(action));
    }
    gate_.add(std::move(table));
    Front::Options options;
    options.regions = {"us-east-1", "us-east-2"};
    options.s3_domains = {"s3.example.internal"};
    options.s3_cors = [this](const Context&, std::string_view bucket) -> Result<api::Value> {
      const auto found = cors_.find(std::string(bucket));
      return found == cors_.end() ? api::Value() : found->second;
    };
    front_ = std::make_unique<Front>(gate_, authority_, clock_, entropy_, std::move(options));
  }

  Result<std::shared_ptr<void>> receive(const api::Operation& o) {
    auto seen = std::make_shared<Seen>();
    seen->operation = o.call.operation;
    seen->input = o.input;
    seen->call = o.call;
    seen->is_anonymous = o.identity == nullptr;
    if (o.body) {
      seen->has_body = true;
      seen->is_form = o.body->is_form();
      Bytes piece(1000);
      for (;;) {
        COFFER_TRY(const size_t size, o.body->read(o.call.context, piece));
        if (size == 0) break;
        seen->body += as_text(ByteView(piece).first(size));
      }
      seen->trailing = o.body->trailing_members();
    }
    return std::shared_ptr<void>(std::move(seen));
  }

  static Request request(const std::string& method, const std::string& target, std::string body = {}) {
    Request made;
    made.method = method;
    made.target = target;
    made.headers.set("Host", "127.0.0.1:9420");
    made.content_length = body.size();
    if (!body.empty() || method == "PUT") made.headers.set("Content-Length", std::to_string(body.size()));
    made.body = std::move(body);
    return made;
  }
  /// Signs with `payload_hash`, or with the body's own.
  void sign(Request& made, std::string payload_hash = {}, std::string_view region = "us-east-1") const {
    const Secret secret(to_bytes(std::string_view(kS3SecretKey)));
    if (payload_hash.empty()) payload_hash = sha256_hex(made.body);
    sign_request(made, {kS3AccessKey, secret, ""}, region, "s3", clock_.wall(), payload_hash);
  }
  Response handle(Request made) { return front_->handle(Context(), made); }
  Response ask(Request made) {
    sign(made);
    return handle(std::move(made));
  }
  /// What stands between the tags in an answer's body.
  static std::string element(const Response& response, const std::string& name) {
    const size_t begin = response.body.find("<" + name + ">");
    if (begin == std::string::npos) return "(no " + name + " in " + response.body + ")";
    const size_t from = begin + name.size() + 2;
    return response.body.substr(from, response.body.find("</" + name + ">", from) - from);
  }
  static std::string code(const Response& response) {
    return std::to_string(response.status) + " " + element(response, "Code");
  }
  const Seen& last() const {
    EXPECT_FALSE(seen_.empty());
    static const Seen kNothing;
    return seen_.empty() ? kNothing : seen_.back();
  }

  S3OneKey authority_;
  S3NoAudit audit_;
  ManualClock clock_{WallTime{1'700'000'000'000'000}};
  SystemEntropy entropy_;
  std::unique_ptr<catalog::Database> database_;
  gate::Gate gate_;
  std::function<Result<api::Value>(const api::Operation&)> run_;
  std::map<std::string, api::Value> cors_;
  std::vector<Seen> seen_;
  std::unique_ptr<Front> front_;
};

}  // namespace coffer::wire
