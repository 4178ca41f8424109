// Layouts as bytes: u8 1, varint count, then per piece its id, varint size, u8 flags (1: inline), varint part number,
// u8 size of the checksum and the checksum.
#include "services/s3/object_data.h"

namespace coffer::s3 {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kInline = 1;
constexpr size_t kPieceSizeMin = 16 + 4;
constexpr uint64_t kSizeMax = uint64_t{1} << 53;  // 10,000 parts of 5 GiB are far below
constexpr int32_t kPartNumberMax = 10'000;

std::optional<Layout> read_layout(ByteView bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kVersion) return std::nullopt;
  const uint64_t count = reader.varint();
  if (count == 0 || count > reader.left() / kPieceSizeMin) return std::nullopt;
  Layout layout;
  layout.reserve(count);
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Piece piece;
    piece.id = reader.array<16>();
    piece.size_bytes = reader.varint();
    const uint8_t flags = reader.u8();
    const uint64_t part_number = reader.varint();
    piece.checksum = to_text(reader.bytes(reader.u8()));
    piece.is_inline = flags == kInline;
    total += piece.size_bytes;
    if (!reader.ok() || flags > kInline || part_number > kPartNumberMax || piece.size_bytes > kSizeMax ||
        total > kSizeMax || (piece.size_bytes == 0 && !piece.is_inline))
      return std::nullopt;
    piece.part_number = static_cast<int32_t>(part_number);
    layout.push_back(std::move(piece));
  }
  return reader.done() ? std::optional(std::move(layout)) : std::nullopt;
}

}  // namespace

Bytes encode_layout(const Layout& layout) {
  Bytes out;
  if (layout.empty()) return out;
  ByteWriter writer(out);
  writer.u8(kVersion);
  writer.varint(layout.size());
  for (const Piece& piece : layout) {
    COFFER_ASSERT(piece.checksum.size() <= 0xff && piece.part_number >= 0);
    writer.bytes(piece.id);
    writer.varint(piece.size_bytes);
    writer.u8(piece.is_inline ? kInline : 0);
    writer.varint(static_cast<uint64_t>(piece.part_number));
    writer.u8(static_cast<uint8_t>(piece.checksum.size()));
    writer.bytes(as_bytes(piece.checksum));
  }
  return out;
}

Result<Layout> decode_layout(ByteView bytes) {
  if (bytes.empty()) return Layout();
  auto layout = read_layout(bytes);
  // A number may be written as a longer varint: only one form is ours.
  if (!layout || encode_layout(*layout) != to_bytes(bytes))
    return Error{ErrorCode::kCorruption, "s3: the layout of an object is not as it was written", {}};
  return std::move(*layout);
}

}  // namespace coffer::s3
