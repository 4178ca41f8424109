#include <algorithm>
#include <unordered_set>

#include "engine/jobs/explain.h"
#include "engine/jobs/vault_access.h"
#include "engine/vault/collector.h"
#include "engine/vault/external_sorter.h"
#include "engine/vault/pack.h"

namespace coffer::jobs {

using namespace vault;

namespace {

// Memory: two sorters, one filter, and the table of one pack (some 100 KiB): under 100 MiB whatever the vault's size.
constexpr size_t kSortMemory = 16 << 20;
constexpr size_t kFilterBlocksMax =
    500'000;  // map blocks (4 TiB of files); what comes after is looked at again each time

constexpr uint8_t kThisPoint = 0, kAnotherPoint = 1;

// "1.5 GiB"
std::string size_text(uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  uint64_t tenths = bytes * 10;
  while (tenths >= 10240 && unit + 1 < kUnits.size()) tenths /= 1024, ++unit;
  const std::string whole = std::to_string(tenths / 10);
  const bool fraction = unit > 0 && tenths < 1000;
  return whole + (fraction ? "." + std::to_string(tenths % 10) : "") + " " + std::string(kUnits[unit]);
}

std::string plural(uint64_t n, const std::string& one) { return std::to_string(n) + " " + one + (n == 1 ? "" : "s"); }

// Tells which map blocks were walked already. Exact up to its bound.
class BlockFilter {
 public:
  bool operator()(const ChunkId& id) {
    if (blocks_.size() >= kFilterBlocksMax) return !blocks_.contains(id);
    return blocks_.insert(id).second;
  }

 private:
  std::unordered_set<ChunkId, ChunkIdHash> blocks_;
};

struct Cost {
  uint64_t unique = 0, shared = 0;
  uint64_t packs_unreadable = 0, chunks_missing = 0;
};

// What the chunks of one point take in the packs, divided into what only it needs and what others need as well.
class CostCounter {
 public:
  CostCounter(const Context& context, const Vault& vault, const IndexSet& index, Directory& scratch)
      : context_(context),
        vault_(vault),
        index_(index),
        packs_(vault),
        ids_(scratch, kSortMemory),
        places_(scratch, kSortMemory) {}

  Status add(const Manifest& manifest, uint8_t whose) {
    BlockFilter own;
    BlockFilter& filter = whose == kThisPoint ? own : others_;
    return mark_point(
        context_, vault_, index_, manifest, [&](const ChunkId& id) { return filter(id); },
        [&](const ChunkId& id) -> Status {
          Bytes record = to_bytes(id.bytes);
          record.push_back(static_cast<std::byte>(whose));
          return ids_.add(record);
        });
  }
  Result<Cost> count();

 private:
  Status place(const ChunkId& id, bool unique);
  Status apportion();

