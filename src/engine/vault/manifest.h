// The manifest of a recovery point: sealed, written once, last. `points/<id>/manifest`; plain bytes are JSON.
// A point exists exactly when the commit log says so: its entry carries the manifest's size and SHA-256.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/file_list.h"

namespace coffer::vault {

struct DamagedPage {
  std::string path;
  uint32_t block = 0;  // within the file
  uint16_t stored = 0, computed = 0;
};

struct Manifest {
  std::string id;  // "20261124T121930Z-3f9a2b1c"
  std::string vault_uuid;
  uint16_t epoch = 1;
  WallTime started, finished;
  std::string name;       // the user's label; free text, never interpreted
  std::string parent_id;  // the point whose maps it built upon; empty: none. Not needed to restore.
  std::string coffer_version;

  // The source, in plain words and numbers; the vault attaches no meaning to them.
  std::string source_kind;  // "stream", "local"
  uint64_t system_identifier = 0;
  uint32_t timeline = 1;
  std::string start_lsn, stop_lsn;
  int major = 0;
  int server_version_num = 0;
  uint32_t catalog_version = 0;
  uint64_t wal_segment_size_bytes = 0;
  bool data_checksums = false;
  bool from_standby = false;
  bool used_wal_summaries = false;
  std::string full_read_because;  // why summaries were not used, when they could have been
  std::map<std::string, std::string> settings;
  std::vector<std::string> databases, roles_needed;
  std::string superuser;
  std::map<uint32_t, std::string> tablespaces;  // oid -> path on the source
  std::vector<std::string> warnings;
  std::vector<DamagedPage> damaged_pages;  // the first 1000
  uint64_t damaged_page_count = 0;

  // The content.
  std::vector<ListBlockRef> list;
  uint64_t files = 0, directories = 0, size_bytes = 0;  // counted from the source's own listing
  uint64_t pages_changed = 0, bytes_read = 0;
  WriteTotals written;
  std::vector<WrittenPack> packs;  // new with this point: length and SHA-256, checked against the store
};

Bytes encode_manifest(const Manifest& manifest);
/// kCorruption for anything that encode_manifest does not write; unknown members are ignored.
Result<Manifest> decode_manifest(ByteView bytes);
std::string manifest_key(std::string_view point_id);
/// A new id: UTC second and 4 random bytes.
std::string new_point_id(WallTime now, Entropy& entropy);
/// [0-9A-Za-z-], 1 to 64 characters.
bool is_point_id(std::string_view text);

}  // namespace coffer::vault
