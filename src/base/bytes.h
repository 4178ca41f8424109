// Byte strings, hexadecimal text, and the two small classes that read and write every binary format of this project.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }
inline std::string to_text(ByteView bytes) { return std::string(as_text(bytes)); }
inline void append(Bytes& to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }
inline bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
/// True when every byte is zero; an empty view is.
bool is_zero(ByteView bytes);

/// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);
/// The bytes of an even number of hexadecimal digits of either case; kInvalidArgument otherwise.
Result<Bytes> from_hex(std::string_view text);

/// Appends fixed-width integers to a byte string. Big-endian unless the name ends in _le.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  void u8(uint8_t v) { out_.push_back(static_cast<std::byte>(v)); }
  void u16(uint16_t v) { big(v, 2); }
  void u32(uint32_t v) { big(v, 4); }
  void u64(uint64_t v) { big(v, 8); }
  void bytes(ByteView v) { append(out_, v); }
  /// u16 length, then the bytes. `text` is at most 65535 bytes.
  void string16(std::string_view text) {
    COFFER_ASSERT(text.size() <= 0xffff);
    u16(static_cast<uint16_t>(text.size()));
    bytes(as_bytes(text));
  }
  /// LEB128: 7 bits a byte, least significant first.
  void varint(uint64_t v) {
    while (v >= 0x80) u8(static_cast<uint8_t>(v) | 0x80), v >>= 7;
    u8(static_cast<uint8_t>(v));
  }

 private:
  void big(uint64_t v, int width) {
    for (int i = width - 1; i >= 0; --i) out_.push_back(static_cast<std::byte>(v >> (8 * i)));
  }
  Bytes& out_;
};

/// Reads what ByteWriter wrote. Past the end every read gives zero and `ok()` turns false for good, so a parser reads
/// straight through and asks once; a count read from the input must be checked against `left()` before it sizes
/// anything.
class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  uint8_t u8() { return static_cast<uint8_t>(big(1)); }
  uint16_t u16() { return static_cast<uint16_t>(big(2)); }
  uint32_t u32() { return static_cast<uint32_t>(big(4)); }
  uint64_t u64() { return big(8); }
  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint8_t b = u8();
      if (shift == 63 && b > 1) break;
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (!(b & 0x80)) return v;
    }
    ok_ = false;
    return 0;
  }
  /// A view into the input, valid as long as it; empty when there are fewer than n bytes.
  ByteView bytes(uint64_t n) {
    if (!ok_ || n > left()) return ok_ = false, ByteView{};
    ByteView v = in_.subspan(at_, n);
    at_ += n;
    return v;
  }
  std::string string16() { return to_text(bytes(u16())); }
  template <size_t N>
  std::array<std::byte, N> array() {
    std::array<std::byte, N> a{};
    ByteView v = bytes(N);
    if (v.size() == N) std::memcpy(a.data(), v.data(), N);
    return a;
  }
  [[nodiscard]] size_t left() const { return in_.size() - at_; }
  [[nodiscard]] size_t position() const { return at_; }
  [[nodiscard]] bool ok() const { return ok_; }
  /// Nothing was read past the end, and nothing is left.
  [[nodiscard]] bool done() const { return ok_ && left() == 0; }

 private:
  uint64_t big(int width) {
    ByteView v = bytes(static_cast<uint64_t>(width));
    uint64_t r = 0;
    for (std::byte b : v) r = r << 8 | static_cast<uint8_t>(b);
    return r;
  }
  ByteView in_;
  size_t at_ = 0;
  bool ok_ = true;
};

/// Little-endian loads for PostgreSQL's on-disk structures (x86-64 and arm64 clusters are little-endian).
template <class T>
T load_le(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  static_assert(std::endian::native == std::endian::little, "big-endian hosts need a byte swap here");
  return v;
}

}  // namespace coffer
