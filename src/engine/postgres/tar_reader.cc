#include "engine/postgres/tar_reader.h"

#include <algorithm>

namespace coffer::postgres {
namespace {

constexpr size_t kBlockSize = 512;

// Where the fields of a ustar header stand.
constexpr size_t kName = 0, kNameSize = 100;
constexpr size_t kMode = 100, kModeSize = 8;
constexpr size_t kSize = 124, kSizeSize = 12;
constexpr size_t kMtime = 136, kMtimeSize = 12;
constexpr size_t kChecksum = 148, kChecksumSize = 8;
constexpr size_t kType = 156;
constexpr size_t kLink = 157, kLinkSize = 100;
constexpr size_t kMagic = 257;
constexpr size_t kPrefix = 345, kPrefixSize = 155;

Error corrupt(const std::string& message) { return {ErrorCode::kCorruption, "tar stream: " + message, {}}; }

/// Octal digits ended by a space or NUL, or GNU's base-256 form (first byte 0x80), which a time before 1970 fills with
/// its two's complement.
bool parse_number(ByteView field, uint64_t& out) {
  out = 0;
  if (field[0] == std::byte{0x80}) {
    for (std::byte b : field.subspan(1)) {
      if (out >> 56 != 0) return false;
      out = out << 8 | static_cast<uint8_t>(b);
    }
    return true;
  }
  std::string_view text = as_text(field);
  size_t digits = text.find_first_not_of("01234567");
  if (digits == 0) return false;
  // 12 octal digits are 36 bits at most.
  for (char c : text.substr(0, digits)) out = out << 3 | static_cast<uint64_t>(c - '0');
  if (digits == std::string_view::npos) return true;
  return text.find_first_not_of(std::string_view(" \0", 2), digits) == std::string_view::npos;
}

/// A string with nothing but NULs after its end. It must have an end: PostgreSQL never fills the field.
bool parse_text(ByteView field, std::string& out) {
  std::string_view text = as_text(field);
  size_t end = text.find('\0');
  if (end == std::string_view::npos || text.find_first_not_of('\0', end) != std::string_view::npos) return false;
  out = text.substr(0, end);
  return true;
}

Status check_checksum(ByteView header) {
  uint64_t stored = 0;
  if (!parse_number(header.subspan(kChecksum, kChecksumSize), stored))
    return corrupt("the checksum of a header is not a number");
  uint64_t sum = kChecksumSize * ' ';
  for (size_t i = 0; i < kBlockSize; ++i) {
    if (i < kChecksum || i >= kChecksum + kChecksumSize) sum += static_cast<uint8_t>(header[i]);
  }
  if (sum != stored) return corrupt("the checksum of a header is wrong");
  return ok_status();
}

Result<TarMember> parse_header(ByteView header) {
  COFFER_CHECK_OK(check_checksum(header));
  if (as_text(header.subspan(kMagic, 8)) != std::string_view("ustar\0"
                                                             "00",
                                                             8))
    return corrupt("a header is not of the ustar format");
  TarMember member;
  uint64_t mode = 0, mtime = 0;
  if (!parse_number(header.subspan(kMode, kModeSize), mode)) return corrupt("the mode of a member is not a number");
  if (!parse_number(header.subspan(kSize, kSizeSize), member.size_bytes))
    return corrupt("the size of a member is not a number");
  if (!parse_number(header.subspan(kMtime, kMtimeSize), mtime)) return corrupt("the time of a member is not a number");
  if (member.size_bytes > uint64_t{INT64_MAX}) return corrupt("a member of impossible size");
  member.mode = static_cast<uint32_t>(mode & 07777);
  member.mtime_s = static_cast<int64_t>(mtime);
  if (!parse_text(header.subspan(kName, kNameSize), member.path)) return corrupt("the name of a member is out of form");
  if (!parse_text(header.subspan(kLink, kLinkSize), member.link_target))
    return corrupt("the link of a member is out of form");
  if (!is_zero(header.subspan(kPrefix, kPrefixSize)))
    return corrupt("a name in two parts, which PostgreSQL never sends");

  char type = static_cast<char>(header[kType]);
  if (type == '0')
    member.type = TarMember::Type::kFile;
  else if (type == '5')
    member.type = TarMember::Type::kDirectory;
  else if (type == '2')
    member.type = TarMember::Type::kSymlink;
  else
    return corrupt("a member of a type that is not file, directory or symbolic link");

  bool is_file = member.type == TarMember::Type::kFile;
  if (!is_file && member.size_bytes != 0) return corrupt("a directory or link with content");
  if ((member.type == TarMember::Type::kSymlink) == member.link_target.empty())
    return corrupt("a link target where none belongs, or none");
  if (member.path.starts_with("./")) member.path.erase(0, 2);
  if (!is_file && member.path.ends_with('/')) member.path.pop_back();
  if (member.path.empty() || member.path.ends_with('/')) return corrupt("the name of a member is out of form");
  return member;
}

}  // namespace

void TarReader::feed(ByteView bytes) {
  COFFER_ASSERT(input_.empty());
  input_ = bytes;
}

Result<TarReader::Event> TarReader::next() {
  data_ = {};
  for (;;) {
    // A body or padding of no byte ends without input.
    if (phase_ == Phase::kBody && left_ == 0) {
      phase_ = Phase::kPadding;
      left_ = (kBlockSize - member_.size_bytes % kBlockSize) % kBlockSize;
    }
    if (phase_ == Phase::kPadding && left_ == 0) {
      phase_ = Phase::kHeader;
      member_open_ = false;
      return Event::kEndOfMember;
    }
    if (input_.empty()) return Event::kNone;

    size_t wanted =
        phase_ == Phase::kHeader || phase_ == Phase::kAfterEnd ? kBlockSize - header_.size() : input_.size();
    if (phase_ == Phase::kBody || phase_ == Phase::kPadding)
      wanted = static_cast<size_t>(std::min<uint64_t>(left_, wanted));
    ByteView taken = input_.first(std::min(wanted, input_.size()));
    input_ = input_.subspan(taken.size());

    if (phase_ == Phase::kBody) {
      left_ -= taken.size();
      data_ = taken;
      return Event::kData;
    }
    if (phase_ == Phase::kPadding) {
      if (!is_zero(taken)) return corrupt("the padding of a member is not zero");
      left_ -= taken.size();
      continue;
    }
    append(header_, taken);
    if (header_.size() < kBlockSize) continue;
    Bytes header = std::move(header_);
    header_.clear();
    if (is_zero(header)) {
      if (++zero_blocks_ > 2) return corrupt("more than two blocks of zeros at its end");
      phase_ = Phase::kAfterEnd;
      continue;
    }
    if (phase_ == Phase::kAfterEnd) return corrupt("something follows its end");
    COFFER_TRY(member_, parse_header(header));
    member_open_ = true;
    left_ = member_.size_bytes;
    phase_ = Phase::kBody;
    return Event::kMember;
  }
}

Status TarReader::finish() const {
  if (member_open_) return corrupt("it ends inside " + member_.path);
  if (!header_.empty() || zero_blocks_ == 1) return corrupt("it ends inside a header");
  return ok_status();
}

}  // namespace coffer::postgres