  const Context& context_;
  const Vault& vault_;
  const IndexSet& index_;
  PackCache packs_;
  ExternalSorter ids_;  // chunk id, whose
  ExternalSorter
      places_;  // pack, frame offset, stored size, chunk size, unique: so that each pack's table is read once
  BlockFilter others_;
  Cost cost_;
};

Status CostCounter::place(const ChunkId& id, bool unique) {
  COFFER_TRY(std::optional<ChunkPlace> place, index_.find(id));
  if (!place) {
    ++cost_.chunks_missing;
    return ok_status();
  }
  Bytes record = to_bytes(place->pack);
  ByteWriter w(record);
  w.u32(place->frame_offset);
  w.u32(place->frame_stored_size);
  w.u32(place->size);
  w.u8(unique ? 1 : 0);
  return places_.add(record);
}

// A frame's stored bytes are shared out to its chunks by their plain size.
Status CostCounter::apportion() {
  COFFER_TRY(auto sorted, places_.finish());
  PackId pack{};
  std::vector<PackFrame> table;
  bool readable = false, first = true;
  while (true) {
    COFFER_CHECK_OK(context_.check());
    COFFER_TRY(std::optional<ByteView> record, sorted->next());
    if (!record) return ok_status();
    ByteReader r(*record);
    const PackId id = r.array<16>();
    const uint32_t frame_offset = r.u32(), stored_size = r.u32(), size = r.u32();
    const bool unique = r.u8() == 1;
    if (first || id != pack) {
      first = false;
      pack = id;
      auto opened = packs_.open(context_, id);
      auto read = opened.ok() ? read_pack_table(**opened) : Result<std::vector<PackFrame>>(opened.error());
      if (!read.ok() && read.code() != ErrorCode::kCorruption && read.code() != ErrorCode::kNotFound)
        return std::move(read).error();
      readable = read.ok();
      if (!readable) ++cost_.packs_unreadable;
      table = readable ? std::move(read).value() : std::vector<PackFrame>();
    }
    if (!readable) continue;
    auto frame = std::lower_bound(table.begin(), table.end(), frame_offset,
                                  [](const PackFrame& f, uint32_t offset) { return f.offset < offset; });
    if (frame == table.end() || frame->offset != frame_offset || frame->plain_size == 0) continue;
    (unique ? cost_.unique : cost_.shared) += uint64_t{stored_size} * size / frame->plain_size;
  }
}

Result<Cost> CostCounter::count() {
  COFFER_TRY(auto sorted, ids_.finish());
  std::optional<ChunkId> current;
  bool ours = false, others = false;
  auto end_of_id = [&]() -> Status { return current && ours ? place(*current, !others) : ok_status(); };
  while (true) {
    COFFER_CHECK_OK(context_.check());
    COFFER_TRY(std::optional<ByteView> record, sorted->next());
    if (!record) break;
    ByteReader r(*record);
    ChunkId id;
    id.bytes = r.array<32>();
    const bool this_point = r.u8() == kThisPoint;
    if (!current || *current != id) {
      COFFER_CHECK_OK(end_of_id());
      current = id;
      ours = others = false;
    }
    (this_point ? ours : others) = true;
  }
  COFFER_CHECK_OK(end_of_id());
  COFFER_CHECK_OK(apportion());
  return cost_;
}

// When the policy would let it go if nothing else changed: the first day of the next ten years, by halving.
std::optional<WallTime> would_go(const std::vector<RetentionPoint>& points, const RetentionPolicy& policy,
                                 const std::string& id, WallTime now) {
  constexpr int kDaysMax = 3660;
  auto kept_after = [&](int days) {
    for (const RetentionLine& line : plan_retention(points, policy, now + std::chrono::hours(24 * days)))
      if (line.id == id) return line.keep;
    return true;
  };
  if (kept_after(kDaysMax)) return std::nullopt;
  int kept = 0, gone = kDaysMax;
  while (gone - kept > 1) {
    const int middle = (kept + gone) / 2;
    (kept_after(middle) ? kept : gone) = middle;
  }
  return now + std::chrono::hours(24 * gone);
}

std::string cluster_text(const Manifest& m) {
  return "cluster " + std::to_string(m.system_identifier) + " (PostgreSQL " + std::to_string(m.major) + ")";
}

void say_what(const WhyReport& report, WallTime committed, WallTime now, std::vector<std::string>& out) {
  const Manifest& m = report.point.manifest;
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - committed);
  out.push_back("Point " + m.id + (m.name.empty() ? "" : " '" + m.name + "'") + " of " + cluster_text(m) +
                " was committed " + format_utc(committed) +
                (age.count() > 0 ? ", " + format_duration(age) + " ago" : "") + ", and restores to " +
                plural(m.files, "file") + " of " + size_text(m.size_bytes) + ".");
  switch (report.point.state) {
    case PointState::kCompleted:
      out.push_back("It is complete, and nobody has checked it yet: run 'coffer prove " + m.id + "'.");
      break;
    case PointState::kVerified:
      out.push_back("Its bytes were verified; it was never booted: run 'coffer prove " + m.id + "'.");
      break;
    case PointState::kProven:
      out.push_back("It is proven" +
                    (report.point.last_proof ? " since " + format_utc(*report.point.last_proof) : std::string()) +
                    ": restored, booted and read.");
      break;
    case PointState::kDamaged:
      out.push_back("Its last check failed" +
                    (report.attestations.empty() ? std::string() : ": " + report.attestations.front().summary) + ".");
      break;
  }
}

void say_retention(const WhyReport& report, const std::vector<RetentionPoint>& points, const RetentionPolicy& policy,
                   WallTime now, std::vector<std::string>& out) {
  if (report.last_proven)
    out.push_back("It is the last proven point of its cluster: 'coffer forget' removes it only when told so by name.");
  if (report.retention.empty()) {
    out.push_back("No retention rule was given: it stays until somebody forgets it.");
    return;
  }
  const RetentionLine& line = report.retention.front();
  if (!line.keep) {
    out.push_back("By these rules it goes with the next 'coffer forget': " + line.reason + ".");
    return;
  }
  out.push_back("By these rules it is kept: " + line.reason + ".");
  if (auto when = would_go(points, policy, line.id, now))
    out.push_back("If nothing else changed it would go on " + format_utc(*when).substr(0, 10) + ".");
  else
    out.push_back("With the points that are there now it stays; newer points may take its place.");
}

void say_cost(const WhyReport& report, const Cost& cost, size_t others, std::vector<std::string>& out) {
  std::string text =
      "Forgetting it alone would free " + size_text(report.unique_stored_bytes) + " (after 'coffer collect')";
  if (others == 0) {
    text += "; it is the only point of the vault.";
  } else {
    text += "; " + size_text(report.shared_stored_bytes) + " of it stays, because " + plural(others, "other point") +
            (others == 1 ? " needs" : " need") + " it too.";
  }
  out.push_back(std::move(text));
  if (cost.packs_unreadable + cost.chunks_missing > 0)
    out.push_back("These sizes leave out " + plural(cost.packs_unreadable, "pack") + " that cannot be read and " +
                  plural(cost.chunks_missing, "chunk") + " that no index has: run 'coffer verify --all'.");
}

}  // namespace

