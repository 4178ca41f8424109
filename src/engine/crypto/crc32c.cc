// CRC-32C. A CRC is the remainder of a polynomial over GF(2) modulo P; all words here are bit-reflected: bit 31 is x^0,
// bit 0 is x^31. Bytes appended to a message multiply its remainder by x^8 each, so joining two CRCs is one
// multiplication by a power of x, and one long message can be computed as three interleaved lanes that are joined
// afterwards.
#include "engine/crypto/crc32c_portable.h"
#include "engine/crypto/digest.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#define COFFER_CRC32C_X86 1
#endif

namespace coffer::crypto {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // P without its x^32
constexpr uint32_t kOne = 0x80000000;         // x^0
// P is (x + 1) times a primitive polynomial of degree 31, so powers of x repeat with this period.
constexpr uint64_t kOrderOfX = 0x7fffffff;

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0); }

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t coefficient = kOne; coefficient != 0; coefficient >>= 1) {
    if ((a & coefficient) != 0) product ^= b;
    b = times_x(b);
  }
  return product;
}

/// x^(2^k) for k from 0 to 30.
constexpr auto kSquares = [] {
  std::array<uint32_t, 31> squares{};
  squares[0] = times_x(kOne);
  for (size_t k = 1; k < squares.size(); ++k) squares[k] = multiply(squares[k - 1], squares[k - 1]);
  return squares;
}();

/// x^exponent; a negative exponent is written as kOrderOfX - n.
constexpr uint32_t power_of_x(uint64_t exponent) {
  exponent %= kOrderOfX;
  uint32_t power = kOne;
  for (size_t k = 0; exponent != 0; ++k, exponent >>= 1) {
    if ((exponent & 1) != 0) power = multiply(power, kSquares[k]);
  }
  return power;
}
static_assert(multiply(power_of_x(kOrderOfX - 1), times_x(kOne)) == kOne, "the period of x holds");

/// x^(8 size + more)
constexpr uint32_t power_for_bytes(uint64_t size_bytes, uint64_t more = 0) {
  return power_of_x(size_bytes % kOrderOfX * 8 + more);
}

/// kTables[k][b]: remainder of byte b followed by k zero bytes.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t remainder = b;
    for (int bit = 0; bit < 8; ++bit) remainder = times_x(remainder);
    tables[0][b] = remainder;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  }
  return tables;
}();

/// Callers join the CRCs of equally long pieces again and again: the factor of the last length is kept.
/// `more` is fixed per call site, so each has its own cache.
struct FactorCache {
  uint64_t size_bytes = 0;
  uint32_t factor = 0;  // no power of x is 0
  uint32_t of(uint64_t wanted_size_bytes, uint64_t more) {
    if (factor == 0 || size_bytes != wanted_size_bytes) {
      factor = power_for_bytes(wanted_size_bytes, more);
      size_bytes = wanted_size_bytes;
    }
    return factor;
  }
};

#ifdef COFFER_CRC32C_X86

// The carry-less product of two reflected words, taken as an 8-byte message, stands for a * b * x, and the CRC
// instruction multiplies by x^32 as it reduces. So a factor that goes into multiply_fast() is made smaller by x^33.
constexpr uint64_t kMinus33 = kOrderOfX - 33;

__attribute__((target("sse4.2,pclmul"))) inline uint32_t multiply_fast(uint32_t a, uint32_t factor_minus_33) {
  __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128(static_cast<int>(a)),
                                         _mm_cvtsi32_si128(static_cast<int>(factor_minus_33)), 0);
  return static_cast<uint32_t>(_mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product))));
}

/// Takes as many rounds of three lanes from the front of [p, end) as fit. The instruction needs three cycles but one
/// can start every cycle: three lanes keep it busy.
template <size_t kLaneSize>
__attribute__((target("sse4.2,pclmul"))) inline uint32_t three_lanes(const std::byte*& p, const std::byte* end,
                                                                     uint32_t crc) {
  constexpr uint32_t kOneLane = power_for_bytes(kLaneSize, kMinus33);
  constexpr uint32_t kTwoLanes = power_for_bytes(2 * kLaneSize, kMinus33);
  while (static_cast<size_t>(end - p) >= 3 * kLaneSize) {
    uint64_t a = crc, b = 0, c = 0;
    for (const std::byte* lane_end = p + kLaneSize; p != lane_end; p += 8) {
      a = _mm_crc32_u64(a, load_le<uint64_t>(p));
      b = _mm_crc32_u64(b, load_le<uint64_t>(p + kLaneSize));
      c = _mm_crc32_u64(c, load_le<uint64_t>(p + 2 * kLaneSize));
    }
    p += 2 * kLaneSize;
    crc = multiply_fast(static_cast<uint32_t>(a), kTwoLanes) ^ multiply_fast(static_cast<uint32_t>(b), kOneLane) ^
          static_cast<uint32_t>(c);
  }
  return crc;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t crc32c_fast(ByteView data, uint32_t crc) {
  const std::byte* p = data.data();
  const std::byte* end = p + data.size();
  crc = ~crc;
  crc = three_lanes<1024>(p, end, crc);
  crc = three_lanes<128>(p, end, crc);
  for (; end - p >= 8; p += 8) crc = static_cast<uint32_t>(_mm_crc32_u64(crc, load_le<uint64_t>(p)));
  for (; p != end; ++p) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*p));
  return ~crc;
}

bool processor_is_fast() {
  static const bool fast = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return fast;
}

#endif

}  // namespace

uint32_t crc32c_portable(ByteView data, uint32_t crc) {
  const std::byte* p = data.data();
  const std::byte* end = p + data.size();
  crc = ~crc;
  for (; end - p >= 8; p += 8) {
    uint64_t word = load_le<uint64_t>(p) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> (8 * k) & 0xff];
  }
  for (; p != end; ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*p)) & 0xff];
  return ~crc;
}

uint32_t crc32c_combine_portable(uint32_t first, uint32_t second, uint64_t second_size_bytes) {
  thread_local FactorCache cache;
  return multiply(first, cache.of(second_size_bytes, 0)) ^ second;
}

uint32_t crc32c(ByteView data, uint32_t crc) {
#ifdef COFFER_CRC32C_X86
  if (processor_is_fast()) return crc32c_fast(data, crc);
#endif
  return crc32c_portable(data, crc);
}

uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_size_bytes) {
#ifdef COFFER_CRC32C_X86
  if (processor_is_fast()) {
    thread_local FactorCache cache;
    return multiply_fast(first, cache.of(second_size_bytes, kMinus33)) ^ second;
  }
#endif
  return crc32c_combine_portable(first, second, second_size_bytes);
}

}  // namespace coffer::crypto
