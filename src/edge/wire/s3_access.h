// What the front tells of an answered request to S3, for the bucket's access log.
#pragma once
#include <string>

#include "edge/wire/front_progress.h"
#include "edge/wire/http.h"

namespace coffer::wire {

struct S3Access {
  api::Call call;  // who, when, from where
  std::string bucket, key;
  std::string operation;  // as the log names it: "REST.GET.OBJECT"
  std::string method, target, host, referer;
  int status = 0;
  std::string error_code;
  uint64_t bytes_sent = 0;
  double seconds = 0;
  std::string version_id, signature_version, auth_type;
};
/// `target`: as the client sent it. `error_code` empty: it was answered.
S3Access s3_access_of(const Progress& at, const Request& request, std::string target, const Response& response,
                      std::string error_code, double seconds);

}  // namespace coffer::wire
