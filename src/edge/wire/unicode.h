// Which code points belong to a general category of Unicode. The tables are made at build time by
// scripts/make_models.py.
#pragma once
#include <span>

namespace coffer::wire {

struct CodePointRange {
  char32_t from = 0, to = 0;  // both inclusive
};

/// Ranges of the major category 'L' (letters), 'M' (marks), 'N' (numbers) or 'Z' (separators), ascending; empty for
/// others.
std::span<const CodePointRange> unicode_category(char category);

}  // namespace coffer::wire
