#include "base/base64.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

TEST(Base64, GivesTheVectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(base64_encode(as_bytes(plain)), text);
    ASSERT_TRUE(base64_decode(text)) << text;
    EXPECT_EQ(to_text(*base64_decode(text)), plain);
  }
}

TEST(Base64, RefusesWhatItDoesNotWrite) {
  for (std::string_view text :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "=Zg=", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-_", "Z===", "Zg=a"})
    EXPECT_FALSE(base64_decode(text)) << text;
}

TEST(Base64, EveryByteSurvives) {
  Bytes all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<std::byte>(i));
  for (size_t cut = 0; cut < all.size(); ++cut) {
    const Bytes part(all.begin(), all.begin() + static_cast<long>(cut));
    EXPECT_EQ(base64_decode(base64_encode(part)), part);
  }
}

}  // namespace
}  // namespace coffer
