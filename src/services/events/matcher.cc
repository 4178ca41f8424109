#include "services/events/matcher.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace coffer::events {
namespace {

using Kind = Test::Kind;

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
/// Steps for one alternative on one event. Only an event whose names hide dots inside arrays inside each other gets
/// there; it then does not match.
constexpr size_t kChoiceStepsMax = 4'000'000;

/// The same text for the same test.
std::string key_of(const Test& test) {
  std::string key = std::to_string(static_cast<int>(test.kind)) + "/";
  const auto add = [&](std::string_view text) { key += std::to_string(text.size()) + ":" + std::string(text); };
  const auto add_bytes = [&](const void* data, size_t size) { add({static_cast<const char*>(data), size}); };
  switch (test.kind) {
    case Kind::kNumber:
      if (test.number) {
        add_bytes(&*test.number, sizeof(double));
      } else {
        add(test.text);
      }
      break;
    case Kind::kWildcard:
      for (const std::string& piece : test.pieces) add(piece);
      break;
    case Kind::kRange:
      for (const auto& [bound, included] :
           {std::pair(test.low, test.low_included), std::pair(test.high, test.high_included)}) {
        if (bound) add_bytes(&*bound, sizeof(double));
        key += included ? '=' : '-';
      }
      break;
    case Kind::kAddress:
    case Kind::kBlock:
      key += std::to_string(test.block.prefix_bits) + "/";
      add_bytes(test.block.address.data(), static_cast<size_t>(test.block.size_bytes));
      break;
    case Kind::kAnythingBut:
      for (const Test& one : test.excluded) add(key_of(one));
      break;
    default: add(test.text);
  }
  return key;
}

}  // namespace

class Matcher::Building {
 public:
  explicit Building(Matcher& matcher) : m_(matcher) {}

  void add(uint32_t rule, const Alternative& alternative) {
    CompiledAlternative compiled;
    compiled.rule = rule;
    compiled.first = static_cast<uint32_t>(m_.field_lists_.size());
    for (const Field& field : alternative) m_.field_lists_.push_back(number_of(field));
    compiled.end = static_cast<uint32_t>(m_.field_lists_.size());
    m_.alternatives_.push_back(compiled);
  }

  void finish() {
    std::vector<uint32_t> uses(m_.known_.size());
    for (uint32_t number : m_.field_lists_) {
      for (uint32_t test : m_.fields_[number].tests) ++uses[test];
    }
    m_.by_test_.resize(m_.known_.size());
    m_.by_path_.resize(m_.indexes_.size());
    for (uint32_t i = 0; i < m_.alternatives_.size(); ++i) enter(i, uses);
    for (ValueIndex& index : m_.indexes_) index.build();
  }

 private:
  uint32_t path_of(const std::string& path) {
    const auto [entry, made] = m_.paths_.emplace(path, static_cast<uint32_t>(m_.indexes_.size()));
    if (made) m_.indexes_.emplace_back();
    return entry->second;
  }

  uint32_t number_of(const Field& field) {
    CompiledField made;
    made.path = path_of(field.path);
    for (const Test& test : *field.tests) {
      switch (test.kind) {
        case Kind::kExists: made.exists = true; break;
        case Kind::kAbsent: made.absent = true; break;
        case Kind::kAnythingBut: made.anything_but.push_back(number_of(made.path, test)); break;
        default: made.tests.push_back(number_of(made.path, test));
      }
    }
    for (auto* tests : {&made.tests, &made.anything_but}) {
      std::sort(tests->begin(), tests->end());
      tests->erase(std::unique(tests->begin(), tests->end()), tests->end());
    }
    const auto [entry, is_new] =
        fields_.emplace(std::tuple(made.path, made.tests, made.anything_but, made.exists, made.absent),
                        static_cast<uint32_t>(m_.fields_.size()));
    if (is_new) m_.fields_.push_back(std::move(made));
    return entry->second;
  }

  uint32_t number_of(uint32_t path, const Test& test) {
    const auto [entry, made] = numbers_.emplace(std::pair(path, key_of(test)), static_cast<uint32_t>(m_.known_.size()));
    const uint32_t number = entry->second;
    if (!made) return number;
    m_.known_.push_back({path, {}});
    if (test.kind != Kind::kAnythingBut) {
      m_.indexes_[path].add(test, number);
      return number;
    }
    std::vector<uint32_t> excluded;
    for (const Test& one : test.excluded) excluded.push_back(number_of(path, one));
    m_.known_[number].excluded = std::move(excluded);
    return number;
  }

