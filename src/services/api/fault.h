// Failures that an API user sees by the name its service model gives them.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::api {

/// An Error with a service's own name: fault(ErrorCode::kConflict, "DeleteConflict", "Cannot delete ..."). Without a
/// name edge/wire answers with the service's default for the code. The HTTP status is the model's for that name.
inline Error fault(ErrorCode code, std::string_view name, std::string message) {
  return Error{code, std::move(message), {}, std::string(name)};
}

/// The same with the `Reason` member that some failures have in their model (ConstraintViolationException of
/// Organizations: "OU_DEPTH_LIMIT_EXCEEDED"). It travels where an API answer has no use for what is there otherwise:
/// the advice to a person.
inline Error fault(ErrorCode code, std::string_view name, std::string message, std::string_view reason) {
  return Error{code, std::move(message), std::string(reason), std::string(name)};
}
/// The `Reason` of an Error made by fault(); empty when it has none.
inline std::string_view reason_of(const Error& error) {
  return error.name.empty() ? std::string_view() : std::string_view(error.next_step);
}

}  // namespace coffer::api
