#include "engine/crypto/sealed_object.h"

#include <algorithm>

#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/digest.h"

namespace coffer::crypto {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {0x89, 0x42, 0x4b, 0x4f, 0x0d, 0x0a, 0x1a, 0x0a};
constexpr uint16_t kVersion = 1;
constexpr uint16_t kSuite = 1;  // HKDF-Expand-SHA-512 and AES-256-GCM
constexpr uint8_t kSegmentLog2Min = 12, kSegmentLog2Max = 24;
constexpr size_t kSaltSize = 32;
constexpr size_t kCommitmentSize = 32;
constexpr size_t kBoundHeaderSize = kSealedHeaderSize - kCommitmentSize;  // takes part in the key derivation
constexpr size_t kPlaceSizeMax = 511;
constexpr uint64_t kPlainSizeMax = uint64_t{4} << 40;  // by policy; GCM's bounds lie far beyond
/// A reader fetches no more than this at once, or one segment where that is larger.
constexpr uint64_t kFetchSizeMax = uint64_t{8} << 20;
/// Of objects up to this size everything comes with the first fetch; the last segment stays in memory up to this size.
constexpr uint64_t kSmallSize = kSealedHeaderSize + (uint64_t{1} << 16) + kSealedTagSize;

static_assert(kSealedTagSize == kGcmTagSize);

/// One text for every reason: which check failed would help only somebody who forges.
Error authentication_failed() { return {ErrorCode::kCorruption, "authentication failed", {}}; }

/// What HKDF gives for one object, wiped with it.
class ObjectKeys {
 public:
  ObjectKeys(ByteView root, ByteView bound_header, std::string_view place) {
    Bytes info = to_bytes("sealed-object v1");
    ByteWriter writer(info);
    writer.u8(0);
    writer.bytes(bound_header);
    writer.string16(place);
    okm_ = Secret(hkdf_expand_sha512(root, info, kCommitmentSize + kGcmKeySize + kGcmNonceSize));
  }
  [[nodiscard]] ByteView commitment() const { return okm_.view().first(kCommitmentSize); }
  [[nodiscard]] ByteView key() const { return okm_.view().subspan(kCommitmentSize, kGcmKeySize); }
  /// The base nonce with its low eight bytes XORed with the big-endian index.
  [[nodiscard]] GcmNonce nonce_of(uint64_t segment_index) const {
    GcmNonce nonce;
    std::memcpy(nonce.data(), okm_.view().data() + kCommitmentSize + kGcmKeySize, nonce.size());
    for (size_t i = 0; i < 8; ++i) nonce[kGcmNonceSize - 1 - i] ^= static_cast<std::byte>(segment_index >> (8 * i));
    return nonce;
  }

