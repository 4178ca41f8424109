// What the tests of this folder share.
#pragma once
#include <gtest/gtest.h>

#include <random>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "engine/crypto/sealed_object.h"

namespace coffer::crypto {

inline Bytes hex(std::string_view digits) { return from_hex(digits).value(); }

/// byte i = i mod 251, as in the vectors of the format document
inline Bytes counting_bytes(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 251);
  return bytes;
}

inline Bytes random_bytes(size_t size, uint64_t seed) {
  SeededEntropy entropy(seed);
  Bytes bytes(size);
  entropy.fill(bytes);
  return bytes;
}

/// 00 01 ... 3f
inline Bytes vector_root() {
  Bytes root(kRootSize);
  for (size_t i = 0; i < root.size(); ++i) root[i] = static_cast<std::byte>(i);
  return root;
}

/// A number from 0 to max, the same for the same seed everywhere.
inline uint64_t up_to(std::mt19937_64& random, uint64_t max) { return random() % (max + 1); }

template <class T>
::testing::AssertionResult fails_with(const Result<T>& result, ErrorCode code, std::string_view part_of_message) {
  if (result.ok()) return ::testing::AssertionFailure() << "it succeeded";
  if (result.code() != code || result.error().message.find(part_of_message) == std::string::npos) {
    return ::testing::AssertionFailure() << error_code_name(result.code()) << ": " << result.error().message;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace coffer::crypto
