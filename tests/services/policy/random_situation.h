// Situations by chance, from words that meet each other often.
#pragma once
#include <random>
#include <string>

#include "services/policy/situation.h"

namespace coffer::policy::testing {

class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  /// 0 ... below - 1.
  size_t number(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(engine_); }
  bool one_in(size_t n) { return number(n) == 0; }
  template <class List>
  auto pick(const List& list) {
    return *(std::begin(list) + static_cast<std::ptrdiff_t>(number(std::size(list))));
  }

 private:
  std::mt19937_64 engine_;
};

/// One statement for a document of this kind, as JSON. `effect` empty: by chance.
std::string random_statement(Chance& chance, Kind kind, std::string effect = "");
/// A document of 1 to `statements_max` statements.
std::string random_document(Chance& chance, Kind kind, size_t statements_max = 4);
Situation random_situation(Chance& chance);

}  // namespace coffer::policy::testing
