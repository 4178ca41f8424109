// How a failure is called on the wire: by the service's model where the Error has a name, by its code otherwise.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "edge/wire/model.h"

namespace coffer::wire {

struct WireError {
  std::string code, message;
  int status = 400;
  const Shape* shape = nullptr;  // the exception, when the model has it
  bool hidden = false;           // our failure: the message does not tell what happened
};
/// `service` and `operation` may be null.
WireError wire_error(const ServiceModel* service, const OperationModel* operation, const Error& error);

/// The exception that the model has by this name (of its shape, or its code on the wire, with or without a trailing
/// "Exception" or "Fault"): of the operation, else of any operation of the service. Null when it has none.
const Shape* find_exception(const ServiceModel& service, const OperationModel* operation, std::string_view name);

/// How the service calls an input that its model refuses.
std::string_view validation_error_name(const ServiceModel& service);

}  // namespace coffer::wire
