// A pull parser for the little of JSON that backup manifests use: objects, arrays, strings and whole numbers. It goes
// no deeper than its caller does, keeps nothing, and numbers stay exact up to 2^64 - 1.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::postgres {

/// Errors are kCorruption and name the byte.
class JsonReader {
 public:
  static constexpr size_t kStringSizeMax = size_t{8} << 10;

  explicit JsonReader(std::string_view text) : text_(text) {}

  /// Calls `member` with each key, to read the value.
  Status object(const std::function<Status(const std::string& key)>& member);
  /// Calls `element` before each element, to read it.
  Status array(const std::function<Status()>& element);
  Result<std::string> string();
  Result<uint64_t> number();
  /// Only white space is left.
  Status end();
  [[nodiscard]] Error wrong(std::string_view what) const;

 private:
  void skip_space();
  bool take(char c);
  Status expect(char c);
  Result<uint32_t> hex4();
  Status escape(std::string& out);

  std::string_view text_;
  size_t at_ = 0;
};

/// Appends `text` as a JSON string in quotes, escaped as PostgreSQL does. `text` is valid UTF-8.
void append_json_string(std::string& out, std::string_view text);
bool is_valid_utf8(std::string_view text);

}  // namespace coffer::postgres
