#include "base/secret.h"

#include <iostream>
#include <type_traits>

#include "base/testing.h"

namespace coffer {
namespace {

TEST(Secret, IsMovedAndNeverCopiedBySilence) {
  EXPECT_FALSE(std::is_copy_constructible_v<Secret>);
  EXPECT_FALSE(std::is_copy_assignable_v<Secret>);

  Secret first = Secret::copy_of(as_bytes("key"));
  Secret second = std::move(first);

  EXPECT_EQ(as_text(second.view()), "key");
  EXPECT_TRUE(first.empty());  // NOLINT: that a moved-from secret holds nothing is the promise
}

TEST(Secret, CloneIsIndependent) {
  Secret first = Secret::copy_of(as_bytes("key"));
  Secret second = first.clone();
  first = Secret();

  EXPECT_EQ(as_text(second.view()), "key");
}

TEST(Secret, NoStreamAcceptsIt) {
  auto printable = [](auto& stream, const auto& value) {
    return requires { stream << value; };
  };
  EXPECT_FALSE(printable(std::cout, Secret()));
}

TEST(Wipe, LeavesZeroes) {
  Bytes bytes = to_bytes("passphrase");
  wipe(bytes);

  EXPECT_TRUE(is_zero(bytes));
  wipe({});
}

}  // namespace
}  // namespace coffer
