#include "base/result.h"

#include <memory>
#include <set>

#include "base/testing.h"

namespace coffer {
namespace {

const Error kMissing{ErrorCode::kNotFound, "no pack 12ab", {}};

Result<int> half(int number) {
  if (number % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd", {}};
  return number / 2;
}

Result<int> quarter(int number) {
  COFFER_TRY(int once, half(number));
  COFFER_TRY(int twice, half(once));
  return twice;
}

Status both_even(int a, int b) {
  COFFER_CHECK_OK(half(a));
  COFFER_CHECK_OK(half(b));
  return ok_status();
}

TEST(Result, HoldsAValueOrAnError) {
  Result<int> good = 7;
  Result<int> bad = kMissing;

  EXPECT_TRUE(good.ok());
  EXPECT_EQ(*good, 7);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.code(), ErrorCode::kNotFound);
}

TEST(Result, ReadingTheValueOfAFailureThrows) {
  Result<int> bad = kMissing;

  EXPECT_THROW((void)bad.value(), std::logic_error);
}

TEST(Result, CarriesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);

  std::unique_ptr<int> taken = *std::move(result);

  EXPECT_EQ(*taken, 3);
}

TEST(Result, TryPassesTheFirstFailureUp) {
  EXPECT_EQ(must(quarter(12)), 3);
  EXPECT_TRUE(fails_with(quarter(6), ErrorCode::kInvalidArgument, "odd"));
  EXPECT_TRUE(fails_with(quarter(7), ErrorCode::kInvalidArgument, "odd"));
}

TEST(Result, CheckOkPassesAFailureUp) {
  EXPECT_TRUE(succeeds(both_even(2, 4)));
  EXPECT_TRUE(fails_with(both_even(2, 3), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(both_even(1, 4), ErrorCode::kInvalidArgument));
}

TEST(Error, MessageReadsOutermostFirst) {
  Error error = Error(kMissing).in("reading index").in("restoring point 7");

  EXPECT_EQ(error.message, "restoring point 7: reading index: no pack 12ab");
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
}

TEST(Error, InnermostAdviceWins) {
  Error error = Error(kMissing).advise("run verify").advise("ask somebody");

  EXPECT_EQ(error.next_step, "run verify");
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code)
    names.insert(error_code_name(static_cast<ErrorCode>(code)));

  EXPECT_EQ(names.size(), static_cast<size_t>(ErrorCode::kInternal) + 1);
}

TEST(Assert, BrokenInvariantThrowsAlsoInRelease) {
  EXPECT_THROW(COFFER_ASSERT(1 + 1 == 3), std::logic_error);
  EXPECT_NO_THROW(COFFER_ASSERT(1 + 1 == 2));
}

}  // namespace
}  // namespace coffer
