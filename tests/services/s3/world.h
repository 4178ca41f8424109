// Buckets and objects behind the gate, with real IAM, KMS and audit log, a catalog in memory and an object store in
// memory. Model validation and the wire are edge/wire's: inputs are as the model has them, bodies as they arrive.
#pragma once
#include <algorithm>

#include "engine/store/object_store.h"
#include "services/catalog/outbox.h"
#include "services/kms/world.h"
#include "services/s3/rows.h"
#include "services/s3/service.h"

namespace coffer::s3 {

using api::Value;
using iam::allow;
using iam::deny;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using kms::kHome;

constexpr const char* kBucket = "bucket";

/// A body that arrives in small pieces.
class TextBody final : public api::RequestBody {
 public:
  explicit TextBody(std::string text, api::Members trailers = {}, std::vector<std::string> announced = {})
      : text_(std::move(text)), trailers_(std::move(trailers)), announced_(std::move(announced)) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    if (fails_at && at_ >= *fails_at)
      return api::fault(ErrorCode::kInvalidArgument, "IncompleteBody", "The request body terminated unexpectedly");
    const size_t size = std::min({out.size(), text_.size() - at_, size_t{70'000}});
    std::copy_n(reinterpret_cast<const std::byte*>(text_.data()) + at_, size, out.begin());
    at_ += size;
    if (at_ == text_.size() && on_end) std::exchange(on_end, nullptr)();
    return size;
  }
  [[nodiscard]] std::optional<uint64_t> size() const override { return text_.size(); }
  [[nodiscard]] const api::Members& trailing_members() const override { return trailers_; }
  [[nodiscard]] std::vector<std::string> announced_members() const override { return announced_; }

  std::optional<size_t> fails_at;
  std::function<void()> on_end;  // while the body is being read: what others do meanwhile

 private:
  std::string text_;
  size_t at_ = 0;
  api::Members trailers_;
  std::vector<std::string> announced_;
};

/// What a client gets.
struct Answer {
  Result<Value> output;
  api::Reply reply;
  std::string body;

  [[nodiscard]] std::string error() const { return error_of(output); }
  [[nodiscard]] const Value& value() const { return output.value(); }
  [[nodiscard]] std::string text(std::string_view member) const { return std::string(value().text(member)); }
  [[nodiscard]] std::string error_header(std::string_view name) const { return named(reply.error_headers, name); }
  [[nodiscard]] std::string error_element(std::string_view name) const { return named(reply.error_elements, name); }

 private:
  static std::string named(const std::vector<std::pair<std::string, std::string>>& all, std::string_view name) {
    for (const auto& [key, value] : all) {
      if (key == name) return value;
    }
    return "";
  }
};

inline Value with(Value input, const Value& more) {
  for (const auto& [name, value] : more.entries()) input.set(name, value);
  return input;
}
/// Bytes that no compression or repetition makes alike.
inline std::string noise(size_t size, uint64_t seed = 1) {
  std::string text(size, '\0');
  SeededEntropy(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

class World : public kms::World {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : kms::World(where) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), iam::migrations(), organizations::migrations(), kms::migrations(),
                      audit::migrations(), s3::migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    open_s3();
  }
  ~World() override { s3_.reset(); }

  void open_s3() {
    s3_ = s3::open_service(
        *database_, *authority_, *store_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        root_.clone(), clock_, entropy_,
        s3::Options{.regions = {"us-east-1", kms::kFar}, .block_size_bytes = 1 << 20, .inline_size_max_bytes = 1024});
    gate_->add(s3_->actions());
  }
  /// As after a restart of the daemon.
  void restart() {
    close_kms();
    s3_.reset();
    reopen();
    open_kms();
    open_s3();
  }

  /// How a call comes in besides who makes it.
  struct Way {
    bool anonymous = false;
    std::string region = "us-east-1";
    bool secure = true;
  };
  Answer s3(const Keys& keys, const std::string& operation, Value input, TextBody* body, const Way& way) {
    Answer answer{Error{}, {}, {}};
    const auto credential = must(find(keys));
    api::Call call = call_of(*credential.identity, "s3", operation);
    call.region = way.region;
    call.secure_transport = way.secure;
    if (way.anonymous) call.caller = {};
    if (input.is_null()) input = Value::object();
    answer.output = gate_->run(call, way.anonymous ? nullptr : credential.identity.get(), input, body, &answer.reply);
    if (answer.output.ok() && answer.reply.body) answer.body = read_all(*answer.reply.body);
    return answer;
  }
  Answer s3(const Keys& keys, const std::string& operation, Value input = {}, TextBody* body = nullptr) {
    return s3(keys, operation, std::move(input), body, Way{});
  }
  /// As the root of kHome.
  Answer s3(const std::string& operation, Value input = {}, TextBody* body = nullptr) {
    return s3(root(), operation, std::move(input), body);
  }
  /// Must succeed.
  Value did(const std::string& operation, Value input = {}) {
    const Answer answer = s3(operation, std::move(input));
    return must(answer.output);
  }

  static std::string read_all(ByteSource& source) {
    std::string text;
    Bytes buffer(100'000);
    for (;;) {
      const size_t size = must(source.read(Context(), buffer));
      if (size == 0) return text;
      text += as_text(ByteView(buffer).first(size));
    }
  }

  void make_bucket(const std::string& name = kBucket, const std::string& versioning = "", const Value& more = {}) {
    did("CreateBucket", with(object({{"Bucket", name}}), more));
    if (!versioning.empty()) set_versioning(versioning, name);
  }
  void set_versioning(const std::string& status, const std::string& bucket = kBucket) {
    did("PutBucketVersioning", object({{"Bucket", bucket}, {"VersioningConfiguration", object({{"Status", status}})}}));
  }
  static Value at(const std::string& key, const Value& more = {}) {
    return with(object({{"Bucket", kBucket}, {"Key", key}}), more);
  }
  Answer put(const std::string& key, const std::string& text, const Value& more = {}) {
    TextBody body(text);
    return s3("PutObject", at(key, more), &body);
  }
  Answer get(const std::string& key, const Value& more = {}) { return s3("GetObject", at(key, more)); }
  Answer head(const std::string& key, const Value& more = {}) { return s3("HeadObject", at(key, more)); }
  Answer remove(const std::string& key, const Value& more = {}) { return s3("DeleteObject", at(key, more)); }
  /// The bytes, or the name of the failure.
  std::string got(const std::string& key, const Value& more = {}) {
    const Answer answer = get(key, more);
    return answer.output.ok() ? answer.body : answer.error();
  }

  std::string begin_upload(const std::string& key, const Value& more = {}) {
    return std::string(did("CreateMultipartUpload", at(key, more)).text("UploadId"));
  }
  Answer put_part(const std::string& key, const std::string& upload, int number, const std::string& text,
                  const Value& more = {}) {
    TextBody body(text);
    return s3("UploadPart", with(at(key, more), object({{"UploadId", upload}, {"PartNumber", number}})), &body);
  }
  static Value parts_list(const std::vector<Value>& parts) {
    return object({{"MultipartUpload", object({{"Parts", api::List(parts.begin(), parts.end())}})}});
  }
  static Value part_entry(int number, const std::string& etag) {
    return object({{"PartNumber", number}, {"ETag", etag}});
  }

  /// How many blocks the store has.
  size_t blocks() {
    size_t count = 0;
    must(store_->list(Context(), "", [&](const store::ObjectInfo&) {
      ++count;
      return true;
    }));
    return count;
  }
  int64_t rows_in(const std::string& table) {
    return iam::must(read()->run("SELECT COUNT(*) FROM " + table)).at(0).integer(0);
  }
  std::vector<std::string> outbox(const std::string& topic) {
    std::vector<std::string> all;
    for (const auto& entry : iam::must(catalog::outbox_due(*read(), topic, clock_.wall(), 1000)))
      all.push_back(entry.payload);
    return all;
  }
  /// What is due is done, after what was discarded has aged.
  void collect() {
    clock_.advance(std::chrono::hours(2));
    must(s3_->run_due(Context(), clock_.wall()));
  }

  std::unique_ptr<store::ObjectStore> store_ = store::open_memory();
  std::unique_ptr<Service> s3_;
};

}  // namespace coffer::s3
