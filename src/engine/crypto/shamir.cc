#include "engine/crypto/shamir.h"

namespace coffer::crypto {
namespace {

/// Without tables and branches on the values: the time tells nothing of the secret.
uint8_t multiply(uint8_t a, uint8_t b) {
  unsigned product = 0, x = a;
  for (int bit = 0; bit < 8; ++bit) {
    product ^= x & (0U - ((static_cast<unsigned>(b) >> bit) & 1U));
    x = (x << 1) ^ (0x11bU & (0U - ((x >> 7) & 1U)));
  }
  return static_cast<uint8_t>(product);
}

/// a^254, which is 1/a for all but 0.
uint8_t inverse(uint8_t a) {
  uint8_t power = a;  // a^(2^k - 1)
  for (int k = 1; k < 7; ++k) power = multiply(multiply(power, power), a);
  return multiply(power, power);
}

uint8_t at(ByteView bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

}  // namespace

std::vector<ShamirShare> shamir_split(ByteView secret, uint8_t threshold, uint8_t count, Entropy& entropy) {
  COFFER_ASSERT(threshold >= 1 && threshold <= count);
  // The polynomials of all bytes, one coefficient after the other; the secret is the constant one.
  Bytes drawn(secret.size() * (threshold - 1U));
  entropy.fill(drawn);
  const Secret coefficients(std::move(drawn));
  std::vector<ShamirShare> shares;
  for (unsigned index = 1; index <= count; ++index) {
    Bytes value(secret.size());
    for (size_t i = 0; i < secret.size(); ++i) {
      uint8_t y = 0;
      for (size_t c = threshold - 1U; c > 0; --c)
        y = multiply(static_cast<uint8_t>(y ^ at(coefficients.view(), (c - 1) * secret.size() + i)),
                     static_cast<uint8_t>(index));
      value[i] = static_cast<std::byte>(y ^ at(secret, i));
    }
    shares.push_back({static_cast<uint8_t>(index), Secret(std::move(value))});
  }
  return shares;
}

Secret shamir_combine(const std::vector<ShamirShare>& shares) {
  COFFER_ASSERT(!shares.empty());
  Bytes secret(shares.front().value.size());
  for (const ShamirShare& share : shares) {
    COFFER_ASSERT(share.index != 0 && share.value.size() == secret.size());
    // Lagrange's basis polynomial of this share at 0.
    uint8_t basis = 1;
    for (const ShamirShare& other : shares) {
      if (&other == &share) continue;
      COFFER_ASSERT(other.index != share.index);
      basis = multiply(basis, multiply(other.index, inverse(static_cast<uint8_t>(other.index ^ share.index))));
    }
    for (size_t i = 0; i < secret.size(); ++i)
      secret[i] ^= static_cast<std::byte>(multiply(basis, at(share.value.view(), i)));
  }
  return Secret(std::move(secret));
}

}  // namespace coffer::crypto
