// What a target gets: the event, a constant, a part of the event, or a text made from parts.
#pragma once
#include <string>

#include "base/clock.h"
#include "services/api/value.h"
#include "services/events/arns.h"
#include "services/events/json.h"

namespace coffer::events {

/// The value that a path ("$.detail.items[0].name") means; null when there is none, or for what is no path.
const Json* find_path(const Json& event, std::string_view path);
bool is_path(std::string_view path);

/// Checks the input members of a Target: "ValidationException".
Status check_input(const api::Value& target);

struct InputFacts {
  RuleName rule;
  WallTime ingested;
};
/// The body for the target, JSON or lines of JSON texts. kInvalidArgument: its template gives nothing usable for this
/// event.
Result<std::string> make_input(const api::Value& target, const Json& event, const InputFacts& facts);

}  // namespace coffer::events
