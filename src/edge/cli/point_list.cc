#include "edge/cli/point_list.h"

#include <nlohmann/json.hpp>
#include <set>

#include "edge/cli/text_table.h"
#include "edge/cli/units.h"

namespace coffer::cli {

using nlohmann::ordered_json;
using vault::PointState;
using vault::PointSummary;

namespace {

constexpr size_t kIdentifierTail = 8;

std::string cluster_name(const PointSummary& point) {
  const auto& settings = point.manifest.settings;
  if (auto name = settings.find("cluster_name"); name != settings.end() && !name->second.empty())
    return printable(name->second);
  const std::string number = std::to_string(point.manifest.system_identifier);
  return number.size() <= kIdentifierTail ? number : ".." + number.substr(number.size() - kIdentifierTail);
}

std::string minute(WallTime time) {
  std::string text = format_utc(time);  // 2026-11-24T12:19:30Z
  text[10] = ' ';
  return text.substr(0, 16);
}

// The point whose proof is the newest, of all clusters.
const PointSummary* last_proven(const std::vector<PointSummary>& points) {
  const PointSummary* found = nullptr;
  for (const PointSummary& p : points)
    if (p.state == PointState::kProven && p.last_proof && (found == nullptr || *found->last_proof < *p.last_proof))
      found = &p;
  return found;
}

std::string header(const PointList& list, WallTime now) {
  std::set<uint64_t> clusters;
  uint64_t stored = 0;
  for (const PointSummary& p : list.points) {
    clusters.insert(p.manifest.system_identifier);
    stored += p.manifest.written.stored_bytes;
  }
  const PointSummary* proven = last_proven(list.points);
  std::string text = proven == nullptr
                         ? "last proof: NEVER"
                         : "last proof: " + age(*proven->last_proof, now) + " (" + proven->manifest.id + ")";
  text += "   " + counted(list.points.size(), "point") + " of " + counted(clusters.size(), "cluster") + ", " +
          human_bytes(stored) + " stored";
  return text + "\n";
}

}  // namespace

Result<PointList> read_points(Invocation& invocation) {
  COFFER_TRY(const vault::Vault* opened, invocation.vault());
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  PointList list;
  COFFER_TRY(list.points, vault::list_points(invocation.context(), *opened, log->state(),
                                             [&](const std::string& id, const Error& error) {
                                               list.damaged.emplace_back(id, error);
                                             }));
  return list;
}

std::string points_text(const PointList& list, WallTime now) {
  std::string text = header(list, now);
  if (!list.points.empty()) {
    TextTable table({{"ID"},
                     {"CLUSTER"},
                     {"PG", true},
                     {"TAKEN (UTC)"},
                     {"SIZE", true},
                     {"NEW", true},
                     {"STATE"},
                     {"PROVEN"},
                     {"LABEL"}});
    for (const PointSummary& p : list.points) {
      std::string state(vault::point_state_name(p.state));
      if (p.manifest.damaged_page_count > 0) state += " (" + counted(p.manifest.damaged_page_count, "bad page") + ")";
      table.add({p.manifest.id, cluster_name(p), std::to_string(p.manifest.major), minute(p.manifest.finished),
                 human_bytes(p.manifest.size_bytes), human_bytes(p.manifest.written.stored_bytes), state,
                 p.state == PointState::kProven && p.last_proof ? age(*p.last_proof, now) : "-",
                 printable(p.manifest.name)});
    }
    text += "\n" + table.text();
  }
  for (const auto& [id, error] : list.damaged)
    text += "\nDAMAGED: " + id + ": " + printable_lines(error.message) + "\n";
  return text;
}

ordered_json point_document(const PointSummary& point) {
  const vault::Manifest& m = point.manifest;
  ordered_json document{
      {"id", m.id},
      {"state", vault::point_state_name(point.state)},
      {"name", m.name},
      {"started", format_utc(m.started)},
      {"finished", format_utc(m.finished)},
      {"last_proof", point.last_proof ? ordered_json(format_utc(*point.last_proof)) : ordered_json(nullptr)},
      {"system_identifier", std::to_string(m.system_identifier)},
      {"postgresql", m.server_version_num},
      {"source", m.source_kind},
      {"from_standby", m.from_standby},
      {"timeline", m.timeline},
      {"start_lsn", m.start_lsn},
      {"stop_lsn", m.stop_lsn},
      {"data_checksums", m.data_checksums},
      {"used_wal_summaries", m.used_wal_summaries},
      {"files", m.files},
      {"size_bytes", m.size_bytes},
      {"read_bytes", m.bytes_read},
      {"stored_bytes", m.written.stored_bytes},
      {"databases", m.databases},
      {"damaged_page_count", m.damaged_page_count},
      {"warnings", m.warnings}};
  ordered_json pages = ordered_json::array();
  for (const auto& page : m.damaged_pages) pages.push_back({{"path", page.path}, {"block", page.block}});
  document["damaged_pages"] = std::move(pages);
  ordered_json tablespaces = ordered_json::object();
  for (const auto& [oid, path] : m.tablespaces) tablespaces[std::to_string(oid)] = path;
  document["tablespaces"] = std::move(tablespaces);
  return document;
}

ordered_json points_document(const PointList& list, const std::string& vault_uuid) {
  ordered_json points = ordered_json::array(), damaged = ordered_json::array();
  for (const PointSummary& p : list.points) points.push_back(point_document(p));
  for (const auto& [id, error] : list.damaged) damaged.push_back({{"id", id}, {"problem", error.message}});
  const PointSummary* proven = last_proven(list.points);
  return {{"schema", "coffer.points/1"},
          {"vault", vault_uuid},
          {"last_proof", proven == nullptr ? ordered_json(nullptr) : ordered_json(format_utc(*proven->last_proof))},
          {"points", std::move(points)},
          {"unreadable", std::move(damaged)}};
}

Result<std::string> newest_good_point(const PointList& list) {
  for (auto point = list.points.rbegin(); point != list.points.rend(); ++point)
    if (point->state != PointState::kDamaged) return point->manifest.id;
  return Error{ErrorCode::kNotFound,
               list.points.empty() && list.damaged.empty() ? "the vault has no recovery point"
                                                           : "every point of the vault failed its last check",
               list.points.empty() ? "" : "name one to restore it all the same; 'coffer verify' tells what is damaged"};
}

}  // namespace coffer::cli
