#include "engine/crypto/escrow.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/entropy.h"

namespace coffer::crypto {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

Bytes root_of(uint64_t seed) {
  Bytes root(kRootSize);
  SeededEntropy(seed).fill(root);
  return root;
}

EscrowShare copy_of(const EscrowShare& s) { return {s.set, s.threshold, s.count, s.index, s.value.clone()}; }

std::vector<EscrowShare> some(const EscrowSet& set, const std::vector<size_t>& indexes) {
  std::vector<EscrowShare> shares;
  for (size_t i : indexes) shares.push_back(copy_of(set.shares[i - 1]));
  return shares;
}

struct World {
  SeededEntropy entropy{7};
  Bytes root = root_of(1), binding = to_bytes("binding");
  EscrowSet set = must(make_escrow(3, 5, entropy));
  KeySlot slot = must(set.key->wrap("officers", root, binding, entropy));
};

TEST(Shamir, EveryQuorumGivesTheSecretAndOneShareLessDoesNot) {
  SeededEntropy entropy(3);
  const Bytes secret = root_of(5);
  for (const auto& [threshold, count] :
       std::vector<std::pair<uint8_t, uint8_t>>{{1, 1}, {1, 3}, {2, 3}, {3, 5}, {5, 5}}) {
    const auto shares = shamir_split(secret, threshold, count, entropy);
    ASSERT_EQ(shares.size(), count);
    for (unsigned subset = 1; subset < 1U << count; ++subset) {
      std::vector<ShamirShare> chosen;
      for (unsigned i = 0; i < count; ++i)
        if ((subset >> i & 1) != 0) chosen.push_back({shares[i].index, shares[i].value.clone()});
      const bool enough = chosen.size() >= threshold;
      EXPECT_EQ(equal(shamir_combine(chosen).view(), secret), enough) << subset;
    }
  }
}

TEST(Shamir, SharesAreThoseOfThePolynomialOverTheFieldOfAes) {
  // One byte 0x2a, coefficients 0x53 and 0xca: at 1 it is their sum, at 2 and 3 worked out by hand.
  struct Fixed final : Entropy {
    void fill(MutableByteView out) override {
      out[0] = std::byte{0x53};
      out[1] = std::byte{0xca};
    }
  } entropy;
  const auto shares = shamir_split(Bytes{std::byte{0x2a}}, 3, 3, entropy);
  EXPECT_EQ(shares[0].value.view()[0], std::byte{0x2a ^ 0x53 ^ 0xca});
  // 2 * 0x53 = 0xa6; 4 * 0xca = 0x31 ^ 0x..: 2 * 0xca = 0x8f, 2 * 0x8f = 0x05.
  EXPECT_EQ(shares[1].value.view()[0], std::byte{0x2a ^ 0xa6 ^ 0x05});
  // 3 * 0x53 = 0xf5; 5 * 0xca = 0x05 ^ 0xca = 0xcf (3 * 3 = 5).
  EXPECT_EQ(shares[2].value.view()[0], std::byte{0x2a ^ 0xf5 ^ 0xcf});
}

TEST(Escrow, EveryQuorumOpensTheSlotAndNoFewer) {
  World w;
  for (unsigned subset = 1; subset < 32; ++subset) {
    std::vector<size_t> indexes;
    for (size_t i = 0; i < 5; ++i)
      if ((subset >> i & 1) != 0) indexes.push_back(i + 1);
    auto key = combine_escrow(some(w.set, indexes));
    if (indexes.size() < 3) {
      ASSERT_FALSE(key.ok());
      EXPECT_EQ(key.code(), ErrorCode::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(key.ok()) << key.error().message;
    EXPECT_TRUE(equal(must((*key)->unwrap(w.slot, w.binding)).view(), w.root));
    EXPECT_FALSE((*key)->unwrap(w.slot, to_bytes("another")).ok());
  }
}

TEST(Escrow, MissingSharesAreNamed) {
  World w;
  auto key = combine_escrow(some(w.set, {2, 5}));
  ASSERT_FALSE(key.ok());
  EXPECT_NE(key.error().message.find("only shares 2, 5 are here"), std::string::npos) << key.error().message;
  EXPECT_EQ(key.error().next_step, "ask the holders of 1, 3, 4");
  EXPECT_FALSE(combine_escrow(some(w.set, {2, 2, 2})).ok()) << "one share three times is one share";
}

TEST(Escrow, SharesOfTwoSetsAreToldApart) {
  World w;
  const EscrowSet other = must(make_escrow(3, 5, w.entropy));
  auto mixed = some(w.set, {1, 2});
  mixed.push_back(copy_of(other.shares[4]));
  auto key = combine_escrow(std::move(mixed));
  ASSERT_FALSE(key.ok());
  EXPECT_NE(key.error().message.find("set " + to_hex(w.set.shares[0].set) + ": 1, 2"), std::string::npos);
  EXPECT_NE(key.error().message.find("set " + to_hex(other.shares[0].set) + ": 5"), std::string::npos);
  auto wrong_set = must(combine_escrow(some(other, {1, 2, 3})));
  auto opened = wrong_set->unwrap(w.slot, w.binding);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.code(), ErrorCode::kUnauthenticated);
}

TEST(Escrow, AWrongShareIsNamedAtTheSlot) {
  World w;
  auto shares = some(w.set, {1, 3, 4});
  Bytes forged = to_bytes(shares[1].value.view());
  forged[9] ^= std::byte{4};
  shares[1].value = Secret(std::move(forged));
  auto key = must(combine_escrow(std::move(shares)));
  auto opened = key->unwrap(w.slot, w.binding);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("share 3 of set"), std::string::npos) << opened.error().message;
  const EscrowSlotInfo info = must(escrow_slot_info(w.slot));
  EXPECT_TRUE(is_share_of(info, w.set.shares[2]));
}

TEST(Escrow, AShareIsALineOfTextAndBack) {
  World w;
  for (const EscrowShare& share : w.set.shares) {
    const std::string text = format_share(share);
    EXPECT_EQ(text.size(), 90U);
    std::string capitals = text;
    std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                   [](char c) { return static_cast<char>(toupper(c)); });
    for (const std::string& written :
         {text, capitals,
          "# officer 1\n " + text.substr(0, 30) + "\n" + text.substr(30, 9) + " " + text.substr(39) + "\r\n"}) {
      const EscrowShare back = must(parse_share(written));
      EXPECT_EQ(back.set, share.set);
      EXPECT_EQ(back.index, share.index);
      EXPECT_EQ(back.threshold, 3);
      EXPECT_EQ(back.count, 5);
      EXPECT_TRUE(equal(back.value.view(), share.value.view()));
    }
  }
}

