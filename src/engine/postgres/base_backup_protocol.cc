#include "engine/postgres/base_backup_protocol.h"

#include <charconv>
#include <set>

namespace coffer::postgres {
namespace {

constexpr size_t kArchivesMax = 10'001;
constexpr size_t kLabelSizeMax = 1024;
constexpr uint32_t kRateMin = 32, kRateMax = 1'048'576;
constexpr size_t kLocationSizeMax = 4096;

Error out_of_order(const std::string& what) {
  return {ErrorCode::kCorruption, "the server does not keep to the replication protocol: " + what, {}};
}

template <class T>
bool parse_decimal(const std::string& text, T& out) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_position(const Rows& rows, BackupPosition& out) {
  if (rows.size() != 1 || rows[0].values.size() != 2) return false;
  auto lsn = parse_lsn(rows[0].text(0));
  if (!lsn.ok() || !parse_decimal(rows[0].text(1), out.timeline) || out.timeline == 0) return false;
  out.lsn = *lsn;
  return true;
}

/// The string at the front of `body`, with its NUL taken off; false when there is none.
bool take_text(ByteView& body, std::string_view& out) {
  std::string_view text = as_text(body);
  size_t end = text.find('\0');
  if (end == std::string_view::npos) return false;
  out = text.substr(0, end);
  body = body.subspan(end + 1);
  return true;
}

}  // namespace

Result<std::string> format_base_backup(const BaseBackupCommand& command, int server_major) {
  if (command.label.empty() || command.label.size() > kLabelSizeMax) {
    return Error{ErrorCode::kInvalidArgument, "the label of a backup has 1 to 1024 bytes", {}};
  }
  for (char c : command.label) {
    if (static_cast<unsigned char>(c) < 0x20) {
      return Error{ErrorCode::kInvalidArgument, "the label of a backup is one line of text", {}};
    }
  }
  uint32_t rate = command.max_rate_kib_s;
  if (rate != 0 && (rate < kRateMin || rate > kRateMax)) {
    return Error{ErrorCode::kInvalidArgument, "the highest rate of a backup is 32 to 1048576 KiB a second", {}};
  }
  std::string label = quote_literal(command.label), rate_text = std::to_string(rate);
  if (server_major < 15) {
    return "BASE_BACKUP LABEL " + label + " PROGRESS" + (command.fast_checkpoint ? " FAST" : "") + " WAL NOWAIT" +
           (rate != 0 ? " MAX_RATE " + rate_text : "") + " TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'CRC32C'";
  }
  return "BASE_BACKUP (LABEL " + label + ", PROGRESS, CHECKPOINT '" + (command.fast_checkpoint ? "fast" : "spread") +
         "', WAL, WAIT false" + (rate != 0 ? ", MAX_RATE " + rate_text : "") +
         ", TABLESPACE_MAP, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C')";
}

Status BaseBackupDecoder::on_rows(const Rows& rows) {
  switch (step_) {
    case Step::kStart:
      if (!parse_position(rows, start_)) return out_of_order("the start position is out of form");
      step_ = Step::kArchives;
      return ok_status();
    case Step::kArchives: return take_archives(rows);
    case Step::kCopy:
      COFFER_CHECK_OK(end_archive());
      if (archives_begun_ != archives_.size()) return out_of_order("the end comes before all archives came");
      if (!manifest_begun_) return out_of_order("the end comes before the manifest");
      if (!parse_position(rows, end_) || end_.lsn < start_.lsn) return out_of_order("the end position is out of form");
      step_ = Step::kDone;
      return ok_status();
    case Step::kDone: break;
  }
  return out_of_order("rows after the end");
}

Status BaseBackupDecoder::take_archives(const Rows& rows) {
  if (rows.empty() || rows.size() > kArchivesMax)
    return out_of_order("no list of archives, or one of impossible length");
  std::set<uint32_t> oids;
  for (const Row& row : rows) {
    BackupArchive archive;
    if (row.values.size() != 3) return out_of_order("the list of archives is out of form");
    bool is_base = !row.values[0];
    if (is_base != (&row == &rows.back())) return out_of_order("the data directory is not the last archive");
    if (!is_base &&
        (!parse_decimal(row.text(0), archive.oid) || !oids.insert(archive.oid).second || archive.oid == 0)) {
      return out_of_order("a tablespace has an impossible oid");
    }
    archive.location = row.text(1);
    if (archive.location.size() > kLocationSizeMax) return out_of_order("the path of a tablespace is too long");
    uint64_t size_kib = 0;
    if (row.values[2] && (!parse_decimal(row.text(2), size_kib) || size_kib > UINT64_MAX / 1024 / kArchivesMax)) {
      return out_of_order("an archive has an impossible size");
    }
    archive.size_bytes = size_kib * 1024;
    archives_.push_back(std::move(archive));
  }
  step_ = Step::kCopy;
  return ok_status();
}

Status BaseBackupDecoder::end_archive() {
  if (within_ != Within::kArchive) return ok_status();
  within_ = Within::kNothing;
  return sink_.archive_end();
}

Status BaseBackupDecoder::begin_archive() {
  COFFER_CHECK_OK(end_archive());
  if (manifest_begun_) return out_of_order("an archive after the manifest");
  if (archives_begun_ == archives_.size()) return out_of_order("more archives than announced");
  within_ = Within::kArchive;
  return sink_.archive_begin(archives_[archives_begun_++]);
}

Status BaseBackupDecoder::begin_manifest() {
  COFFER_CHECK_OK(end_archive());
  if (manifest_begun_) return out_of_order("a second manifest");
  if (archives_begun_ != archives_.size()) return out_of_order("the manifest comes before all archives came");
  manifest_begun_ = true;
  within_ = Within::kManifest;
  return ok_status();
}

Status BaseBackupDecoder::on_copy_begin() {
  if (step_ != Step::kCopy) return out_of_order("data before or after its place");
  if (typed_messages_) {
    if (copy_begun_) return out_of_order("data begins twice");
    copy_begun_ = true;
    return ok_status();
  }
  // Up to 14: one COPY for each archive, in the order of the list, then one for the manifest.
  return archives_begun_ < archives_.size() ? begin_archive() : begin_manifest();
}

/// 'n': name of the archive, path of the tablespace.
Status BaseBackupDecoder::named_archive(ByteView body) {
  std::string_view name, location;
  if (!take_text(body, name) || !take_text(body, location) || !body.empty()) {
    return out_of_order("the name of an archive is out of form");
  }
  COFFER_CHECK_OK(begin_archive());
  const BackupArchive& archive = archives_[archives_begun_ - 1];
  std::string expected = archive.oid == 0 ? "base.tar" : std::to_string(archive.oid) + ".tar";
  if (name != expected) return out_of_order("another archive than " + expected + ", whose turn it is");
  return ok_status();
}

Status BaseBackupDecoder::on_copy_data(ByteView message) {
  if (step_ != Step::kCopy) return out_of_order("data before or after its place");
  if (typed_messages_) {
    if (message.empty()) return out_of_order("an empty message");
    char type = static_cast<char>(message[0]);
    message = message.subspan(1);
    switch (type) {
      case 'n': return named_archive(message);
      case 'm': return message.empty() ? begin_manifest() : out_of_order("the manifest's message is out of form");
      case 'p': return message.size() == 8 ? ok_status() : Status(out_of_order("a progress message is out of form"));
      case 'd': break;
      default: return out_of_order("a message of an unknown type");
    }
  }
  if (within_ == Within::kArchive) return sink_.archive_data(message);
  if (within_ == Within::kManifest) return sink_.manifest_data(message);
  return out_of_order("data that belongs to no archive");
}

}  // namespace coffer::postgres
