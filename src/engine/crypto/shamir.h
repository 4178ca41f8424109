// Shamir's secret sharing over GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1: any `threshold` of the shares give
// the secret, fewer tell nothing. By itself it does not notice a wrong share: see escrow.h.
#pragma once
#include <vector>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/secret.h"

namespace coffer::crypto {

struct ShamirShare {
  uint8_t index = 0;  // 1 to 255
  Secret value;       // as long as the secret
};

/// `count` shares with the indexes 1 to `count`. 1 <= threshold <= count <= 255.
std::vector<ShamirShare> shamir_split(ByteView secret, uint8_t threshold, uint8_t count, Entropy& entropy);
/// The secret, when these are as many shares of one splitting as its threshold, or more. Indexes differ and are not 0,
/// all values have one length.
Secret shamir_combine(const std::vector<ShamirShare>& shares);

}  // namespace coffer::crypto