TEST(Escrow, EveryMistakeOfUpToThreeCharactersIsFound) {
  World w;
  const std::string text = format_share(w.set.shares[0]);
  const std::string alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  SeededEntropy entropy(11);
  auto random = [&](size_t below) { return static_cast<size_t>(load_le<uint32_t>(entropy.array<4>().data())) % below; };
  for (size_t i = 0; i < text.size(); ++i)
    for (char c : alphabet) {
      std::string wrong = text;
      if (wrong[i] == c) continue;
      wrong[i] = c;
      EXPECT_FALSE(parse_share(wrong).ok()) << i << c;
    }
  for (int round = 0; round < 3000; ++round) {
    std::string wrong = text;
    for (size_t errors = 2 + random(2); errors > 0; --errors) wrong[13 + random(77)] = alphabet[random(32)];
    EXPECT_TRUE(wrong == text || !parse_share(wrong).ok()) << wrong;
  }
  for (size_t i = 13; i + 1 < text.size(); ++i) {
    std::string swapped = text;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_TRUE(swapped == text || !parse_share(swapped).ok()) << i;
  }
}

TEST(Escrow, ATextThatIsCutAnywhereOrNoShareAtAllIsRefused) {
  World w;
  const std::string text = format_share(w.set.shares[0]);
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(parse_share(text.substr(0, size)).ok()) << size;
  EXPECT_FALSE(parse_share(text + "q").ok());
  EXPECT_FALSE(parse_share(text + text).ok());
  EXPECT_FALSE(parse_share("coffer-key-v1:00").ok());
  EXPECT_FALSE(parse_share(std::string(100'000, 'q')).ok());
  std::string mixed = text;
  mixed[20] = static_cast<char>(toupper(mixed[20]));
  mixed[21] = static_cast<char>(toupper(mixed[21]));
  EXPECT_FALSE(parse_share(mixed).ok());
}

TEST(Escrow, ASlotWhoseParametersAreCutOrTurnedIsRefused) {
  World w;
  auto key = must(combine_escrow(some(w.set, {1, 2, 3})));
  for (size_t size = 0; size < w.slot.parameters.size(); ++size) {
    KeySlot cut = w.slot;
    cut.parameters.resize(size);
    EXPECT_FALSE(escrow_slot_info(cut).ok()) << size;
    EXPECT_FALSE(key->unwrap(cut, w.binding).ok()) << size;
  }
  for (size_t i = 0; i < w.slot.wrapped.size(); ++i) {
    KeySlot turned = w.slot;
    turned.wrapped[i] ^= std::byte{1};
    EXPECT_FALSE(key->unwrap(turned, w.binding).ok()) << i;
  }
}

TEST(Escrow, OnlyWholeSetsMakeSlots) {
  World w;
  auto key = must(combine_escrow(some(w.set, {1, 2, 3})));
  EXPECT_FALSE(key->wrap("again", w.root, w.binding, w.entropy).ok());
  EXPECT_FALSE(make_escrow(1, 3, w.entropy).ok());
  EXPECT_FALSE(make_escrow(4, 3, w.entropy).ok());
  EXPECT_FALSE(make_escrow(3, 33, w.entropy).ok());
}

}  // namespace
}  // namespace coffer::crypto
