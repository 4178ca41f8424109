#include "engine/postgres/wal_summary.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace coffer::postgres {

namespace {

// What one entry of the table costs beside its blocks: node, bucket, allocator.
constexpr size_t kEntryOverhead = 128;
constexpr std::chrono::milliseconds kPollMin{50}, kPollMax{1000};

bool parse_number(std::string_view text, uint32_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

size_t ChangedBlockTable::Hash::operator()(const RelationFork& f) const {
  uint64_t h = (uint64_t{f.tablespace_oid} << 32 | f.database_oid) * 0x9e3779b97f4a7c15;
  h ^= (uint64_t{f.relation_number} << 2 | static_cast<uint64_t>(f.fork)) * 0xc2b2ae3d27d4eb4f;
  return static_cast<size_t>(h ^ h >> 29);
}

ChangedBlockTable::Blocks* ChangedBlockTable::entry(const RelationFork& fork) {
  auto [it, is_new] = forks_.try_emplace(fork);
  if (is_new) size_bytes_ += kEntryOverhead;
  return size_bytes_ <= limit_bytes_ ? &it->second : nullptr;
}

void ChangedBlockTable::compact(Blocks& b) {
  std::sort(b.blocks.begin(), b.blocks.end());
  b.blocks.erase(std::unique(b.blocks.begin(), b.blocks.end()), b.blocks.end());
  b.compacted = b.blocks.size();
}

bool ChangedBlockTable::add_block(const RelationFork& fork, uint32_t block) {
  Blocks* b = entry(fork);
  if (!b) return false;
  // Summaries of one block follow each other in file order, so the doubles of many files are dropped on the way.
  if (b->blocks.size() == b->blocks.capacity() && b->blocks.size() >= 2 * b->compacted + 16) compact(*b);
  const size_t before = b->blocks.capacity();
  b->blocks.push_back(block);
  size_bytes_ += (b->blocks.capacity() - before) * sizeof(uint32_t);
  return size_bytes_ <= limit_bytes_;
}

bool ChangedBlockTable::add_limit(const RelationFork& fork, uint32_t block) {
  Blocks* b = entry(fork);
  if (!b) return false;
  b->limit = std::min(b->limit, block);
  return true;
}

void ChangedBlockTable::finish() {
  size_bytes_ = 0;
  for (auto& [fork, b] : forks_) {
    compact(b);
    b.blocks.shrink_to_fit();
    size_bytes_ += kEntryOverhead + b.blocks.capacity() * sizeof(uint32_t);
  }
}

std::optional<ChangedBlocks> ChangedBlockTable::changed(const RelationFile& file, uint32_t blocks_per_segment) const {
  // Free space maps are not logged. Of a visibility map, 17.10 and older minors of 18 name the pages where bits were
  // set but not those where an update or delete cleared them (and give a limit block that is too high after a
  // truncation): an old map beside new heap pages answers index-only scans wrongly. Both forks are small, so they are
  // read.
  if (file.fork == Fork::kFreeSpaceMap || file.fork == Fork::kVisibilityMap || file.temporary ||
      blocks_per_segment == 0)
    return std::nullopt;
  ChangedBlocks out;
  // CREATE DATABASE and ALTER DATABASE ... SET TABLESPACE copy files behind the WAL's back and leave this one entry.
  if (file.database_oid != 0 && forks_.contains({file.tablespace_oid, file.database_oid, 0, Fork::kMain})) {
    out.all_from = 0;
    return out;
  }
  auto it = forks_.find({file.tablespace_oid, file.database_oid, file.relation_number, file.fork});
  if (it == forks_.end()) return out;
  const Blocks& b = it->second;
  const uint64_t first = uint64_t{file.segment} * blocks_per_segment, end = first + blocks_per_segment;
  if (b.limit < end) out.all_from = b.limit <= first ? 0 : static_cast<uint32_t>(b.limit - first);
  for (auto block = std::lower_bound(b.blocks.begin(), b.blocks.end(), first); block != b.blocks.end() && *block < end;
       ++block) {
    const auto in_segment = static_cast<uint32_t>(*block - first);
    if (in_segment >= out.all_from) break;
    out.blocks.push_back(in_segment);
  }
  return out;
}

std::optional<std::vector<WalSummary>> covering_summaries(std::vector<WalSummary> available, Timeline timeline,
                                                          Lsn from, Lsn to, Lsn& covered_to) {
  std::erase_if(available, [&](const WalSummary& s) {
    return s.timeline != timeline || s.end <= from || s.start >= to || s.end <= s.start;
  });
  std::sort(available.begin(), available.end(),
            [](const WalSummary& a, const WalSummary& b) { return a.start < b.start; });
  covered_to = from;
  for (const WalSummary& s : available) {
    if (s.start > covered_to) return std::nullopt;
    covered_to = std::max(covered_to, s.end);
  }
  if (covered_to < to) return std::nullopt;
  return available;
}

Result<bool> add_summary_line(std::string_view line, ChangedBlockTable& table) {
  std::array<std::string_view, 6> fields;
  const std::string_view whole = line;
  auto bad = [&] {
    return Error{
        ErrorCode::kCorruption, "a WAL summary holds the line '" + std::string(whole.substr(0, 200)) + "'", {}};
  };
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t tab = line.find('\t');
    if ((tab == std::string_view::npos) != (i + 1 == fields.size())) return bad();
    fields[i] = line.substr(0, tab);
    line.remove_prefix(i + 1 == fields.size() ? line.size() : tab + 1);
  }
  std::array<uint32_t, 5> n{};
  for (size_t i = 0; i < n.size(); ++i)
    if (!parse_number(fields[i], n[i])) return bad();
  if (n[3] > static_cast<uint32_t>(Fork::kInit) || (fields[5] != "t" && fields[5] != "f")) return bad();
  const ChangedBlockTable::RelationFork fork{n[0], n[1], n[2], static_cast<Fork>(n[3])};
  return fields[5] == "t" ? table.add_limit(fork, n[4]) : table.add_block(fork, n[4]);
}

namespace {

Result<std::vector<WalSummary>> available_summaries(const Context& context, Connection& connection, Timeline timeline) {
  COFFER_TRY(Rows rows,
             connection.query(
                 context, "SELECT tli, start_lsn, end_lsn FROM pg_catalog.pg_available_wal_summaries() WHERE tli = " +
                              std::to_string(timeline)));
  std::vector<WalSummary> all;
  for (const Row& row : rows) {
    WalSummary s;
    s.timeline = timeline;
    COFFER_TRY(s.start, parse_lsn(row.text(1)));
    COFFER_TRY(s.end, parse_lsn(row.text(2)));
    all.push_back(s);
  }
  return all;
}

// How far the summarizer has read, to tell a slow one from a dead one. Any text that changes with progress will do.
Result<std::string> summarizer_position(const Context& context, Connection& connection) {
  COFFER_TRY(
      Rows rows,
      connection.query(context, "SELECT summarized_lsn, pending_lsn FROM pg_catalog.pg_get_wal_summarizer_state()"));
  return rows.empty() ? std::string() : rows[0].text(0) + " " + rows[0].text(1);
}

struct Coverage {
  std::optional<std::vector<WalSummary>> files;
  Lsn covered_to;
  Lsn earliest{UINT64_MAX}, latest;  // of what there is at all
};

Result<Coverage> look(const Context& context, Connection& connection, const SummaryRequest& request) {
  Coverage c;
  COFFER_TRY(auto all, available_summaries(context, connection, request.timeline));
  for (const WalSummary& s : all) c.earliest = std::min(c.earliest, s.start), c.latest = std::max(c.latest, s.end);
  c.files = covering_summaries(std::move(all), request.timeline, request.parent.start, request.start, c.covered_to);
  return c;
}

Result<Coverage> wait_for_coverage(const Context& context, Clock& clock, Connection& connection,
                                   const SummaryRequest& request) {
  std::string position;
  MonoTime moved = clock.mono();
  auto pause = kPollMin;
  while (true) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(Coverage coverage, look(context, connection, request));
    // A hole below what is there already never closes: summaries are written in order.
    if (coverage.files || coverage.latest > coverage.covered_to) return coverage;
    COFFER_TRY(std::string now_at, summarizer_position(context, connection));
    if (now_at != position) {
      position = std::move(now_at);
      moved = clock.mono();
    } else if (clock.mono() - moved >= request.patience) {
      return coverage;
    }
    clock.sleep_for(pause);
    pause = std::min(pause * 2, kPollMax);
  }
}

// Streamed as COPY text: a summary may name millions of blocks, and a result set would hold them all in memory.
Result<bool> load_one(const Context& context, Connection& connection, const WalSummary& summary,
                      ChangedBlockTable& table) {
  bool fits = true;
  Connection::CopyEvents events;
  events.on_rows = [](const Rows&) { return ok_status(); };
  events.on_copy_begin = [] { return ok_status(); };
  events.on_notice = [](std::string_view, std::string_view) {};
  events.on_copy_data = [&](ByteView bytes) -> Status {
    std::string_view line = as_text(bytes);
    if (!fits) return ok_status();
    if (!line.ends_with('\n'))
      return Error{ErrorCode::kCorruption, "the server sent a row of COPY without its end", {}};
    COFFER_TRY(fits, add_summary_line(line.substr(0, line.size() - 1), table));
    return ok_status();
  };
  const std::string sql =
      "COPY (SELECT reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber, is_limit_block"
      " FROM pg_catalog.pg_wal_summary_contents(" +
      std::to_string(summary.timeline) + ", '" + format_lsn(summary.start) + "', '" + format_lsn(summary.end) +
      "')) TO STDOUT";
  COFFER_CHECK_OK(connection.copy_out(context, sql, events, nullptr));
  return fits;
}

bool worth_a_full_read(const Error& error) {
  return error.code != ErrorCode::kCancelled && error.code != ErrorCode::kUnavailable &&
         error.code != ErrorCode::kInternal;
}

}  // namespace

