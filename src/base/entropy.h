// Random bytes, handed in so that a run can be repeated from a seed.
#pragma once
#include <array>
#include <cstdint>
#include <random>

#include "base/bytes.h"

namespace coffer {

/// Safe to call from many threads at once.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(MutableByteView out) = 0;
  template <size_t N>
  std::array<std::byte, N> array() {
    std::array<std::byte, N> a;
    fill(a);
    return a;
  }
  uint64_t u64() {
    auto a = array<8>();
    return load_le<uint64_t>(a.data());
  }
};

/// getrandom(2). Fit for keys.
class SystemEntropy final : public Entropy {
 public:
  void fill(MutableByteView out) override;
};

/// The same bytes for the same seed. Never for keys outside tests and simulation. Not thread-safe.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(uint64_t seed) : generator_(seed) {}
  void fill(MutableByteView out) override;

 private:
  std::mt19937_64 generator_;
};

/// A random (version 4) UUID in its usual text form, 36 characters.
std::string random_uuid(Entropy& entropy);

}  // namespace coffer
