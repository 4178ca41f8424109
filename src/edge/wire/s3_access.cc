#include "edge/wire/s3_access.h"

#include <algorithm>

namespace coffer::wire {
namespace {

/// What an operation is on, where it is not the object or the bucket itself: by the query's word.
constexpr std::pair<std::string_view, std::string_view> kResources[] = {
    {"acl", "ACL"},
    {"tagging", "TAGGING"},
    {"policy", "BUCKETPOLICY"},
    {"versioning", "VERSIONING"},
    {"versions", "BUCKETVERSIONS"},
    {"uploads", "UPLOADS"},
    {"uploadId", "UPLOAD"},
    {"location", "LOCATION"},
    {"lifecycle", "LIFECYCLE"},
    {"replication", "REPLICATION"},
    {"encryption", "ENCRYPTION"},
    {"logging", "LOGGING_STATUS"},
    {"notification", "NOTIFICATION"},
    {"cors", "CORS"},
    {"object-lock", "OBJECT_LOCK"},
    {"retention", "OBJECT_LOCK_RETENTION"},
    {"legal-hold", "OBJECT_LOCK_LEGALHOLD"},
    {"delete", "MULTI_OBJECT_DELETE"},
    {"partNumber", "PART"},
};

std::string operation_name(const Progress& at, const Request& request) {
  std::string_view resource = at.key.empty() ? "BUCKET" : "OBJECT";
  const auto words = parse_query(request.query(), true);
  for (const auto& [name, value] : words ? *words : std::vector<std::pair<std::string, std::string>>()) {
    const auto* found = std::find_if(std::begin(kResources), std::end(kResources),
                                     [&name = name](const auto& one) { return one.first == name; });
    // A part of an upload has both words.
    if (found != std::end(kResources) && resource != "PART") resource = found->second;
  }
  if (at.call.operation == "CopyObject" || at.call.operation == "UploadPartCopy") return "REST.COPY.OBJECT";
  return "REST." + request.method + "." + std::string(resource);
}

}  // namespace

api::AccessRecord access_record_of(const Progress& at, const Request& request, std::string target,
                                   const Response& response, std::string error_code, double seconds) {
  const api::Call& call = at.call;
  api::AccessRecord record;
  record.time = call.time;
  record.bucket = at.bucket;
  record.key = at.key;
  record.remote_ip = call.source_ip;
  record.requester = call.caller.arn;
  record.request_id = call.request_id;
  record.operation = operation_name(at, request);
  record.method = request.method;
  record.target = std::move(target);
  record.status = response.status;
  record.error_code = std::move(error_code);
  record.bytes_sent = response.stream ? response.stream_size.value_or(0) : response.body.size();
  if (request.method == "HEAD") record.bytes_sent = 0;
  record.total_ms = static_cast<int64_t>(seconds * 1000);
  record.referer = request.headers.get("referer");
  record.user_agent = call.user_agent;
  record.version_id = response.headers.get("x-amz-version-id");
  record.host = request.headers.get("host");
  if (call.signature) {
    const std::string& type = call.signature->auth_type;
    record.signature_version = call.signature->version == "AWS" ? "SigV2" : "SigV4";
    record.auth_type = type == "REST-HEADER" ? "AuthHeader" : type == "POST" ? "-" : "QueryString";
  }
  record.tls = call.secure_transport;
  return record;
}

}  // namespace coffer::wire