Result<WhyReport> run_why(const Context& context, const Environment& env, const Vault& vault,
                          const std::string& point_id, const RetentionPolicy& policy) {
  env.progress.step("read the log", 0);
  COFFER_TRY(auto log, CommitLog::load(context, vault));
  const LogState& state = log->state();
  COFFER_CHECK_OK(read_manifest(context, vault, state, point_id));  // names near ids when there is no such point
  COFFER_TRY(std::vector<PointSummary> summaries,
             list_points(context, vault, state, [&](const std::string& id, const Error& error) {
               env.progress.note("point " + id + " is left out: " + error.message);
             }));
  WhyReport report;
  std::vector<RetentionPoint> points;
  for (PointSummary& s : summaries) {
    points.push_back({s.manifest.id, s.manifest.system_identifier, state.find(s.manifest.id)->time, s.state});
    if (s.manifest.id == point_id) report.point = std::move(s);
  }
  COFFER_TRY(report.attestations, read_attestations(context, vault, point_id));
  const Manifest& manifest = report.point.manifest;
  report.plain_bytes = manifest.size_bytes;

  const LogState::Committed& committed = *state.find(point_id);
  report.last_proven = report.point.state == PointState::kProven;
  for (const RetentionPoint& p : points)
    if (p.system_identifier == manifest.system_identifier && p.state == PointState::kProven &&
        p.committed > committed.time)
      report.last_proven = false;
  if (!policy.empty())
    for (RetentionLine& line : plan_retention(points, policy, env.clock.wall()))
      if (line.id == point_id) report.retention.push_back(std::move(line));

  COFFER_TRY(auto index, open_index(context, env, vault, log->state()));
  COFFER_TRY(auto scratch, env.files.open_directory(env.scratch));
  CostCounter counter(context, vault, *index, *scratch);
  env.progress.step("count what it needs", 0);
  for (const RetentionPoint& p : points) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(Manifest whole, read_manifest(context, vault, state, p.id));
    COFFER_CHECK_OK(counter.add(whole, p.id == point_id ? kThisPoint : kAnotherPoint));
  }
  COFFER_TRY(Cost cost, counter.count());
  report.unique_stored_bytes = cost.unique;
  report.shared_stored_bytes = cost.shared;

  const WallTime now = env.clock.wall();
  say_what(report, committed.time, now, report.sentences);
  say_retention(report, points, policy, now, report.sentences);
  say_cost(report, cost, points.size() - 1, report.sentences);
  return report;
}

}  // namespace coffer::jobs
