// What a document holds once it is parsed. For the files of this folder.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "services/policy/document.h"
#include "services/policy/json_tree.h"
#include "services/policy/pattern.h"

namespace coffer::policy {

enum class Operator {
  kStringEquals,
  kStringEqualsIgnoreCase,
  kStringLike,
  kNumericEquals,
  kNumericLess,
  kNumericLessEquals,
  kNumericGreater,
  kNumericGreaterEquals,
  kDateEquals,
  kDateLess,
  kDateLessEquals,
  kDateGreater,
  kDateGreaterEquals,
  kBool,
  kBinary,
  kIp,
  kArn,
  kNull,
};
enum class SetOperator { kNone, kForAllValues, kForAnyValue };

/// An address block: 4 or 16 bytes and how many of its first bits count.
struct AddressBlock {
  Bytes address;
  int prefix_bits = 0;
};
std::optional<AddressBlock> parse_address_block(std::string_view text);

/// One value of a condition, prepared for its operator.
struct ConditionValue {
  Pattern pattern;  // strings, ARNs, and the text of all others
  std::optional<double> number;
  std::optional<int64_t> date_micros;
  std::optional<AddressBlock> block;
  bool truth = false;
};

struct Condition {
  Operator op = Operator::kStringEquals;
  bool negated = false, if_exists = false;
  SetOperator set = SetOperator::kNone;
  std::string key;  // as written
  std::vector<ConditionValue> values;
};
/// Does the condition hold? `missing` (may be null) gets the keys that it asked for and the context lacks.
bool condition_holds(const Condition& condition, const RequestContext& context, std::vector<std::string>* missing);
/// Numbers and dates as conditions write them.
std::optional<double> parse_number(std::string_view text);
std::optional<int64_t> parse_date_micros(std::string_view text);
/// "StringNotLikeIfExists", "ForAnyValue:StringEquals" -> a Condition without key and values.
std::optional<Condition> parse_operator(std::string_view name);

struct Statement {
  std::string sid;
  bool allows = false;
  bool has_principal = false, principal_negated = false;
  std::vector<PrincipalEntry> principals;
  bool action_negated = false;
  std::vector<Pattern> actions;
  bool has_resource = false, resource_negated = false;
  std::vector<Pattern> resources;
  std::vector<Condition> conditions;
  Place begin, end;
};

}  // namespace coffer::policy
