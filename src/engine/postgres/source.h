// Source: a cluster as a sequence of files. Two implementations, the replication stream (stream_source.h) and the local
// reader (local_source.h), give the same thing: path, attributes, bytes.
//
// Life: begin() -> next() until it gives nothing -> finish() -> next() until it gives nothing -> destroyed. next() may
// be called by many workers at once; the others by one. Destroying an unfinished source ends the server's backup mode.
// After finish() come the files that are known or safe only then: backup_label, tablespace_map, global/pg_control, the
// WAL that makes the copy consistent (pg_wal/...), the server's backup_manifest (stream only), and configuration files
// that lie outside the data directory ("coffer/config/<name>", local only).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/result.h"
#include "engine/postgres/backup_files.h"
#include "engine/postgres/control_file.h"
#include "engine/postgres/data_directory.h"
#include "engine/postgres/lsn.h"

namespace coffer::postgres {

/// Pieces of a file end at multiples of this; it is what one block of a file map covers (64 page groups).
inline constexpr uint64_t kPieceSize = uint64_t{8} << 20;

/// Which blocks of a relation segment may differ from the parent point; everything else is as it was there.
struct ChangedBlocks {
  std::vector<uint32_t> blocks;    // within this segment, ascending
  uint32_t all_from = UINT32_MAX;  // this block and all after it count as changed (a limit block)
};

struct SourceFile {
  std::string path;  // below the data directory; tablespaces as pg_tblspc/<oid>/...
  bool is_directory = false;
  uint32_t mode = 0600;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;     // 0: unknown (stream)
  uint64_t inode = 0;       // 0: unknown
  uint64_t size_bytes = 0;  // as noted when it was opened: what the pieces add up to
  std::optional<RelationFile> relation;
  bool has_page_checksums = false;  // a relation file of a cluster with checksums on
  /// Set when WAL summaries vouch for this file since the parent point; absent: read all of it.
  std::optional<ChangedBlocks> changed;
};

/// An open file of the source, shared by its pieces.
class FileReader {
 public:
  virtual ~FileReader() = default;
  /// Fills `out` from `offset`; what a file that shrank no longer has is zeros. kUnavailable for a read error, with the
  /// path.
  virtual Status read_at(uint64_t offset, MutableByteView out) = 0;
};

/// A directory, a whole small file, or kPieceSize bytes (the last piece: what is left) of a larger one.
/// A file of 0 bytes is one piece of length 0.
struct Piece {
  std::shared_ptr<const SourceFile> file;
  uint64_t offset = 0;
  uint64_t length = 0;
  Bytes data;                          // stream sources: the bytes themselves, `length` of them
  std::shared_ptr<FileReader> reader;  // local sources: where to read, and to read again
};

/// Known once the backup has begun.
struct SourceStart {
  std::string kind;  // "stream" or "local"
  uint64_t system_identifier = 0;
  Timeline timeline = 1;
  Lsn start;  // redo point: WAL is needed from here
  int major = 0;
  int server_version_num = 0;
  uint32_t catalog_version = 0;  // 0 until finish() where only pg_control knows it
  uint64_t wal_segment_size_bytes = 0;
  bool data_checksums = false;
  bool from_standby = false;
  std::vector<TablespaceLink> tablespaces;
  std::map<std::string, std::string> settings;  // those that matter to a restore: max_connections, wal_level, ...
  std::vector<std::string> databases;
  std::vector<std::string> roles_needed;  // owners of databases and tablespaces
  std::string superuser;                  // name of role oid 10
  uint64_t estimated_size_bytes = 0;      // 0: unknown
  /// WAL summaries decide what is read. When a parent was given and they do not, `summaries_unused_because` says why.
  bool uses_wal_summaries = false;
  std::string summaries_unused_because;
};

struct SourceEnd {
  Lsn stop;
  Timeline timeline = 1;
  BackupLabel label;
  std::optional<ControlFile> control;  // of the copied pg_control
  std::vector<std::string> warnings;   // for the operator: vanished files that are worth a line, archiver notices
  std::vector<std::string> server_checksum_failures;  // stream: what the server reported, one line each
};

class Source {
 public:
  virtual ~Source() = default;
  virtual Result<SourceStart> begin(const Context& context) = 0;
  virtual Result<std::optional<Piece>> next(const Context& context) = 0;
  virtual Result<SourceEnd> finish(const Context& context) = 0;
};

/// What the last point of the same cluster knows, so that a source can leave out what did not change.
struct ParentPoint {
  uint64_t system_identifier = 0;
  Timeline timeline = 1;
  Lsn start;  // its redo point: everything changed from here on counts as changed
};

}  // namespace coffer::postgres
