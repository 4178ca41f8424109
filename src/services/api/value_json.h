// Value as JSON text and back without loss: how services keep settings in catalog rows. Not a wire format.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "services/api/value.h"

namespace coffer::api {

/// Times become {"$time": microseconds}, bytes {"$bytes": base64}; a member whose own name begins with '$' gets one
/// more.
std::string to_json(const Value& value);
/// kCorruption for anything that to_json() does not write.
Result<Value> from_json(std::string_view text);

}  // namespace coffer::api
