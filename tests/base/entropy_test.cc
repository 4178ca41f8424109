#include "base/entropy.h"

#include <regex>

#include "base/testing.h"

namespace coffer {
namespace {

TEST(SeededEntropy, TheSameSeedGivesTheSameBytes) {
  SeededEntropy one(7), two(7), other(8);
  const auto bytes = one.array<33>();

  EXPECT_EQ(two.array<33>(), bytes);
  EXPECT_NE(other.array<33>(), bytes);
}

TEST(SystemEntropy, FillsEverythingAndDiffersEachTime) {
  SystemEntropy entropy;
  Bytes large(100'000);
  entropy.fill(large);

  EXPECT_FALSE(is_zero(ByteView(large).last(64)));
  EXPECT_NE(entropy.array<32>(), entropy.array<32>());
}

TEST(RandomUuid, HasTheFormOfVersion4) {
  SeededEntropy entropy(1);
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(std::regex_match(random_uuid(entropy), form));
}

}  // namespace
}  // namespace coffer
