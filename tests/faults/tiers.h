// Sizes of tests that have a short and a long tier.
#pragma once
#include <cstdint>
#include <cstdlib>

namespace coffer::faults {

inline uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace coffer::faults
