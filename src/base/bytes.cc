#include "base/bytes.h"

namespace coffer {

bool is_zero(ByteView bytes) {
  // Comparing the string with itself shifted by one lets memcmp's vector code do the work.
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    out += kDigits[static_cast<uint8_t>(b) >> 4];
    out += kDigits[static_cast<uint8_t>(b) & 15];
  }
  return out;
}

static int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2) return Error{ErrorCode::kInvalidArgument, "odd number of hexadecimal digits", {}};
  Bytes out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    int hi = digit_value(text[i]), lo = digit_value(text[i + 1]);
    if (hi < 0 || lo < 0) return Error{ErrorCode::kInvalidArgument, "not a hexadecimal digit", {}};
    out.push_back(static_cast<std::byte>(hi << 4 | lo));
  }
  return out;
}

}  // namespace coffer
