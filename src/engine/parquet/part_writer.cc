#include "engine/parquet/part_writer.h"

#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_writer.h>

#include <nlohmann/json.hpp>

#include "engine/parquet/arrow_io.h"
#include "engine/parquet/codec.h"
#include "engine/parquet/copy_stream.h"

namespace coffer::parquet {

namespace {

constexpr int kGzipLevel = 6, kZstdLevel = 3;
constexpr int64_t kBatchRowsMax = 64 << 10;
// Sizes are what values cost in memory, not on the wire: a NULL costs something too.
constexpr uint64_t kValueOverhead = 8;

std::shared_ptr<const arrow::KeyValueMetadata> column_metadata(const TablePlan& plan, const ColumnPlan& column) {
  std::vector<std::string> keys = {"coffer.original_type", "coffer.storage"};
  std::vector<std::string> values = {column.source.type_text, exported_type(plan, column)};
  return arrow::key_value_metadata(keys, values);
}

std::shared_ptr<::parquet::WriterProperties> writer_properties(const TablePlan& plan, const PartWriterOptions& options,
                                                               const ::parquet::SchemaDescriptor& schema) {
  ::parquet::WriterProperties::Builder builder;
  builder.created_by(options.created_by)->enable_page_checksum()->enable_dictionary()->enable_statistics();
  builder.max_row_group_length(std::numeric_limits<int64_t>::max());  // ours are cut by size
  if (plan.layout == Layout::kRds) {
    builder.version(::parquet::ParquetVersion::PARQUET_1_0)
        ->data_page_version(::parquet::ParquetDataPageVersion::V1)
        ->compression(::parquet::Compression::GZIP)
        ->compression_level(kGzipLevel);
  } else {
    builder.version(::parquet::ParquetVersion::PARQUET_2_6)
        ->compression(::parquet::Compression::ZSTD)
        ->compression_level(kZstdLevel)
        ->enable_write_page_index()
        ->enable_store_decimal_as_integer();
    // Numbers are small as differences or by their bytes; a dictionary of them falls back to plain ones when it is
    // full.
    for (int i = 0; i < schema.num_columns(); ++i) {
      const ::parquet::ColumnDescriptor* column = schema.Column(i);
      const auto type = column->physical_type();
      if (type == ::parquet::Type::INT32 || type == ::parquet::Type::INT64)
        builder.disable_dictionary(column->path())->encoding(column->path(), ::parquet::Encoding::DELTA_BINARY_PACKED);
      else if (type == ::parquet::Type::FLOAT || type == ::parquet::Type::DOUBLE)
        builder.disable_dictionary(column->path())->encoding(column->path(), ::parquet::Encoding::BYTE_STREAM_SPLIT);
    }
  }
  return builder.build();
}

class ArrowPartWriter final : public PartWriter {
 public:
  ArrowPartWriter(const Context& context, const TablePlan& plan, ByteSink& sink, const PartWriterOptions& options)
      : context_(context),
        plan_(plan),
        options_(options),
        stream_(std::make_shared<SinkStream>(context_, sink)),
        parser_(plan.columns.size()) {}

  Status begin();
  Status add(ByteView copy_data) override {
    return parser_.feed(copy_data, [this](std::span<const CopyValue> values) { return add_row(values); });
  }
  Result<PartTotals> finish() override;
  [[nodiscard]] std::optional<size_t> misfit() const override { return misfit_; }

 private:
  Status add_row(std::span<const CopyValue> values);
  Status write_batch();
  [[nodiscard]] Error failed(const arrow::Status& status) const {
    return error_of(status, ErrorCode::kInternal, stream_->error());
  }

