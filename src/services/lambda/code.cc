// The zip of a function: from the request or a bucket into the store, sealed.
#include "base/base64.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/sealed_object.h"
#include "services/api/fault.h"
#include "services/lambda/code_archive.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr uint64_t kDirectSizeMax = 50ull << 20;
constexpr int64_t kStorageMax = 75'000'000'000;  // of an account in a Region

Error bad_zip(const Error& error) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterValueException", error.message);
}

/// An object that goes again unless the transaction for which it was stored commits.
struct Pending {
  Pending(store::ObjectStore& s, StoredCode c) : store(s), code(std::move(c)) {}
  Pending(const Pending&) = delete;
  ~Pending() {
    // What stays behind in the worst case is space.
    if (!kept->load()) static_cast<void>(store.remove(Context(), code.key).ok());
  }
  store::ObjectStore& store;
  StoredCode code;
  std::shared_ptr<std::atomic<bool>> kept = std::make_shared<std::atomic<bool>>(false);
};

std::string place_of(std::string_view key) { return "lambda/code/" + std::string(key); }

Result<Bytes> zip_of(const Request& r, const Value& code) {
  const bool from_bucket = code.has("S3Bucket") || code.has("S3Key");
  if (code.has("ImageUri")) return invalid_parameter("Images are not part of this installation.");
  if (from_bucket && code.has("ZipFile"))
    return invalid_parameter("Please do not provide other FunctionCode parameters when providing a ZipFile.");
  if (code.has("ZipFile")) {
    Bytes zip = to_bytes(code.blob("ZipFile"));
    if (zip.empty()) return invalid_parameter("Uploaded file must be a non-empty zip");
    if (zip.size() > kDirectSizeMax)
      return api::fault(ErrorCode::kInvalidArgument, "RequestTooLargeException",
                        "The zip file is larger than 50 MB: upload it to a bucket first.");
    return zip;
  }
  if (!code.has("S3Bucket") || !code.has("S3Key"))
    return invalid_parameter("Please provide a source for function code.");
  api::Call call = r.call();
  call.service = "s3";
  call.operation = "GetObject";
  call.via_service = "lambda.amazonaws.com";
  Value input = Value::object({{"Bucket", code.text("S3Bucket")}, {"Key", code.text("S3Key")}});
  if (code.has("S3ObjectVersion")) input.set("VersionId", code.text("S3ObjectVersion"));
  Result<Bytes> zip = get_object(r.setting, call, r.operation.identity, input, ArchiveLimits().zip_size_max);
  if (zip.ok()) return zip;
  const Error& error = zip.error();
  const std::string name = error.name.empty() ? std::string(error_code_name(error.code)) : error.name;
  const std::string message =
      "Error occurred while GetObject. S3 Error Code: " + name + ". S3 Error Message: " + error.message;
  if (error.code == ErrorCode::kPermissionDenied) return Error{ErrorCode::kPermissionDenied, message, {}};
  return invalid_parameter(message);
}

}  // namespace

Result<std::shared_ptr<void>> prepare_code(const Request& r) {
  const Value* code = r.call().operation == "CreateFunction" ? r.input().find("Code") : &r.input();
  COFFER_TRY(const Bytes zip, zip_of(r, code ? *code : Value::object()));
  if (Result<ArchiveSummary> checked = check_archive(zip); !checked.ok()) return bad_zip(checked.error());
  COFFER_TRY(const int64_t stored, rows::total_code_size(r.t(), r.account(), r.call().region));
  if (stored + static_cast<int64_t>(zip.size()) > kStorageMax)
    return api::fault(ErrorCode::kResourceExhausted, "CodeStorageExceededException", "Code storage limit exceeded.");
  StoredCode made;
  made.key = "functions/" + r.account() + "/" + to_hex(r.setting.entropy.array<16>());
  made.sha256 = base64_encode(crypto::sha256(zip));
  made.size = static_cast<int64_t>(zip.size());
  if (r.input().flag("DryRun")) return std::shared_ptr<void>(std::make_shared<Pending>(r.setting.code, made));
  crypto::SealParameters parameters;
  parameters.object_id = r.setting.entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kObjectBlock;
  parameters.place = place_of(made.key);
  const Bytes sealed = crypto::seal(r.setting.root, parameters, zip, r.setting.entropy);
  auto pending = std::make_shared<Pending>(r.setting.code, made);
  COFFER_CHECK_OK(r.setting.code.put(r.call().context, made.key, sealed));
  return std::shared_ptr<void>(std::move(pending));
}

Result<StoredCode> prepared_code(const Request& r) {
  const auto* pending = static_cast<const Pending*>(r.operation.prepared.get());
  COFFER_ASSERT(pending);
  r.t().on_commit([kept = pending->kept] { kept->store(true); });
  return pending->code;
}

Result<Bytes> load_code(const Setting& setting, const Context& context, const rows::Version& version) {
  COFFER_TRY(const Bytes sealed, setting.code.get_all(context, version.code));
  return crypto::open_sealed(setting.root, crypto::ObjectKind::kObjectBlock, place_of(version.code), sealed);
}

Status drop_unused_code(const Request& r, const std::vector<std::string>& codes) {
  for (const std::string& code : codes) {
    COFFER_TRY(const bool used, rows::code_in_use(r.t(), code));
    if (used) continue;
    r.t().on_commit([&store = r.setting.code, code] { static_cast<void>(store.remove(Context(), code).ok()); });
  }
  return ok_status();
}

}  // namespace coffer::lambda