 private:
  Secret okm_;
};

/// How an object is cut. Every segment but the last holds exactly segment_size; the last holds less, perhaps nothing.
struct Layout {
  uint64_t segment_size = 0;
  uint64_t plain_size = 0;
  [[nodiscard]] uint64_t last_index() const { return plain_size / segment_size; }
  [[nodiscard]] uint64_t plain_size_of(uint64_t index) const {
    return index < last_index() ? segment_size : plain_size % segment_size;
  }
  [[nodiscard]] uint64_t sealed_offset_of(uint64_t index) const {
    return kSealedHeaderSize + index * (segment_size + kSealedTagSize);
  }
};

/// No layout has a size between these: such an object was cut or grew.
Result<Layout> layout_of(uint64_t sealed_size_bytes, uint8_t segment_log2) {
  if (sealed_size_bytes < kSealedHeaderSize) return authentication_failed();
  Layout layout{.segment_size = uint64_t{1} << segment_log2};
  uint64_t body = sealed_size_bytes - kSealedHeaderSize;
  uint64_t whole_segments = body / (layout.segment_size + kSealedTagSize);
  uint64_t last = body % (layout.segment_size + kSealedTagSize);
  if (last < kSealedTagSize) return authentication_failed();
  layout.plain_size = whole_segments * layout.segment_size + last - kSealedTagSize;
  if (layout.plain_size > kPlainSizeMax) return authentication_failed();
  return layout;
}

struct UnlockedHeader {
  SealedHeader header;
  Layout layout;
  ObjectKeys keys;
};

Result<UnlockedHeader> unlock_header(ByteView root, ObjectKind kind, std::string_view place, ByteView first_128_bytes,
                                     uint64_t sealed_size_bytes) {
  COFFER_ASSERT(root.size() == kRootSize);
  COFFER_TRY(SealedHeader header, parse_sealed_header(first_128_bytes));
  if (header.kind != kind || place.size() > kPlaceSizeMax) return authentication_failed();
  COFFER_TRY(Layout layout, layout_of(sealed_size_bytes, header.segment_log2));
  ObjectKeys keys(root, first_128_bytes.first(kBoundHeaderSize), place);
  if (!equal_constant_time(keys.commitment(), first_128_bytes.subspan(kBoundHeaderSize)))
    return authentication_failed();
  return UnlockedHeader{.header = header, .layout = layout, .keys = std::move(keys)};
}

/// Exactly the range asked for, or an error.
Result<Bytes> fetch(const SealedReader::ReadRange& read, uint64_t offset, uint64_t length) {
  COFFER_TRY(Bytes bytes, read(offset, length));
  if (bytes.size() != length) return authentication_failed();
  return bytes;
}

Bytes header_before_commitment(const SealParameters& parameters, ByteView salt32) {
  Bytes header;
  header.reserve(kSealedHeaderSize);
  ByteWriter writer(header);
  for (uint8_t byte : kMagic) writer.u8(byte);
  writer.u16(kVersion);
  writer.u16(kSuite);
  writer.u8(parameters.segment_log2);
  writer.u8(0);  // flags
  writer.u16(kSealedHeaderSize);
  writer.bytes(parameters.key_id);
  writer.bytes(parameters.object_id);
  writer.u16(static_cast<uint16_t>(parameters.kind));
  writer.bytes(std::array<std::byte, 6>{});
  writer.bytes(salt32);
  writer.u64(0);
  return header;
}

void seal_all(Bytes& sealed, ByteView root, const SealParameters& parameters, ByteView plain, ByteView salt32) {
  COFFER_ASSERT(root.size() == kRootSize);
  COFFER_ASSERT(salt32.size() == kSaltSize);
  COFFER_ASSERT(parameters.place.size() <= kPlaceSizeMax);
  COFFER_ASSERT(parameters.segment_log2 >= kSegmentLog2Min && parameters.segment_log2 <= kSegmentLog2Max);
  COFFER_ASSERT(plain.size() <= kPlainSizeMax);

  Bytes header = header_before_commitment(parameters, salt32);
  ObjectKeys keys(root, header, parameters.place);
  append(header, keys.commitment());

  const uint64_t size = sealed_size(plain.size(), parameters.segment_log2);
  if (sealed.size() > size) sealed.resize(size);
  sealed.reserve(size);
  // Grown a segment at a time: what must be zeroed is zeroed just before it is filled, while it is in the cache.
  auto grow_to = [&sealed](uint64_t end) {
    if (sealed.size() < end) sealed.resize(end);
  };
  grow_to(header.size());
  std::memcpy(sealed.data(), header.data(), header.size());

  GcmSealer sealer(keys.key());
  Layout layout{.segment_size = uint64_t{1} << parameters.segment_log2, .plain_size = plain.size()};
  for (uint64_t index = 0; index <= layout.last_index(); ++index) {
    ByteView segment = plain.subspan(index * layout.segment_size, layout.plain_size_of(index));
    uint64_t offset = layout.sealed_offset_of(index);
    grow_to(offset + segment.size() + kSealedTagSize);
    sealer.seal(keys.nonce_of(index), segment, sealed.data() + offset);
  }
}

}  // namespace

uint64_t sealed_size(uint64_t plain_size, uint8_t segment_log2) {
  Layout layout{.segment_size = uint64_t{1} << segment_log2, .plain_size = plain_size};
  return layout.sealed_offset_of(layout.last_index()) + layout.plain_size_of(layout.last_index()) + kSealedTagSize;
}

