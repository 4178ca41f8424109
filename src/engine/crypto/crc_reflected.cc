// A CRC is the remainder of a polynomial over GF(2) modulo P. All words here are bit-reflected: the highest bit is x^0.
//
// The fast form folds: 128 bits of the message that lie D bits before other 128 bits may be replaced by themselves
// times x^D modulo P, added to those. Four such blocks side by side are moved forward 512 bits at a time, then folded
// into one, and the tables reduce the 16 bytes that are left.
#include "engine/crypto/crc_reflected.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#include <wmmintrin.h>
#define COFFER_CRC_X86 1
#endif

namespace coffer::crypto {
namespace {

/// `kPolynomial` is P without its highest power, reflected.
template <class Word, Word kPolynomial>
struct Crc {
  static constexpr Word kOne = static_cast<Word>(Word{1} << (sizeof(Word) * 8 - 1));  // x^0

  static constexpr Word times_x(Word a) { return static_cast<Word>((a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0)); }

  static constexpr Word multiply(Word a, Word b) {
    Word product = 0;
    for (Word coefficient = kOne; coefficient != 0; coefficient >>= 1) {
      if ((a & coefficient) != 0) product ^= b;
      b = times_x(b);
    }
    return product;
  }

  static constexpr Word power_of_x(int exponent) {
    Word power = kOne;
    for (int i = 0; i < exponent; ++i) power = times_x(power);
    return power;
  }

  /// kSquares[k] is x^(8 * 2^k): what 2^k zero bytes multiply a remainder by.
  static constexpr auto kSquares = [] {
    std::array<Word, 64> squares{};
    squares[0] = power_of_x(8);
    for (size_t k = 1; k < squares.size(); ++k) squares[k] = multiply(squares[k - 1], squares[k - 1]);
    return squares;
  }();

  /// kTables[k][b]: remainder of byte b followed by k zero bytes.
  static constexpr auto kTables = [] {
    std::array<std::array<Word, 256>, 8> tables{};
    for (size_t b = 0; b < 256; ++b) {
      Word remainder = static_cast<Word>(b);
      for (int bit = 0; bit < 8; ++bit) remainder = times_x(remainder);
      tables[0][b] = remainder;
    }
    for (size_t k = 1; k < 8; ++k) {
      for (size_t b = 0; b < 256; ++b)
        tables[k][b] = static_cast<Word>((tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff]);
    }
    return tables;
  }();

  /// The remainder of what `state` stands for, followed by `data`; no inversion.
  static Word by_tables(ByteView data, Word state) {
    const std::byte* p = data.data();
    const std::byte* end = p + data.size();
    for (; end - p >= 8; p += 8) {
      const uint64_t word = load_le<uint64_t>(p) ^ state;
      state = 0;
      for (size_t k = 0; k < 8; ++k) state ^= kTables[7 - k][word >> (8 * k) & 0xff];
    }
    for (; p != end; ++p)
      state = static_cast<Word>((state >> 8) ^ kTables[0][(state ^ static_cast<uint8_t>(*p)) & 0xff]);
    return state;
  }

  static Word combine(Word first, Word second, uint64_t second_size_bytes) {
    for (size_t k = 0; second_size_bytes != 0; ++k, second_size_bytes >>= 1) {
      if ((second_size_bytes & 1) != 0) first = multiply(first, kSquares[k]);
    }
    return first ^ second;
  }

#ifdef COFFER_CRC_X86
  /// x^exponent as the factor of a carry-less product. Two reflected 64-bit words give a * b * x there, hence the -1.
  static constexpr uint64_t factor(int exponent) {
    return static_cast<uint64_t>(power_of_x(exponent - 1)) << (64 - sizeof(Word) * 8);
  }

  /// `block` moved `kDistance` bits ahead. Its low half is the earlier one: another x^64.
  template <int kDistance>
  __attribute__((target("pclmul"))) static inline __m128i moved(__m128i block) {
    const __m128i factors =
        _mm_set_epi64x(static_cast<int64_t>(factor(kDistance)), static_cast<int64_t>(factor(kDistance + 64)));
    return _mm_xor_si128(_mm_clmulepi64_si128(block, factors, 0x00), _mm_clmulepi64_si128(block, factors, 0x11));
  }

  static inline __m128i load(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

  __attribute__((target("pclmul"))) static Word by_folding(ByteView data, Word state) {
    if (data.size() < 128) return by_tables(data, state);
    const std::byte* p = data.data();
    const std::byte* end = p + data.size();
    // A remainder is as good as the same bits at the front of what follows.
    __m128i a = _mm_xor_si128(load(p), _mm_set_epi64x(0, static_cast<int64_t>(uint64_t{state})));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
    for (p += 64; end - p >= 64; p += 64) {
      a = _mm_xor_si128(moved<512>(a), load(p));
      b = _mm_xor_si128(moved<512>(b), load(p + 16));
      c = _mm_xor_si128(moved<512>(c), load(p + 32));
      d = _mm_xor_si128(moved<512>(d), load(p + 48));
    }
    b = _mm_xor_si128(b, moved<128>(a));
    c = _mm_xor_si128(c, moved<128>(b));
    d = _mm_xor_si128(d, moved<128>(c));
    for (; end - p >= 16; p += 16) d = _mm_xor_si128(moved<128>(d), load(p));
    std::array<std::byte, 16> rest;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), d);
    return by_tables({p, end}, by_tables(rest, 0));
  }
#endif

  static Word by_best(ByteView data, Word state) {
#ifdef COFFER_CRC_X86
    static const bool folds = __builtin_cpu_supports("pclmul") != 0;
    if (folds) return by_folding(data, state);
#endif
    return by_tables(data, state);
  }
};

using Crc32 = Crc<uint32_t, 0xEDB88320>;
using Crc64Nvme = Crc<uint64_t, 0x9A6C9329AC4BC9B5>;

}  // namespace

uint32_t crc32(ByteView data, uint32_t crc) { return ~Crc32::by_best(data, ~crc); }
uint64_t crc64_nvme(ByteView data, uint64_t crc) { return ~Crc64Nvme::by_best(data, ~crc); }
uint32_t crc32_portable(ByteView data, uint32_t crc) { return ~Crc32::by_tables(data, ~crc); }
uint64_t crc64_nvme_portable(ByteView data, uint64_t crc) { return ~Crc64Nvme::by_tables(data, ~crc); }

uint32_t crc32_combine(uint32_t first, uint32_t second, uint64_t second_size_bytes) {
  return Crc32::combine(first, second, second_size_bytes);
}
uint64_t crc64_nvme_combine(uint64_t first, uint64_t second, uint64_t second_size_bytes) {
  return Crc64Nvme::combine(first, second, second_size_bytes);
}

}  // namespace coffer::crypto
