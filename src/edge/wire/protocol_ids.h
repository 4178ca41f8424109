// Small facts that answers and failures share.
#pragma once
#include <string>
#include <string_view>

#include "edge/wire/http.h"
#include "edge/wire/model.h"

namespace coffer::wire {

inline bool speaks_rest_xml(const ServiceModel* service) {
  return !service || service->protocol == ProtocolKind::kRestXml;
}

/// S3 has its own form: sixteen hexadecimal digits in upper case.
std::string s3_request_id(std::string_view request_id);
void set_request_id(const ServiceModel* service, std::string_view request_id, Response& response);

inline std::string json_content_type(const ServiceModel& service) {
  return service.protocol == ProtocolKind::kRestJson ? "application/json"
                                                     : "application/x-amz-json-" + std::string(service.json_version);
}

}  // namespace coffer::wire
