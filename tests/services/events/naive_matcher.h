// What a pattern means, written down as plainly as possible: every choice of leaves is tried.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "services/events/folding.h"
#include "services/events/numbers.h"
#include "services/events/pattern.h"

namespace coffer::events {

class NaiveMatcher {
 public:
  static bool matches(const Pattern& pattern, const Json& event) {
    NaiveMatcher matcher;
    matcher.walk(event, "", {});
    for (const Alternative& alternative : pattern.alternatives) {
      if (matcher.holds(alternative, 0, {})) return true;
    }
    return false;
  }

 private:
  using Place = std::map<int, size_t>;  // array -> element
  struct Leaf {
    std::string path;
    const Json* value;
    Place place;
  };

  void walk(const Json& value, const std::string& path, const Place& place) {
    if (value.is_object()) {
      for (const auto& [name, member] : value.members) walk(member, path.empty() ? name : path + "." + name, place);
    } else if (value.is(Json::Type::kArray)) {
      const int array = arrays_++;
      for (size_t i = 0; i < value.items.size(); ++i) {
        Place inner = place;
        inner[array] = i;
        walk(value.items[i], path, inner);
      }
    } else {
      leaves_.push_back({path, &value, place});
    }
  }

  bool holds(const Alternative& alternative, size_t at, const Place& chosen) const {
    if (at == alternative.size()) return true;
    bool there = false;
    for (const Leaf& leaf : leaves_) {
      if (leaf.path != alternative[at].path || !consistent(chosen, leaf.place)) continue;
      there = true;
      for (const Test& test : *alternative[at].tests) {
        if (!passes(test, *leaf.value)) continue;
        Place both = chosen;
        both.insert(leaf.place.begin(), leaf.place.end());
        if (holds(alternative, at + 1, both)) return true;
      }
    }
    if (there) return false;
    for (const Test& test : *alternative[at].tests) {
      if (test.kind == Test::Kind::kAbsent) return holds(alternative, at + 1, chosen);
    }
    return false;
  }

  static bool consistent(const Place& a, const Place& b) {
    return std::all_of(a.begin(), a.end(), [&](const auto& entry) {
      const auto other = b.find(entry.first);
      return other == b.end() || other->second == entry.second;
    });
  }

  static bool glob(const std::vector<std::string>& pieces, size_t at, std::string_view text) {
    if (at + 1 == pieces.size()) return text.ends_with(pieces[at]);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (text.substr(i).starts_with(pieces[at]) && glob(pieces, at + 1, text.substr(i + pieces[at].size())))
        return true;
    }
    return false;
  }

  static bool passes(const Test& test, const Json& value) {
    using Kind = Test::Kind;
    using Type = Json::Type;
    const bool text = value.is_string();
    switch (test.kind) {
      case Kind::kNull: return value.is(Type::kNull);
      case Kind::kFalse: return value.is(Type::kFalse);
      case Kind::kTrue: return value.is(Type::kTrue);
      case Kind::kNumber:
        return value.is(Type::kNumber) &&
               (value.text == test.text || (test.number && exact_number(value.text) == test.number));
      case Kind::kText: return text && value.text == test.text;
      case Kind::kPrefix: return text && value.text.starts_with(test.text);
      case Kind::kSuffix: return text && value.text.ends_with(test.text);
      case Kind::kFoldedText: return text && fold_case(value.text) == test.text;
      case Kind::kFoldedPrefix: return text && fold_case(value.text).starts_with(test.text);
      case Kind::kFoldedSuffix: return text && fold_case(value.text).ends_with(test.text);
      case Kind::kWildcard:
        return text && value.text.starts_with(test.pieces[0]) &&
               glob(test.pieces, 1, std::string_view(value.text).substr(test.pieces[0].size()));
      case Kind::kRange: {
        const auto number = value.is(Type::kNumber) ? exact_number(value.text) : std::nullopt;
        if (!number) return false;
        if (test.low && (*number < *test.low || (*number == *test.low && !test.low_included))) return false;
        return !test.high || *number < *test.high || (*number == *test.high && test.high_included);
      }
      case Kind::kAddress:
      case Kind::kBlock: {
        const auto address = text ? parse_address(value.text) : std::nullopt;
        return address && test.block.contains(*address);
      }
      case Kind::kExists: return true;
      case Kind::kAbsent: return false;
      case Kind::kAnythingBut:
        return std::none_of(test.excluded.begin(), test.excluded.end(),
                            [&](const Test& one) { return passes(one, value); });
    }
    return false;
  }

  std::vector<Leaf> leaves_;
  int arrays_ = 0;
};

}  // namespace coffer::events
