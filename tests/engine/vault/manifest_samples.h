// A manifest in which no member has its default value.
#pragma once
#include "engine/vault/manifest.h"

namespace coffer::vault {

inline Manifest full_manifest() {
  Manifest m;
  m.id = "20261124T121930Z-3f9a2b1c";
  m.vault_uuid = "0b1c2d3e-0000-4000-8000-123456789abc";
  m.epoch = 2;
  m.started = {1'795'521'600'000'001};
  m.finished = {1'795'521'699'999'999};
  m.name =
      "before \xc3\xbc"
      "pgrade";
  m.parent_id = "20261123T121930Z-00000000";
  m.coffer_version = "0.1.0";
  m.source_kind = "local";
  m.system_identifier = 0xfedcba9876543210;
  m.timeline = 7;
  m.start_lsn = "0/2000028";
  m.stop_lsn = "1F/FFFFFFF8";
  m.major = 17;
  m.server_version_num = 170004;
  m.catalog_version = 202406281;
  m.wal_segment_size_bytes = 16 << 20;
  m.data_checksums = true;
  m.from_standby = true;
  m.used_wal_summaries = true;
  m.full_read_because = "summaries end at 0/1000000";
  m.settings = {{"max_connections", "100"}, {"shared_preload_libraries", "a,b"}};
  m.databases = {"postgres", "caf\xe9"};
  m.roles_needed = {"owner"};
  m.superuser = "postgres";
  m.tablespaces = {{16385, "/srv/fast"}, {16386, "/srv/\xff"}};
  m.warnings = {"one file vanished"};
  m.damaged_pages = {{"base/5/16384", 77, 0xffff, 1}};
  m.damaged_page_count = 1001;
  ListBlockRef first, second;
  first.id.bytes.fill(std::byte{0x11});
  first.entries = 100;
  second.first_path = "base/1/\xfe\x01%";
  second.id.bytes.fill(std::byte{0x22});
  second.entries = 4'000'000'000;
  m.list = {first, second};
  m.files = 101;
  m.directories = 28;
  m.size_bytes = uint64_t{1} << 50;
  m.pages_changed = 12345;
  m.bytes_read = 99'999'999'999;
  m.written = {.chunks = 1, .plain_bytes = 2, .reused_chunks = 3, .reused_bytes = 4, .packs = 5, .stored_bytes = 6};
  WrittenPack pack;
  pack.id.fill(std::byte{0x33});
  pack.sealed_size_bytes = 8 << 20;
  pack.digest.fill(std::byte{0x44});
  m.packs = {pack};
  return m;
}

}  // namespace coffer::vault
