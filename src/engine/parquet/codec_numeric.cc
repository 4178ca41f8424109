// numeric(p, s) as a decimal. Unconstrained numeric has a scale of its own in each value, so it stays text.
#include <algorithm>
#include <string>

#include "engine/parquet/codec.h"

namespace coffer::parquet {

namespace {

constexpr int kPrecisionMax = 38;  // beyond it, readers round
constexpr size_t kDigitsMax = 12;  // of base 10000 in 38 decimal digits, unaligned

__extension__ typedef __int128 Wide;                   // NOLINT: a using declaration takes no __extension__
__extension__ typedef unsigned __int128 UnsignedWide;  // NOLINT

Wide power_of_ten(int exponent) {
  Wide value = 1;
  while (exponent-- > 0) value *= 10;
  return value;
}

class NumericCodec final : public Codec {
 public:
  NumericCodec(int precision, int scale) : precision_(precision), scale_(scale) {}
  std::shared_ptr<arrow::DataType> type() const override { return arrow::decimal128(precision_, scale_); }
  std::string words() const override {
    return "decimal(" + std::to_string(precision_) + ", " + std::to_string(scale_) + ")";
  }

  Fit decode(ByteView value, arrow::ArrayBuilder& builder) const override {
    ByteReader in(value);
    const uint16_t count = in.u16();
    const auto weight = static_cast<int16_t>(in.u16());
    const uint16_t sign = in.u16(), display_scale = in.u16();
    if (!in.ok() || in.left() != size_t{count} * 2) return Fit::kMalformed;
    if (sign != kPositive && sign != kNegative) return sign >= kNaN ? Fit::kDoesNotFit : Fit::kMalformed;
    // Trailing zeros of the text belong to the value: 1.50 is not 1.5.
    if (display_scale != scale_ || count > kDigitsMax) return Fit::kDoesNotFit;
    Wide number = 0;
    for (int i = 0; i < count; ++i) {
      const uint16_t digit = in.u16();
      if (digit > 9999) return Fit::kMalformed;
      // The decimal places of this digit that the scale has: four, but for the last one.
      const int exponent = 4 * (weight - i) + scale_;
      if (exponent > kPrecisionMax) return Fit::kDoesNotFit;
      if (exponent <= -4) {
        if (digit != 0) return Fit::kDoesNotFit;
        continue;
      }
      Wide part = digit;
      if (exponent < 0) {
        const Wide cut = power_of_ten(-exponent);
        if (part % cut != 0) return Fit::kDoesNotFit;
        part /= cut;
      } else if (__builtin_mul_overflow(part, power_of_ten(exponent), &part)) {
        return Fit::kDoesNotFit;
      }
      if (__builtin_add_overflow(number, part, &number)) return Fit::kDoesNotFit;
    }
    if (number >= power_of_ten(precision_)) return Fit::kDoesNotFit;
    if (sign == kNegative) number = -number;
    const arrow::Decimal128 decimal(static_cast<int64_t>(number >> 64), static_cast<uint64_t>(number));
    return static_cast<arrow::Decimal128Builder&>(builder).Append(decimal).ok() ? Fit::kFits : Fit::kDoesNotFit;
  }

  bool encode(const arrow::Array& array, int64_t row, Bytes& out) const override {
    if (array.type_id() != arrow::Type::DECIMAL128) return false;
    const auto& type = static_cast<const arrow::Decimal128Type&>(*array.type());
    if (type.scale() != scale_) return false;
    const arrow::Decimal128 decimal(static_cast<const arrow::Decimal128Array&>(array).GetValue(row));
    const Wide number = static_cast<Wide>(decimal.high_bits()) << 64 | decimal.low_bits();
    const bool negative = number < 0;
    auto left = static_cast<UnsignedWide>(negative ? -number : number);
    // Digits of base 10000 from the right, aligned at the decimal point.
    uint16_t digits[kDigitsMax + 2];
    int count = 0;
    const int cut = scale_ % 4;
    if (cut != 0) {
      const auto unit = static_cast<unsigned>(power_of_ten(cut));
      digits[count++] = static_cast<uint16_t>(static_cast<unsigned>(left % unit) * (10000 / unit));
      left /= unit;
    }
    for (; left != 0; left /= 10000) digits[count++] = static_cast<uint16_t>(left % 10000);
    int weight = count - 1 - (scale_ + 3) / 4;
    int first = 0;  // trailing zeros are not sent
    while (first < count && digits[first] == 0) ++first;
    while (count > first && digits[count - 1] == 0) --count, --weight;
    if (first == count) weight = 0;
    ByteWriter w(out);
    w.u16(static_cast<uint16_t>(count - first));
    w.u16(static_cast<uint16_t>(weight));
    w.u16(negative ? kNegative : kPositive);
    w.u16(static_cast<uint16_t>(scale_));
    for (int i = count - 1; i >= first; --i) w.u16(digits[i]);
    return true;
  }

 private:
  static constexpr uint16_t kPositive = 0, kNegative = 0x4000, kNaN = 0xC000;
  int precision_, scale_;
};

}  // namespace

std::unique_ptr<Codec> numeric_codec(int32_t modifier) {
  if (modifier < 4) return nullptr;
  const int32_t packed = modifier - 4;
  int precision = (packed >> 16) & 0xffff;
  int scale = ((packed & 0x7ff) ^ 1024) - 1024;
  // From 15 on the scale may be negative, or larger than the precision.
  if (scale < 0) precision -= scale, scale = 0;
  precision = std::max(precision, scale);
  if (precision < 1 || precision > kPrecisionMax) return nullptr;
  return std::make_unique<NumericCodec>(precision, scale);
}

}  // namespace coffer::parquet