Bytes seal(ByteView root, const SealParameters& parameters, ByteView plain, Entropy& entropy) {
  return seal_with_salt(root, parameters, plain, entropy.array<kSaltSize>());
}

void seal_into(Bytes& sealed, ByteView root, const SealParameters& parameters, ByteView plain, Entropy& entropy) {
  seal_all(sealed, root, parameters, plain, entropy.array<kSaltSize>());
}

Bytes seal_with_salt(ByteView root, const SealParameters& parameters, ByteView plain, ByteView salt32) {
  Bytes sealed;
  seal_all(sealed, root, parameters, plain, salt32);
  return sealed;
}

Result<SealedHeader> parse_sealed_header(ByteView first_128_bytes) {
  if (first_128_bytes.size() != kSealedHeaderSize) return authentication_failed();
  ByteReader reader(first_128_bytes);
  SealedHeader header;
  bool known = equal(reader.bytes(kMagic.size()), std::as_bytes(std::span(kMagic)));
  known &= reader.u16() == kVersion;
  known &= reader.u16() == kSuite;
  header.segment_log2 = reader.u8();
  known &= header.segment_log2 >= kSegmentLog2Min && header.segment_log2 <= kSegmentLog2Max;
  known &= reader.u8() == 0;  // flags
  known &= reader.u16() == kSealedHeaderSize;
  header.key_id = reader.array<16>();
  header.object_id = reader.array<16>();
  header.kind = static_cast<ObjectKind>(reader.u16());
  known &= is_zero(reader.bytes(6));
  reader.bytes(kSaltSize);
  known &= reader.u64() == 0;
  if (!known) return authentication_failed();
  return header;
}

struct SealedReader::State {
  UnlockedHeader object;
  uint64_t sealed_size_bytes = 0;
  ReadRange read;
  /// Plain bytes of the last segment, where a table of contents usually lies; absent when it is too large to keep.
  std::optional<Bytes> last_segment;

  [[nodiscard]] const Layout& layout() const { return object.layout; }
  Status read_segments(uint64_t offset, MutableByteView out) const;
  bool open_segments(GcmOpener& opener, uint64_t first_index, MutableByteView sealed, uint64_t offset,
                     MutableByteView out) const;
};

SealedReader::SealedReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SealedReader::SealedReader(SealedReader&&) noexcept = default;
SealedReader& SealedReader::operator=(SealedReader&&) noexcept = default;
SealedReader::~SealedReader() = default;

Result<SealedReader> SealedReader::open(ByteView root, ObjectKind kind, std::string_view place,
                                        uint64_t sealed_size_bytes, ReadRange read) {
  if (sealed_size_bytes < kSealedHeaderSize) return authentication_failed();
  COFFER_TRY(Bytes front, fetch(read, 0, sealed_size_bytes <= kSmallSize ? sealed_size_bytes : kSealedHeaderSize));
  COFFER_TRY(UnlockedHeader object,
             unlock_header(root, kind, place, ByteView(front).first(kSealedHeaderSize), sealed_size_bytes));

  uint64_t last_index = object.layout.last_index();
  uint64_t last_offset = object.layout.sealed_offset_of(last_index);
  Bytes last;
  if (front.size() == sealed_size_bytes) {
    last = to_bytes(ByteView(front).subspan(last_offset));
  } else {
    COFFER_TRY(last, fetch(read, last_offset, sealed_size_bytes - last_offset));
  }
  if (!GcmOpener(object.keys.key()).open(object.keys.nonce_of(last_index), last, last.data())) {
    return authentication_failed();
  }
  last.resize(last.size() - kSealedTagSize);

  auto state = std::make_unique<State>(State{.object = std::move(object),
                                             .sealed_size_bytes = sealed_size_bytes,
                                             .read = std::move(read),
                                             .last_segment = std::nullopt});
  if (last.size() <= kSmallSize) state->last_segment = std::move(last);
  return SealedReader(std::move(state));
}

