#include "engine/parquet/codec.h"

#include <arrow/extension/json.h>
#include <arrow/extension/uuid.h>
#include <arrow/util/utf8.h>

#include <limits>

#include "engine/parquet/types.h"

namespace coffer::parquet {

namespace {

constexpr int64_t kMicrosBefore2000 = 946'684'800'000'000;  // from 1970
constexpr int32_t kDaysBefore2000 = 10'957;
constexpr int64_t kMicrosOfDay = 86'400'000'000;

Fit fit_of(const arrow::Status& status) { return status.ok() ? Fit::kFits : Fit::kDoesNotFit; }

template <class T>
T load_be(ByteView bytes) {
  T value = 0;
  for (std::byte b : bytes) value = static_cast<T>(value << 8 | static_cast<T>(b));
  return value;
}
template <class T>
void store_be(Bytes& out, T value) {
  for (int i = sizeof(T) - 1; i >= 0; --i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// The value of `array` as ArrowType's array, or null when it is of another type.
template <class ArrowType>
const typename arrow::TypeTraits<ArrowType>::ArrayType* array_as(const arrow::Array& array) {
  if (array.type_id() != ArrowType::type_id) return nullptr;
  return static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType*>(&array);
}

class BooleanCodec final : public Codec {
 public:
  std::shared_ptr<arrow::DataType> type() const override { return arrow::boolean(); }
  std::string words() const override { return "boolean"; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (value.size() != 1 || value[0] > std::byte{1}) return Fit::kMalformed;
    return fit_of(static_cast<arrow::BooleanBuilder&>(builder).Append(value[0] != std::byte{0}));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    const auto* values = array_as<arrow::BooleanType>(array);
    if (values == nullptr) return false;
    out.push_back(values->Value(row) ? std::byte{1} : std::byte{0});
    return true;
  }
};

// Whole numbers and floating point: the same bits in another byte order. `Wire` is the unsigned type of the width on
// the wire; oid is wider in Arrow than there.
template <class ArrowType, class Wire>
class FixedCodec final : public Codec {
 public:
  using Builder = typename arrow::TypeTraits<ArrowType>::BuilderType;
  using Value = typename ArrowType::c_type;
  explicit FixedCodec(std::string words) : words_(std::move(words)) {}
  std::shared_ptr<arrow::DataType> type() const override { return arrow::TypeTraits<ArrowType>::type_singleton(); }
  std::string words() const override { return words_; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (value.size() != sizeof(Wire)) return Fit::kMalformed;
    const Wire wire = load_be<Wire>(value);
    Value v;
    if constexpr (sizeof(Value) == sizeof(Wire))
      v = std::bit_cast<Value>(wire);
    else
      v = static_cast<Value>(wire);
    return fit_of(static_cast<Builder&>(builder).Append(v));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    const auto* values = array_as<ArrowType>(array);
    if (values == nullptr) return false;
    const Value v = values->Value(row);
    if constexpr (sizeof(Value) == sizeof(Wire)) {
      store_be(out, std::bit_cast<Wire>(v));
    } else {
      if (v < 0 || v > static_cast<Value>(std::numeric_limits<Wire>::max())) return false;
      store_be(out, static_cast<Wire>(v));
    }
    return true;
  }

 private:
  std::string words_;
};

// Dates and times: shifted to 1970, infinities at the ends of the range.
template <class ArrowType, class Signed, bool kInfinite>
class ShiftedCodec final : public Codec {
 public:
  using Builder = typename arrow::TypeTraits<ArrowType>::BuilderType;
  using Limits = std::numeric_limits<Signed>;
  ShiftedCodec(std::shared_ptr<arrow::DataType> type, Signed shift, std::string words)
      : type_(std::move(type)), shift_(shift), words_(std::move(words)) {}
  std::shared_ptr<arrow::DataType> type() const override { return type_; }
  std::string words() const override { return words_; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (value.size() != sizeof(Signed)) return Fit::kMalformed;
    auto v = static_cast<Signed>(load_be<std::make_unsigned_t<Signed>>(value));
    if (kInfinite && (v == Limits::max() || v == Limits::min()))
      return fit_of(static_cast<Builder&>(builder).Append(v));
    // A finite value at either end would read as infinite.
    if (__builtin_add_overflow(v, shift_, &v) || v == Limits::max() || v == Limits::min()) return Fit::kDoesNotFit;
    // 24:00:00 is a time to PostgreSQL and to nobody else.
    if (!kInfinite && (v < 0 || v >= kMicrosOfDay)) return Fit::kDoesNotFit;
    return fit_of(static_cast<Builder&>(builder).Append(v));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (!array.type()->Equals(*type_)) return false;
    auto v = static_cast<const typename arrow::TypeTraits<ArrowType>::ArrayType&>(array).Value(row);
    const bool infinite = kInfinite && (v == Limits::max() || v == Limits::min());
    if (!infinite && __builtin_sub_overflow(v, shift_, &v)) return false;
    store_be(out, static_cast<std::make_unsigned_t<Signed>>(v));
    return true;
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  Signed shift_;
  std::string words_;
};

class StringCodec : public Codec {
 public:
  // ValidateUTF8() takes anything before this.
  StringCodec() { arrow::util::InitializeUTF8(); }
  std::shared_ptr<arrow::DataType> type() const override { return arrow::utf8(); }
  std::string words() const override { return "binary (UTF8)"; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    // Only databases of encoding SQL_ASCII hold what is none.
    if (!arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(value.data()), static_cast<int64_t>(value.size())))
      return Fit::kDoesNotFit;
    return fit_of(static_cast<arrow::StringBuilder&>(builder).Append(as_text(value)));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (const auto* values = array_as<arrow::StringType>(array); values != nullptr) {
      append(out, as_bytes(values->GetView(row)));
      return true;
    }
    const auto* values = array_as<arrow::DictionaryType>(array);
    if (values == nullptr || values->dictionary()->type_id() != arrow::Type::STRING) return false;
    const int64_t index = values->GetValueIndex(row);
    if (index < 0 || index >= values->dictionary()->length()) return false;
    append(out, as_bytes(static_cast<const arrow::StringArray&>(*values->dictionary()).GetView(index)));
    return true;
  }
};

class BinaryCodec final : public Codec {
 public:
  std::shared_ptr<arrow::DataType> type() const override { return arrow::binary(); }
  std::string words() const override { return "binary"; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    return fit_of(static_cast<arrow::BinaryBuilder&>(builder).Append(as_text(value)));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    const auto* values = array_as<arrow::BinaryType>(array);
    if (values == nullptr) return false;
    append(out, as_bytes(values->GetView(row)));
    return true;
  }
};

const arrow::Array& storage_of(const arrow::Array& array) {
  if (array.type_id() != arrow::Type::EXTENSION) return array;
  return *static_cast<const arrow::ExtensionArray&>(array).storage();
}

class JsonCodec final : public StringCodec {
 public:
  explicit JsonCodec(bool with_version) : with_version_(with_version) {}
  std::string words() const override { return "binary (JSON)"; }
  std::shared_ptr<arrow::DataType> column_type() const override { return arrow::extension::json(); }
  arrow::Result<std::shared_ptr<arrow::Array>> present(std::shared_ptr<arrow::Array> built) const override {
    return arrow::ExtensionType::WrapArray(column_type(), built);
  }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (with_version_) {
      if (value.empty() || value[0] != kVersion) return Fit::kMalformed;
      value = value.subspan(1);
    }
    return StringCodec::decode(value, builder);
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (with_version_) out.push_back(kVersion);
    return StringCodec::encode(storage_of(array), row, out);
  }

 private:
  static constexpr std::byte kVersion{1};
  bool with_version_;
};

class UuidCodec final : public Codec {
 public:
  std::shared_ptr<arrow::DataType> type() const override { return arrow::fixed_size_binary(kSize); }
  std::string words() const override { return "fixed_len_byte_array(16) (UUID)"; }
  std::shared_ptr<arrow::DataType> column_type() const override { return arrow::extension::uuid(); }
  arrow::Result<std::shared_ptr<arrow::Array>> present(std::shared_ptr<arrow::Array> built) const override {
    return arrow::ExtensionType::WrapArray(column_type(), built);
  }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (value.size() != kSize) return Fit::kMalformed;
    return fit_of(static_cast<arrow::FixedSizeBinaryBuilder&>(builder).Append(as_text(value)));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    const auto* values = array_as<arrow::FixedSizeBinaryType>(storage_of(array));
    if (values == nullptr || values->byte_width() != kSize) return false;
    append(out, as_bytes(values->GetView(row)));
    return true;
  }

 private:
  static constexpr int kSize = 16;
};

// As a column, labels become a dictionary in the order of the type.
class EnumCodec final : public StringCodec {
 public:
  explicit EnumCodec(const std::vector<std::string>& labels) {
    arrow::StringBuilder builder;
    if (!builder.AppendValues(labels).ok()) return;
    if (auto built = builder.Finish(); built.ok()) labels_ = *built;
  }
  std::string words() const override { return "binary (ENUM)"; }
  std::shared_ptr<arrow::DataType> column_type() const override {
    return arrow::dictionary(arrow::int32(), arrow::utf8());
  }
  arrow::Result<std::shared_ptr<arrow::Array>> present(std::shared_ptr<arrow::Array> built) const override {
    const auto& values = static_cast<const arrow::StringArray&>(*built);
    const auto& labels = static_cast<const arrow::StringArray&>(*labels_);
    std::unordered_map<std::string_view, int32_t> index;
    for (int64_t i = 0; i < labels.length(); ++i) index.emplace(labels.GetView(i), static_cast<int32_t>(i));
    arrow::Int32Builder indices;
    ARROW_RETURN_NOT_OK(indices.Reserve(values.length()));
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i)) {
        indices.UnsafeAppendNull();
        continue;
      }
      auto found = index.find(values.GetView(i));
      if (found == index.end()) return arrow::Status::Invalid("a label that the type does not have");
      indices.UnsafeAppend(found->second);
    }
    ARROW_ASSIGN_OR_RAISE(auto array, indices.Finish());
    return arrow::DictionaryArray::FromArrays(column_type(), array, labels_);
  }

 private:
  std::shared_ptr<arrow::Array> labels_;
};

