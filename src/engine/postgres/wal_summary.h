// WAL summaries of PostgreSQL 17 and later: which blocks changed since an LSN (postgres-backup.md 3.5).
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/source.h"

namespace coffer::postgres {

/// Changed blocks of every relation fork that WAL summaries name. Filled by add(), then sealed by finish(), then only
/// read (from any number of tasks).
class ChangedBlockTable {
 public:
  struct RelationFork {
    uint32_t tablespace_oid = 0, database_oid = 0, relation_number = 0;
    Fork fork = Fork::kMain;
    friend bool operator==(const RelationFork&, const RelationFork&) = default;
  };
  explicit ChangedBlockTable(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// `block` of the fork changed. False once the memory limit is passed: the table is then of no use.
  bool add_block(const RelationFork& fork, uint32_t block);
  /// The fork was cut to `block` blocks: these and all after them count as new. Block 0 of relation 0: the whole
  /// database.
  bool add_limit(const RelationFork& fork, uint32_t block);
  /// Sorts, drops doubles. Call once, after the last add.
  void finish();

  /// What may have changed in this segment; nothing when the file must be read whole whatever the summaries say: free
  /// space maps and visibility maps.
  [[nodiscard]] std::optional<ChangedBlocks> changed(const RelationFile& file, uint32_t blocks_per_segment) const;
  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }

 private:
  struct Hash {
    size_t operator()(const RelationFork& f) const;
  };
  struct Blocks {
    std::vector<uint32_t> blocks;
    size_t compacted = 0;  // size after the last compaction
    uint32_t limit = UINT32_MAX;
  };
  Blocks* entry(const RelationFork& fork);
  static void compact(Blocks& blocks);

  size_t limit_bytes_;
  size_t size_bytes_ = 0;
  std::unordered_map<RelationFork, Blocks, Hash> forks_;
};

/// One summary file that the server has.
struct WalSummary {
  Timeline timeline = 0;
  Lsn start, end;
};
/// The summaries that together cover [from, to) on `timeline`, in order; nothing when there is a hole, and then
/// `covered_to` tells where it begins.
std::optional<std::vector<WalSummary>> covering_summaries(std::vector<WalSummary> available, Timeline timeline,
                                                          Lsn from, Lsn to, Lsn& covered_to);

/// One line of COPY text: tablespace, database, relation, fork, block, is_limit_block, separated by tabs. kCorruption
/// otherwise. False when the table is full.
Result<bool> add_summary_line(std::string_view line, ChangedBlockTable& table);

struct SummaryRequest {
  uint64_t system_identifier = 0;
  Timeline timeline = 1;  // of the backup that begins
  Lsn start;              // its redo point
  ParentPoint parent;
  std::chrono::seconds patience{60};  // without any progress of the summarizer
  size_t memory_limit_bytes = size_t{64} << 20;
};
/// Either `table`, or why there is none (a whole sentence part: "summarize_wal is off").
struct SummaryOutcome {
  std::optional<ChangedBlockTable> table;
  std::string unused_because;
};
/// Waits until the server's summaries reach from the parent's start to the backup's, and loads them. What makes them
/// useless is an outcome; an Error is a lost connection or a stopped context.
Result<SummaryOutcome> load_wal_summaries(const Context& context, Clock& clock, Connection& connection,
                                          const SummaryRequest& request);

}  // namespace coffer::postgres
