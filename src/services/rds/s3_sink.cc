#include "services/rds/s3_sink.h"

#include "services/api/memory_body.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr size_t kPartSize = size_t{16} << 20;

/// Fills `buffer` as far as the source goes; how much.
Result<size_t> fill(const Context& context, ByteSource& bytes, MutableByteView buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    COFFER_TRY(const size_t size, bytes.read(context, buffer.subspan(filled)));
    if (size == 0) break;
    filled += size;
  }
  return filled;
}

class S3Sink final : public ExportSink {
 public:
  S3Sink(const Setting& setting, std::function<Result<std::shared_ptr<const iam::Identity>>()> identity,
         S3SinkOptions options)
      : setting_(setting), identity_(std::move(identity)), options_(std::move(options)) {}

  Status put(const Context& context, std::string_view path, ByteSource& bytes) override {
    Bytes buffer(kPartSize);
    COFFER_TRY(size_t size, fill(context, bytes, buffer));
    if (size < buffer.size()) {
      api::MemoryBody body(ByteView(buffer).first(size));
      COFFER_CHECK_OK(call(context, "PutObject", encrypted(at(path)), &body));
      return ok_status();
    }
    COFFER_TRY(const Value begun, call(context, "CreateMultipartUpload", encrypted(at(path))));
    const std::string upload(begun.text("UploadId"));
    Status done = put_parts(context, path, upload, bytes, buffer);
    // What is not whole is taken away at once; if that fails, the bucket's lifecycle does it.
    if (!done.ok()) static_cast<void>(call(Context(), "AbortMultipartUpload", at(path).set("UploadId", upload)).ok());
    return done;
  }

  Result<std::unique_ptr<ByteSource>> open(const Context& context, std::string_view path) override {
    api::Reply reply;
    COFFER_CHECK_OK(call(context, "GetObject", at(path), nullptr, &reply));
    if (!reply.body) return Error{ErrorCode::kInternal, "the object has no body", {}};
    return std::move(reply.body);
  }

  Status remove(const Context& context, std::string_view path) override {
    COFFER_CHECK_OK(call(context, "DeleteObject", at(path)));
    return ok_status();
  }

  Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) override {
    const std::string before = options_.prefix.empty() ? "" : options_.prefix + "/";
    std::vector<std::string> paths;
    Value input = Value::object({{"Bucket", options_.bucket}, {"Prefix", before + std::string(prefix)}});
    for (;;) {
      COFFER_TRY(const Value page, call(context, "ListObjectsV2", input));
      for (const Value& object : page.list("Contents")) paths.emplace_back(object.text("Key").substr(before.size()));
      if (!page.flag("IsTruncated")) break;
      input.set("ContinuationToken", page.text("NextContinuationToken"));
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

 private:
  [[nodiscard]] Value at(std::string_view path) const {
    const std::string key = (options_.prefix.empty() ? "" : options_.prefix + "/") + std::string(path);
    return Value::object({{"Bucket", options_.bucket}, {"Key", key}});
  }
  [[nodiscard]] Value encrypted(Value input) const {
    input.set("ServerSideEncryption", "aws:kms");
    input.set("SSEKMSKeyId", options_.kms_key);
    return input;
  }

  Status put_parts(const Context& context, std::string_view path, const std::string& upload, ByteSource& bytes,
                   Bytes& buffer) {
    api::List parts;
    size_t size = buffer.size();
    for (int64_t number = 1; size > 0; ++number) {
      COFFER_CHECK_OK(context.check());
      api::MemoryBody body(ByteView(buffer).first(size));
      COFFER_TRY(const Value part,
                 call(context, "UploadPart", at(path).set("UploadId", upload).set("PartNumber", number), &body));
      parts.push_back(Value::object({{"PartNumber", number}, {"ETag", part.text("ETag")}}));
      if (size < buffer.size()) break;
      COFFER_TRY(size, fill(context, bytes, buffer));
    }
    Value input = at(path).set("UploadId", upload);
    input.set("MultipartUpload", Value::object({{"Parts", std::move(parts)}}));
    COFFER_CHECK_OK(call(context, "CompleteMultipartUpload", input));
    return ok_status();
  }

  Result<Value> call(const Context& context, const std::string& operation, const Value& input,
                     api::RequestBody* body = nullptr, api::Reply* reply = nullptr) {
    COFFER_TRY(const auto identity, identity_());
    api::Call c;
    c.context = context;
    c.caller = identity->caller;
    c.service = "s3";
    c.operation = operation;
    c.region = options_.region;
    c.request_id = random_uuid(setting_.entropy);
    c.source_ip = options_.via_service;
    c.user_agent = options_.via_service;
    c.secure_transport = true;
    c.time = setting_.clock.wall();
    c.via_service = options_.via_service;
    return setting_.options.transfer(c, identity.get(), input, body, reply);
  }

  const Setting& setting_;
  std::function<Result<std::shared_ptr<const iam::Identity>>()> identity_;
  S3SinkOptions options_;
};

}  // namespace

std::unique_ptr<ExportSink> open_s3_sink(const Setting& setting,
                                         std::function<Result<std::shared_ptr<const iam::Identity>>()> identity,
                                         S3SinkOptions options) {
  return std::make_unique<S3Sink>(setting, std::move(identity), std::move(options));
}

}  // namespace coffer::rds
