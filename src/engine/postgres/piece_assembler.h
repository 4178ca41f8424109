// From the archives of a base backup to the pieces of a source. Everything that a hostile server could do with names,
// numbers and sizes is refused here, before anybody else sees it.
#pragma once
#include <deque>
#include <optional>
#include <string>

#include "engine/postgres/base_backup_protocol.h"
#include "engine/postgres/source.h"
#include "engine/postgres/tar_reader.h"

namespace coffer::postgres {

struct AssemblerLimits {
  uint64_t members_max = 20'000'000;
  uint64_t data_size_max = UINT64_MAX;  // all members but the WAL
  uint64_t wal_size_max = UINT64_MAX;
  uint64_t manifest_size_max = uint64_t{1} << 30;
};

/// Names and sizes out of form are kCorruption, what passes a limit kResourceExhausted.
class PieceAssembler final : public BaseBackupSink {
 public:
  struct Cluster {
    bool data_checksums = false;
    uint64_t wal_segment_size_bytes = 0;
  };
  PieceAssembler(const Cluster& cluster, const AssemblerLimits& limits) : cluster_(cluster), limits_(limits) {}

  Status archive_begin(const BackupArchive& archive) override;
  Status archive_data(ByteView bytes) override;
  Status archive_end() override;
  Status manifest_data(ByteView bytes) override;

  /// The oldest finished piece.
  std::optional<Piece> take();
  /// A piece of the manifest, once it is complete; nothing after the last.
  std::optional<Piece> take_manifest();

  /// The contents of these small files, which are pieces as well; nothing when they did not come.
  [[nodiscard]] const std::optional<Bytes>& backup_label() const { return label_; }
  [[nodiscard]] const std::optional<Bytes>& tablespace_map() const { return map_; }
  [[nodiscard]] const std::optional<Bytes>& control_file() const { return control_; }

 private:
  Status begin_member(const TarMember& member);
  Status check_member(const TarMember& member, const std::string& path);
  Status count_bytes(const TarMember& member, const std::string& path);
  void add_data(ByteView bytes);
  void emit_piece();
  void end_member();
  std::optional<Bytes>* kept_copy(const std::string& path);

  const Cluster cluster_;
  const AssemblerLimits limits_;
  TarReader tar_;
  std::string prefix_;                // of the paths of this archive, "" for the data directory
  std::shared_ptr<SourceFile> file_;  // the open member; nothing while one is skipped
  uint64_t offset_ = 0;               // of `data_` in it
  Bytes data_;
  std::deque<Piece> ready_;
  uint64_t members_ = 0, data_size_ = 0, wal_size_ = 0;

  std::optional<Bytes> label_, map_, control_;
  std::deque<Bytes> manifest_;
  uint64_t manifest_size_ = 0, manifest_offset_ = 0;
  std::shared_ptr<const SourceFile> manifest_file_;
  int64_t newest_mtime_s_ = 0;
};

}  // namespace coffer::postgres
