// A request to a bucket that was answered, as the bucket's access log tells it.
#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"

namespace coffer::api {

/// What is empty appears as "-".
struct AccessRecord {
  WallTime time;
  std::string bucket, key;
  std::string remote_ip, requester, request_id;
  std::string operation;       // "REST.GET.OBJECT"
  std::string method, target;  // as the client sent it
  int status = 0;
  std::string error_code;  // empty: it was answered
  uint64_t bytes_sent = 0;
  int64_t total_ms = 0;
  std::string referer, user_agent, version_id, host;
  std::string signature_version, auth_type;  // "SigV4", "AuthHeader"
  bool tls = false;
};

}  // namespace coffer::api