// Months, days and microseconds are three numbers to PostgreSQL, and no two of them can be converted.
class IntervalCodec final : public Codec {
 public:
  std::shared_ptr<arrow::DataType> type() const override {
    return arrow::struct_({arrow::field("months", arrow::int32(), false), arrow::field("days", arrow::int32(), false),
                           arrow::field("microseconds", arrow::int64(), false)});
  }
  std::string words() const override { return "struct (months int32, days int32, microseconds int64)"; }
  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    if (value.size() != 16) return Fit::kMalformed;
    auto& fields = static_cast<arrow::StructBuilder&>(builder);
    auto& months = static_cast<arrow::Int32Builder&>(*fields.field_builder(0));
    auto& days = static_cast<arrow::Int32Builder&>(*fields.field_builder(1));
    auto& micros = static_cast<arrow::Int64Builder&>(*fields.field_builder(2));
    return fit_of(fields.Append() & months.Append(static_cast<int32_t>(load_be<uint32_t>(value.subspan(12, 4)))) &
                  days.Append(static_cast<int32_t>(load_be<uint32_t>(value.subspan(8, 4)))) &
                  micros.Append(static_cast<int64_t>(load_be<uint64_t>(value.first(8)))));
  }
  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    const auto* values = array_as<arrow::StructType>(array);
    if (values == nullptr || values->num_fields() != 3) return false;
    const auto* months = array_as<arrow::Int32Type>(*values->field(0));
    const auto* days = array_as<arrow::Int32Type>(*values->field(1));
    const auto* micros = array_as<arrow::Int64Type>(*values->field(2));
    if (months == nullptr || days == nullptr || micros == nullptr) return false;
    store_be(out, static_cast<uint64_t>(micros->Value(row)));
    store_be(out, static_cast<uint32_t>(days->Value(row)));
    store_be(out, static_cast<uint32_t>(months->Value(row)));
    return true;
  }
};

