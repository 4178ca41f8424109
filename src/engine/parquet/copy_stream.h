// COPY's binary format: rows out of a stream of bytes, whose pieces end anywhere, and rows into one.
#pragma once
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::parquet {

inline constexpr size_t kRowSizeMax = size_t{1} << 30;  // PostgreSQL makes no larger message

/// One value of a row: nothing for NULL.
struct CopyValue {
  ByteView bytes;
  bool is_null = true;
};

class CopyParser {
 public:
  explicit CopyParser(size_t columns) : values_(columns) {}

  /// Calls `row(std::span<const CopyValue>) -> Status` for each whole row; the values are valid during the call.
  /// kCorruption for what COPY never sends.
  template <class Row>
  Status feed(ByteView bytes, Row&& row) {
    if (!held_.empty()) {
      append(held_, bytes);
      bytes = held_;
    }
    size_t used = 0;
    while (true) {
      COFFER_TRY(const size_t size, next(bytes.subspan(used)));
      if (size == 0) break;
      used += size;
      if (row_ready_) COFFER_CHECK_OK(row(std::span<const CopyValue>(values_)));
    }
    if (bytes.size() - used > kRowSizeMax) return too_large();
    if (held_.empty())
      held_ = to_bytes(bytes.subspan(used));
    else
      held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(used));
    return ok_status();
  }
  /// kCorruption unless the trailer has come and nothing after it.
  [[nodiscard]] Status finish() const;

 private:
  /// Takes the next header, row or trailer; 0: there is not all of it yet.
  Result<size_t> next(ByteView bytes);
  static Error too_large();

  enum class State { kHeader, kRows, kEnd };
  State state_ = State::kHeader;
  std::vector<CopyValue> values_;
  bool row_ready_ = false;
  Bytes held_;
};

/// Writes the same format.
class CopyFormatter {
 public:
  static void header(Bytes& out);
  static void begin_row(Bytes& out, size_t columns);
  static void null(Bytes& out);
  /// A value is written between these two; `begin_value` gives what `end_value` needs.
  static size_t begin_value(Bytes& out);
  static void end_value(Bytes& out, size_t mark);
  static void trailer(Bytes& out);
};

}  // namespace coffer::parquet
