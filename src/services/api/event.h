// Events: what a service tells about a change, in the form of EventBridge. Written to the outbox topic `kEventTopic` in
// the transaction of the change (catalog/outbox.h); services/events takes it from there to the rules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "services/api/value.h"

namespace coffer::api {

inline constexpr std::string_view kEventTopic = "events";

struct Event {
  std::string id;           // UUID: the same in every delivery, so that a receiver can tell a repetition
  std::string source;       // "aws.backup"
  std::string detail_type;  // "Backup Job State Change"
  std::string account, region;
  WallTime time;
  std::vector<std::string> resources;  // ARNs
  Value detail;                        // an object
};

/// The envelope that rules match and targets get (EventBridge's, version 0). `time` in whole seconds.
Value event_value(const Event& event);
/// The same as JSON text, for the outbox.
std::string event_json(const Event& event);
/// A time within a detail: ISO 8601 with milliseconds, "2026-01-05T05:00:07.392Z", and without them when they are zero.
std::string event_time(WallTime time);

}  // namespace coffer::api
