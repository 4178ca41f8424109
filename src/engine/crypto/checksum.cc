#include "engine/crypto/checksum.h"

#include <xxhash.h>

#include <array>
#include <new>
#include <variant>

#include "engine/crypto/crc_reflected.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/openssl_handles.h"

namespace coffer::crypto {
namespace {

struct Kind {
  std::string_view name;
  size_t size_bytes;
};
constexpr std::array<Kind, 10> kKinds{{{"CRC32", 4},
                                       {"CRC32C", 4},
                                       {"CRC64NVME", 8},
                                       {"SHA1", 20},
                                       {"SHA256", 32},
                                       {"SHA512", 64},
                                       {"MD5", 16},
                                       {"XXHASH64", 8},
                                       {"XXHASH3", 8},
                                       {"XXHASH128", 16}}};

const Kind& about(ChecksumKind kind) { return kKinds.at(static_cast<size_t>(kind)); }

const EVP_MD* fetched(const char* name) {
  const EVP_MD* algorithm = EVP_MD_fetch(nullptr, name, nullptr);
  COFFER_ASSERT(algorithm != nullptr);
  return algorithm;
}

const EVP_MD* algorithm_of(ChecksumKind kind) {
  static const EVP_MD* const sha1 = fetched("SHA1");
  static const EVP_MD* const sha512 = fetched("SHA512");
  switch (kind) {
    case ChecksumKind::kSha1: return sha1;
    case ChecksumKind::kSha256: return sha256_algorithm();
    case ChecksumKind::kSha512: return sha512;
    default: break;
  }
  // An OpenSSL that is bound to FIPS has none.
  static const EVP_MD* const md5 = fetched("MD5");
  return md5;
}

Bytes big_endian(uint64_t value, size_t size_bytes) {
  Bytes out;
  ByteWriter writer(out);
  size_bytes == 4 ? writer.u32(static_cast<uint32_t>(value)) : writer.u64(value);
  return out;
}

uint64_t number(ByteView digest) {
  ByteReader reader(digest);
  return digest.size() == 4 ? reader.u32() : reader.u64();
}

struct Crc32Stream {
  uint32_t crc = 0;
  void update(ByteView data) { crc = crc32(data, crc); }
  [[nodiscard]] Bytes finish() const { return big_endian(crc, 4); }
};
struct Crc32cStream {
  uint32_t crc = 0;
  void update(ByteView data) { crc = crc32c(data, crc); }
  [[nodiscard]] Bytes finish() const { return big_endian(crc, 4); }
};
struct Crc64Stream {
  uint64_t crc = 0;
  void update(ByteView data) { crc = crc64_nvme(data, crc); }
  [[nodiscard]] Bytes finish() const { return big_endian(crc, 8); }
};

struct DigestStream {
  explicit DigestStream(const EVP_MD* algorithm) : context(new_digest_context()) {
    COFFER_ASSERT(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1);
  }
  void update(ByteView data) { COFFER_ASSERT(EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1); }
  [[nodiscard]] Bytes finish() const {
    Bytes out(static_cast<size_t>(EVP_MD_CTX_get_size(context.get())));
    unsigned int size = 0;
    COFFER_ASSERT(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size) == 1);
    return out;
  }
  DigestContext context;
};

template <class T>
T* allocated(T* state) {
  if (state == nullptr) throw std::bad_alloc();
  return state;
}

struct FreeXxHash {
  void operator()(XXH64_state_t* state) const { XXH64_freeState(state); }
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
struct XxHash64Stream {
  XxHash64Stream() : state(allocated(XXH64_createState())) { XXH64_reset(state.get(), 0); }
  void update(ByteView data) { XXH64_update(state.get(), data.data(), data.size()); }
  [[nodiscard]] Bytes finish() const { return big_endian(XXH64_digest(state.get()), 8); }
  std::unique_ptr<XXH64_state_t, FreeXxHash> state;
};
struct XxHash3Stream {
  XxHash3Stream() : state(allocated(XXH3_createState())) { XXH3_64bits_reset(state.get()); }
  void update(ByteView data) { XXH3_64bits_update(state.get(), data.data(), data.size()); }
  [[nodiscard]] Bytes finish() const { return big_endian(XXH3_64bits_digest(state.get()), 8); }
  std::unique_ptr<XXH3_state_t, FreeXxHash> state;
};
struct XxHash128Stream {
  XxHash128Stream() : state(allocated(XXH3_createState())) { XXH3_128bits_reset(state.get()); }
  void update(ByteView data) { XXH3_128bits_update(state.get(), data.data(), data.size()); }
  [[nodiscard]] Bytes finish() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
    Bytes out;
    ByteWriter writer(out);
    writer.u64(hash.high64);
    writer.u64(hash.low64);
    return out;
  }
  std::unique_ptr<XXH3_state_t, FreeXxHash> state;
};

using Stream =
    std::variant<Crc32Stream, Crc32cStream, Crc64Stream, DigestStream, XxHash64Stream, XxHash3Stream, XxHash128Stream>;

Stream stream_of(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32: return Crc32Stream();
    case ChecksumKind::kCrc32c: return Crc32cStream();
    case ChecksumKind::kCrc64Nvme: return Crc64Stream();
    case ChecksumKind::kXxHash64: return XxHash64Stream();
    case ChecksumKind::kXxHash3: return XxHash3Stream();
    case ChecksumKind::kXxHash128: return XxHash128Stream();
    default: return DigestStream(algorithm_of(kind));
  }
}

}  // namespace

std::string_view name_of(ChecksumKind kind) { return about(kind).name; }
size_t checksum_size(ChecksumKind kind) { return about(kind).size_bytes; }

std::optional<ChecksumKind> checksum_kind(std::string_view name) {
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].name == name) return static_cast<ChecksumKind>(i);
  }
  return std::nullopt;
}

struct Checksum::State {
  ChecksumKind kind;
  Stream stream;
};

Checksum::Checksum(ChecksumKind kind) : state_(new State{kind, stream_of(kind)}) {}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

ChecksumKind Checksum::kind() const { return state_->kind; }

void Checksum::update(ByteView data) {
  if (data.empty()) return;
  std::visit([&](auto& stream) { stream.update(data); }, state_->stream);
}

Bytes Checksum::finish() {
  return std::visit([](auto& stream) { return stream.finish(); }, state_->stream);
}

Bytes checksum_of(ChecksumKind kind, ByteView data) {
  Checksum checksum(kind);
  checksum.update(data);
  return checksum.finish();
}

Bytes combine_checksums(ChecksumKind kind, ByteView first, ByteView second, uint64_t second_size_bytes) {
  COFFER_ASSERT(first.size() == checksum_size(kind) && second.size() == first.size());
  switch (kind) {
    case ChecksumKind::kCrc32:
      return big_endian(
          crc32_combine(static_cast<uint32_t>(number(first)), static_cast<uint32_t>(number(second)), second_size_bytes),
          4);
    case ChecksumKind::kCrc32c:
      return big_endian(crc32c_combine(static_cast<uint32_t>(number(first)), static_cast<uint32_t>(number(second)),
                                       second_size_bytes),
                        4);
    default:
      COFFER_ASSERT(kind == ChecksumKind::kCrc64Nvme);  // only CRCs can be combined
      return big_endian(crc64_nvme_combine(number(first), number(second), second_size_bytes), 8);
  }
}

}  // namespace coffer::crypto
