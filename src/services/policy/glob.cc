#include "services/policy/glob.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "services/policy/document.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

constexpr char kRun = static_cast<char>(Wildcard::kAnyRun);
constexpr char kOne = static_cast<char>(Wildcard::kAnyOne);
constexpr char kLastWildcard = static_cast<char>(Wildcard::kOneInPart);
constexpr char16_t kWildcardBase = 0x100;
/// Below this product of sizes, looking for a part with '?' place by place costs less than preparing for it.
constexpr size_t kSmallSearch = 4096;

bool is_continuation(unsigned char c) { return (c & 0xC0) == 0x80; }
bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

/// `part` is as long as `text` and has no runs.
bool part_matches(std::string_view part, std::string_view text) {
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] != text[i] && part[i] != kOne) return false;
  }
  return true;
}

/// The first place from `from` on where `part`, which has no runs, matches.
size_t find_part(std::string_view part, std::string_view text, size_t from, bool has_one) {
  if (part.size() > text.size() - from) return std::string_view::npos;
  if (!has_one) {
    // memmem is linear, string_view::find is not.
    const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
  }
  for (size_t at = from; at + part.size() <= text.size(); ++at) {
    if (part_matches(part, text.substr(at, part.size()))) return at;
  }
  return std::string_view::npos;
}

}  // namespace

void Glob::add(std::string_view literal) {
  if (!literal_controls_) {
    const bool plain = std::none_of(literal.begin(), literal.end(), [](char c) { return c > 0 && c <= kLastWildcard; });
    if (plain) {
      bytes_ += literal;
      return;
    }
    for (size_t i = 0; i < bytes_.size(); ++i) wide_ += element(i);
    literal_controls_ = true;
  }
  for (const char c : literal) wide_ += static_cast<unsigned char>(c);
}

void Glob::add(Wildcard wildcard) {
  if (literal_controls_) {
    wide_ += static_cast<char16_t>(kWildcardBase + static_cast<char16_t>(wildcard));
  } else {
    bytes_ += static_cast<char>(wildcard);
  }
  has_run_ |= wildcard == Wildcard::kAnyRun;
  has_one_ |= wildcard == Wildcard::kAnyOne;
  has_part_ |= wildcard == Wildcard::kRunInPart || wildcard == Wildcard::kOneInPart;
}

char16_t Glob::element(size_t i) const {
  if (literal_controls_) return wide_[i];
  const auto c = static_cast<unsigned char>(bytes_[i]);
  return c > 0 && c <= kLastWildcard ? static_cast<char16_t>(kWildcardBase + c) : c;
}

bool Glob::match(std::string_view text) const {
  if (literal_controls_ || has_part_) return match_states(text);
  if (has_one_ && (!is_ascii(text) || (has_run_ && text.size() * bytes_.size() > kSmallSearch)))
    return match_states(text);
  return match_greedily(text);
}

/// What stands before the first run begins the text, what stands after the last ends it, and the parts between follow
/// each other, each at the first place where it fits.
bool Glob::match_greedily(std::string_view text) const {
  const std::string_view pattern = bytes_;
  if (!has_run_) {
    if (pattern.size() != text.size()) return false;
    return has_one_ ? part_matches(pattern, text) : pattern == text;
  }
  size_t run = pattern.find(kRun);
  const size_t last = pattern.rfind(kRun);
  const std::string_view tail = pattern.substr(last + 1);
  if (text.size() < run + tail.size()) return false;
  if (!part_matches(pattern.substr(0, run), text.substr(0, run))) return false;
  if (!part_matches(tail, text.substr(text.size() - tail.size()))) return false;
  const std::string_view middle = text.substr(0, text.size() - tail.size());
  size_t at = run;
  while (run < last) {
    const size_t end = pattern.find(kRun, run + 1);
    const std::string_view part = pattern.substr(run + 1, end - run - 1);
    if (!part.empty()) {
      const size_t found = find_part(part, middle, at, has_one_);
      if (found == std::string_view::npos) return false;
      at = found + part.size();
    }
    run = end;
  }
  return true;
}

/// All ways to match at once, one bit for each count of elements that have been matched so far.
bool Glob::match_states(std::string_view text) const {
  // The elements that take one character each. `any_run` bit j: a run may stand between element j-1 and element j, and
  // so on; `one` bit j: element j-1 is a '?', which takes the rest of a character of several bytes too.
  std::u16string takers;
  for (size_t i = 0; i < size(); ++i) {
    const char16_t e = element(i);
    if (e != kWildcardBase + 1 && e != kWildcardBase + 3) takers += e;
  }
  const size_t words = takers.size() / 64 + 1;
  constexpr size_t kFixed = 5;
  std::vector<uint64_t> memory(kFixed * words, 0);
  const auto row = [&](size_t i) { return memory.data() + i * words; };
  const auto set = [](uint64_t* bits, size_t i) { bits[i / 64] |= uint64_t{1} << (i % 64); };
  for (size_t i = 0, j = 0; i < size(); ++i) {
    const char16_t e = element(i);
    if (e == kWildcardBase + 1) {
      set(row(0), j);
    } else if (e == kWildcardBase + 3) {
      set(row(1), j);
    } else {
      ++j;
      if (e == kWildcardBase + 2 || e == kWildcardBase + 4) set(row(2), j);
    }
  }
  set(row(3), 0);
  size_t now = 3, next = 4;
  std::array<uint16_t, 256> rows{};  // of each byte: which elements take it; 0: not made yet
  for (const char character : text) {
    const auto c = static_cast<unsigned char>(character);
    if (rows[c] == 0) {
      rows[c] = static_cast<uint16_t>(memory.size() / words);
      memory.resize(memory.size() + words, 0);
      for (size_t j = 0; j < takers.size(); ++j) {
        const char16_t e = takers[j];
        const bool takes = e == kWildcardBase + 2   ? !is_continuation(c)
                           : e == kWildcardBase + 4 ? !is_continuation(c) && c != ':'
                                                    : e == c;
        if (takes) set(row(rows[c]), j);
      }
    }
    const uint64_t* taken = row(rows[c]);
    uint64_t carry = 0, any = 0;
    for (size_t w = 0; w < words; ++w) {
      const uint64_t state = row(now)[w];
      const uint64_t step = state & taken[w];
      uint64_t stay = row(0)[w];
      if (c != ':') stay |= row(1)[w];
      if (is_continuation(c)) stay |= row(2)[w];
      const uint64_t result = step << 1 | carry | (state & stay);
      carry = step >> 63;
      row(next)[w] = result;
      any |= result;
    }
    if (any == 0) return false;
    std::swap(now, next);
  }
  return (row(now)[takers.size() / 64] >> (takers.size() % 64) & 1) != 0;
}

bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  Glob glob;
  const std::string lowered = ignore_case ? lower_case(pattern) : std::string(pattern);
  size_t from = 0;
  for (size_t i = 0; i < lowered.size(); ++i) {
    if (lowered[i] != '*' && lowered[i] != '?') continue;
    glob.add(std::string_view(lowered).substr(from, i - from));
    glob.add(lowered[i] == '*' ? Wildcard::kAnyRun : Wildcard::kAnyOne);
    from = i + 1;
  }
  glob.add(std::string_view(lowered).substr(from));
  return ignore_case ? glob.match(lower_case(text)) : glob.match(text);
}

}  // namespace coffer::policy
