// Sealed objects from anywhere: foreign bytes must be refused without a crash, and any change of a genuine object
// found.
#include <algorithm>

#include "engine/crypto/sealed_object.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::crypto;

constexpr std::string_view kPlace = "vault:fuzz/packs/1";
constexpr uint8_t kSegmentLog2 = 12;

/// 00 01 ... 3f, as in the format's vectors, so that seeds stay valid.
Bytes fixed_root() {
  Bytes root(kRootSize);
  for (size_t i = 0; i < root.size(); ++i) root[i] = static_cast<std::byte>(i);
  return root;
}

Result<Bytes> read_at_random_access(ByteView root, ByteView sealed) {
  auto read = [sealed](uint64_t offset, uint64_t length) -> Result<Bytes> {
    require(offset <= sealed.size() && length <= sealed.size() - offset);
    return to_bytes(sealed.subspan(offset, length));
  };
  COFFER_TRY(SealedReader reader, SealedReader::open(root, ObjectKind::kPack, kPlace, sealed.size(), read));
  Bytes plain(reader.plain_size());
  COFFER_CHECK_OK(reader.read_plain(0, plain));
  return plain;
}

/// Both readers come to the same result.
Result<Bytes> open_both_ways(ByteView root, ByteView sealed) {
  Result<Bytes> whole = open_sealed(root, ObjectKind::kPack, kPlace, sealed);
  Result<Bytes> ranged = read_at_random_access(root, sealed);
  require(whole.ok() == ranged.ok());
  if (whole.ok()) require(*whole == *ranged);
  return whole;
}

/// The first bytes say where to change a genuine object of the rest, and how.
void change_a_genuine_object(ByteView root, ByteView input) {
  ByteReader reader(input);
  uint16_t where = reader.u16();
  auto change = static_cast<std::byte>(reader.u8());
  uint16_t cut_size = reader.u16();
  ByteView plain = reader.bytes(reader.left());
  if (!reader.ok()) return;

  Bytes salt(32);
  SealParameters parameters{.key_id = {},
                            .object_id = {},
                            .kind = ObjectKind::kPack,
                            .place = std::string(kPlace),
                            .segment_log2 = kSegmentLog2};
  Bytes sealed = seal_with_salt(root, parameters, plain, salt);
  require(sealed.size() == sealed_size(plain.size(), kSegmentLog2));
  Bytes changed = to_bytes(ByteView(sealed).first(sealed.size() - cut_size % sealed.size()));
  changed[where % changed.size()] ^= change;

  Result<Bytes> opened = open_both_ways(root, changed);
  require(opened.ok() == (changed == sealed));
  if (opened.ok()) require(equal(*opened, plain));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Bytes root = fixed_root();
  ByteView input = std::as_bytes(std::span(data, size));
  (void)parse_sealed_header(input.first(std::min(input.size(), kSealedHeaderSize)));
  (void)open_both_ways(root, input);
  change_a_genuine_object(root, input);
  return 0;
}