  Context context_;
  const TablePlan plan_;
  const PartWriterOptions options_;
  std::shared_ptr<SinkStream> stream_;
  CopyParser parser_;
  std::vector<std::unique_ptr<Codec>> codecs_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<::parquet::arrow::FileWriter> writer_;
  int64_t batch_rows_ = 0;
  uint64_t batch_bytes_ = 0, group_bytes_ = 0;
  bool group_begun_ = false;
  PartTotals totals_;
  std::optional<size_t> misfit_;
};

Status ArrowPartWriter::begin() {
  arrow::FieldVector fields;
  for (const ColumnPlan& column : plan_.columns) {
    codecs_.push_back(codec_of(plan_, column));
    if (codecs_.back() == nullptr)
      return Error{ErrorCode::kInternal, "column " + column.source.name + " has no codec", {}};
    auto builder = arrow::MakeBuilder(codecs_.back()->type());
    if (!builder.ok()) return failed(builder.status());
    builders_.push_back(std::move(*builder));
    auto field = arrow::field(column.source.name, codecs_.back()->column_type());
    fields.push_back(plan_.layout == Layout::kTyped ? field->WithMetadata(column_metadata(plan_, column)) : field);
  }
  schema_ = arrow::schema(std::move(fields));
  ::parquet::ArrowWriterProperties::Builder arrow_properties;
  std::vector<std::string> keys = {"coffer.columns"}, values = {columns_to_json(plan_).dump()};
  if (plan_.layout == Layout::kTyped) arrow_properties.store_schema();
  auto built = arrow_properties.build();
  try {
    std::shared_ptr<::parquet::SchemaDescriptor> described;
    // Which Parquet types there are depends on the version alone, and the properties on the types.
    const auto version =
        plan_.layout == Layout::kRds ? ::parquet::ParquetVersion::PARQUET_1_0 : ::parquet::ParquetVersion::PARQUET_2_6;
    const auto of_version = ::parquet::WriterProperties::Builder().version(version)->build();
    if (auto status = ::parquet::arrow::ToParquetSchema(schema_.get(), *of_version, *built, &described); !status.ok())
      return failed(status);
    auto properties = writer_properties(plan_, options_, *described);
    if (plan_.layout == Layout::kTyped) {
      auto opened =
          ::parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), stream_, properties, built);
      if (!opened.ok()) return failed(opened.status());
      writer_ = std::move(*opened);
    } else {
      // RDS's files come from Spark, and some readers look for its root.
      const auto& group = *described->group_node();
      ::parquet::schema::NodeVector columns;
      for (int i = 0; i < group.field_count(); ++i) columns.push_back(group.field(i));
      auto root = std::static_pointer_cast<::parquet::schema::GroupNode>(
          ::parquet::schema::GroupNode::Make("spark_schema", ::parquet::Repetition::REQUIRED, columns));
      auto file = ::parquet::ParquetFileWriter::Open(stream_, root, properties);
      if (auto status = ::parquet::arrow::FileWriter::Make(arrow::default_memory_pool(), std::move(file), schema_,
                                                           built, &writer_);
          !status.ok())
        return failed(status);
    }
    if (auto status = writer_->AddKeyValueMetadata(arrow::key_value_metadata(keys, values)); !status.ok())
      return failed(status);
  } catch (const std::exception& e) {
    return failed(arrow::Status::UnknownError(e.what()));
  }
  return ok_status();
}

Status ArrowPartWriter::add_row(std::span<const CopyValue> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    batch_bytes_ += kValueOverhead;
    if (values[i].is_null) {
      if (auto status = builders_[i]->AppendNull(); !status.ok()) return failed(status);
      continue;
    }
    batch_bytes_ += values[i].bytes.size();
    totals_.value_bytes += values[i].bytes.size();
    switch (codecs_[i]->decode(values[i].bytes, *builders_[i])) {
      case Fit::kFits: break;
      case Fit::kDoesNotFit:
        misfit_ = i;
        return Error{
            ErrorCode::kFailedPrecondition,
            "column " + plan_.columns[i].source.name + " has a value that " + codecs_[i]->words() + " cannot hold",
            {}};
      case Fit::kMalformed:
        return Error{
            ErrorCode::kCorruption,
            "the server sent no " + plan_.columns[i].source.type_text + " for column " + plan_.columns[i].source.name,
            {}};
    }
  }
  ++totals_.rows;
  ++batch_rows_;
  if (batch_bytes_ >= options_.batch_size_bytes || batch_rows_ >= kBatchRowsMax) return write_batch();
  return ok_status();
}

Status ArrowPartWriter::write_batch() {
  if (batch_rows_ == 0) return ok_status();
  COFFER_CHECK_OK(context_.check());
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < builders_.size(); ++i) {
    auto built = builders_[i]->Finish();
    if (!built.ok()) return failed(built.status());
    auto presented = codecs_[i]->present(std::move(*built));
    if (!presented.ok()) return failed(presented.status());
    arrays.push_back(std::move(*presented));
  }
  try {
    // The first one comes with the first rows: a table without rows has none.
    if (!group_begun_ || group_bytes_ >= options_.row_group_size_bytes) {
      if (auto status = writer_->NewBufferedRowGroup(); !status.ok()) return failed(status);
      group_bytes_ = 0;
      group_begun_ = true;
    }
    auto batch = arrow::RecordBatch::Make(schema_, batch_rows_, std::move(arrays));
    if (auto status = writer_->WriteRecordBatch(*batch); !status.ok()) return failed(status);
  } catch (const std::exception& e) {
    return failed(arrow::Status::UnknownError(e.what()));
  }
  group_bytes_ += batch_bytes_;
  batch_bytes_ = 0;
  batch_rows_ = 0;
  return ok_status();
}

Result<PartTotals> ArrowPartWriter::finish() {
  COFFER_CHECK_OK(parser_.finish());
  COFFER_CHECK_OK(write_batch());
  try {
    if (auto status = writer_->Close(); !status.ok()) return failed(status);
  } catch (const std::exception& e) {
    return failed(arrow::Status::UnknownError(e.what()));
  }
  totals_.file_bytes = stream_->written();
  return totals_;
}

}  // namespace

Result<std::unique_ptr<PartWriter>> PartWriter::open(const Context& context, const TablePlan& plan, ByteSink& sink,
                                                     const PartWriterOptions& options) {
  auto writer = std::make_unique<ArrowPartWriter>(context, plan, sink, options);
  COFFER_CHECK_OK(writer->begin());
  return std::unique_ptr<PartWriter>(std::move(writer));
}

}  // namespace coffer::parquet
