// WalTail: the WAL that makes a file-level copy consistent, read from the server's own pg_wal (postgres-backup.md 2.7).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/filesystem.h"
#include "engine/postgres/directory_walk.h"
#include "engine/postgres/lsn.h"
#include "engine/postgres/source.h"

namespace coffer::postgres {

/// The segments from the one with byte `start` to the one with byte `stop` - 1. Which timeline each is read from
/// follows `history`, that of `stop_timeline`, as the server does it: the newest timeline that had begun in that
/// segment. Empty when stop <= start.
std::vector<WalSegment> segments_between(Lsn start, Lsn stop, Timeline stop_timeline,
                                         const std::vector<TimelineSwitch>& history, uint64_t segment_size_bytes);

struct WalTailOptions {
  Lsn start, stop;
  Timeline start_timeline = 1, stop_timeline = 1;
  WalExpectation expected;
};

/// Not thread-safe.
class WalTail {
 public:
  /// `directory` is pg_wal. Reads the timeline history files; a missing one is a line in `warnings`, or an error where
  /// the backup itself crosses a timeline switch.
  static Result<std::unique_ptr<WalTail>> open(std::unique_ptr<Directory> directory, WalTailOptions options,
                                               std::vector<std::string>& warnings);
  /// Pieces of "pg_wal/<segment>" and "pg_wal/<timeline>.history", each file checked before its first piece is given.
  Result<std::optional<Piece>> next();

 private:
  WalTail(std::unique_ptr<Directory> directory, WalTailOptions options)
      : directory_(std::move(directory)), options_(options) {}
  Status open_segment(WalSegment segment);

  std::unique_ptr<Directory> directory_;
  const WalTailOptions options_;
  std::vector<std::string> history_files_;
  size_t next_history_ = 0;
  std::vector<WalSegment> segments_;
  size_t next_segment_ = 0;
  PieceCutter cutter_;
};

}  // namespace coffer::postgres
