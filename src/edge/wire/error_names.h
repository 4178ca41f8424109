// How a failure is called on the wire: by the service's model where the Error has a name, by its code otherwise.
#pragma once
#include <string>

#include "base/result.h"
#include "edge/wire/model.h"

namespace coffer::wire {

struct WireError {
  std::string code, message;
  int status = 400;
  bool hidden = false;  // our failure: the message does not tell what happened
};
/// `service` and `operation` may be null.
WireError wire_error(const ServiceModel* service, const OperationModel* operation, const Error& error);

}  // namespace coffer::wire
