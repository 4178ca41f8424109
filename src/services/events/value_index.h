// All tests of one path, so that a value finds those that hold without trying each.
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/events/globs.h"
#include "services/events/pattern.h"

namespace coffer::events {

class ValueIndex {
 public:
  /// Any kind but kExists, kAbsent and kAnythingBut.
  void add(const Test& test, uint32_t id);
  /// After the last add().
  void build();
  /// The ids of the tests that hold for a scalar, each once.
  void find(const Json& value, std::vector<uint32_t>& ids) const;

 private:
  using Ids = std::vector<uint32_t>;
  struct Range {
    double low = 0, high = 0;
    bool low_included = false, high_included = false;
    uint32_t id = 0;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using ByText = std::unordered_map<std::string, Ids, TextHash, std::equal_to<>>;

  void find_text(std::string_view text, Ids& ids) const;
  void find_address(std::string_view text, Ids& ids) const;
  void find_number(std::string_view text, Ids& ids) const;
  void find_ranges(double value, size_t begin, size_t end, Ids& ids) const;
  double index_highest(size_t begin, size_t end);

  Ids null_, true_, false_;
  ByText texts_, folded_texts_, number_texts_;
  std::unordered_map<double, Ids> numbers_;
  PrefixTree prefixes_, suffixes_, folded_prefixes_, folded_suffixes_;  // suffixes from their end
  GlobSet globs_;
  // An interval tree: sorted by low; the middle of each half-open range is its root, with the highest end in the range.
  std::vector<Range> ranges_;
  std::vector<double> highest_;
  std::map<std::pair<int, int>, ByText> blocks_;  // size in bytes and bits -> the bits that count
};

}  // namespace coffer::events
