// Event patterns: which events a rule means.
//
// Vocabulary. leaf: a scalar of an event with the path to it, names joined by '.'. test: a condition on one leaf, an
// element of a value array. field: a path and its tests, of which one must hold. alternative: fields that must all
// hold; a pattern without "$or" is one alternative, with it their disjunction.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/events/json.h"
#include "services/policy/scalars.h"

namespace coffer::events {

struct Test {
  enum class Kind {
    kNull,
    kFalse,
    kTrue,
    kNumber,   // `text` as written, and `number` when a double keeps it
    kText,     // equal
    kAddress,  // a literal that is an IP address: compared as one
    kPrefix,
    kSuffix,
    kFoldedText,  // the three without case; `text` is folded
    kFoldedPrefix,
    kFoldedSuffix,
    kWildcard,  // `pieces` with a run of any text between each two, at least two pieces, those between not empty
    kRange,     // a number from `low` to `high`
    kBlock,     // a text that is an IP address of `block`
    kExists,
    kAbsent,
    kAnythingBut,  // there, and none of `excluded`
  };
  Kind kind = Kind::kNull;
  std::string text = {};
  std::vector<std::string> pieces = {};
  std::optional<double> number = {}, low = {}, high = {};
  bool low_included = false, high_included = false;
  policy::AddressBlock block = {};
  std::vector<Test> excluded = {};
};

struct Field {
  std::string path;
  std::shared_ptr<const std::vector<Test>> tests;
};
using Alternative = std::vector<Field>;  // sorted by path, each once

struct Pattern {
  std::vector<Alternative> alternatives;
};

inline constexpr size_t kAlternativesMax = 1000;

/// kInvalidArgument "InvalidEventPatternException" with EventBridge's words.
Result<Pattern> parse_pattern(std::string_view text);

/// An IP address as a whole text; nothing for anything else.
std::optional<policy::AddressBlock> parse_address(std::string_view text);

}  // namespace coffer::events
