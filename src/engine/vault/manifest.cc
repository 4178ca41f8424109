#include "engine/vault/manifest.h"

#include <algorithm>

#include "engine/vault/json_fields.h"

namespace coffer::vault {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kSchema = "coffer.manifest/1";
constexpr size_t kPointIdSizeMax = 64;
constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint16_t kMax16 = std::numeric_limits<uint16_t>::max();

ordered_json texts(const std::vector<std::string>& items) {
  auto array = ordered_json::array();
  for (const std::string& item : items) array.push_back(escape_text(item));
  return array;
}

std::vector<std::string> texts(JsonFields& fields, const json& object, const char* name) {
  std::vector<std::string> items;
  for (const json& item : fields.array(object, name)) items.push_back(fields.text_of(item, name));
  return items;
}

ordered_json encode_source(const Manifest& m) {
  ordered_json source;
  source["kind"] = escape_text(m.source_kind);
  source["system_identifier"] = m.system_identifier;
  source["timeline"] = m.timeline;
  source["start_lsn"] = escape_text(m.start_lsn);
  source["stop_lsn"] = escape_text(m.stop_lsn);
  source["major"] = m.major;
  source["server_version_num"] = m.server_version_num;
  source["catalog_version"] = m.catalog_version;
  source["wal_segment_size_bytes"] = m.wal_segment_size_bytes;
  source["data_checksums"] = m.data_checksums;
  source["from_standby"] = m.from_standby;
  source["used_wal_summaries"] = m.used_wal_summaries;
  source["full_read_because"] = escape_text(m.full_read_because);
  source["settings"] = ordered_json::object();
  for (const auto& [name, value] : m.settings) source["settings"][escape_text(name)] = escape_text(value);
  source["databases"] = texts(m.databases);
  source["roles_needed"] = texts(m.roles_needed);
  source["superuser"] = escape_text(m.superuser);
  source["tablespaces"] = ordered_json::array();
  for (const auto& [oid, path] : m.tablespaces) source["tablespaces"].push_back({oid, escape_text(path)});
  return source;
}

void decode_source(JsonFields& f, const json& source, Manifest& m) {
  constexpr auto kMaxInt = static_cast<uint64_t>(std::numeric_limits<int>::max());
  m.source_kind = f.text(source, "kind");
  m.system_identifier = f.number(source, "system_identifier");
  m.timeline = static_cast<uint32_t>(f.number(source, "timeline", kMax32));
  m.start_lsn = f.text(source, "start_lsn");
  m.stop_lsn = f.text(source, "stop_lsn");
  m.major = static_cast<int>(f.number(source, "major", kMaxInt));
  m.server_version_num = static_cast<int>(f.number(source, "server_version_num", kMaxInt));
  m.catalog_version = static_cast<uint32_t>(f.number(source, "catalog_version", kMax32));
  m.wal_segment_size_bytes = f.number(source, "wal_segment_size_bytes");
  m.data_checksums = f.boolean(source, "data_checksums");
  m.from_standby = f.boolean(source, "from_standby");
  m.used_wal_summaries = f.boolean(source, "used_wal_summaries");
  m.full_read_because = f.text(source, "full_read_because");
  for (const auto& [name, value] : f.object(source, "settings").items())
    m.settings.insert_or_assign(f.text_of(name, "settings"), f.text_of(value, "settings"));
  m.databases = texts(f, source, "databases");
  m.roles_needed = texts(f, source, "roles_needed");
  m.superuser = f.text(source, "superuser");
  for (const json& item : f.array(source, "tablespaces")) {
    if (!f.is_tuple(item, "tablespaces", 2)) return;
    m.tablespaces.insert_or_assign(static_cast<uint32_t>(f.number_of(item[0], "tablespaces", kMax32)),
                                   f.text_of(item[1], "tablespaces"));
  }
}

ordered_json encode_written(const WriteTotals& w) {
  ordered_json written;
  written["chunks"] = w.chunks;
  written["plain_bytes"] = w.plain_bytes;
  written["reused_chunks"] = w.reused_chunks;
  written["reused_bytes"] = w.reused_bytes;
  written["packs"] = w.packs;
  written["stored_bytes"] = w.stored_bytes;
  return written;
}

WriteTotals decode_written(JsonFields& f, const json& written) {
  WriteTotals w;
  w.chunks = f.number(written, "chunks");
  w.plain_bytes = f.number(written, "plain_bytes");
  w.reused_chunks = f.number(written, "reused_chunks");
  w.reused_bytes = f.number(written, "reused_bytes");
  w.packs = f.number(written, "packs");
  w.stored_bytes = f.number(written, "stored_bytes");
  return w;
}

// The long lists are arrays of arrays: a manifest of a large cluster has thousands of list blocks and packs.
void encode_lists(const Manifest& m, ordered_json& out) {
  out["damaged_pages"] = ordered_json::array();
  for (const DamagedPage& d : m.damaged_pages)
    out["damaged_pages"].push_back({escape_text(d.path), d.block, d.stored, d.computed});
  out["list"] = ordered_json::array();
  for (const ListBlockRef& b : m.list)
    out["list"].push_back({escape_text(b.first_path), to_hex(b.id.bytes), b.entries});
  out["packs"] = ordered_json::array();
  for (const WrittenPack& p : m.packs) out["packs"].push_back({to_hex(p.id), p.sealed_size_bytes, to_hex(p.digest)});
}

void decode_lists(JsonFields& f, const json& object, Manifest& m) {
  for (const json& item : f.array(object, "damaged_pages")) {
    if (!f.is_tuple(item, "damaged_pages", 4)) return;
    m.damaged_pages.push_back({f.text_of(item[0], "damaged_pages"),
                               static_cast<uint32_t>(f.number_of(item[1], "damaged_pages", kMax32)),
                               static_cast<uint16_t>(f.number_of(item[2], "damaged_pages", kMax16)),
                               static_cast<uint16_t>(f.number_of(item[3], "damaged_pages", kMax16))});
  }
  for (const json& item : f.array(object, "list")) {
    if (!f.is_tuple(item, "list", 3)) return;
    ListBlockRef block;
    block.first_path = f.text_of(item[0], "list");
    block.id.bytes = f.hex_of<32>(item[1], "list");
    block.entries = static_cast<uint32_t>(f.number_of(item[2], "list", kMax32));
    m.list.push_back(std::move(block));
  }
  for (const json& item : f.array(object, "packs")) {
    if (!f.is_tuple(item, "packs", 3)) return;
    m.packs.push_back({f.hex_of<16>(item[0], "packs"), f.number_of(item[1], "packs"), f.hex_of<32>(item[2], "packs")});
  }
}

}  // namespace

