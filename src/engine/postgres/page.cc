#include "engine/postgres/page.h"

#include <cstring>

namespace coffer::postgres {
namespace {

// The checksum runs 32 FNV-1a like lanes over a page seen as 64 rows of 32 values, each lane from its own start value
// (constants of PostgreSQL's page format).
constexpr size_t kLanes = 32;
constexpr size_t kRows = kPageSize / (kLanes * sizeof(uint32_t));
constexpr uint32_t kPrime = 16777619;
alignas(64) constexpr uint32_t kStart[kLanes] = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756};

// `kWidth` values in one vector. One template, compiled once per instruction set below.
template <size_t kWidth>
struct Vector {
  typedef uint32_t Type __attribute__((vector_size(kWidth * sizeof(uint32_t))));
};

template <size_t kWidth>
[[gnu::always_inline]] inline uint32_t fold_page(const std::byte* page) {
  using V = typename Vector<kWidth>::Type;
  constexpr size_t kVectors = kLanes / kWidth;
  V lanes[kVectors];
  std::memcpy(lanes, kStart, sizeof lanes);

  // Row 0 holds the stored checksum (bytes 8 and 9), which counts as zero.
  std::byte first_row[kLanes * sizeof(uint32_t)];
  std::memcpy(first_row, page, sizeof first_row);
  first_row[8] = first_row[9] = std::byte{0};

  const std::byte* row = first_row;
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t i = 0; i < kVectors; ++i) {
      V values;
      std::memcpy(&values, row + i * sizeof values, sizeof values);
      V t = lanes[i] ^ values;
      lanes[i] = (t * kPrime) ^ (t >> 17);
    }
    row = page + (r + 1) * sizeof first_row;
  }
  for (int round = 0; round < 2; ++round) {
    for (V& lane : lanes) lane = (lane * kPrime) ^ (lane >> 17);
  }
  uint32_t sums[kLanes];
  std::memcpy(sums, lanes, sizeof sums);
  uint32_t folded = 0;
  for (uint32_t sum : sums) folded ^= sum;
  return folded;
}

#if defined(__GNUC__) && !defined(__clang__)
#define COFFER_OPTIMIZED __attribute__((optimize("O3")))
#else
#define COFFER_OPTIMIZED
#endif

COFFER_OPTIMIZED uint32_t fold_page_portable(const std::byte* page) { return fold_page<4>(page); }

using Fold = uint32_t (*)(const std::byte*);

#if defined(__x86_64__)
COFFER_OPTIMIZED __attribute__((target("avx2"))) uint32_t fold_page_avx2(const std::byte* page) {
  return fold_page<8>(page);
}
COFFER_OPTIMIZED __attribute__((target("avx512f"))) uint32_t fold_page_avx512(const std::byte* page) {
  return fold_page<16>(page);
}

Fold best_fold() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return fold_page_avx512;
  if (__builtin_cpu_supports("avx2")) return fold_page_avx2;
  return fold_page_portable;
}
#else
Fold best_fold() { return fold_page_portable; }
#endif

}  // namespace

uint16_t page_checksum(const std::byte* page, uint32_t block_number) {
  static const Fold fold = best_fold();
  return static_cast<uint16_t>((fold(page) ^ block_number) % 65535 + 1);
}

PageVerdict judge_page(const std::byte* page, uint32_t block_number, Lsn backup_start) {
  if (is_new_page(page) || page_lsn(page) >= backup_start) return PageVerdict::kNotJudged;
  return page_checksum(page, block_number) == stored_checksum(page) ? PageVerdict::kGood : PageVerdict::kBad;
}

}  // namespace coffer::postgres
