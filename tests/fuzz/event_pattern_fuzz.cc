// Event patterns and events: parsed or refused; the matcher says what the plain meaning of the pattern says, alone and
// beside other rules. Templates of targets give JSON, lines of texts, or nothing.
//
// Up to a NUL the pattern, then the event; what stands behind a second NUL is a template.
#include <algorithm>
#include <string>

#include "fuzz/require.h"
#include "services/events/input.h"
#include "services/events/matcher.h"
#include "services/events/naive_matcher.h"

using namespace coffer;
using namespace coffer::events;

namespace {

/// The plain meaning tries every choice: only what is small is compared.
constexpr size_t kComparedSizeMax = 160;

std::string_view take(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view pattern_text = take(rest), event_text = take(rest);
  const auto pattern = parse_pattern(pattern_text);
  const auto event = parse_json(event_text);
  if (event.ok()) require(write_json(*parse_json(write_json(*event))) == write_json(*event));
  if (pattern.ok() && event.ok()) {
    const Pattern other = *parse_pattern(R"({"a":[{"wildcard":"*a*b*"},{"exists":false}],"b":[{"anything-but":1}]})");
    const auto found = Matcher({other, *pattern, other}).match(*event);
    const bool matches = std::find(found.begin(), found.end(), 1U) != found.end();
    require(matches == !Matcher({*pattern}).match(*event).empty());
    if (pattern_text.size() <= kComparedSizeMax && event_text.size() <= kComparedSizeMax &&
        pattern->alternatives.size() <= 4)
      require(matches == NaiveMatcher::matches(*pattern, *event));
  }
  if (event.ok() && !rest.empty()) {
    const api::Value target =
        api::Value::object({{"Id", "1"},
                            {"InputTransformer",
                             api::Value::object({{"InputTemplate", rest},
                                                 {"InputPathsMap", api::text_map({{"a", "$.a"}, {"b", "$.b[0]"}})}})}});
    static_cast<void>(check_input(target).ok());
    static_cast<void>(make_input(target, *event, {{{"1", "r", "default"}, "rule"}, WallTime{}}).ok());
  }
  return 0;
}
