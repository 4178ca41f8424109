// The strict subset of tar that BASE_BACKUP sends (postgres-backup.md 1.5). Everything else is refused.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::postgres {

struct TarMember {
  enum class Type { kFile, kDirectory, kSymlink };
  std::string path;  // "./" prefix and trailing '/' removed
  Type type = Type::kFile;
  uint32_t mode = 0;
  uint64_t size_bytes = 0;  // 0 for directories and links
  int64_t mtime_s = 0;
  std::string link_target;
};

/// Push parser: feed() bytes in any cut, take events until there is none.
///   kMember: `member()` is the new member. kData: `data()` is a piece of the current member's bytes. kEndOfMember.
/// finish() tells whether the archive ended at a member boundary (the two zero blocks are optional, PostgreSQL below 15
/// omits them). Header checksum, magic, type, octal and base-256 numbers, name and padding are checked; kCorruption
/// else.
class TarReader {
 public:
  enum class Event { kNone, kMember, kData, kEndOfMember };
  /// Appends a view that must stay valid until next() returned kNone.
  void feed(ByteView bytes);
  Result<Event> next();
  [[nodiscard]] const TarMember& member() const { return member_; }
  [[nodiscard]] ByteView data() const { return data_; }
  Status finish() const;

 private:
  enum class Phase { kHeader, kBody, kPadding, kAfterEnd };
  Phase phase_ = Phase::kHeader;
  Bytes header_;  // a partial 512-byte header
  ByteView input_, data_;
  TarMember member_;
  uint64_t left_ = 0;  // of the body or its padding
  bool member_open_ = false;
  int zero_blocks_ = 0;
};

}  // namespace coffer::postgres
