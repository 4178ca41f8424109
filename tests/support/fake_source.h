// FakeSource: a cluster that exists in memory only, as a postgres::Source. Its files come from a FakeCluster, by
// number, so that a cluster of 200 000 files needs no memory of that size; its server can be told to die under the
// backup.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/entropy.h"
#include "engine/crypto/digest.h"
#include "engine/jobs/backup.h"
#include "engine/postgres/page.h"
#include "engine/postgres/source.h"

namespace coffer::testing_support {

/// Fills `out` with the file's bytes from `offset`; may fail like a disk.
using ReadFile = std::function<Status(uint64_t offset, MutableByteView out)>;

struct FakeFile {
  std::string path;
  bool is_directory = false;
  uint64_t size_bytes = 0;
  ReadFile read;
};

inline FakeFile memory_file(std::string path, Bytes content) {
  auto shared = std::make_shared<const Bytes>(std::move(content));
  return {std::move(path), false, shared->size(), [shared](uint64_t offset, MutableByteView out) -> Status {
            std::copy_n(shared->begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
            return ok_status();
          }};
}
inline FakeFile directory(std::string path) { return {std::move(path), true, 0, {}}; }

/// Pages of a relation with valid checksums: `seed` decides the bytes, a quarter of them random, so that they compress
/// as real ones do.
inline void fill_page(MutableByteView page, uint32_t block, uint64_t seed) {
  std::fill(page.begin(), page.end(), std::byte{0});
  SeededEntropy entropy(seed * 0x9e3779b97f4a7c15ULL + block);
  entropy.fill(page.subspan(6144));
  auto u16 = [&](size_t at, uint16_t v) { std::memcpy(page.data() + at, &v, 2); };
  const uint32_t lsn_low = 0x1000;
  std::memcpy(page.data() + 4, &lsn_low, 4);  // before every backup's start: the checksum is judged
  u16(12, 28);
  u16(14, 6144);
  u16(16, 8192);
  u16(18, 8192 | 4);
  u16(8, postgres::page_checksum(page.data(), block));
}
inline Bytes relation_bytes(uint32_t pages, uint64_t seed) {
  Bytes bytes(size_t{pages} * postgres::kPageSize);
  for (uint32_t p = 0; p < pages; ++p)
    fill_page(MutableByteView(bytes).subspan(p * postgres::kPageSize, postgres::kPageSize), p, seed);
  return bytes;
}

/// A pg_control that parse_control_file() accepts: PostgreSQL 15, in production, checksums on.
inline Bytes control_file_bytes(uint64_t system_identifier) {
  Bytes b(8192);
  auto u32 = [&](size_t at, uint32_t v) { std::memcpy(b.data() + at, &v, 4); };
  auto u64 = [&](size_t at, uint64_t v) { std::memcpy(b.data() + at, &v, 8); };
  u64(0, system_identifier);
  u32(8, 1300);
  u32(12, 202209061);
  u32(16, 6);
  u64(32, 0x2000060);
  u64(40, 0x2000028);
  u32(48, 1);
  u32(172, 1);
  u32(180, 100);
  u32(184, 8);
  u32(188, 10);
  u32(192, 0);
  u32(196, 64);
  u32(208, 8);
  u32(216, 8192);
  u32(220, 131072);
  u32(224, 8192);
  u32(228, 1 << 20);
  u32(232, 64);
  u32(236, 32);
  u32(252, 1);
  u32(288, crypto::crc32c(ByteView(b).first(288)));
  return b;
}

/// What there is to back up. Numbered files, then those that only the end of a backup knows.
struct FakeCluster {
  uint64_t system_identifier = 7100000000000000001;
  size_t count = 0;
  std::function<FakeFile(size_t)> file;
  std::map<uint32_t, std::string> tablespaces;

  /// The files of `files`, by copy.
  static FakeCluster of(std::vector<FakeFile> files) {
    FakeCluster c;
    c.count = files.size();
    c.file = [shared = std::make_shared<const std::vector<FakeFile>>(std::move(files))](size_t n) {
      return (*shared)[n];
    };
    return c;
  }
  [[nodiscard]] std::vector<FakeFile> last_files() const {
    std::vector<FakeFile> out;
    out.push_back(
        memory_file("backup_label", to_bytes("START WAL LOCATION: 0/2000028 (file 000000010000000000000020)\n")));
    if (!tablespaces.empty()) {
      std::string map;
      for (const auto& [oid, path] : tablespaces) map += std::to_string(oid) + " " + path + "\n";
      out.push_back(memory_file("tablespace_map", to_bytes(map)));
    }
    out.push_back(memory_file("global/pg_control", control_file_bytes(system_identifier)));
    out.push_back(memory_file("pg_wal/000000010000000000000020", Bytes(1 << 20, std::byte{0x5a})));
    return out;
  }
};

class FakeSource final : public postgres::Source {
 public:
  /// Asked before each piece with its number (from 1): an Error ends the source as a lost server would.
  using Interrupt = std::function<Status(uint64_t piece)>;

  explicit FakeSource(FakeCluster cluster, Interrupt interrupt = {})
      : cluster_(std::move(cluster)), interrupt_(std::move(interrupt)) {}

  Result<postgres::SourceStart> begin(const Context&) override {
    postgres::SourceStart s;
    s.kind = "local";
    s.system_identifier = cluster_.system_identifier;
    s.start = {0x2000028};
    s.major = 15;
    s.server_version_num = 150018;
    s.catalog_version = 202209061;
    s.wal_segment_size_bytes = 1 << 20;
    s.data_checksums = true;
    s.databases = {"postgres"};
    s.superuser = "postgres";
    for (const auto& [oid, path] : cluster_.tablespaces) s.tablespaces.push_back({oid, path});
    return s;
  }

  Result<std::optional<postgres::Piece>> next(const Context& context) override {
    COFFER_CHECK_OK(context.check());
    std::lock_guard lock(mutex_);
    if (interrupt_) COFFER_CHECK_OK(interrupt_(++pieces_));
    if (!current_ && !open_next()) return std::optional<postgres::Piece>();
    postgres::Piece piece;
    piece.file = current_;
    piece.reader = reader_;
    piece.offset = offset_;
    piece.length = std::min(postgres::kPieceSize, current_->size_bytes - offset_);
    offset_ += piece.length;
    if (offset_ == current_->size_bytes) current_.reset();
    return std::optional<postgres::Piece>(std::move(piece));
  }

  Result<postgres::SourceEnd> finish(const Context&) override {
    std::lock_guard lock(mutex_);
    last_files_ = cluster_.last_files();
    finished_ = true;
    postgres::SourceEnd end;
    end.stop = {0x2000138};
    return end;
  }

 private:
  class Reader final : public postgres::FileReader {
   public:
    explicit Reader(ReadFile read) : read_(std::move(read)) {}
    Status read_at(uint64_t offset, MutableByteView out) override { return read_(offset, out); }

   private:
    ReadFile read_;
  };

  bool open_next() {
    FakeFile file;
    if (next_ < cluster_.count) {
      file = cluster_.file(next_++);
    } else if (finished_ && next_last_ < last_files_.size()) {
      file = last_files_[next_last_++];
    } else {
      return false;
    }
    auto source_file = std::make_shared<postgres::SourceFile>();
    source_file->path = file.path;
    source_file->is_directory = file.is_directory;
    source_file->mode = file.is_directory ? 0700 : 0600;
    source_file->mtime_ns = 1'700'000'000'000'000'000;
    source_file->size_bytes = file.size_bytes;
    if (file.path.starts_with("base/1/") && file.size_bytes % postgres::kPageSize == 0) {
      postgres::RelationFile relation;
      relation.database_oid = 1;
      relation.relation_number = static_cast<uint32_t>(std::strtoul(file.path.c_str() + 7, nullptr, 10));
      source_file->relation = relation;
      source_file->has_page_checksums = true;
    }
    current_ = std::move(source_file);
    reader_ = std::make_shared<Reader>(std::move(file.read));
    offset_ = 0;
    return true;
  }

  const FakeCluster cluster_;
  const Interrupt interrupt_;
  std::mutex mutex_;
  size_t next_ = 0, next_last_ = 0;
  uint64_t pieces_ = 0, offset_ = 0;
  bool finished_ = false;
  std::vector<FakeFile> last_files_;
  std::shared_ptr<const postgres::SourceFile> current_;
  std::shared_ptr<Reader> reader_;
};

inline jobs::SourceFactory fake_source_factory(FakeCluster cluster, FakeSource::Interrupt interrupt = {}) {
  const uint64_t system_identifier = cluster.system_identifier;
  return {.system_identifier = [system_identifier](const Context&) -> Result<uint64_t> { return system_identifier; },
          .make =
              [cluster = std::move(cluster),
               interrupt = std::move(interrupt)](const std::optional<postgres::ParentPoint>&) {
                return std::unique_ptr<postgres::Source>(std::make_unique<FakeSource>(cluster, interrupt));
              }};
}

}  // namespace coffer::testing_support