uint64_t SealedReader::plain_size() const { return state_->layout().plain_size; }
const SealedHeader& SealedReader::header() const { return state_->object.header; }

Status SealedReader::read_plain(uint64_t offset, MutableByteView out) const {
  if (offset > plain_size() || out.size() > plain_size() - offset) {
    return Error{ErrorCode::kInvalidArgument, "range past the end of a sealed object", {}};
  }
  if (out.empty()) return ok_status();
  Status status = state_->read_segments(offset, out);
  if (!status.ok()) wipe(out);  // whole segments are decrypted in place, before their tag is known to hold
  return status;
}

Status SealedReader::State::read_segments(uint64_t offset, MutableByteView out) const {
  const uint64_t segment_size = layout().segment_size;
  uint64_t index = offset / segment_size;
  uint64_t end_index = (offset + out.size() - 1) / segment_size + 1;
  if (last_segment && end_index - 1 == layout().last_index()) {
    --end_index;
    uint64_t last_begin = end_index * segment_size;
    uint64_t from = std::max(offset, last_begin);
    std::memcpy(out.data() + (from - offset), last_segment->data() + (from - last_begin), offset + out.size() - from);
  }

  GcmOpener opener(object.keys.key());
  const uint64_t batch_count = std::max<uint64_t>(1, kFetchSizeMax / (segment_size + kSealedTagSize));
  while (index < end_index) {
    uint64_t batch_end = std::min(end_index, index + batch_count);
    uint64_t begin_offset = layout().sealed_offset_of(index);
    uint64_t end_offset = std::min(layout().sealed_offset_of(batch_end), sealed_size_bytes);
    COFFER_TRY(Bytes sealed, fetch(read, begin_offset, end_offset - begin_offset));
    if (!open_segments(opener, index, sealed, offset, out)) return authentication_failed();
    index = batch_end;
  }
  return ok_status();
}

/// Opens the segments in `sealed`, of which `first_index` is the first, and copies what they have in common with the
/// plain range [offset, offset + out.size()).
bool SealedReader::State::open_segments(GcmOpener& opener, uint64_t first_index, MutableByteView sealed,
                                        uint64_t offset, MutableByteView out) const {
  for (uint64_t index = first_index; !sealed.empty(); ++index) {
    uint64_t plain_begin = index * layout().segment_size;
    uint64_t plain_size = layout().plain_size_of(index);
    MutableByteView segment = sealed.first(plain_size + kSealedTagSize);
    sealed = sealed.subspan(segment.size());
    uint64_t from = std::max(offset, plain_begin);
    uint64_t to = std::min(offset + out.size(), plain_begin + plain_size);
    bool all_wanted = to - from == plain_size;
    std::byte* target = all_wanted ? out.data() + (plain_begin - offset) : segment.data();
    if (!opener.open(object.keys.nonce_of(index), segment, target)) return false;
    if (!all_wanted) std::memcpy(out.data() + (from - offset), segment.data() + (from - plain_begin), to - from);
  }
  return true;
}

Result<Bytes> open_sealed(ByteView root, ObjectKind kind, std::string_view place, ByteView sealed) {
  if (sealed.size() < kSealedHeaderSize) return authentication_failed();
  COFFER_TRY(UnlockedHeader object, unlock_header(root, kind, place, sealed.first(kSealedHeaderSize), sealed.size()));
  const Layout& layout = object.layout;
  GcmOpener opener(object.keys.key());
  Bytes plain;
  plain.reserve(layout.plain_size);
  for (uint64_t index = 0; index <= layout.last_index(); ++index) {
    // Grown a segment at a time: zeroed and filled while it is in the cache.
    uint64_t begin = plain.size();
    plain.resize(begin + layout.plain_size_of(index));
    ByteView segment = sealed.subspan(layout.sealed_offset_of(index), layout.plain_size_of(index) + kSealedTagSize);
    if (!opener.open(object.keys.nonce_of(index), segment, plain.data() + begin)) {
      wipe(plain);
      return authentication_failed();
    }
  }
  return plain;
}

}  // namespace coffer::crypto
