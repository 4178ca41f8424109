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

}  // namespace coffer::api
