#include "engine/postgres/backup_files.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace coffer::postgres {
namespace {

constexpr size_t kLabelFileSizeMax = size_t{64} << 10;
constexpr size_t kTablespacesMax = 10'000;
constexpr size_t kTablespacePathSizeMax = 4096;

Error corrupt(std::string message) { return {ErrorCode::kCorruption, std::move(message), {}}; }

bool parse_u32(std::string_view text, uint32_t& out) {
  if (text.empty() || text.size() > 10 || text.front() < '0' || text.front() > '9') return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

/// "0/820000E0 (file 000000010000000000000082)"
bool parse_start_location(std::string_view value, BackupLabel& label) {
  size_t space = value.find(" (file ");
  if (space == std::string_view::npos || !value.ends_with(')')) return false;
  std::string_view segment = value.substr(space + 7, value.size() - space - 8);
  auto lsn = parse_lsn(value.substr(0, space));
  if (!lsn.ok() || segment.size() != 24 || segment.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) {
    return false;
  }
  label.start = *lsn;
  label.start_segment = segment;
  return true;
}

bool parse_label_line(std::string_view key, std::string_view value, BackupLabel& label) {
  if (key == "START WAL LOCATION") return parse_start_location(value, label);
  if (key == "CHECKPOINT LOCATION") {
    auto lsn = parse_lsn(value);
    if (lsn.ok()) label.checkpoint = *lsn;
    return lsn.ok();
  }
  if (key == "START TIMELINE") return parse_u32(value, label.timeline) && label.timeline != 0;
  if (key == "BACKUP METHOD") label.method = value;
  if (key == "BACKUP FROM") label.from = value;
  if (key == "START TIME") label.start_time = value;
  if (key == "LABEL") label.label = value;
  if (key.starts_with("INCREMENTAL FROM ")) label.incremental = true;
  return true;
}

/// One "<oid> <path>" line, its escapes undone; `text` is moved behind it.
Result<TablespaceLink> take_tablespace_line(std::string_view& text) {
  TablespaceLink link;
  size_t space = text.find(' ');
  if (space == std::string_view::npos || !parse_u32(text.substr(0, space), link.oid) || link.oid == 0) {
    return corrupt("tablespace_map: a line does not begin with an oid");
  }
  for (size_t i = space + 1; i < text.size(); ++i) {
    if (text[i] == '\n') {
      text.remove_prefix(i + 1);
      if (!link.path.starts_with('/')) return corrupt("tablespace_map: the path of a tablespace is not absolute");
      return link;
    }
    if (text[i] == '\\' && ++i == text.size()) break;
    if (text[i] == '\0') return corrupt("tablespace_map: a NUL in a path");
    link.path += text[i];
    if (link.path.size() > kTablespacePathSizeMax) return corrupt("tablespace_map: a path of more than 4096 bytes");
  }
  return corrupt("tablespace_map: the last line has no end");
}

}  // namespace

Result<BackupLabel> parse_backup_label(std::string_view text) {
  BackupLabel label;
  if (text.size() > kLabelFileSizeMax) return corrupt("backup_label is larger than 64 KiB");
  std::set<std::string_view> seen;
  while (!text.empty()) {
    size_t length = text.find('\n');
    if (length == std::string_view::npos) return corrupt("backup_label: the last line has no end");
    std::string_view line = text.substr(0, length);
    text.remove_prefix(length + 1);
    size_t colon = line.find(": ");
    if (colon == std::string_view::npos) return corrupt("backup_label: a line is not \"name: value\"");
    std::string_view key = line.substr(0, colon);
    // Else a label with a line break in it could say where the WAL begins.
    if (!seen.insert(key).second)
      return corrupt("backup_label: \"" + std::string(key.substr(0, 40)) + "\" stands twice");
    if (!parse_label_line(key, line.substr(colon + 2), label)) {
      return corrupt("backup_label: cannot read the value of " + std::string(key));
    }
  }
  for (std::string_view needed : {"START WAL LOCATION", "CHECKPOINT LOCATION", "START TIMELINE"}) {
    if (!seen.contains(needed)) return corrupt("backup_label has no " + std::string(needed));
  }
  return label;
}

Result<std::vector<TablespaceLink>> parse_tablespace_map(std::string_view text) {
  std::vector<TablespaceLink> links;
  std::set<uint32_t> oids;
  while (!text.empty()) {
    COFFER_TRY(TablespaceLink link, take_tablespace_line(text));
    if (!oids.insert(link.oid).second) return corrupt("tablespace_map: " + std::to_string(link.oid) + " stands twice");
    if (oids.size() > kTablespacesMax) return corrupt("tablespace_map: more than 10000 tablespaces");
    links.push_back(std::move(link));
  }
  return links;
}

std::string format_tablespace_map(const std::vector<TablespaceLink>& links) {
  std::string out;
  for (const TablespaceLink& link : links) {
    out += std::to_string(link.oid) + ' ';
    for (char c : link.path) {
      if (c == '\\' || c == '\n' || c == '\r') out += '\\';
      out += c;
    }
    out += '\n';
  }
  return out;
}

Bytes manifest_crc32c(uint32_t crc) {
  Bytes out;
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(crc >> shift));
  return out;
}

}  // namespace coffer::postgres
