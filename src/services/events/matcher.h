// Which of many rules an event matches.
//
// The leaves of an event go through one automaton a path, each value once; what they meet are tests. Every alternative
// of a rule is looked at only when the least common of its fields met something, so that rules that share "source" cost
// nothing until their own field comes. Arrays: a rule needs leaves that lie in one choice of an element of each array;
// this is decided for the few alternatives that have more than one field below arrays, path by path in their order and
// keeping only the elements that later fields can still contradict. Nothing backtracks.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/events/pattern.h"
#include "services/events/value_index.h"

namespace coffer::events {

/// Immutable once made; safe from many threads.
class Matcher {
 public:
  explicit Matcher(const std::vector<Pattern>& rules);
  /// The positions of the rules that match, ascending.
  [[nodiscard]] std::vector<uint32_t> match(const Json& event) const;

 private:
  /// A test of a path, once however many rules have it.
  struct Known {
    uint32_t path = 0;
    std::vector<uint32_t> excluded;  // of an anything-but: what it excludes
  };
  struct CompiledField {
    uint32_t path = 0;
    std::vector<uint32_t> tests;  // plain ones
    std::vector<uint32_t> anything_but;
    bool exists = false, absent = false;
  };
  struct CompiledAlternative {
    uint32_t rule = 0;
    uint32_t first = 0, end = 0;  // its fields: this part of field_lists_, sorted by path name
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  class Building;
  class Event;
  class Choice;

  std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>> paths_;
  std::vector<ValueIndex> indexes_;    // by path
  std::vector<Known> known_;           // by test
  std::vector<CompiledField> fields_;  // each once, however many rules have it
  std::vector<uint32_t> field_lists_;
  std::vector<CompiledAlternative> alternatives_;
  // Alternatives to look at: when a test is met, when a path has a leaf, always.
  std::vector<std::vector<uint32_t>> by_test_, by_path_;
  std::vector<uint32_t> always_;
};

}  // namespace coffer::events