Result<SummaryOutcome> load_wal_summaries(const Context& context, Clock& clock, Connection& connection,
                                          const SummaryRequest& request) {
  auto unused = [](std::string because) -> Result<SummaryOutcome> {
    return SummaryOutcome{std::nullopt, std::move(because)};
  };
  if (connection.major() < 17)
    return unused("PostgreSQL " + std::to_string(connection.major()) + " has no WAL summaries (17 and later have)");
  if (request.parent.system_identifier != request.system_identifier)
    return unused("the parent point is of another cluster");
  if (request.parent.timeline != request.timeline)
    return unused("the timeline changed from " + std::to_string(request.parent.timeline) + " to " +
                  std::to_string(request.timeline) + " since the parent point");
  if (request.parent.start > request.start)
    return unused("the parent point began at " + format_lsn(request.parent.start) + ", after this backup's start " +
                  format_lsn(request.start));
  COFFER_TRY(Rows setting, connection.query(context, "SHOW summarize_wal"));
  if (setting.empty() || setting[0].text(0) != "on") return unused("summarize_wal is off");

  auto coverage = wait_for_coverage(context, clock, connection, request);
  if (!coverage.ok()) {
    if (!worth_a_full_read(coverage.error())) return coverage.error();
    return unused("the server does not tell its WAL summaries: " + coverage.error().message);
  }
  if (!coverage->files) {
    if (coverage->latest > coverage->covered_to || coverage->earliest > request.parent.start)
      return unused("WAL summaries have a hole at " + format_lsn(coverage->covered_to));
    return unused("the summarizer stands at " + format_lsn(coverage->covered_to) + " and did not move for " +
                  format_duration(request.patience));
  }

  SummaryOutcome outcome;
  outcome.table.emplace(request.memory_limit_bytes);
  for (const WalSummary& summary : *coverage->files) {
    auto fits = load_one(context, connection, summary, *outcome.table);
    if (!fits.ok()) {
      if (!worth_a_full_read(fits.error())) return fits.error();
      // Removed by wal_summary_keep_time a moment ago, or damaged: both mean that it says nothing.
      return unused("the WAL summary from " + format_lsn(summary.start) + " cannot be read: " + fits.error().message);
    }
    if (!*fits) return unused("too much changed since the parent point to keep the list of blocks in memory");
  }
  outcome.table->finish();
  return outcome;
}

}  // namespace coffer::postgres
