// One bit flipped anywhere in any object of a vault: never a wrong byte restored, the object named, nothing crashes.
// COFFER_BIT_FLIPS sets how many places (2 000; the long tier takes 1 000 000), COFFER_SEED which.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "faults/small_cluster.h"
#include "faults/tiers.h"

namespace coffer::faults {

TEST(BitFlip, IsNamedAndNeverRestored) {
  const SmallVault& small = SmallVault::get();
  const uint64_t flips = number_from_environment("COFFER_BIT_FLIPS", 2000);
  const uint64_t seed = number_from_environment("COFFER_SEED", std::random_device{}());
  RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> keys;
  uint64_t total = 0;
  for (const auto& [key, body] : small.objects) {
    keys.push_back(key);
    total += body.size();
  }
  World world(1);
  for (uint64_t n = 0; n < flips && !::testing::Test::HasFailure(); ++n) {
    // Half of the places by byte of the vault, half by object: else the small objects would hardly ever be hit.
    std::string key = keys[random() % keys.size()];
    uint64_t offset = 0;
    if (n % 2 == 0) {
      offset = random() % total;
      for (const std::string& k : keys) {
        key = k;
        if (offset < small.objects.at(k).size()) break;
        offset -= small.objects.at(k).size();
      }
    } else {
      offset = random() % small.objects.at(key).size();
    }
    const int bit = static_cast<int>(random() % 8);
    Objects damaged = small.objects;
    damaged[key][offset] ^= static_cast<std::byte>(1 << bit);
    check_damage(world, damaged, key,
                 "COFFER_SEED=" + std::to_string(seed) + ", place " + std::to_string(n) + ": bit " +
                     std::to_string(bit) + " of byte " + std::to_string(offset) + " of " + key,
                 false);
  }
}

}  // namespace coffer::faults
