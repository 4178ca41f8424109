// One Parquet file of a table, from the bytes that COPY sends.
#pragma once
#include <memory>
#include <optional>

#include "base/byte_sink.h"
#include "engine/parquet/table_plan.h"

namespace coffer::parquet {

struct PartWriterOptions {
  uint64_t row_group_size_bytes = uint64_t{64} << 20;  // of values, before encoding
  uint64_t batch_size_bytes = uint64_t{8} << 20;       // what stands decoded at a time
  std::string created_by = "coffer";
};
struct PartTotals {
  uint64_t rows = 0;
  uint64_t file_bytes = 0;
  uint64_t value_bytes = 0;  // of the values on the wire
};

/// Layout rds: format 1.0, gzip. Typed: format 2.6, zstd, page index. Both: page checksums, statistics, every column
/// OPTIONAL; the file is whole only after finish().
class PartWriter {
 public:
  /// Borrows all but the plan. The context is that of the whole writer.
  static Result<std::unique_ptr<PartWriter>> open(const Context& context, const TablePlan& plan, ByteSink& sink,
                                                  const PartWriterOptions& options);
  virtual ~PartWriter() = default;
  /// The next bytes of COPY's binary stream. kCorruption for what is none; kFailedPrecondition, with misfit() telling
  /// which, when a column's storage cannot hold a value.
  virtual Status add(ByteView copy_data) = 0;
  /// After the stream's end.
  virtual Result<PartTotals> finish() = 0;
  [[nodiscard]] virtual std::optional<size_t> misfit() const = 0;
};

}  // namespace coffer::parquet
