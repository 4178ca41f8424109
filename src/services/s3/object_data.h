// The bytes of objects: sealed blocks in the object store, or, for small ones, a sealed blob for the catalog. Knows
// nothing of buckets, versions or permission.
//
// A piece is what one request wrote. Its block n lies at "objects/<xx>/<piece id>-<n>" (<xx>: the id's last byte), a
// sealed object whose place is "s3:<piece id>/<n>" and whose root is the object's own key. All blocks but the last are
// equally large. A piece id begins with the time of its creation, so that what a crash left behind is known by its age.
#pragma once
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "engine/store/object_store.h"

namespace coffer::s3 {

/// 6 bytes of milliseconds since 1970, big-endian, one of the binary logarithm of the block size, then 9 random ones.
using PieceId = std::array<std::byte, 16>;

struct Piece {
  PieceId id{};
  uint64_t size_bytes = 0;    // plain
  bool is_inline = false;     // lies in the catalog
  int32_t part_number = 0;    // 0: not of a multipart upload
  std::string checksum = {};  // of the part, raw digest; empty when it has none
};
/// The pieces of an object in order.
using Layout = std::vector<Piece>;
/// Nothing for the empty layout.
Bytes encode_layout(const Layout& layout);
/// kCorruption for what encode_layout() does not write.
Result<Layout> decode_layout(ByteView bytes);

/// A piece that is durable, and not yet referred to by any row.
struct WrittenPiece {
  Piece piece;
  Bytes inline_bytes;  // sealed; for the row in s3_inline. Empty unless piece.is_inline
};

class ObjectData {
 public:
  struct Options {
    uint64_t block_size_bytes = uint64_t{8} << 20;        // of new pieces; a power of two, at most 32 MiB
    uint64_t inline_size_max_bytes = 16 * 1024;           // at most a block
    uint64_t memory_max_bytes = uint64_t{256} << 20;      // of all uploads together: those beyond it wait
    uint64_t window_size_bytes = uint64_t{2} << 20;       // what an open source holds decrypted
    uint64_t read_ahead_max_bytes = uint64_t{128} << 20;  // of all sources: beyond it none reads a window ahead
  };
  /// All are borrowed and outlive it.
  ObjectData(store::ObjectStore& store, Clock& clock, Entropy& entropy, Options options);
  ~ObjectData();

  /// Reads `source` to its end, calling `seen` with the plain bytes as they come (for digests), and writes them. The
  /// blocks are durable and their sizes were looked up when it returns; on an error what was written is removed. No
  /// bytes at all make an inline piece without inline bytes.
  Result<WrittenPiece> write(const Context& context, ByteView object_root, ByteSource& source,
                             const std::function<void(ByteView)>& seen);

  /// `length` plain bytes from `offset` of an object, which must have them. `inline_bytes` gives the sealed bytes of an
  /// inline piece; it is called here, not by the source's reads, and a broken one is kCorruption from here. Missing or
  /// broken blocks are kCorruption, from read().
  using FindInline = std::function<Result<Bytes>(const PieceId&)>;
  Result<std::unique_ptr<ByteSource>> open(const Context& context, Secret object_root, const Layout& layout,
                                           uint64_t offset, uint64_t length, const FindInline& inline_bytes);

  /// May a row that refers to `id` still be written? Not after half of kAbandonedAfter: the sweep might take it then.
  [[nodiscard]] bool may_be_committed(const PieceId& id) const;
  /// Removes the blocks of a piece that no row refers to any more. Inline pieces have none. A size of 0 stands for one
  /// that is not known: the store is asked for the blocks.
  Status remove(const Context& context, const Piece& piece);
  /// Is a piece being written, or read by an open source, in this process?
  [[nodiscard]] bool in_use(const PieceId& id) const;

  static constexpr std::chrono::hours kAbandonedAfter{24};
  /// Pieces of the store that are older than kAbandonedAfter and not in use, in any order: what a crash may have left.
  /// The caller looks them up in the catalog, twice and with a grace, before it removes one. `folder`: only those of
  /// one of the 256 folders.
  Status list_old_pieces(const Context& context, WallTime now, const std::function<bool(const PieceId&)>& visit,
                         std::optional<uint8_t> folder = std::nullopt);
  /// Opens every block of a piece with its object's root: kCorruption says which is missing or broken. Of an inline
  /// piece there is nothing to open.
  Status check(const Context& context, ByteView object_root, const Piece& piece);
  /// What can be told without it: every block is there, can be read, has its size and says that it is the piece's.
  Status check_without_root(const Context& context, const Piece& piece);

  struct State;  // for the files of this folder

 private:
  std::shared_ptr<State> state_;  // shared with the sources
};

}  // namespace coffer::s3
