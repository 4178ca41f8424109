#include "engine/parquet/value_digest.h"

#include <bit>
#include <string>

namespace coffer::parquet {

namespace {

struct Mixer {
  uint32_t a, b, c;

  static void step(uint32_t& x, uint32_t& y, uint32_t& z, int distance) {
    x -= z;
    x ^= std::rotl(z, distance);
    z += y;
  }
  void mix() {
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
  }
  static void fold(uint32_t& x, uint32_t y, int distance) {
    x ^= y;
    x -= std::rotl(y, distance);
  }
  void finish() {
    fold(c, b, 14);
    fold(a, c, 11);
    fold(b, a, 25);
    fold(c, b, 16);
    fold(a, c, 4);
    fold(b, a, 14);
    fold(c, b, 24);
  }
};

}  // namespace

uint64_t hash_bytes(ByteView bytes, uint64_t seed) {
  const auto start = 0x9e3779b9U + static_cast<uint32_t>(bytes.size()) + 3923095U;
  Mixer m{start, start, start};
  if (seed != 0) {
    m.a += static_cast<uint32_t>(seed >> 32);
    m.b += static_cast<uint32_t>(seed);
    m.mix();
  }
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 12; at += 12, left -= 12) {
    m.a += load_le<uint32_t>(at);
    m.b += load_le<uint32_t>(at + 4);
    m.c += load_le<uint32_t>(at + 8);
    m.mix();
  }
  // The lowest byte of c is left to the length, so the ninth byte goes one place higher.
  for (size_t i = 0; i < left; ++i) {
    const auto byte = static_cast<uint32_t>(at[i]);
    if (i < 4)
      m.a += byte << (8 * i);
    else if (i < 8)
      m.b += byte << (8 * (i - 4));
    else
      m.c += byte << (8 * (i - 7));
  }
  m.finish();
  return uint64_t{m.b} << 32 | m.c;
}

void TableDigest::add(const TableDigest& other) {
  if (columns.empty()) columns.resize(other.columns.size());
  COFFER_ASSERT(columns.size() == other.columns.size());
  rows += other.rows;
  row_sum += other.row_sum;
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].values += other.columns[i].values;
    columns[i].sum += other.columns[i].sum;
  }
}

Result<uint64_t> parse_modulo_2_64(std::string_view text) {
  const Error not_a_number{ErrorCode::kCorruption, "'" + std::string(text.substr(0, 40)) + "' is no whole number", {}};
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty()) return not_a_number;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return not_a_number;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return negative ? ~value + 1 : value;
}

std::string difference(const TableDigest& expected, const TableDigest& found, const std::vector<std::string>& names) {
  if (expected.rows != found.rows)
    return std::to_string(found.rows) + " rows instead of " + std::to_string(expected.rows);
  if (expected.columns.size() != found.columns.size())
    return std::to_string(found.columns.size()) + " columns instead of " + std::to_string(expected.columns.size());
  for (size_t i = 0; i < expected.columns.size(); ++i) {
    const std::string name = i < names.size() ? names[i] : std::to_string(i + 1);
    const ColumnDigest &e = expected.columns[i], &f = found.columns[i];
    if (e.values != f.values)
      return "column " + name + " has " + std::to_string(f.values) + " values instead of " + std::to_string(e.values);
    if (e.sum != f.sum) return "column " + name + " has other values";
  }
  if (expected.row_sum != found.row_sum) return "values stand in other rows";
  return {};
}

}  // namespace coffer::parquet
