// The small text files of a base backup: backup_label, tablespace_map, backup_manifest.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/postgres/lsn.h"

namespace coffer::postgres {

struct BackupLabel {
  Lsn start;
  std::string start_segment;
  Lsn checkpoint;
  std::string method, from, start_time, label;
  Timeline timeline = 1;
  bool incremental = false;  // INCREMENTAL FROM lines: not a data directory by itself
};
Result<BackupLabel> parse_backup_label(std::string_view text);

struct TablespaceLink {
  uint32_t oid = 0;
  std::string path;  // absolute on the source; "" never
};
/// Undoes the backslash escapes. kCorruption for anything out of form.
Result<std::vector<TablespaceLink>> parse_tablespace_map(std::string_view text);
std::string format_tablespace_map(const std::vector<TablespaceLink>& links);

/// One file of a backup_manifest.
struct ManifestFile {
  std::string path;
  uint64_t size_bytes = 0;
  int64_t mtime_s = 0;
  std::string checksum_algorithm;  // "CRC32C", "SHA256", "" for none
  Bytes checksum;                  // as bytes in the order of the text
};
struct ManifestWalRange {
  Timeline timeline = 1;
  Lsn start, end;
};
struct ManifestHeader {
  int version = 1;
  std::optional<uint64_t> system_identifier;  // version 2
  std::vector<ManifestWalRange> wal_ranges;
};
/// Streams the files of a manifest through `visit`, so that a manifest of a million files needs no memory of its size.
/// Checks Manifest-Checksum. Limits: nesting 8, strings 8 KiB.
Result<ManifestHeader> parse_backup_manifest(ByteView text, const std::function<Status(ManifestFile&&)>& visit);

/// Writes a manifest as the server does (version 1 below 17, version 2 from 17): begin, one call a file, finish.
class ManifestWriter {
 public:
  using Sink = std::function<Status(ByteView)>;
  ManifestWriter(int major, uint64_t system_identifier, Sink sink);
  ~ManifestWriter();
  Status add(const ManifestFile& file);
  Status finish(const std::vector<ManifestWalRange>& ranges);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
/// CRC-32C as the manifest spells it: the four bytes in memory order (little-endian).
Bytes manifest_crc32c(uint32_t crc);

}  // namespace coffer::postgres