  /// By the field that the fewest others share.
  void enter(uint32_t index, const std::vector<uint32_t>& uses) {
    const CompiledField* best = nullptr;
    size_t least = kNone;
    const CompiledAlternative& alternative = m_.alternatives_[index];
    for (uint32_t i = alternative.first; i < alternative.end; ++i) {
      const CompiledField& field = m_.fields_[m_.field_lists_[i]];
      if (field.absent) continue;
      size_t weight = 0;
      for (uint32_t test : field.tests) weight += uses[test];
      // A path that has any value is a poor sign.
      if (field.exists || !field.anything_but.empty()) weight += m_.alternatives_.size();
      if (!best || weight < least) {
        best = &field;
        least = weight;
      }
    }
    if (!best) {
      m_.always_.push_back(index);
    } else if (best->exists || !best->anything_but.empty()) {
      m_.by_path_[best->path].push_back(index);
    } else {
      for (uint32_t test : best->tests) m_.by_test_[test].push_back(index);
    }
  }

  Matcher& m_;
  std::map<std::pair<uint32_t, std::string>, uint32_t> numbers_;
  std::map<std::tuple<uint32_t, std::vector<uint32_t>, std::vector<uint32_t>, bool, bool>, uint32_t> fields_;
};

/// The leaves of an event that some rule looks at, in the order of the text, and which tests they met.
class Matcher::Event {
 public:
  /// An element of an array on the way to leaves. Leaves below it are a range of their order.
  struct Element {
    uint32_t parent = kNone, array = 0;
    uint32_t first_leaf = 0, end_leaf = 0;
  };
  struct Range {
    uint32_t first_leaf = 0, end_leaf = 0;
    [[nodiscard]] bool has(uint32_t leaf) const { return leaf >= first_leaf && leaf < end_leaf; }
  };

  Event(const Matcher& matcher, const Json& event)
      : m_(matcher),
        leaves_of_(matcher.indexes_.size()),
        met_(matcher.known_.size(), kNone),
        below_(leaves_of_.size()),
        verdicts_(matcher.fields_.size(), Verdict::kUnknown) {
    std::string path;
    walk(event, path, kNone);
  }

  [[nodiscard]] const std::vector<uint32_t>& leaves_of(uint32_t path) const { return leaves_of_[path]; }
  [[nodiscard]] bool is_met(uint32_t test) const { return met_[test] != kNone; }
  [[nodiscard]] const std::vector<uint32_t>& tests_met() const { return tests_met_; }
  [[nodiscard]] const std::vector<uint32_t>& paths_met() const { return paths_met_; }
  [[nodiscard]] const Element& element(uint32_t number) const { return elements_[number]; }
  [[nodiscard]] const Range& array(uint32_t number) const { return arrays_[number]; }
  [[nodiscard]] uint32_t element_of(uint32_t leaf) const { return element_of_[leaf]; }
  [[nodiscard]] bool is_below_arrays(uint32_t path) const { return below_[path]; }

  /// Does some leaf of the path pass the field? Arrays are not looked at. Found out once however many rules ask.
  [[nodiscard]] bool holds(uint32_t number) {
    Verdict& verdict = verdicts_[number];
    if (verdict == Verdict::kUnknown) verdict = find_out(m_.fields_[number]) ? Verdict::kHolds : Verdict::kFails;
    return verdict == Verdict::kHolds;
  }
  /// It does not hold for the whole event, but within a choice of array elements it may.
  [[nodiscard]] bool may_be_absent(uint32_t number) const {
    const CompiledField& field = m_.fields_[number];
    return field.absent && below_[field.path];
  }
  [[nodiscard]] bool has_leaves_below_arrays() const { return below_any_; }

  /// The leaves that pass the field, ascending.
  [[nodiscard]] std::vector<uint32_t> leaves_that_pass(const CompiledField& field) const {
    const auto& all = leaves_of_[field.path];
    if (field.exists) return all;
    std::vector<uint32_t> passed = leaves_that_met(field.tests);
    for (uint32_t test : field.anything_but) {
      const auto met = leaves_that_met(m_.known_[test].excluded);
      std::vector<uint32_t> others, both;
      std::set_difference(all.begin(), all.end(), met.begin(), met.end(), std::back_inserter(others));
      std::set_union(passed.begin(), passed.end(), others.begin(), others.end(), std::back_inserter(both));
      passed = std::move(both);
    }
    return passed;
  }

 private:
  enum class Verdict : uint8_t { kUnknown, kFails, kHolds };
  struct Hit {
    uint32_t leaf = 0, before = kNone;  // the hit of the same test before it
  };

