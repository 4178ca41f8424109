#include "engine/parquet/copy_stream.h"

#include <string>

namespace coffer::parquet {

namespace {

constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
constexpr size_t kHeaderSize = 11 + 4 + 4;
constexpr uint32_t kExtensionSizeMax = 1 << 16;

Error wrong(std::string what) { return {ErrorCode::kCorruption, "COPY's binary stream " + std::move(what), {}}; }

}  // namespace

Error CopyParser::too_large() { return wrong("has a row larger than PostgreSQL can make"); }

Result<size_t> CopyParser::next(ByteView bytes) {
  row_ready_ = false;
  if (bytes.empty()) return size_t{0};
  ByteReader in(bytes);
  switch (state_) {
    case State::kHeader: {
      const size_t begin = std::min(bytes.size(), kSignature.size());
      if (as_text(bytes.first(begin)) != kSignature.substr(0, begin)) return wrong("has no signature");
      if (bytes.size() < kHeaderSize) return size_t{0};
      in.bytes(kSignature.size());
      if (const uint32_t flags = in.u32(); (flags >> 16) != 0) return wrong("has flags that are not known");
      const uint32_t extension = in.u32();
      if (extension > kExtensionSizeMax) return wrong("has a header of " + std::to_string(extension) + " bytes");
      if (in.left() < extension) return size_t{0};
      state_ = State::kRows;
      return kHeaderSize + extension;
    }
    case State::kRows: {
      if (bytes.size() < 2) return size_t{0};
      const uint16_t count = in.u16();
      if (count == 0xffff) {
        state_ = State::kEnd;
        return size_t{2};
      }
      if (count != values_.size())
        return wrong("has a row of " + std::to_string(count) + " values instead of " + std::to_string(values_.size()));
      for (CopyValue& value : values_) {
        const uint32_t size = in.u32();
        if (!in.ok()) return size_t{0};
        value.is_null = size == 0xffffffff;
        if (value.is_null) continue;
        if (size > kRowSizeMax) return wrong("has a value of impossible size");
        value.bytes = in.bytes(size);
        if (!in.ok()) return size_t{0};
      }
      row_ready_ = true;
      return in.position();
    }
    case State::kEnd: return wrong("goes on after its end");
  }
  return size_t{0};
}

Status CopyParser::finish() const {
  if (!held_.empty() || state_ != State::kEnd) return wrong("ends in the middle");
  return ok_status();
}

void CopyFormatter::header(Bytes& out) {
  ByteWriter w(out);
  w.bytes(as_bytes(kSignature));
  w.u32(0);
  w.u32(0);
}
void CopyFormatter::begin_row(Bytes& out, size_t columns) { ByteWriter(out).u16(static_cast<uint16_t>(columns)); }
void CopyFormatter::null(Bytes& out) { ByteWriter(out).u32(0xffffffff); }
size_t CopyFormatter::begin_value(Bytes& out) {
  ByteWriter(out).u32(0);
  return out.size();
}
void CopyFormatter::end_value(Bytes& out, size_t mark) {
  const size_t size = out.size() - mark;
  for (size_t i = 0; i < 4; ++i) out[mark - 4 + i] = static_cast<std::byte>(size >> (8 * (3 - i)));
}
void CopyFormatter::trailer(Bytes& out) { ByteWriter(out).u16(0xffff); }

}  // namespace coffer::parquet
