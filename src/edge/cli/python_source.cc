#include "edge/cli/python_source.h"

#include <optional>

namespace coffer::cli {
namespace {

constexpr std::string_view kCalls[] = {
    "datetime.now",  "datetime.utcnow", "datetime.today", "date.today",     "time.time",     "time.time_ns",
    "time.strftime", "time.localtime",  "time.gmtime",    "time.ctime",     "uuid.uuid1",    "uuid.uuid4",
    "uuid1",         "uuid4",           "random.random",  "random.randint", "random.choice", "secrets.token_hex"};

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/// The source with strings and comments blanked, line by line; whether a line goes on from the one before it.
struct Line {
  std::string code;
  bool continued = false;
};

std::vector<Line> lines_of(std::string_view source) {
  std::vector<Line> lines(1);
  std::string_view quote;  // of the string that is open
  int brackets = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    const char c = source[i];
    const std::string_view rest = source.substr(i);
    if (c == '\n') {
      const bool escaped = i > 0 && source[i - 1] == '\\';
      if (quote.size() == 1 && !escaped) quote = {};
      lines.push_back({{}, !quote.empty() || brackets > 0 || escaped});
    } else if (!quote.empty()) {
      if (c == '\\' && i + 1 < source.size() && source[i + 1] != '\n') {
        ++i;
      } else if (rest.starts_with(quote)) {
        i += quote.size() - 1;
        quote = {};
      }
    } else if (c == '#') {
      while (i + 1 < source.size() && source[i + 1] != '\n') ++i;
    } else if (c == '"' || c == '\'') {
      quote = rest.starts_with("\"\"\"") || rest.starts_with("'''") ? rest.substr(0, 3) : rest.substr(0, 1);
      i += quote.size() - 1;
      lines.back().code += ' ';
    } else {
      if (c == '(' || c == '[' || c == '{') ++brackets;
      if ((c == ')' || c == ']' || c == '}') && brackets > 0) --brackets;
      lines.back().code += c;
    }
  }
  return lines;
}

std::optional<std::string_view> call_in(std::string_view code) {
  // What stands behind a lambda is computed when that is called.
  code = code.substr(0, code.find("lambda"));
  for (const std::string_view call : kCalls) {
    for (size_t at = code.find(call); at != std::string_view::npos; at = code.find(call, at + 1)) {
      const std::string_view behind = code.substr(at + call.size());
      if ((at == 0 || !is_name(code[at - 1])) && behind.starts_with('(')) return call;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<LoadTimeValue> load_time_values(std::string_view source) {
  std::vector<LoadTimeValue> found;
  std::optional<size_t> function_indent;  // of the "def" that we are in
  const std::vector<Line> lines = lines_of(source);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view code = lines[i].code;
    const size_t indent = code.find_first_not_of(" \t\r\f");
    if (indent == std::string_view::npos) continue;
    if (!lines[i].continued) {
      if (function_indent && indent <= *function_indent) function_indent.reset();
      const std::string_view statement = code.substr(indent);
      if (!function_indent && (statement.starts_with("def ") || statement.starts_with("async def "))) {
        function_indent = indent;
      }
    }
    if (function_indent) continue;
    if (const auto call = call_in(code)) found.push_back({i + 1, std::string(*call)});
  }
  return found;
}

}  // namespace coffer::cli
