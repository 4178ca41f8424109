// CompleteMultipartUpload: the parts that the client lists become an object, in one transaction and without touching a
// byte of them.
#include <map>

#include "base/base64.h"
#include "engine/sigv4/percent.h"
#include "services/s3/uploads.h"

namespace coffer::s3 {
namespace {

using api::Value;
using rows::Part;

constexpr uint64_t kPartSizeMin = uint64_t{5} << 20;

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

/// What makes two requests to complete an upload the same.
std::string name_of_list(const api::List& wanted) {
  std::string name;
  for (const Value& one : wanted)
    name += std::to_string(one.integer("PartNumber").value_or(0)) + ":" + unquoted(one.text("ETag")) + ",";
  return name;
}

Error invalid_part(const Request& r, const Value& wanted) {
  r.error_element("UploadId", r.text("UploadId"));
  r.error_element("PartNumber", std::to_string(wanted.integer("PartNumber").value_or(0)));
  r.error_element("ETag", unquoted(wanted.text("ETag")));
  return api::fault(ErrorCode::kInvalidArgument, "InvalidPart",
                    "One or more of the specified parts could not be found.  The part may not have been uploaded, or "
                    "the specified entity tag may not match the part's entity tag.");
}

Error too_small(const Request& r, const Part& part) {
  r.error_element("ProposedSize", std::to_string(part.piece.size_bytes));
  r.error_element("MinSizeAllowed", std::to_string(kPartSizeMin));
  r.error_element("PartNumber", std::to_string(part.number));
  r.error_element("ETag", part.etag);
  return api::fault(ErrorCode::kInvalidArgument, "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size");
}

/// The listed parts, and what was uploaded besides.
struct Chosen {
  std::vector<Part> parts;
  Layout left_over;
};

Status check_part(const Request& r, const UploadChecksum& checksum, const Value& wanted, const Part& part) {
  if (unquoted(wanted.text("ETag")) != part.etag) return invalid_part(r, wanted);
  const std::string kind(crypto::name_of(checksum.kind));
  const auto sent = wanted.text_if("Checksum" + kind);
  if (sent) return *sent == base64_encode(as_bytes(part.checksum)) ? ok_status() : Status(invalid_part(r, wanted));
  if (!checksum.composite) return ok_status();
  std::string small;
  for (char c : kind) small += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return invalid_request("The upload was created using a " + small +
                         " checksum. The complete request must include the checksum for each part. It was missing for "
                         "part " +
                         std::to_string(part.number) + " in the request.");
}

Result<Chosen> choose(const Request& r, const rows::Upload& upload, const api::List& wanted) {
  if (wanted.empty()) return malformed_xml();
  COFFER_TRY(std::vector<Part> uploaded, rows::list_parts(r.t(), upload.id, 0, kPartNumberMax));
  std::map<int64_t, Part*> by_number;
  for (Part& part : uploaded) by_number[part.number] = &part;
  Chosen chosen;
  int64_t last = 0;
  for (const Value& one : wanted) {
    const int64_t number = one.integer("PartNumber").value_or(0);
    if (number <= last)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidPartOrder",
                        "The list of parts was not in ascending order. Parts must be ordered by part number.");
    last = number;
    const auto found = by_number.find(number);
    if (found == by_number.end()) return invalid_part(r, one);
    COFFER_CHECK_OK(check_part(r, checksum_of(upload), one, *found->second));
    chosen.parts.push_back(*found->second);
    by_number.erase(found);
  }
  for (size_t i = 0; i + 1 < chosen.parts.size(); ++i) {
    if (chosen.parts[i].piece.size_bytes < kPartSizeMin) return too_small(r, chosen.parts[i]);
  }
  for (const auto& [number, part] : by_number) chosen.left_over.push_back(part->piece);
  return chosen;
}

/// The MD5 of the parts' MD5s, and how many there are.
Result<std::string> etag_of(const std::vector<Part>& parts) {
  Bytes digests;
  for (const Part& part : parts) {
    COFFER_TRY(const Bytes digest, from_hex(part.etag));
    append(digests, digest);
  }
  return to_hex(crypto::checksum_of(crypto::ChecksumKind::kMd5, digests)) + "-" + std::to_string(parts.size());
}

/// As shown: base64, with the number of parts when it is the checksum of checksums.
std::string checksum_of_parts(const UploadChecksum& checksum, const std::vector<Part>& parts) {
  if (checksum.composite) {
    Bytes digests;
    for (const Part& part : parts) append(digests, as_bytes(part.checksum));
    return base64_encode(crypto::checksum_of(checksum.kind, digests)) + "-" + std::to_string(parts.size());
  }
  Bytes whole = to_bytes(parts.front().checksum);
  for (size_t i = 1; i < parts.size(); ++i)
    whole = crypto::combine_checksums(checksum.kind, whole, as_bytes(parts[i].checksum), parts[i].piece.size_bytes);
  return base64_encode(whole);
}

/// What the client expects of the whole.
Status check_whole(const Request& r, const UploadChecksum& checksum, const rows::Version& version) {
  const Value& input = r.input();
  if (const auto size = input.integer("MpuObjectSize"); size && *size != version.size_bytes)
    return invalid_request("The provided 'x-amz-mp-object-size' header value " + std::to_string(*size) +
                           " does not match what was computed: " + std::to_string(version.size_bytes));
  if (const auto type = input.text_if("ChecksumType"); type && (*type == "COMPOSITE") != checksum.composite)
    return invalid_request("The upload was created using the " +
                           std::string(checksum.composite ? "COMPOSITE" : "FULL_OBJECT") +
                           " checksum mode. The complete request must use the same checksum mode.");
  const auto claim = input.text_if("Checksum" + version.checksum_kind);
  // A composite one may come without the number of parts.
  if (!claim || *claim == version.checksum || version.checksum.starts_with(*claim + "-")) return ok_status();
  return api::fault(ErrorCode::kInvalidArgument, "BadDigest",
                    "The " + version.checksum_kind + " you specified did not match the calculated checksum.");
}

Result<rows::Version> version_of_parts(const Request& r, const BucketView& bucket, const rows::Upload& upload,
                                       const std::vector<Part>& parts) {
  COFFER_TRY(rows::Version version, version_from(r, bucket, upload.key, upload.input));
  // "For multipart uploads, the object creation date is the date of initiation of the multipart upload."
  version.modified = upload.initiated;
  version.encryption = upload.encryption;
  version.root_identity = upload.id;
  for (const Part& part : parts) {
    version.layout.push_back(part.piece);
    version.size_bytes += static_cast<int64_t>(part.piece.size_bytes);
  }
  COFFER_TRY(version.etag, etag_of(parts));
  const UploadChecksum checksum = checksum_of(upload);
  version.checksum_kind = crypto::name_of(checksum.kind);
  version.checksum_composite = checksum.composite;
  version.checksum = checksum_of_parts(checksum, parts);
  return version;
}

Value answer(const BucketView& bucket, const rows::Version& version) {
  Value output = Value::object({{"Location", "https://" + bucket.bucket.name + ".s3." + bucket.bucket.region +
                                                 ".amazonaws.com/" + sigv4::percent_encode(version.key, true)},
                                {"Bucket", bucket.bucket.name},
                                {"Key", version.key}});
  show_version(bucket, version, true, output);
  // The keys of customers are no part of this answer.
  output.set("SSECustomerAlgorithm", {}).set("SSECustomerKeyMD5", {});
  return output;
}

}  // namespace

