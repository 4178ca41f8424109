#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/base64.h"
#include "base/clock.h"
#include "services/policy/evaluate.h"
#include "services/policy/statement.h"

namespace coffer::policy {
namespace {

struct OperatorName {
  std::string_view name;
  Operator op;
  bool negated;
};
constexpr OperatorName kOperators[] = {
    {"StringEquals", Operator::kStringEquals, false},
    {"StringNotEquals", Operator::kStringEquals, true},
    {"StringEqualsIgnoreCase", Operator::kStringEqualsIgnoreCase, false},
    {"StringNotEqualsIgnoreCase", Operator::kStringEqualsIgnoreCase, true},
    {"StringLike", Operator::kStringLike, false},
    {"StringNotLike", Operator::kStringLike, true},
    {"NumericEquals", Operator::kNumericEquals, false},
    {"NumericNotEquals", Operator::kNumericEquals, true},
    {"NumericLessThan", Operator::kNumericLess, false},
    {"NumericLessThanEquals", Operator::kNumericLessEquals, false},
    {"NumericGreaterThan", Operator::kNumericGreater, false},
    {"NumericGreaterThanEquals", Operator::kNumericGreaterEquals, false},
    {"DateEquals", Operator::kDateEquals, false},
    {"DateNotEquals", Operator::kDateEquals, true},
    {"DateLessThan", Operator::kDateLess, false},
    {"DateLessThanEquals", Operator::kDateLessEquals, false},
    {"DateGreaterThan", Operator::kDateGreater, false},
    {"DateGreaterThanEquals", Operator::kDateGreaterEquals, false},
    {"Bool", Operator::kBool, false},
    {"BinaryEquals", Operator::kBinary, false},
    {"IpAddress", Operator::kIp, false},
    {"NotIpAddress", Operator::kIp, true},
    {"ArnEquals", Operator::kArn, false},
    {"ArnLike", Operator::kArn, false},
    {"ArnNotEquals", Operator::kArn, true},
    {"ArnNotLike", Operator::kArn, true},
    {"Null", Operator::kNull, false},
};

bool same_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool in_block(const AddressBlock& block, const AddressBlock& address) {
  if (block.address.size() != address.address.size()) return false;
  int bits = block.prefix_bits;
  for (size_t i = 0; i < block.address.size() && bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<std::byte>(bits >= 8 ? 0xff : 0xff << (8 - bits));
    if ((block.address[i] & mask) != (address.address[i] & mask)) return false;
  }
  return true;
}

template <class T>
bool compare(Operator op, T asked, T written) {
  switch (op) {
    case Operator::kNumericEquals:
    case Operator::kDateEquals: return asked == written;
    case Operator::kNumericLess:
    case Operator::kDateLess: return asked < written;
    case Operator::kNumericLessEquals:
    case Operator::kDateLessEquals: return asked <= written;
    case Operator::kNumericGreater:
    case Operator::kDateGreater: return asked > written;
    default: return asked >= written;
  }
}

/// Does one value of the request match one value of the policy, without negation? A variable without a value matches
/// nothing.
bool value_matches(const Condition& condition, const ConditionValue& written, const std::string& asked,
                   const RequestContext& context) {
  switch (condition.op) {
    case Operator::kStringEqualsIgnoreCase: return written.pattern.match(asked, context, true).value_or(false);
    case Operator::kStringEquals:
    case Operator::kStringLike:
    case Operator::kArn: return written.pattern.match(asked, context).value_or(false);
    case Operator::kBool: return same_without_case(asked, written.truth ? "true" : "false");
    case Operator::kBinary:
      return base64_decode(asked) && base64_decode(asked) == base64_decode(written.pattern.written());
    case Operator::kIp: {
      const std::optional<AddressBlock> address = parse_address_block(asked);
      return address && written.block && in_block(*written.block, *address);
    }
    case Operator::kNull: return false;
    default: break;
  }
  if (written.number) {
    const std::optional<double> number = parse_number(asked);
    return number && compare(condition.op, *number, *written.number);
  }
  const std::optional<int64_t> date = parse_date_micros(asked);
  return date && written.date_micros && compare(condition.op, *date, *written.date_micros);
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 64) return std::nullopt;
  if (text.front() == '+') text.remove_prefix(1);
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::optional<int64_t> parse_date_micros(std::string_view text) {
  const bool digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits && text.size() <= 12) return std::strtoll(std::string(text).c_str(), nullptr, 10) * 1'000'000;
  std::string whole(text);
  if (text.size() == 10) whole += "T00:00:00Z";
  // Minutes without seconds, as W3C allows.
  if (whole.size() == 17 && whole.back() == 'Z') whole.insert(16, ":00");
  Result<WallTime> time = parse_utc(whole);
  return time.ok() ? std::optional(time->micros) : std::nullopt;
}

std::optional<AddressBlock> parse_address_block(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  AddressBlock block;
  block.address.resize(16);
  if (::inet_pton(AF_INET, address.c_str(), block.address.data()) == 1) {
    block.address.resize(4);
  } else if (::inet_pton(AF_INET6, address.c_str(), block.address.data()) != 1) {
    return std::nullopt;
  }
  block.prefix_bits = static_cast<int>(block.address.size() * 8);
  if (slash == std::string_view::npos) return block;
  const std::string_view bits = text.substr(slash + 1);
  int number = -1;
  const auto [end, failed] = std::from_chars(bits.data(), bits.data() + bits.size(), number);
  if (failed != std::errc() || end != bits.data() + bits.size() || number < 0 || number > block.prefix_bits)
    return std::nullopt;
  block.prefix_bits = number;
  return block;
}

std::optional<Condition> parse_operator(std::string_view name) {
  Condition condition;
  if (name.starts_with("ForAllValues:")) {
    condition.set = SetOperator::kForAllValues;
    name.remove_prefix(13);
  } else if (name.starts_with("ForAnyValue:")) {
    condition.set = SetOperator::kForAnyValue;
    name.remove_prefix(12);
  }
  if (name.ends_with("IfExists")) {
    condition.if_exists = true;
    name.remove_suffix(8);
  }
  for (const OperatorName& known : kOperators) {
    if (known.name != name) continue;
    if (known.op == Operator::kNull && (condition.if_exists || condition.set != SetOperator::kNone))
      return std::nullopt;
    condition.op = known.op;
    condition.negated = known.negated;
    return condition;
  }
  return std::nullopt;
}

bool condition_holds(const Condition& condition, const RequestContext& context, std::vector<std::string>* missing) {
  const std::vector<std::string>* asked = context.find(condition.key);
  const bool present = asked && !asked->empty();
  if (condition.op == Operator::kNull) {
    return std::any_of(condition.values.begin(), condition.values.end(),
                       [&](const ConditionValue& value) { return value.truth != present; });
  }
  if (!present) {
    if (missing && !asked) missing->push_back(condition.key);
    if (condition.set == SetOperator::kForAllValues || condition.if_exists) return true;
    if (condition.set == SetOperator::kForAnyValue) return false;
    return condition.negated;
  }
  const auto one = [&](const std::string& value) {
    const bool matches =
        std::any_of(condition.values.begin(), condition.values.end(),
                    [&](const ConditionValue& written) { return value_matches(condition, written, value, context); });
    return matches != condition.negated;
  };
  const bool all =
      condition.set == SetOperator::kForAllValues || (condition.set == SetOperator::kNone && condition.negated);
  return all ? std::all_of(asked->begin(), asked->end(), one) : std::any_of(asked->begin(), asked->end(), one);
}

}  // namespace coffer::policy