  [[nodiscard]] bool find_out(const CompiledField& field) const {
    const size_t count = leaves_of_[field.path].size();
    if (count == 0) return field.absent;
    if (field.exists) return true;
    if (std::any_of(field.tests.begin(), field.tests.end(), [&](uint32_t test) { return is_met(test); })) return true;
    return std::any_of(field.anything_but.begin(), field.anything_but.end(), [&](uint32_t test) {
      const auto& excluded = m_.known_[test].excluded;
      if (count == 1) return std::none_of(excluded.begin(), excluded.end(), [&](uint32_t one) { return is_met(one); });
      return leaves_that_met(excluded).size() < count;
    });
  }

  [[nodiscard]] std::vector<uint32_t> leaves_that_met(const std::vector<uint32_t>& tests) const {
    std::vector<uint32_t> leaves;
    for (uint32_t test : tests) {
      for (uint32_t hit = met_[test]; hit != kNone; hit = hits_[hit].before) leaves.push_back(hits_[hit].leaf);
    }
    std::sort(leaves.begin(), leaves.end());
    leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
    return leaves;
  }

  [[nodiscard]] uint32_t next_leaf() const { return static_cast<uint32_t>(element_of_.size()); }

  void walk(const Json& value, std::string& path, uint32_t element) {
    if (value.is_object()) {
      const size_t size = path.size();
      for (const auto& [name, member] : value.members) {
        if (size > 0) path += '.';
        path += name;
        walk(member, path, element);
        path.resize(size);
      }
    } else if (value.is(Json::Type::kArray)) {
      const auto array = static_cast<uint32_t>(arrays_.size());
      arrays_.push_back({next_leaf(), 0});
      for (const Json& item : value.items) {
        const auto number = static_cast<uint32_t>(elements_.size());
        const uint32_t first = next_leaf();
        elements_.push_back({element, array, first, 0});
        walk(item, path, number);
        elements_[number].end_leaf = next_leaf();
      }
      arrays_[array].end_leaf = next_leaf();
    } else if (const auto known = m_.paths_.find(std::string_view(path)); known != m_.paths_.end()) {
      add_leaf(known->second, value, element);
    }
  }

  void add_leaf(uint32_t path, const Json& value, uint32_t element) {
    const uint32_t leaf = next_leaf();
    element_of_.push_back(element);
    if (leaves_of_[path].empty()) paths_met_.push_back(path);
    leaves_of_[path].push_back(leaf);
    if (element != kNone) below_[path] = below_any_ = true;
    ids_.clear();
    m_.indexes_[path].find(value, ids_);
    for (uint32_t test : ids_) {
      if (met_[test] == kNone) tests_met_.push_back(test);
      hits_.push_back({leaf, met_[test]});
      met_[test] = static_cast<uint32_t>(hits_.size() - 1);
    }
  }

  const Matcher& m_;
  std::vector<std::vector<uint32_t>> leaves_of_;  // by path
  std::vector<uint32_t> met_;                     // by test: its last hit
  std::vector<bool> below_;                       // by path: some leaf lies in an array
  bool below_any_ = false;
  std::vector<Verdict> verdicts_;  // by field
  std::vector<Hit> hits_;
  std::vector<uint32_t> element_of_;  // by leaf: the innermost array element around it
  std::vector<Element> elements_;
  std::vector<Range> arrays_;
  std::vector<uint32_t> tests_met_, paths_met_, ids_;
};

/// Is there one choice of array elements in which all fields of an alternative hold? A state is a set of chosen
/// elements; fields extend states in their order. "Absent" means: with what is chosen so far no leaf of the path is
/// there.
class Matcher::Choice {
 public:
  Choice(const Event& event, std::vector<const CompiledField*> fields) : e_(event), fields_(std::move(fields)) {}

  bool exists() {
    std::set<State> states{State{}};
    for (size_t i = 0; i < fields_.size(); ++i) {
      states = extended(states, i);
      if (states.empty() || steps_ > kChoiceStepsMax) return false;
    }
    return true;
  }

 private:
  using State = std::vector<uint32_t>;  // elements, ascending: outer ones first

  std::set<State> extended(const std::set<State>& states, size_t field) {
    const std::vector<uint32_t> passed = e_.leaves_that_pass(*fields_[field]);
    const std::vector<uint32_t>& all = e_.leaves_of(fields_[field]->path);
    std::set<State> next;
    for (const State& state : states) {
      for_consistent(state, passed, [&](uint32_t leaf) { next.insert(with(state, leaf, field)); });
      if (!fields_[field]->absent) continue;
      bool there = false;
      for_consistent(state, all, [&](uint32_t) { there = true; });
      if (!there) next.insert(with(state, kNone, field));
      if (steps_ > kChoiceStepsMax) break;
    }
    return next;
  }

