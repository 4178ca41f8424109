// What the front tells of an answered request to S3, for the bucket's access log.
#pragma once
#include <string>

#include "edge/wire/front_progress.h"
#include "edge/wire/http.h"
#include "services/api/access_record.h"

namespace coffer::wire {

/// `target`: as the client sent it. `error_code` empty: it was answered.
api::AccessRecord access_record_of(const Progress& at, const Request& request, std::string target,
                                   const Response& response, std::string error_code, double seconds);

}  // namespace coffer::wire
