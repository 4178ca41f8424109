// A front over an S3 that does what the test says, and one key.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "edge/wire/front_testing.h"
#include "edge/wire/sigv4_testing.h"
#include "services/api/fault.h"

namespace coffer::wire {

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
    const Secret secret(to_bytes(std::string_view(kSecretKey)));
    if (payload_hash.empty()) payload_hash = sha256_hex(made.body);
    sign_request(made, {kAccessKey, secret, ""}, region, "s3", clock_.wall(), payload_hash);
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

  OneKey authority_;
  NoAudit audit_;
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
