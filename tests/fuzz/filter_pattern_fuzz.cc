// Filter patterns of CloudWatch Logs and the messages they are held against: the first line is the pattern.
#include "fuzz/require.h"
#include "services/logs/filter_pattern.h"

using namespace coffer;
using namespace coffer::logs;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  const std::string_view message = end == std::string_view::npos ? "" : text.substr(end + 1);
  auto pattern = FilterPattern::parse(text.substr(0, end));
  if (!pattern.ok()) return 0;
  const bool matches = pattern->matches(message);
  require(matches == pattern->matches(message));
  static_cast<void>(pattern->extract(message));
  return 0;
}
