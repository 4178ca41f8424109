#include "engine/parquet/part_reader.h"

#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "engine/parquet/arrow_io.h"
#include "engine/parquet/codec.h"
#include "engine/parquet/copy_stream.h"

namespace coffer::parquet {

namespace {

constexpr int64_t kBatchRowsMax = 32 << 10;
constexpr int64_t kBatchBytes = 8 << 20;
constexpr size_t kRowsBytes = size_t{1} << 20;

Error damaged(const std::string& why) { return {ErrorCode::kCorruption, "the Parquet file is damaged: " + why, {}}; }

// Calls `visit` with each batch of the file.
Status each_batch(const Context& context, const TablePlan& plan, File& file,
                  const std::vector<std::unique_ptr<Codec>>& codecs,
                  const std::function<Status(const arrow::RecordBatch&)>& visit) {
  COFFER_TRY(FileStat stat, file.stat());
  auto stream = std::make_shared<FileStream>(file, stat.size_bytes);
  auto failed = [&](const arrow::Status& status) { return error_of(status, ErrorCode::kCorruption, stream->error()); };
  try {
    ::parquet::ReaderProperties properties;
    properties.set_page_checksum_verification(true);
    properties.enable_buffered_stream();  // a row group is not held as a whole
    ::parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_use_threads(false);
    arrow_properties.set_pre_buffer(false);
    arrow_properties.set_arrow_extensions_enabled(false);
    auto parquet = ::parquet::ParquetFileReader::Open(stream, properties);
    const auto metadata = parquet->metadata();
    int64_t bytes = 0;
    for (int i = 0; i < metadata->num_row_groups(); ++i) bytes += metadata->RowGroup(i)->total_byte_size();
    const int64_t row_bytes = std::max<int64_t>(1, bytes / std::max<int64_t>(1, metadata->num_rows()));
    arrow_properties.set_batch_size(std::clamp<int64_t>(kBatchBytes / row_bytes, 1, kBatchRowsMax));
    auto made = ::parquet::arrow::FileReader::Make(arrow::default_memory_pool(), std::move(parquet), arrow_properties);
    if (!made.ok()) return failed(made.status());
    auto batches = (*made)->GetRecordBatchReader();
    if (!batches.ok()) return failed(batches.status());
    const auto& schema = *(*batches)->schema();
    if (static_cast<size_t>(schema.num_fields()) != plan.columns.size())
      return damaged("it has " + std::to_string(schema.num_fields()) + " columns");
    for (size_t i = 0; i < codecs.size(); ++i)
      if (schema.field(static_cast<int>(i))->name() != plan.columns[i].source.name)
        return damaged("column " + std::to_string(i + 1) + " has another name");
    while (true) {
      COFFER_CHECK_OK(context.check());
      std::shared_ptr<arrow::RecordBatch> batch;
      if (auto status = (*batches)->ReadNext(&batch); !status.ok()) return failed(status);
      if (batch == nullptr) return ok_status();
      // Foreign bytes: nobody is asked for a value before offsets and sizes were looked at.
      if (auto status = batch->Validate(); !status.ok()) return failed(status);
      COFFER_CHECK_OK(visit(*batch));
    }
  } catch (const std::exception& e) {
    return stream->error() ? *stream->error() : damaged(e.what());
  }
}

std::vector<std::unique_ptr<Codec>> codecs_of(const TablePlan& plan) {
  std::vector<std::unique_ptr<Codec>> codecs;
  for (const ColumnPlan& column : plan.columns) codecs.push_back(codec_of(plan, column));
  return codecs;
}

Error other_type(const TablePlan& plan, size_t column) {
  return damaged("column " + plan.columns[column].source.name + " has another type or a value outside of it");
}

}  // namespace

Result<TableDigest> digest_part(const Context& context, const TablePlan& plan, File& file) {
  const auto codecs = codecs_of(plan);
  TableDigest digest;
  digest.columns.resize(plan.columns.size());
  std::vector<uint64_t> rows;
  Bytes value;
  COFFER_CHECK_OK(each_batch(context, plan, file, codecs, [&](const arrow::RecordBatch& batch) -> Status {
    rows.assign(static_cast<size_t>(batch.num_rows()), 0);
    for (size_t i = 0; i < codecs.size(); ++i) {
      const arrow::Array& array = *batch.column(static_cast<int>(i));
      const uint64_t seed = seed_of(i), added = added_to_hash(plan, plan.columns[i]);
      ColumnDigest& column = digest.columns[i];
      for (int64_t row = 0; row < array.length(); ++row) {
        if (array.IsNull(row)) continue;
        value.clear();
        if (!codecs[i]->encode(array, row, value)) return other_type(plan, i);
        const uint64_t hash = hash_bytes(value, seed) + added;
        ++column.values;
        column.sum += hash;
        rows[static_cast<size_t>(row)] ^= hash;
      }
    }
    digest.rows += rows.size();
    for (uint64_t row : rows) digest.row_sum += row;
    return ok_status();
  }));
  return digest;
}

Status read_part(const Context& context, const TablePlan& plan, File& file, const std::vector<size_t>& column_order,
                 const std::function<Status(ByteView)>& rows) {
  const auto codecs = codecs_of(plan);
  Bytes out;
  COFFER_CHECK_OK(each_batch(context, plan, file, codecs, [&](const arrow::RecordBatch& batch) -> Status {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      CopyFormatter::begin_row(out, column_order.size());
      for (size_t i : column_order) {
        const arrow::Array& array = *batch.column(static_cast<int>(i));
        if (array.IsNull(row)) {
          CopyFormatter::null(out);
          continue;
        }
        const size_t mark = CopyFormatter::begin_value(out);
        if (!codecs[i]->encode(array, row, out)) return other_type(plan, i);
        CopyFormatter::end_value(out, mark);
      }
      if (out.size() < kRowsBytes) continue;
      COFFER_CHECK_OK(rows(out));
      out.clear();
    }
    return ok_status();
  }));
  return out.empty() ? ok_status() : rows(out);
}

}  // namespace coffer::parquet
