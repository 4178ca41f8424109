#include <algorithm>

#include "base/base64.h"
#include "services/policy/evaluate.h"
#include "services/policy/statement.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

using Family = Operator::Family;
using Set = Operator::Set;
using Use = Pattern::Use;

struct KnownOperator {
  std::string_view name;
  Operator op;
};
constexpr Operator on_string(Use use, bool negated) { return {Family::kString, Comparison::kEqual, use, negated}; }
constexpr Operator on_order(Family family, Comparison comparison, bool negated = false) {
  return {family, comparison, Use::kText, negated};
}
constexpr Operator on_arn(bool negated) { return {Family::kArn, Comparison::kEqual, Use::kArn, negated}; }

constexpr KnownOperator kOperators[] = {
    {"StringEquals", on_string(Use::kText, false)},
    {"StringNotEquals", on_string(Use::kText, true)},
    {"StringEqualsIgnoreCase", on_string(Use::kIgnoreCase, false)},
    {"StringNotEqualsIgnoreCase", on_string(Use::kIgnoreCase, true)},
    {"StringLike", on_string(Use::kLike, false)},
    {"StringNotLike", on_string(Use::kLike, true)},
    {"NumericEquals", on_order(Family::kNumeric, Comparison::kEqual)},
    {"NumericNotEquals", on_order(Family::kNumeric, Comparison::kEqual, true)},
    {"NumericLessThan", on_order(Family::kNumeric, Comparison::kLess)},
    {"NumericLessThanEquals", on_order(Family::kNumeric, Comparison::kLessOrEqual)},
    {"NumericGreaterThan", on_order(Family::kNumeric, Comparison::kGreater)},
    {"NumericGreaterThanEquals", on_order(Family::kNumeric, Comparison::kGreaterOrEqual)},
    {"DateEquals", on_order(Family::kDate, Comparison::kEqual)},
    {"DateNotEquals", on_order(Family::kDate, Comparison::kEqual, true)},
    {"DateLessThan", on_order(Family::kDate, Comparison::kLess)},
    {"DateLessThanEquals", on_order(Family::kDate, Comparison::kLessOrEqual)},
    {"DateGreaterThan", on_order(Family::kDate, Comparison::kGreater)},
    {"DateGreaterThanEquals", on_order(Family::kDate, Comparison::kGreaterOrEqual)},
    {"Bool", on_order(Family::kBool, Comparison::kEqual)},
    {"BinaryEquals", on_order(Family::kBinary, Comparison::kEqual)},
    {"IpAddress", on_order(Family::kIp, Comparison::kEqual)},
    {"NotIpAddress", on_order(Family::kIp, Comparison::kEqual, true)},
    {"ArnEquals", on_arn(false)},
    {"ArnLike", on_arn(false)},
    {"ArnNotEquals", on_arn(true)},
    {"ArnNotLike", on_arn(true)},
    {"Null", on_order(Family::kNull, Comparison::kEqual)},
};

template <class T>
bool in_order(Comparison comparison, const T& asked, const T& written) {
  switch (comparison) {
    case Comparison::kEqual: return asked == written;
    case Comparison::kLess: return asked < written;
    case Comparison::kLessOrEqual: return asked <= written;
    case Comparison::kGreater: return asked > written;
    case Comparison::kGreaterOrEqual: return asked >= written;
  }
  return false;
}

/// Nothing was asked for that can be read as the operator's type: no value matches.
template <class T, class Values, class Match>
bool any_matches(const std::optional<T>& asked, const Values& written, const Match& match) {
  return asked && std::any_of(written.begin(), written.end(), [&](const auto& value) { return match(*asked, value); });
}

/// Does one value of the request match any value of the policy? Negation is not looked at.
bool value_matches(const Condition& condition, const std::string& asked, const RequestContext& context) {
  const auto ordered = [&](const auto& a, const auto& b) { return in_order(condition.op.comparison, a, b); };
  switch (condition.op.family) {
    case Family::kString:
    case Family::kArn:
      return std::any_of(condition.patterns.begin(), condition.patterns.end(),
                         [&](const Pattern& pattern) { return pattern.matches(asked, context); });
    case Family::kNumeric: return any_matches(parse_decimal(asked), condition.numbers, ordered);
    case Family::kDate: return any_matches(parse_date_micros(asked), condition.dates_micros, ordered);
    case Family::kBool:
      return (condition.wants_true && equal_without_case(asked, "true")) ||
             (condition.wants_false && equal_without_case(asked, "false"));
    case Family::kBinary:
      return any_matches(base64_decode(asked), condition.binaries,
                         [](const Bytes& a, const Bytes& b) { return equal(a, b); });
    case Family::kIp:
      return any_matches(parse_address_block(asked), condition.blocks,
                         [](const AddressBlock& a, const AddressBlock& b) { return b.contains(a); });
    case Family::kNull: break;
  }
  return false;
}

/// Adds a parsed value, if it could be parsed.
template <class T>
bool add_parsed(std::vector<T>& values, std::optional<T> value) {
  if (!value) return false;
  values.push_back(std::move(*value));
  return true;
}

}  // namespace

std::optional<Operator> parse_operator(std::string_view name) {
  constexpr std::string_view kAll = "ForAllValues:", kAny = "ForAnyValue:", kIfExists = "IfExists";
  const bool all = name.starts_with(kAll), any = name.starts_with(kAny);
  name.remove_prefix(all ? kAll.size() : any ? kAny.size() : 0);
  const bool if_exists = name.ends_with(kIfExists);
  name.remove_suffix(if_exists ? kIfExists.size() : 0);
  for (const KnownOperator& known : kOperators) {
    if (known.name != name) continue;
    if (known.op.family == Family::kNull && (all || any || if_exists)) return std::nullopt;
    Operator op = known.op;
    op.if_exists = if_exists;
    op.set = all ? Set::kForAllValues : any ? Set::kForAnyValue : Set::kNone;
    return op;
  }
  return std::nullopt;
}

bool add_value(Condition& condition, std::string_view text, bool variables) {
  switch (condition.op.family) {
    case Family::kString:
    case Family::kArn: condition.patterns.emplace_back(text, condition.op.pattern_use, variables); return true;
    case Family::kNumeric: return add_parsed(condition.numbers, parse_decimal(text));
    case Family::kDate: return add_parsed(condition.dates_micros, parse_date_micros(text));
    case Family::kBinary: return add_parsed(condition.binaries, base64_decode(text));
    case Family::kIp: return add_parsed(condition.blocks, parse_address_block(text));
    case Family::kBool:
    case Family::kNull: break;
  }
  const bool yes = equal_without_case(text, "true"), no = equal_without_case(text, "false");
  condition.wants_true |= yes;
  condition.wants_false |= no;
  return yes || no;
}

bool condition_holds(const Condition& condition, const RequestContext& context) {
  const Operator& op = condition.op;
  const std::vector<std::string>* asked = context.find(condition.key);
  // A key without values counts as absent, as in Null.
  const bool present = asked && !asked->empty();
  if (op.family == Family::kNull) return present ? condition.wants_false : condition.wants_true;
  if (!present) return op.if_exists || op.set == Set::kForAllValues || (op.set == Set::kNone && op.negated);
  const auto holds = [&](const std::string& value) { return value_matches(condition, value, context) != op.negated; };
  // Without a set operator: some value matches, or with a negated operator none does.
  const bool every = op.set == Set::kForAllValues || (op.set == Set::kNone && op.negated);
  return every ? std::all_of(asked->begin(), asked->end(), holds) : std::any_of(asked->begin(), asked->end(), holds);
}

}  // namespace coffer::policy
