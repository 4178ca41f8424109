// Reading and writing the JSON that stands inside sealed objects. Internal to this folder.
//
// Text of the source (paths, names, settings) may be in any encoding, and JSON holds UTF-8 alone: bytes from 0x80 on,
// control characters and '%' are written as '%' and two hexadecimal digits, so that every byte string comes back as it
// was.
#pragma once
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace coffer::vault {

std::string escape_text(std::string_view raw);
/// Nothing when a '%' is not followed by two hexadecimal digits.
std::optional<std::string> unescape_text(std::string_view escaped);

/// The object in `bytes` with this "schema". kCorruption, naming `what`, otherwise.
Result<nlohmann::json> parse_document(ByteView bytes, std::string_view schema, std::string_view what);

/// Reads members straight through and is asked once: the first that is missing, of another type or out of range is
/// kept, and every later read gives zero.
class JsonFields {
 public:
  explicit JsonFields(std::string what) : what_(std::move(what)) {}

  uint64_t number(const nlohmann::json& object, const char* name, uint64_t max = std::numeric_limits<uint64_t>::max());
  int64_t signed_number(const nlohmann::json& object, const char* name);
  bool boolean(const nlohmann::json& object, const char* name);
  std::string text(const nlohmann::json& object, const char* name);
  WallTime time(const nlohmann::json& object, const char* name);
  /// An empty array, or object, after a failure.
  const nlohmann::json& array(const nlohmann::json& object, const char* name);
  const nlohmann::json& object(const nlohmann::json& object, const char* name);
  /// The same of a value that is no member.
  std::string text_of(const nlohmann::json& value, const char* name);
  uint64_t number_of(const nlohmann::json& value, const char* name,
                     uint64_t max = std::numeric_limits<uint64_t>::max());
  template <size_t N>
  std::array<std::byte, N> hex_of(const nlohmann::json& value, const char* name) {
    std::array<std::byte, N> out{};
    auto bytes = value.is_string() ? from_hex(value.get_ref<const std::string&>()) : Result<Bytes>(Bytes{});
    if (!bytes.ok() || bytes->size() != N)
      fail(name, "is not " + std::to_string(N) + " bytes in hexadecimal");
    else
      std::copy(bytes->begin(), bytes->end(), out.begin());
    return out;
  }
  /// True when `value` is an array of `size` elements.
  bool is_tuple(const nlohmann::json& value, const char* name, size_t size);

  void fail(const char* name, const std::string& why);
  [[nodiscard]] Status status() const;

 private:
  const nlohmann::json& member(const nlohmann::json& object, const char* name);
  std::string what_;
  std::optional<Error> error_;
};

}  // namespace coffer::vault
