// The replication command BASE_BACKUP: its two syntaxes (13 and 14; 15 and later), and what comes back in its two
// framings (one COPY per archive; one COPY with typed messages), as one sequence of archives and a manifest.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine/postgres/connection.h"
#include "engine/postgres/lsn.h"

namespace coffer::postgres {

struct BaseBackupCommand {
  std::string label = {};
  bool fast_checkpoint = true;
  uint32_t max_rate_kib_s = 0;  // 0: unlimited
};
/// kInvalidArgument for a label or a rate that the server would refuse.
Result<std::string> format_base_backup(const BaseBackupCommand& command, int server_major);

/// One tar archive of the answer: a tablespace, or the data directory itself (oid 0).
struct BackupArchive {
  uint32_t oid = 0;
  std::string location = {};  // as on the server; "" for the data directory
  uint64_t size_bytes = 0;    // the server's estimate, 0 when it gave none
};

/// Takes what the decoder found. An error ends the backup.
class BaseBackupSink {
 public:
  virtual ~BaseBackupSink() = default;
  virtual Status archive_begin(const BackupArchive& archive) = 0;
  virtual Status archive_data(ByteView bytes) = 0;
  virtual Status archive_end() = 0;
  virtual Status manifest_data(ByteView bytes) = 0;
};

struct BackupPosition {
  Lsn lsn;
  Timeline timeline = 1;
};

/// Holds the server to the order of its answer: start, archives announced, each of them once and in that order, one
/// manifest, end. Everything else is kCorruption. At most 10 000 tablespaces.
class BaseBackupDecoder {
 public:
  BaseBackupDecoder(int server_major, BaseBackupSink& sink) : typed_messages_(server_major >= 15), sink_(sink) {}

  Status on_rows(const Rows& rows);
  Status on_copy_begin();
  Status on_copy_data(ByteView message);

  /// The archives are known, and COPY has not begun.
  [[nodiscard]] bool announced() const { return step_ >= Step::kCopy; }
  /// The end position arrived, so everything before it did.
  [[nodiscard]] bool complete() const { return step_ == Step::kDone; }
  [[nodiscard]] const BackupPosition& start() const { return start_; }
  [[nodiscard]] const BackupPosition& end() const { return end_; }
  [[nodiscard]] const std::vector<BackupArchive>& archives() const { return archives_; }

 private:
  enum class Step { kStart, kArchives, kCopy, kDone };
  enum class Within { kNothing, kArchive, kManifest };

  Status take_archives(const Rows& rows);
  Status begin_archive();
  Status begin_manifest();
  Status end_archive();
  Status named_archive(ByteView body);

  const bool typed_messages_;
  BaseBackupSink& sink_;
  Step step_ = Step::kStart;
  Within within_ = Within::kNothing;
  BackupPosition start_, end_;
  std::vector<BackupArchive> archives_;
  size_t archives_begun_ = 0;
  bool copy_begun_ = false, manifest_begun_ = false;
};

}  // namespace coffer::postgres
