// One column's way between COPY's binary values and Arrow. Internal to this folder: shows Arrow.
#pragma once
#include <arrow/api.h>

#include <memory>

#include "base/bytes.h"
#include "engine/parquet/table_plan.h"

namespace coffer::parquet {

enum class Fit : uint8_t {
  kFits,
  kDoesNotFit,  // a sound value that the type cannot hold: NaN in a decimal, a year 294 300
  kMalformed,   // no value of this type at all
};

/// Stateless, so safe from many threads at once.
class Codec {
 public:
  virtual ~Codec() = default;
  /// The type of what builder_of() builds.
  [[nodiscard]] virtual std::shared_ptr<arrow::DataType> type() const = 0;
  /// Appends the value to a builder that make_builder(type()) made; not for NULL. After other answers than kFits the
  /// builder is of no more use.
  virtual Fit decode(ByteView value, arrow::ArrayBuilder& builder) const = 0;
  /// Appends the binary form of a value that is not NULL. False when the array has not this codec's type or the value
  /// is none that decode() makes.
  virtual bool encode(const arrow::Array& array, int64_t row, Bytes& out) const = 0;

  /// How a column of the table is presented: its type in the schema, and its values as that type.
  [[nodiscard]] virtual std::shared_ptr<arrow::DataType> column_type() const { return type(); }
  [[nodiscard]] virtual arrow::Result<std::shared_ptr<arrow::Array>> present(
      std::shared_ptr<arrow::Array> built) const {
    return built;
  }
  /// In words, for manifests.
  [[nodiscard]] virtual std::string words() const = 0;
};

/// Null where the layout has no native type for it.
std::unique_ptr<Codec> native_codec(const SourceType& type, Layout layout, int depth = 0);
std::unique_ptr<Codec> text_codec();
std::unique_ptr<Codec> bytes_codec();
std::unique_ptr<Codec> codec_of(const TablePlan& plan, const ColumnPlan& column);

// Made in the files of their names.
std::unique_ptr<Codec> numeric_codec(int32_t modifier);
std::unique_ptr<Codec> list_codec(const SourceType& type, std::unique_ptr<Codec> element);
std::unique_ptr<Codec> struct_codec(const SourceType& type, std::vector<std::unique_ptr<Codec>> fields);
std::unique_ptr<Codec> range_codec(std::unique_ptr<Codec> bound);
std::unique_ptr<Codec> multirange_codec(std::unique_ptr<Codec> range);

}  // namespace coffer::parquet