template <class ArrowType, class Wire>
std::unique_ptr<Codec> fixed(std::string words) {
  return std::make_unique<FixedCodec<ArrowType, Wire>>(std::move(words));
}

std::unique_ptr<Codec> timestamp_codec(const char* zone) {
  return std::make_unique<ShiftedCodec<arrow::TimestampType, int64_t, true>>(
      arrow::timestamp(arrow::TimeUnit::MICRO, zone), kMicrosBefore2000,
      *zone == '\0' ? "int64 (TIMESTAMP_MICROS, local)" : "int64 (TIMESTAMP_MICROS, UTC)");
}

// What both layouts have a type for.
std::unique_ptr<Codec> plain_codec(const SourceType& type) {
  switch (type.oid) {
    case oids::kBool: return std::make_unique<BooleanCodec>();
    case oids::kInt2: return fixed<arrow::Int16Type, uint16_t>("int32 (INT_16)");
    case oids::kInt4: return fixed<arrow::Int32Type, uint32_t>("int32");
    case oids::kInt8: return fixed<arrow::Int64Type, uint64_t>("int64");
    case oids::kFloat4: return fixed<arrow::FloatType, uint32_t>("float");
    case oids::kFloat8: return fixed<arrow::DoubleType, uint64_t>("double");
    case oids::kBytea: return std::make_unique<BinaryCodec>();
    case oids::kText:
    case oids::kVarchar:
    case oids::kBpchar:
    case oids::kName: return std::make_unique<StringCodec>();
    default: return nullptr;
  }
}

