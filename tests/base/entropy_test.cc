#include "base/entropy.h"

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
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = random_uuid(entropy);
    ASSERT_EQ(uuid.size(), 36U);
    for (size_t at = 0; at < uuid.size(); ++at) {
      const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
      const std::string_view allowed = dash ? "-" : at == 14 ? "4" : at == 19 ? "89ab" : "0123456789abcdef";
      ASSERT_NE(allowed.find(uuid[at]), allowed.npos) << uuid;
    }
  }
}

}  // namespace
}  // namespace coffer
