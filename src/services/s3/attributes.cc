// GetObjectAttributes: what is known of an object, by name and without its bytes.
#include <algorithm>

#include "base/base64.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;
using rows::Version;

constexpr int64_t kPartsMax = 1000;

bool is_multipart(const Version& version) { return !version.layout.empty() && version.layout.front().part_number > 0; }

Value parts_of(const Request& r, const Version& version) {
  const int64_t after = r.input().integer("PartNumberMarker").value_or(0);
  const int64_t limit = std::clamp<int64_t>(r.input().integer("MaxParts").value_or(kPartsMax), 0, kPartsMax);
  Value parts = Value::object({{"TotalPartsCount", static_cast<int64_t>(version.layout.size())},
                               {"PartNumberMarker", after},
                               {"MaxParts", limit}});
  api::List list;
  int64_t last = 0;
  bool truncated = false;
  for (const Piece& piece : version.layout) {
    if (piece.part_number <= after) continue;
    truncated = static_cast<int64_t>(list.size()) == limit;
    if (truncated) break;
    Value one =
        Value::object({{"PartNumber", int64_t{piece.part_number}}, {"Size", static_cast<int64_t>(piece.size_bytes)}});
    if (!piece.checksum.empty()) one.set("Checksum" + version.checksum_kind, base64_encode(as_bytes(piece.checksum)));
    list.push_back(std::move(one));
    last = piece.part_number;
  }
  parts.set("IsTruncated", truncated);
  parts.set("NextPartNumberMarker", last);
  if (!list.empty()) parts.set("Parts", std::move(list));
  return parts;
}

}  // namespace

Result<Value> get_object_attributes(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const auto wanted = r.input().texts("ObjectAttributes");
  static constexpr std::string_view kKnown[] = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"};
  for (const std::string& one : wanted) {
    if (std::find(std::begin(kKnown), std::end(kKnown), one) == std::end(kKnown))
      return invalid_argument(r, "x-amz-object-attributes", one, "Invalid attribute name specified.");
  }
  if (wanted.empty())
    return invalid_argument(r, "x-amz-object-attributes", "",
                            "The x-amz-object-attributes header specifying the attributes to be retrieved is either "
                            "missing or empty");
  COFFER_TRY(const Version version, version_of(r, *bucket, r.text("Key"), r.text("VersionId")));
  COFFER_TRY(const auto customer_key, Encryptor::customer_key_of(r.operation));
  if (customer_key || version.encryption.mode == EncryptionMode::kCustomer)
    COFFER_CHECK_OK(open_version(r, r.t(), *bucket, version, customer_key ? &*customer_key : nullptr, 0, 0));
  const auto wants = [&](std::string_view name) {
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  Value output = Value::object({{"LastModified", version.modified}});
  if (!bucket->bucket.versioning.empty()) output.set("VersionId", version.version_id);
  if (wants("ETag")) output.set("ETag", version.etag);
  if (wants("Checksum") && !version.checksum_kind.empty())
    output.set("Checksum", Value::object({{"Checksum" + version.checksum_kind, version.checksum},
                                          {"ChecksumType", version.checksum_composite ? "COMPOSITE" : "FULL_OBJECT"}}));
  if (wants("ObjectParts") && is_multipart(version)) output.set("ObjectParts", parts_of(r, version));
  if (wants("StorageClass")) output.set("StorageClass", version.storage_class);
  if (wants("ObjectSize")) output.set("ObjectSize", version.size_bytes);
  return output;
}

}  // namespace coffer::s3
