#include "engine/postgres/piece_assembler.h"

#include <algorithm>

namespace coffer::postgres {
namespace {

constexpr uint64_t kMemberSizeMax = uint64_t{16} << 40;
constexpr std::string_view kManifestName = "backup_manifest";

Error refused(const std::string& what) {
  return {ErrorCode::kCorruption, "the server sent " + what, "nothing of this copy is kept; look at the server's log"};
}

Error too_much(const std::string& what) {
  return {ErrorCode::kResourceExhausted, "the server sent " + what, "look whether this server is the one it should be"};
}

bool is_wal(std::string_view path) { return path.starts_with("pg_wal/"); }

/// "pg_tblspc/16384", where a tablespace is linked.
bool is_tablespace_link(std::string_view path) {
  constexpr std::string_view kFolder = "pg_tblspc/";
  if (!path.starts_with(kFolder)) return false;
  std::string_view oid = path.substr(kFolder.size());
  return !oid.empty() && oid.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Says of the segments in the copy that they were archived. The restored cluster must find that out for itself.
bool is_done_mark(const TarMember& member, std::string_view path) {
  return member.type == TarMember::Type::kFile && member.size_bytes == 0 &&
         path.starts_with("pg_wal/archive_status/") && path.ends_with(".done");
}

/// Seconds to nanoseconds, held within what fits.
int64_t nanoseconds(int64_t seconds) {
  constexpr int64_t kLimit = INT64_MAX / 1'000'000'000;
  return std::clamp(seconds, -kLimit, kLimit) * 1'000'000'000;
}

}  // namespace

Status PieceAssembler::archive_begin(const BackupArchive& archive) {
  tar_ = TarReader();
  prefix_ = archive.oid == 0 ? std::string() : "pg_tblspc/" + std::to_string(archive.oid) + "/";
  return ok_status();
}

Status PieceAssembler::archive_end() { return tar_.finish(); }

Status PieceAssembler::archive_data(ByteView bytes) {
  tar_.feed(bytes);
  for (;;) {
    COFFER_TRY(TarReader::Event event, tar_.next());
    switch (event) {
      case TarReader::Event::kNone: return ok_status();
      case TarReader::Event::kMember: COFFER_CHECK_OK(begin_member(tar_.member())); break;
      case TarReader::Event::kData: add_data(tar_.data()); break;
      case TarReader::Event::kEndOfMember: end_member(); break;
    }
  }
}

Status PieceAssembler::check_member(const TarMember& member, const std::string& path) {
  if (Status form = check_source_path(path); !form.ok())
    return refused("a file name out of form: " + form.error().message);
  if (member.size_bytes > kMemberSizeMax) return refused("a file of impossible size: " + path);
  // With the map asked for there are no links but these, and even they are not expected.
  if (member.type == TarMember::Type::kSymlink && !(prefix_.empty() && is_tablespace_link(path))) {
    return refused("a symbolic link where none belongs: " + path);
  }
  if (path == kManifestName) return refused("a manifest as a file, beside the true one");
  if (kept_copy(path) != nullptr && (member.type != TarMember::Type::kFile || member.size_bytes > kPieceSize)) {
    return refused("an impossible " + path);
  }
  if (is_wal(path) && member.type == TarMember::Type::kFile &&
      parse_wal_segment_name(path.substr(path.find('/') + 1), cluster_.wal_segment_size_bytes).ok() &&
      member.size_bytes != cluster_.wal_segment_size_bytes) {
    return refused("a WAL segment of " + std::to_string(member.size_bytes) + " bytes: " + path);
  }
  return ok_status();
}

Status PieceAssembler::count_bytes(const TarMember& member, const std::string& path) {
  if (++members_ > limits_.members_max) {
    return too_much("more than " + std::to_string(limits_.members_max) + " files");
  }
  uint64_t& size = is_wal(path) ? wal_size_ : data_size_;
  uint64_t limit = is_wal(path) ? limits_.wal_size_max : limits_.data_size_max;
  // No member is larger than 16 TiB and there are few enough of them, but the sum is checked all the same.
  if (limit - std::min(limit, size) < member.size_bytes) {
    return too_much("more than " + std::to_string(limit) + " bytes of " + (is_wal(path) ? "WAL" : "files") +
                    ", over twice what it had reported");
  }
  size += member.size_bytes;
  return ok_status();
}

std::optional<Bytes>* PieceAssembler::kept_copy(const std::string& path) {
  if (path == "backup_label") return &label_;
  if (path == "tablespace_map") return &map_;
  if (path == "global/pg_control") return &control_;
  return nullptr;
}

Status PieceAssembler::begin_member(const TarMember& member) {
  std::string path = prefix_ + member.path;
  COFFER_CHECK_OK(check_member(member, path));
  COFFER_CHECK_OK(count_bytes(member, path));
  newest_mtime_s_ = std::max(newest_mtime_s_, member.mtime_s);
  offset_ = 0;
  data_.clear();
  file_.reset();
  if (member.type == TarMember::Type::kSymlink || is_done_mark(member, path)) return ok_status();

  file_ = std::make_shared<SourceFile>();
  file_->is_directory = member.type == TarMember::Type::kDirectory;
  file_->mode = member.mode & 0777;
  file_->mtime_ns = nanoseconds(member.mtime_s);
  file_->size_bytes = member.size_bytes;
  if (!file_->is_directory) file_->relation = parse_relation_path(path);
  file_->has_page_checksums = file_->relation && cluster_.data_checksums;
  file_->path = std::move(path);
  return ok_status();
}

void PieceAssembler::add_data(ByteView bytes) {
  while (!bytes.empty() && file_) {
    if (data_.empty()) data_.reserve(static_cast<size_t>(std::min(kPieceSize, file_->size_bytes - offset_)));
    size_t taken = std::min(bytes.size(), static_cast<size_t>(kPieceSize) - data_.size());
    append(data_, bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (data_.size() == kPieceSize) emit_piece();
  }
}

void PieceAssembler::emit_piece() {
  Piece piece;
  piece.file = file_;
  piece.offset = offset_;
  piece.length = data_.size();
  piece.data = std::move(data_);
  data_ = {};
  offset_ += piece.length;
  ready_.push_back(std::move(piece));
}

void PieceAssembler::end_member() {
  if (!file_) return;
  if (auto* kept = kept_copy(file_->path); kept != nullptr) *kept = data_;
  if (offset_ < file_->size_bytes || file_->size_bytes == 0) emit_piece();
  file_.reset();
}

std::optional<Piece> PieceAssembler::take() {
  if (ready_.empty()) return std::nullopt;
  Piece piece = std::move(ready_.front());
  ready_.pop_front();
  return piece;
}

Status PieceAssembler::manifest_data(ByteView bytes) {
  if (limits_.manifest_size_max - manifest_size_ < bytes.size()) return too_much("a manifest without end");
  manifest_size_ += bytes.size();
  while (!bytes.empty()) {
    if (manifest_.empty() || manifest_.back().size() == kPieceSize) manifest_.emplace_back();
    size_t taken = std::min(bytes.size(), static_cast<size_t>(kPieceSize) - manifest_.back().size());
    append(manifest_.back(), bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
  return ok_status();
}

std::optional<Piece> PieceAssembler::take_manifest() {
  if (manifest_.empty()) return std::nullopt;
  if (!manifest_file_) {
    auto file = std::make_shared<SourceFile>();
    file->path = kManifestName;
    file->mtime_ns = nanoseconds(newest_mtime_s_);
    file->size_bytes = manifest_size_;
    manifest_file_ = std::move(file);
  }
  Piece piece;
  piece.file = manifest_file_;
  piece.offset = manifest_offset_;
  piece.data = std::move(manifest_.front());
  piece.length = piece.data.size();
  manifest_offset_ += piece.length;
  manifest_.pop_front();
  return piece;
}

}  // namespace coffer::postgres
