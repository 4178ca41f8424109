// What a document holds once it is parsed. For the files of this folder.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "services/policy/document.h"
#include "services/policy/json_tree.h"
#include "services/policy/pattern.h"
#include "services/policy/principals.h"
#include "services/policy/scalars.h"

namespace coffer::policy {

enum class Comparison { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

struct Operator {
  enum class Family { kString, kNumeric, kDate, kBool, kBinary, kIp, kArn, kNull };
  enum class Set { kNone, kForAllValues, kForAnyValue };
  Family family = Family::kString;
  Comparison comparison = Comparison::kEqual;      // numbers and dates
  Pattern::Use pattern_use = Pattern::Use::kText;  // strings and ARNs
  bool negated = false, if_exists = false;
  Set set = Set::kNone;
};
/// "ForAnyValue:StringNotLikeIfExists"; nothing when there is no such operator.
std::optional<Operator> parse_operator(std::string_view name);

/// One operator, one key, and the values in the form that the operator compares.
struct Condition {
  Operator op;
  std::string key;
  std::vector<Pattern> patterns;
  std::vector<Decimal> numbers;
  std::vector<int64_t> dates_micros;
  std::vector<AddressBlock> blocks;
  std::vector<Bytes> binaries;
  bool wants_true = false, wants_false = false;  // Bool and Null
};
/// Prepares `text` for the operator and adds it. False: it is no value of the operator's type.
bool add_value(Condition& condition, std::string_view text, bool variables);
bool condition_holds(const Condition& condition, const RequestContext& context);

struct Statement {
  bool allows = false;
  bool has_principal = false, principal_negated = false;
  std::vector<Principal> principals;
  bool action_negated = false;
  std::vector<Pattern> actions;
  bool resource_negated = false;
  std::vector<Pattern> resources;
  std::vector<Condition> conditions;
  /// A key policy may leave out Action or Resource: such a statement says nothing.
  bool idle = false;
  Place begin, end;
};

}  // namespace coffer::policy
