// Arrays as lists, composites as structs, ranges as structs of their bounds.
#include "engine/parquet/codec.h"

namespace coffer::parquet {

namespace {

// Length and bytes of one value inside of another; nothing for NULL.
bool next_value(ByteReader& in, ByteView& value, bool& is_null) {
  const uint32_t size = in.u32();
  is_null = size == 0xffffffff;
  value = is_null ? ByteView{} : in.bytes(size);
  return in.ok();
}

bool encode_value(const Codec& codec, const arrow::Array& array, int64_t row, Bytes& out) {
  ByteWriter w(out);
  if (array.IsNull(row)) {
    w.u32(0xffffffff);
    return true;
  }
  w.u32(0);
  const size_t mark = out.size();
  if (!codec.encode(array, row, out)) return false;
  const size_t size = out.size() - mark;
  for (size_t i = 0; i < 4; ++i) out[mark - 4 + i] = static_cast<std::byte>(size >> (8 * (3 - i)));
  return true;
}

bool appended(const arrow::Status& status) { return status.ok(); }

class ListCodec final : public Codec {
 public:
  ListCodec(uint32_t element_oid, std::unique_ptr<Codec> element)
      : element_oid_(element_oid), element_(std::move(element)) {}
  std::shared_ptr<arrow::DataType> type() const override { return arrow::list(element_->type()); }
  std::string words() const override { return "list of " + element_->words(); }

  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    auto& list = static_cast<arrow::ListBuilder&>(builder);
    ByteReader in(value);
    const uint32_t dimensions = in.u32(), has_nulls = in.u32(), oid = in.u32();
    if (!in.ok() || oid != element_oid_ || dimensions > kDimensionsMax) return Fit::kMalformed;
    if (!appended(list.Append())) return Fit::kDoesNotFit;
    // An array that lost its NULLs or elements keeps the flag; only what can be written again is taken.
    if (dimensions == 0) return !in.done() ? Fit::kMalformed : has_nulls != 0 ? Fit::kDoesNotFit : Fit::kFits;
    if (dimensions != 1) return Fit::kDoesNotFit;
    const uint32_t count = in.u32();
    if (const uint32_t lower = in.u32(); in.ok() && lower != 1) return Fit::kDoesNotFit;
    if (count > in.left() / 4) return Fit::kMalformed;
    bool any_null = false;
    for (uint32_t i = 0; i < count; ++i) {
      ByteView element;
      bool is_null = false;
      if (!next_value(in, element, is_null)) return Fit::kMalformed;
      any_null = any_null || is_null;
      if (is_null) {
        if (!appended(list.value_builder()->AppendNull())) return Fit::kDoesNotFit;
      } else if (Fit fit = element_->decode(element, *list.value_builder()); fit != Fit::kFits) {
        return fit;
      }
    }
    if (!in.done()) return Fit::kMalformed;
    return any_null == (has_nulls == 1) ? Fit::kFits : Fit::kDoesNotFit;
  }

  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (array.type_id() != arrow::Type::LIST) return false;
    const auto& list = static_cast<const arrow::ListArray&>(array);
    const arrow::Array& values = *list.values();
    const int64_t first = list.value_offset(row), count = list.value_length(row);
    ByteWriter w(out);
    bool any_null = false;
    for (int64_t i = first; i < first + count; ++i) any_null = any_null || values.IsNull(i);
    w.u32(count == 0 ? 0 : 1);
    w.u32(any_null ? 1 : 0);
    w.u32(element_oid_);
    if (count == 0) return true;
    w.u32(static_cast<uint32_t>(count));
    w.u32(1);
    for (int64_t i = first; i < first + count; ++i)
      if (!encode_value(*element_, values, i, out)) return false;
    return true;
  }

 private:
  static constexpr uint32_t kDimensionsMax = 6;
  uint32_t element_oid_;
  std::unique_ptr<Codec> element_;
};