Bytes encode_manifest(const Manifest& m) {
  ordered_json out;
  out["schema"] = kSchema;
  out["id"] = escape_text(m.id);
  out["vault_uuid"] = escape_text(m.vault_uuid);
  out["epoch"] = m.epoch;
  out["started"] = format_utc(m.started, true);
  out["finished"] = format_utc(m.finished, true);
  out["name"] = escape_text(m.name);
  out["parent_id"] = escape_text(m.parent_id);
  out["coffer_version"] = escape_text(m.coffer_version);
  out["source"] = encode_source(m);
  out["warnings"] = texts(m.warnings);
  out["damaged_page_count"] = m.damaged_page_count;
  out["files"] = m.files;
  out["directories"] = m.directories;
  out["size_bytes"] = m.size_bytes;
  out["pages_changed"] = m.pages_changed;
  out["bytes_read"] = m.bytes_read;
  out["written"] = encode_written(m.written);
  encode_lists(m, out);
  return to_bytes(out.dump());  // all text is ASCII by now, so dump() has nothing to throw at
}

Result<Manifest> decode_manifest(ByteView bytes) {
  COFFER_TRY(const json document, parse_document(bytes, kSchema, "manifest"));
  JsonFields f("manifest");
  Manifest m;
  m.id = f.text(document, "id");
  m.vault_uuid = f.text(document, "vault_uuid");
  m.epoch = static_cast<uint16_t>(f.number(document, "epoch", kMax16));
  m.started = f.time(document, "started");
  m.finished = f.time(document, "finished");
  m.name = f.text(document, "name");
  m.parent_id = f.text(document, "parent_id");
  m.coffer_version = f.text(document, "coffer_version");
  decode_source(f, f.object(document, "source"), m);
  m.warnings = texts(f, document, "warnings");
  m.damaged_page_count = f.number(document, "damaged_page_count");
  m.files = f.number(document, "files");
  m.directories = f.number(document, "directories");
  m.size_bytes = f.number(document, "size_bytes");
  m.pages_changed = f.number(document, "pages_changed");
  m.bytes_read = f.number(document, "bytes_read");
  m.written = decode_written(f, f.object(document, "written"));
  decode_lists(f, document, m);
  if (!is_point_id(m.id)) f.fail("id", "cannot name a recovery point");
  COFFER_CHECK_OK(f.status());
  return m;
}

std::string manifest_key(std::string_view point_id) { return "points/" + std::string(point_id) + "/manifest"; }

std::string new_point_id(WallTime now, Entropy& entropy) {
  std::string id = format_utc(now);
  std::erase_if(id, [](char c) { return c == '-' || c == ':'; });
  return id + "-" + to_hex(entropy.array<4>());
}

bool is_point_id(std::string_view text) {
  auto may_stand = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
  };
  return !text.empty() && text.size() <= kPointIdSizeMax && std::all_of(text.begin(), text.end(), may_stand);
}

}  // namespace coffer::vault