Result<Value> complete_upload(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  const Value* list = r.input().find("MultipartUpload");
  const api::List& wanted = (list ? *list : r.input()).list("Parts");
  const auto upload = upload_of(r, r.t(), *bucket);
  if (!upload.ok()) {
    if (upload.error().name != "NoSuchUpload") return upload.error();
    // Done already: whoever did not get the answer gets it now.
    COFFER_TRY(const auto before, rows::find_completed(r.t(), r.text("UploadId")));
    const bool same = before && before->bucket_id == bucket->bucket.id && before->key == r.text("Key") &&
                      before->parts == name_of_list(wanted);
    if (!same) return upload.error();
    return before->output;
  }
  COFFER_TRY(const Chosen chosen, choose(r, *upload, wanted));
  COFFER_TRY(rows::Version version, version_of_parts(r, *bucket, *upload, chosen.parts));
  COFFER_CHECK_OK(check_whole(r, checksum_of(*upload), version));
  COFFER_CHECK_OK(check_write_conditions(r, *bucket, version.key));
  COFFER_CHECK_OK(store_version(r, *bucket, version, "CompleteMultipartUpload"));
  COFFER_CHECK_OK(rows::delete_upload(r.t(), upload->id));
  COFFER_CHECK_OK(rows::discard_pieces(r.t(), chosen.left_over, r.now()));
  Value output = answer(*bucket, version);
  COFFER_CHECK_OK(rows::insert_completed(r.t(), {.upload_id = upload->id,
                                                 .bucket_id = bucket->bucket.id,
                                                 .key = version.key,
                                                 .parts = name_of_list(wanted),
                                                 .output = output,
                                                 .at = r.now()}));
  return output;
}

}  // namespace coffer::s3
