#include "base/bounded_output.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer {
namespace {

TEST(BoundedOutput, KeepsShortOutputWhole) {
  BoundedOutput output;
  output.append("one ");
  output.append("two");

  EXPECT_EQ(output.text(), "one two");
}

TEST(BoundedOutput, KeepsWholeUpToHeadAndTail) {
  const std::string all(BoundedOutput::kHeadSizeMax + BoundedOutput::kTailSizeMax, 'x');
  BoundedOutput output;
  output.append(all);

  EXPECT_EQ(output.text(), all);
}

// However the output is cut into pieces, the same head and tail remain and the count between them is right.
TEST(BoundedOutput, KeepsHeadAndTailAndCountsTheRest) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 30; ++round) {
    std::string all;
    BoundedOutput output;
    while (all.size() < 600'000) {
      const std::string piece(random() % (random() % 3 == 0 ? 300'000 : 3000), static_cast<char>('a' + random() % 26));
      all += piece;
      output.append(piece);
    }
    const size_t kept = BoundedOutput::kHeadSizeMax + BoundedOutput::kTailSizeMax;
    const std::string expected = all.substr(0, BoundedOutput::kHeadSizeMax) + "\n[" +
                                 std::to_string(all.size() - kept) + " bytes left out]\n" +
                                 all.substr(all.size() - BoundedOutput::kTailSizeMax);
    ASSERT_EQ(output.text(), expected);
  }
}

}  // namespace
}  // namespace coffer