std::unique_ptr<Codec> typed_codec(const SourceType& type) {
  switch (type.oid) {
    case oids::kOid: return fixed<arrow::Int64Type, uint32_t>("int64");
    case oids::kNumeric: return numeric_codec(type.modifier);
    case oids::kDate:
      return std::make_unique<ShiftedCodec<arrow::Date32Type, int32_t, true>>(arrow::date32(), kDaysBefore2000,
                                                                              "int32 (DATE)");
    case oids::kTime:
      return std::make_unique<ShiftedCodec<arrow::Time64Type, int64_t, false>>(arrow::time64(arrow::TimeUnit::MICRO), 0,
                                                                               "int64 (TIME_MICROS, local)");
    case oids::kTimestamp: return timestamp_codec("");
    case oids::kTimestamptz: return timestamp_codec("UTC");
    case oids::kInterval: return std::make_unique<IntervalCodec>();
    case oids::kUuid: return std::make_unique<UuidCodec>();
    case oids::kJson: return std::make_unique<JsonCodec>(false);
    case oids::kJsonb: return std::make_unique<JsonCodec>(true);
    default: return nullptr;
  }
}

}  // namespace

std::unique_ptr<Codec> native_codec(const SourceType& type, Layout layout, int depth) {
  if (depth > kTypeDepthMax || type.send.empty()) return nullptr;
  auto part = [&](size_t index) { return native_codec(type.parts.at(index), layout, depth + 1); };
  if (type.kind == SourceType::Kind::kBase) {
    auto plain = plain_codec(type);
    return plain != nullptr || layout == Layout::kRds ? std::move(plain) : typed_codec(type);
  }
  if (layout == Layout::kRds) return nullptr;
  switch (type.kind) {
    case SourceType::Kind::kEnum: return std::make_unique<EnumCodec>(type.labels);
    case SourceType::Kind::kArray: {
      auto element = part(0);
      return element == nullptr ? nullptr : list_codec(type, std::move(element));
    }
    case SourceType::Kind::kRange: {
      auto bound = part(0);
      return bound == nullptr ? nullptr : range_codec(std::move(bound));
    }
    case SourceType::Kind::kMultirange: {
      auto range = part(0);
      return range == nullptr ? nullptr : multirange_codec(std::move(range));
    }
    case SourceType::Kind::kComposite: {
      std::vector<std::unique_ptr<Codec>> fields;
      for (size_t i = 0; i < type.parts.size(); ++i) {
        fields.push_back(part(i));
        if (fields.back() == nullptr) return nullptr;
      }
      return fields.empty() ? nullptr : struct_codec(type, std::move(fields));
    }
    case SourceType::Kind::kBase: break;
  }
  return nullptr;
}

std::unique_ptr<Codec> text_codec() { return std::make_unique<StringCodec>(); }
std::unique_ptr<Codec> bytes_codec() { return std::make_unique<BinaryCodec>(); }

std::unique_ptr<Codec> codec_of(const TablePlan& plan, const ColumnPlan& column) {
  if (column.storage == Storage::kText) return text_codec();
  if (column.storage == Storage::kBytes) return bytes_codec();
  return native_codec(column.source.type, plan.layout);
}

bool is_native(const SourceType& type, Layout layout) { return native_codec(type, layout) != nullptr; }

std::string exported_type(const TablePlan& plan, const ColumnPlan& column) { return codec_of(plan, column)->words(); }

}  // namespace coffer::parquet
