// File lists: the sorted entries of a point, in chunks that an unchanged neighbourhood shares with the last point.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/result.h"
#include "engine/vault/chunk.h"
#include "engine/vault/chunk_reader.h"

namespace coffer::vault {

enum class MapKind : uint8_t {
  kNone = 0,    // directory or empty file
  kInline = 1,  // the encoded map block of a file of at most kInlineGroups groups stands in the entry
  kBlock = 2,   // `map` is the chunk of the only map block
  kRoot = 3,    // `map` is the chunk of the map root
};
inline constexpr uint32_t kInlineGroups = 2;

struct FileEntry {
  std::string path;  // below the data directory, '/'-separated
  bool is_directory = false;
  bool damaged_pages = false;  // the page check found wrong checksums in it when it was read (details in the manifest)
  uint32_t mode = 0600;
  int64_t mtime_ns = 0, ctime_ns = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;                 // of the whole file
  std::array<std::byte, 16> digest{};  // file_digest()
  MapKind map_kind = MapKind::kNone;
  Bytes inline_map;
  ChunkId map;
};
/// Path first (so that encoded records sort by path): path, 0x00, then the fields.
Bytes encode_file_entry(const FileEntry& entry);
Result<FileEntry> decode_file_entry(ByteView bytes);

/// A block of the list: a chunk of entries, each with a u32 length before it.
struct ListBlockRef {
  std::string first_path;
  ChunkId id;
  uint32_t entries = 0;
};

/// Cuts a sorted stream of encoded entries into blocks: after an entry whose path hashes to a boundary (so that blocks
/// keep their cuts when files come and go), at 16 to 256 KiB. `put_chunk` stores a block and gives its id.
class FileListWriter {
 public:
  using PutChunk = std::function<Result<ChunkId>(ByteView)>;
  explicit FileListWriter(PutChunk put_chunk);
  ~FileListWriter();
  /// Ascending by path, each path once; kCorruption otherwise.
  Status add(ByteView encoded_entry);
  Result<std::vector<ListBlockRef>> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads a list. Not thread-safe; blocks are cached (a few).
class FileListReader {
 public:
  /// `reader` is borrowed, `blocks` copied.
  FileListReader(ChunkReader& reader, std::vector<ListBlockRef> blocks);
  ~FileListReader();
  Result<std::optional<FileEntry>> find(const Context& context, std::string_view path);
  /// Ascending over all entries. Checks order, and the first path and count of each block; kCorruption names the block.
  Status visit(const Context& context, const std::function<Status(FileEntry&&)>& each);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::vault
