// How far a request came on its way through the front: for its answer, the counters and the log.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/wire/model.h"
#include "edge/wire/protocol.h"
#include "services/api/action.h"

namespace coffer::wire {

struct Progress {
  const ServiceModel* service = nullptr;
  Route route;
  api::Call call;
  bool authenticated = false;
  bool brief = false;        // the answer must not wait
  bool is_too_long = false;  // so it is to be asked for again, without this
  std::string_view doing = "reading the request";

  // Of requests to S3.
  std::string bucket, key;  // as far as the address names them
  std::string resource;     // path style
  bool bucket_in_host = false;
  /// What an operation adds to its answer or failure; the front adds elements of its own failures.
  api::Reply reply;
};

}  // namespace coffer::wire
