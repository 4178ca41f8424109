#include "services/api/event.h"

#include "services/api/value_json.h"

namespace coffer::api {

Value event_value(const Event& event) {
  return Value::object({{"version", "0"},
                        {"id", event.id},
                        {"detail-type", event.detail_type},
                        {"source", event.source},
                        {"account", event.account},
                        {"time", format_utc(event.time)},
                        {"region", event.region},
                        {"resources", text_list(event.resources)},
                        {"detail", event.detail.is_null() ? Value::object() : event.detail}});
}

std::string event_json(const Event& event) { return to_json(event_value(event)); }

std::string event_time(WallTime time) {
  std::string text = format_utc(time);
  const int64_t millis = time.micros / 1000 % 1000;
  if (millis == 0) return text;
  const std::string digits = std::to_string(1000 + millis).substr(1);
  return text.substr(0, text.size() - 1) + "." + digits + "Z";
}

}  // namespace coffer::api