class StructCodec final : public Codec {
 public:
  StructCodec(const SourceType& type, std::vector<std::unique_ptr<Codec>> fields)
      : names_(type.part_names), fields_(std::move(fields)) {
    for (const SourceType& part : type.parts) oids_.push_back(part.wire_oid);
  }
  std::shared_ptr<arrow::DataType> type() const override {
    arrow::FieldVector fields;
    for (size_t i = 0; i < fields_.size(); ++i) fields.push_back(arrow::field(names_[i], fields_[i]->type()));
    return arrow::struct_(std::move(fields));
  }
  std::string words() const override {
    std::string text = "struct (";
    for (size_t i = 0; i < fields_.size(); ++i) text += (i == 0 ? "" : ", ") + names_[i] + " " + fields_[i]->words();
    return text + ")";
  }

  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    auto& row = static_cast<arrow::StructBuilder&>(builder);
    ByteReader in(value);
    if (in.u32() != fields_.size() || !in.ok()) return Fit::kMalformed;
    if (!appended(row.Append())) return Fit::kDoesNotFit;
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (in.u32() != oids_[i]) return Fit::kMalformed;
      ByteView field;
      bool is_null = false;
      if (!next_value(in, field, is_null)) return Fit::kMalformed;
      arrow::ArrayBuilder& into = *row.field_builder(static_cast<int>(i));
      if (is_null) {
        if (!appended(into.AppendNull())) return Fit::kDoesNotFit;
      } else if (Fit fit = fields_[i]->decode(field, into); fit != Fit::kFits) {
        return fit;
      }
    }
    return in.done() ? Fit::kFits : Fit::kMalformed;
  }

  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (array.type_id() != arrow::Type::STRUCT) return false;
    const auto& values = static_cast<const arrow::StructArray&>(array);
    if (static_cast<size_t>(values.num_fields()) != fields_.size()) return false;
    ByteWriter w(out);
    w.u32(static_cast<uint32_t>(fields_.size()));
    for (size_t i = 0; i < fields_.size(); ++i) {
      w.u32(oids_[i]);
      if (!encode_value(*fields_[i], *values.field(static_cast<int>(i)), row, out)) return false;
    }
    return true;
  }

 private:
  std::vector<std::string> names_;
  std::vector<uint32_t> oids_;
  std::vector<std::unique_ptr<Codec>> fields_;
};

