// Digests of columns that do not depend on the order of rows, computed alike by SQL and here.
//
// A value is hashed as bytes: its binary form for the wire, or its text, by Bob Jenkins' lookup3 with 64 bits, which is
// what PostgreSQL's hashtextextended() gives and so what a server can compute fast. The digest of a column is the sum
// of its hashes modulo 2^64, beside the number of its values that are not NULL. The digest of rows is the sum over rows
// of the exclusive or of their hashes (0 for NULL), so values that moved between rows are seen. They find what was
// lost or changed by accident; that nobody changed both is what the manifest's signature is for.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::parquet {

/// lookup3 as PostgreSQL has it (hash_bytes_extended).
uint64_t hash_bytes(ByteView bytes, uint64_t seed);

struct ColumnDigest {
  uint64_t values = 0;  // not NULL
  uint64_t sum = 0;
  friend bool operator==(const ColumnDigest&, const ColumnDigest&) = default;
};
struct TableDigest {
  uint64_t rows = 0;
  uint64_t row_sum = 0;
  std::vector<ColumnDigest> columns;
  /// Of another part of the same table.
  void add(const TableDigest& other);
  friend bool operator==(const TableDigest&, const TableDigest&) = default;
};

/// A decimal number of any size and sign, modulo 2^64; sum(bigint) is numeric. kCorruption for other text.
Result<uint64_t> parse_modulo_2_64(std::string_view text);

/// Which of the two differ, in words: "3 rows of 5", "column price: ...". Empty when they are equal.
std::string difference(const TableDigest& expected, const TableDigest& found, const std::vector<std::string>& names);

}  // namespace coffer::parquet