  template <class Visit>
  void for_consistent(const State& state, const std::vector<uint32_t>& leaves, Visit visit) {
    const auto visit_range = [&](auto begin, auto end) {
      for (auto leaf = begin; leaf != end && steps_ <= kChoiceStepsMax; ++leaf, ++steps_) {
        if (is_consistent(state, *leaf)) visit(*leaf);
      }
    };
    if (state.empty()) return visit_range(leaves.begin(), leaves.end());
    // Of the outermost array only the chosen element, and what lies outside of it.
    const Event::Element& outer = e_.element(state.front());
    const auto at = [&](uint32_t leaf) { return std::lower_bound(leaves.begin(), leaves.end(), leaf); };
    visit_range(leaves.begin(), at(e_.array(outer.array).first_leaf));
    visit_range(at(outer.first_leaf), at(outer.end_leaf));
    visit_range(at(e_.array(outer.array).end_leaf), leaves.end());
  }

  [[nodiscard]] bool is_consistent(const State& state, uint32_t leaf) const {
    return std::all_of(state.begin(), state.end(), [&](uint32_t number) {
      const Event::Element& element = e_.element(number);
      return !e_.array(element.array).has(leaf) || (leaf >= element.first_leaf && leaf < element.end_leaf);
    });
  }

  /// The state and the elements around the leaf, without those that no later field can meet.
  State with(const State& state, uint32_t leaf, size_t field) {
    State next;
    for (uint32_t number : state) {
      if (matters_after(e_.element(number).array, field)) next.push_back(number);
    }
    if (leaf != kNone) {
      for (uint32_t number = e_.element_of(leaf); number != kNone; number = e_.element(number).parent) {
        if (matters_after(e_.element(number).array, field)) next.push_back(number);
      }
    }
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    return next;
  }

  bool matters_after(uint32_t array, size_t field) {
    auto [known, made] = last_field_.emplace(array, 0);
    if (made) {
      const Event::Range& range = e_.array(array);
      for (size_t i = fields_.size(); i-- > 0;) {
        const auto& leaves = e_.leaves_of(fields_[i]->path);
        const auto first = std::lower_bound(leaves.begin(), leaves.end(), range.first_leaf);
        if (first == leaves.end() || *first >= range.end_leaf) continue;
        known->second = i;
        break;
      }
    }
    return known->second > field;
  }

  const Event& e_;
  std::vector<const CompiledField*> fields_;
  std::unordered_map<uint32_t, size_t> last_field_;  // array -> the last field with leaves in it
  size_t steps_ = 0;
};

Matcher::Matcher(const std::vector<Pattern>& rules) {
  Building building(*this);
  for (uint32_t i = 0; i < rules.size(); ++i) {
    for (const Alternative& alternative : rules[i].alternatives) building.add(i, alternative);
  }
  building.finish();
}

std::vector<uint32_t> Matcher::match(const Json& json) const {
  Event event(*this, json);
  std::vector<uint32_t> matched;
  const auto holds = [&](const CompiledAlternative& alternative) {
    bool whole = true;
    size_t below = 0;
    for (uint32_t i = alternative.first; i < alternative.end; ++i) {
      const uint32_t field = field_lists_[i];
      if (!event.holds(field)) {
        if (!event.may_be_absent(field)) return false;
        whole = false;
      }
      if (event.has_leaves_below_arrays() && event.is_below_arrays(fields_[field].path)) ++below;
    }
    // With one field below arrays there is nothing that its choice of elements could contradict.
    if (below <= 1) return whole;
    std::vector<const CompiledField*> fields;
    for (uint32_t i = alternative.first; i < alternative.end; ++i) fields.push_back(&fields_[field_lists_[i]]);
    return Choice(event, std::move(fields)).exists();
  };
  const auto look_at = [&](const std::vector<uint32_t>& candidates) {
    for (uint32_t candidate : candidates) {
      if (holds(alternatives_[candidate])) matched.push_back(alternatives_[candidate].rule);
    }
  };
  for (uint32_t test : event.tests_met()) look_at(by_test_[test]);
  for (uint32_t path : event.paths_met()) look_at(by_path_[path]);
  look_at(always_);
  std::sort(matched.begin(), matched.end());
  matched.erase(std::unique(matched.begin(), matched.end()), matched.end());
  return matched;
}

}  // namespace coffer::events
