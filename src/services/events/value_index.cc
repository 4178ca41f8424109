#include "services/events/value_index.h"

#include <algorithm>
#include <limits>

#include "services/events/folding.h"
#include "services/events/numbers.h"

namespace coffer::events {
namespace {

using Kind = Test::Kind;

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

/// The first `bits` of an address as bytes.
std::string leading_bits(const policy::AddressBlock& block, int bits) {
  std::string out;
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const int mask = bits >= 8 ? 0xff : 0xff << (8 - bits) & 0xff;
    out += static_cast<char>(std::to_integer<int>(block.address[i]) & mask);
  }
  return out;
}

template <class Map, class Key>
void append(const Map& map, const Key& key, std::vector<uint32_t>& ids) {
  if (map.empty()) return;
  if (const auto found = map.find(key); found != map.end())
    ids.insert(ids.end(), found->second.begin(), found->second.end());
}

}  // namespace

void ValueIndex::add(const Test& test, uint32_t id) {
  switch (test.kind) {
    case Kind::kNull: null_.push_back(id); break;
    case Kind::kTrue: true_.push_back(id); break;
    case Kind::kFalse: false_.push_back(id); break;
    case Kind::kNumber:
      if (test.number) {
        numbers_[*test.number].push_back(id);
      } else {
        number_texts_[test.text].push_back(id);
      }
      break;
    case Kind::kText: texts_[test.text].push_back(id); break;
    case Kind::kPrefix: prefixes_.add(test.text, id); break;
    case Kind::kSuffix: suffixes_.add(reversed(test.text), id); break;
    case Kind::kFoldedText: folded_texts_[test.text].push_back(id); break;
    case Kind::kFoldedPrefix: folded_prefixes_.add(test.text, id); break;
    case Kind::kFoldedSuffix: folded_suffixes_.add(reversed(test.text), id); break;
    case Kind::kWildcard: globs_.add(test.pieces, id); break;
    case Kind::kRange: {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      ranges_.push_back({test.low.value_or(-kInfinity), test.high.value_or(kInfinity), test.low_included || !test.low,
                         test.high_included || !test.high, id});
      break;
    }
    case Kind::kAddress:
    case Kind::kBlock:
      blocks_[{test.block.size_bytes, test.block.prefix_bits}][leading_bits(test.block, test.block.prefix_bits)]
          .push_back(id);
      break;
    case Kind::kExists:
    case Kind::kAbsent:
    case Kind::kAnythingBut: COFFER_ASSERT(false);
  }
}

void ValueIndex::build() {
  globs_.build();
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  highest_.assign(ranges_.size(), 0);
  index_highest(0, ranges_.size());
}

double ValueIndex::index_highest(size_t begin, size_t end) {
  if (begin == end) return -std::numeric_limits<double>::infinity();
  const size_t middle = begin + (end - begin) / 2;
  highest_[middle] = std::max({ranges_[middle].high, index_highest(begin, middle), index_highest(middle + 1, end)});
  return highest_[middle];
}

void ValueIndex::find_ranges(double value, size_t begin, size_t end, Ids& ids) const {
  if (begin == end) return;
  const size_t middle = begin + (end - begin) / 2;
  if (highest_[middle] < value) return;
  find_ranges(value, begin, middle, ids);
  const Range& range = ranges_[middle];
  if (range.low > value) return;
  if ((range.low < value || range.low_included) && (range.high > value || (range.high == value && range.high_included)))
    ids.push_back(range.id);
  find_ranges(value, middle + 1, end, ids);
}

void ValueIndex::find_number(std::string_view text, Ids& ids) const {
  if (numbers_.empty() && number_texts_.empty() && ranges_.empty()) return;
  const auto value = exact_number(text);
  if (!value) return append(number_texts_, text, ids);
  append(numbers_, *value, ids);
  find_ranges(*value, 0, ranges_.size(), ids);
}

void ValueIndex::find_address(std::string_view text, Ids& ids) const {
  if (blocks_.empty()) return;
  const auto address = parse_address(text);
  if (!address) return;
  for (const auto& [shape, blocks] : blocks_) {
    if (shape.first == address->size_bytes) append(blocks, leading_bits(*address, shape.second), ids);
  }
}

void ValueIndex::find_text(std::string_view text, Ids& ids) const {
  append(texts_, text, ids);
  if (!prefixes_.empty()) prefixes_.find(text, ids);
  if (!suffixes_.empty()) suffixes_.find(reversed(text), ids);
  if (!globs_.empty()) globs_.find(text, ids);
  find_address(text, ids);
  if (folded_texts_.empty() && folded_prefixes_.empty() && folded_suffixes_.empty()) return;
  const std::string folded = fold_case(text);
  append(folded_texts_, folded, ids);
  if (!folded_prefixes_.empty()) folded_prefixes_.find(folded, ids);
  if (!folded_suffixes_.empty()) folded_suffixes_.find(reversed(folded), ids);
}

void ValueIndex::find(const Json& value, Ids& ids) const {
  switch (value.type) {
    case Json::Type::kNull: ids.insert(ids.end(), null_.begin(), null_.end()); break;
    case Json::Type::kTrue: ids.insert(ids.end(), true_.begin(), true_.end()); break;
    case Json::Type::kFalse: ids.insert(ids.end(), false_.begin(), false_.end()); break;
    case Json::Type::kNumber: find_number(value.text, ids); break;
    case Json::Type::kString: find_text(value.text, ids); break;
    case Json::Type::kArray:
    case Json::Type::kObject: break;
  }
}

}  // namespace coffer::events
