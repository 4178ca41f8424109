// What a fuzz target promises beyond "no crash".
#pragma once
#include <cstdlib>

inline void require(bool promise) {
  if (!promise) std::abort();
}