// A bound that is NULL is infinite.
class RangeCodec final : public Codec {
 public:
  explicit RangeCodec(std::unique_ptr<Codec> bound) : bound_(std::move(bound)) {}
  std::shared_ptr<arrow::DataType> type() const override {
    return arrow::struct_({arrow::field("lower", bound_->type()), arrow::field("upper", bound_->type()),
                           arrow::field("lower_inclusive", arrow::boolean(), false),
                           arrow::field("upper_inclusive", arrow::boolean(), false),
                           arrow::field("empty", arrow::boolean(), false)});
  }
  std::string words() const override { return "struct (lower, upper: " + bound_->words() + "; inclusive, empty)"; }

  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    auto& range = static_cast<arrow::StructBuilder&>(builder);
    ByteReader in(value);
    const uint8_t flags = in.u8();
    if (!in.ok() || (flags & ~kKnown) != 0) return Fit::kMalformed;
    if (!appended(range.Append())) return Fit::kDoesNotFit;
    for (int i = 0; i < 2; ++i) {
      const bool absent = (flags & kEmpty) != 0 || (flags & (i == 0 ? kLowerInfinite : kUpperInfinite)) != 0;
      arrow::ArrayBuilder& into = *range.field_builder(i);
      if (absent) {
        if (!appended(into.AppendNull())) return Fit::kDoesNotFit;
        continue;
      }
      ByteView bound;
      bool is_null = false;
      if (!next_value(in, bound, is_null) || is_null) return Fit::kMalformed;
      if (Fit fit = bound_->decode(bound, into); fit != Fit::kFits) return fit;
    }
    auto flag = [&](int field, uint8_t bit) {
      return appended(static_cast<arrow::BooleanBuilder&>(*range.field_builder(field)).Append((flags & bit) != 0));
    };
    if (!flag(2, kLowerInclusive) || !flag(3, kUpperInclusive) || !flag(4, kEmpty)) return Fit::kDoesNotFit;
    return in.done() ? Fit::kFits : Fit::kMalformed;
  }

  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (array.type_id() != arrow::Type::STRUCT) return false;
    const auto& range = static_cast<const arrow::StructArray&>(array);
    if (range.num_fields() != 5) return false;
    const auto lower = range.field(0), upper = range.field(1);
    for (int i = 2; i < 5; ++i)
      if (range.field(i)->type_id() != arrow::Type::BOOL) return false;
    auto flag = [&](int field) { return static_cast<const arrow::BooleanArray&>(*range.field(field)).Value(row); };
    ByteWriter w(out);
    if (flag(4)) {
      w.u8(kEmpty);
      return true;
    }
    const bool has_lower = !lower->IsNull(row), has_upper = !upper->IsNull(row);
    w.u8(static_cast<uint8_t>((flag(2) ? kLowerInclusive : 0) | (flag(3) ? kUpperInclusive : 0) |
                              (has_lower ? 0 : kLowerInfinite) | (has_upper ? 0 : kUpperInfinite)));
    return (!has_lower || encode_value(*bound_, *lower, row, out)) &&
           (!has_upper || encode_value(*bound_, *upper, row, out));
  }

 private:
  static constexpr uint8_t kEmpty = 1, kLowerInclusive = 2, kUpperInclusive = 4, kLowerInfinite = 8,
                           kUpperInfinite = 16, kKnown = 31;
  std::unique_ptr<Codec> bound_;
};

class MultirangeCodec final : public Codec {
 public:
  explicit MultirangeCodec(std::unique_ptr<Codec> range) : range_(std::move(range)) {}
  std::shared_ptr<arrow::DataType> type() const override { return arrow::list(range_->type()); }
  std::string words() const override { return "list of " + range_->words(); }

  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    auto& list = static_cast<arrow::ListBuilder&>(builder);
    ByteReader in(value);
    const uint32_t count = in.u32();
    if (!in.ok() || count > in.left() / 4) return Fit::kMalformed;
    if (!appended(list.Append())) return Fit::kDoesNotFit;
    for (uint32_t i = 0; i < count; ++i) {
      ByteView range;
      bool is_null = false;
      if (!next_value(in, range, is_null) || is_null) return Fit::kMalformed;
      if (Fit fit = range_->decode(range, *list.value_builder()); fit != Fit::kFits) return fit;
    }
    return in.done() ? Fit::kFits : Fit::kMalformed;
  }

  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (array.type_id() != arrow::Type::LIST) return false;
    const auto& list = static_cast<const arrow::ListArray&>(array);
    ByteWriter(out).u32(static_cast<uint32_t>(list.value_length(row)));
    for (int64_t i = list.value_offset(row); i < list.value_offset(row) + list.value_length(row); ++i)
      if (!encode_value(*range_, *list.values(), i, out)) return false;
    return true;
  }

 private:
  std::unique_ptr<Codec> range_;
};

}  // namespace

std::unique_ptr<Codec> list_codec(const SourceType& type, std::unique_ptr<Codec> element) {
  return std::make_unique<ListCodec>(type.parts.at(0).wire_oid, std::move(element));
}
std::unique_ptr<Codec> struct_codec(const SourceType& type, std::vector<std::unique_ptr<Codec>> fields) {
  return std::make_unique<StructCodec>(type, std::move(fields));
}
std::unique_ptr<Codec> range_codec(std::unique_ptr<Codec> bound) {
  return std::make_unique<RangeCodec>(std::move(bound));
}
std::unique_ptr<Codec> multirange_codec(std::unique_ptr<Codec> range) {
  return std::make_unique<MultirangeCodec>(std::move(range));
}

}  // namespace coffer::parquet
