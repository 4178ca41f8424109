// backup_manifest, read and written (postgres-backup.md section 4).
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "engine/crypto/digest.h"
#include "engine/postgres/backup_files.h"
#include "engine/postgres/json_reader.h"

namespace coffer::postgres {
namespace {

Error corrupt(std::string message) { return {ErrorCode::kCorruption, "backup_manifest: " + std::move(message), {}}; }

struct Algorithm {
  std::string_view name;
  size_t size_bytes;
};
constexpr std::array<Algorithm, 5> kAlgorithms = {
    {{"CRC32C", 4}, {"SHA224", 28}, {"SHA256", 32}, {"SHA384", 48}, {"SHA512", 64}}};

/// "2026-11-24 03:09:38 GMT"
bool parse_mtime(std::string_view text, int64_t& out) {
  if (text.size() != 23 || !text.ends_with(" GMT")) return false;
  auto number = [&](size_t at, size_t digits, char after) {
    int value = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, value);
    return error == std::errc() && end == text.data() + at + digits && text[at + digits] == after && value >= 0 ? value
                                                                                                                : -1;
  };
  int year = number(0, 4, '-'), month = number(5, 2, '-'), day = number(8, 2, ' ');
  int hour = number(11, 2, ':'), minute = number(14, 2, ':'), second = number(17, 2, ' ');
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {
    return false;
  }
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  out = days * 86400 + hour * 3600 + minute * 60 + second;
  return true;
}

std::string format_mtime(int64_t seconds) {
  std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d GMT", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

/// Remembers which keys of one object were met.
class Once {
 public:
  Status operator()(bool& seen, const std::string& key) const {
    if (seen) return corrupt("\"" + key + "\" stands twice");
    seen = true;
    return ok_status();
  }
};

class ManifestParser {
 public:
  ManifestParser(std::string_view text, const std::function<Status(ManifestFile&&)>& visit)
      : json_(text), visit_(visit) {}

  Result<ManifestHeader> parse() {
    COFFER_CHECK_OK(json_.object([&](const std::string& key) { return top_level(key); }));
    COFFER_CHECK_OK(json_.end());
    if (!files_seen_ || !ranges_seen_ || !checksum_seen_) return corrupt("a part is missing");
    if (header_.version == 2 && !header_.system_identifier) return corrupt("version 2 without System-Identifier");
    return std::move(header_);
  }
  [[nodiscard]] const Bytes& checksum() const { return checksum_; }

 private:
  Status top_level(const std::string& key) {
    const Once once;
    if (key == "PostgreSQL-Backup-Manifest-Version") {
      COFFER_CHECK_OK(once(version_seen_, key));
      COFFER_TRY(uint64_t version, json_.number());
      if (version != 1 && version != 2) {
        return Error{ErrorCode::kFailedPrecondition,
                     "backup_manifest of version " + std::to_string(version) + " is not known",
                     {}};
      }
      header_.version = static_cast<int>(version);
      return ok_status();
    }
    if (!version_seen_) return corrupt("the version is not the first key");
    if (key == "System-Identifier") {
      if (header_.system_identifier) return corrupt("System-Identifier stands twice");
      COFFER_TRY(header_.system_identifier, json_.number());
      return ok_status();
    }
    if (key == "Files") {
      COFFER_CHECK_OK(once(files_seen_, key));
      return json_.array([&] { return file(); });
    }
    if (key == "WAL-Ranges") {
      COFFER_CHECK_OK(once(ranges_seen_, key));
      return json_.array([&] { return wal_range(); });
    }
    if (key == "Manifest-Checksum") {
      COFFER_CHECK_OK(once(checksum_seen_, key));
      COFFER_TRY(checksum_, hex_string());
      return ok_status();
    }
    return corrupt("an unknown key");
  }

  Result<Bytes> hex_string() {
    COFFER_TRY(std::string text, json_.string());
    auto bytes = from_hex(text);
    if (!bytes.ok()) return corrupt("not hexadecimal: " + text.substr(0, 80));
    return bytes;
  }

  Status file() {
    ManifestFile file;
    bool path = false, size = false, mtime = false, algorithm = false, checksum = false;
    const Once once;
    COFFER_CHECK_OK(json_.object([&](const std::string& key) -> Status {
      if (key == "Path") {
        COFFER_CHECK_OK(once(path, key));
        COFFER_TRY(file.path, json_.string());
      } else if (key == "Encoded-Path") {
        COFFER_CHECK_OK(once(path, key));
        COFFER_TRY(Bytes bytes, hex_string());
        file.path = to_text(bytes);
      } else if (key == "Size") {
        COFFER_CHECK_OK(once(size, key));
        COFFER_TRY(file.size_bytes, json_.number());
      } else if (key == "Last-Modified") {
        COFFER_CHECK_OK(once(mtime, key));
        COFFER_TRY(std::string text, json_.string());
        if (!parse_mtime(text, file.mtime_s)) return corrupt("not a time: " + text.substr(0, 80));
      } else if (key == "Checksum-Algorithm") {
        COFFER_CHECK_OK(once(algorithm, key));
        COFFER_TRY(file.checksum_algorithm, json_.string());
      } else if (key == "Checksum") {
        COFFER_CHECK_OK(once(checksum, key));
        COFFER_TRY(file.checksum, hex_string());
      } else {
        return corrupt("an unknown key of a file");
      }
      return ok_status();
    }));
    if (!path || !size || file.path.empty()) return corrupt("a file without path or size");
    if (algorithm != checksum) return corrupt("a checksum without algorithm, or the reverse: " + file.path);
    if (algorithm) COFFER_CHECK_OK(check_algorithm(file));
    return visit_(std::move(file));
  }

  static Status check_algorithm(const ManifestFile& file) {
    for (const Algorithm& known : kAlgorithms) {
      if (known.name != file.checksum_algorithm) continue;
      if (known.size_bytes == file.checksum.size()) return ok_status();
      return corrupt("a checksum of the wrong length: " + file.path);
    }
    return corrupt("an unknown checksum algorithm: " + file.checksum_algorithm.substr(0, 40));
  }

  Status wal_range() {
    ManifestWalRange range;
    bool timeline = false, start = false, end = false;
    const Once once;
    auto lsn = [&](Lsn& out) -> Status {
      COFFER_TRY(std::string text, json_.string());
      auto parsed = parse_lsn(text);
      if (!parsed.ok()) return corrupt(parsed.error().message);
      out = *parsed;
      return ok_status();
    };
    COFFER_CHECK_OK(json_.object([&](const std::string& key) -> Status {
      if (key == "Timeline") {
        COFFER_CHECK_OK(once(timeline, key));
        COFFER_TRY(uint64_t number, json_.number());
        if (number == 0 || number > UINT32_MAX) return corrupt("an impossible timeline");
        range.timeline = static_cast<Timeline>(number);
        return ok_status();
      }
      if (key == "Start-LSN") {
        COFFER_CHECK_OK(once(start, key));
        return lsn(range.start);
      }
      if (key == "End-LSN") {
        COFFER_CHECK_OK(once(end, key));
        return lsn(range.end);
      }
      return corrupt("an unknown key of a WAL range");
    }));
    if (!timeline || !start || !end || range.end < range.start) return corrupt("an incomplete WAL range");
    if (header_.wal_ranges.size() >= kWalRangesMax) return corrupt("too many WAL ranges");
    header_.wal_ranges.push_back(range);
    return ok_status();
  }

  static constexpr size_t kWalRangesMax = 100'000;

  JsonReader json_;
  const std::function<Status(ManifestFile&&)>& visit_;
  ManifestHeader header_;
  Bytes checksum_;
  bool version_seen_ = false, files_seen_ = false, ranges_seen_ = false, checksum_seen_ = false;
};

/// The SHA-256 that stands on the last line, which itself is not part of it, is right.
Status check_manifest_checksum(std::string_view text) {
  constexpr std::string_view kKey = "\"Manifest-Checksum\": \"";
  if (!text.ends_with('\n')) return corrupt("the last line has no end");
  size_t before = text.rfind('\n', text.size() - 2);
  if (text.size() < 2 || before == std::string_view::npos) return corrupt("there is no checksum");
  std::string_view last = text.substr(before + 1);
  if (!last.starts_with(kKey)) return corrupt("the last line is not the checksum");
  auto stored = from_hex(last.substr(kKey.size(), std::min<size_t>(64, last.size() - kKey.size())));
  if (!stored.ok() || last.substr(kKey.size() + stored->size() * 2) != "\"}\n")
    return corrupt("the last line is not the checksum");
  crypto::Digest256 computed = crypto::sha256(as_bytes(text.substr(0, before + 1)));
  if (!equal(*stored, computed)) return corrupt("its checksum is wrong");
  return ok_status();
}

}  // namespace

Result<ManifestHeader> parse_backup_manifest(ByteView text, const std::function<Status(ManifestFile&&)>& visit) {
  COFFER_CHECK_OK(check_manifest_checksum(as_text(text)));
  return ManifestParser(as_text(text), visit).parse();
}

struct ManifestWriter::State {
  Sink sink;
  crypto::Sha256 digest;
  std::string pending;  // what is not yet given to the sink
  bool any_file = false;

  Status write_out() {
    digest.update(as_bytes(pending));
    Status written = sink(as_bytes(pending));
    pending.clear();
    return written;
  }
};

ManifestWriter::ManifestWriter(int major, uint64_t system_identifier, Sink sink) : state_(std::make_unique<State>()) {
  state_->sink = std::move(sink);
  state_->pending = "{ \"PostgreSQL-Backup-Manifest-Version\": " + std::to_string(major >= 17 ? 2 : 1) + ",\n";
  if (major >= 17) state_->pending += "\"System-Identifier\": " + std::to_string(system_identifier) + ",\n";
  state_->pending += "\"Files\": [";
}

ManifestWriter::~ManifestWriter() = default;

Status ManifestWriter::add(const ManifestFile& file) {
  constexpr size_t kWriteSize = size_t{64} << 10;
  std::string& out = state_->pending;
  out += state_->any_file ? ",\n" : "\n";
  state_->any_file = true;
  if (is_valid_utf8(file.path)) {
    out += "{ \"Path\": ";
    append_json_string(out, file.path);
  } else {
    out += "{ \"Encoded-Path\": \"" + to_hex(as_bytes(file.path)) + '"';
  }
  out +=
      ", \"Size\": " + std::to_string(file.size_bytes) + ", \"Last-Modified\": \"" + format_mtime(file.mtime_s) + '"';
  if (!file.checksum_algorithm.empty()) {
    out +=
        ", \"Checksum-Algorithm\": \"" + file.checksum_algorithm + "\", \"Checksum\": \"" + to_hex(file.checksum) + '"';
  }
  out += " }";
  return out.size() < kWriteSize ? ok_status() : state_->write_out();
}

Status ManifestWriter::finish(const std::vector<ManifestWalRange>& ranges) {
  std::string& out = state_->pending;
  out += "\n],\n\"WAL-Ranges\": [\n";
  for (size_t i = 0; i < ranges.size(); ++i) {
    out += std::string(i == 0 ? "" : ",\n") + "{ \"Timeline\": " + std::to_string(ranges[i].timeline) +
           ", \"Start-LSN\": \"" + format_lsn(ranges[i].start) + "\", \"End-LSN\": \"" + format_lsn(ranges[i].end) +
           "\" }";
  }
  out += "\n],\n";
  COFFER_CHECK_OK(state_->write_out());
  out = "\"Manifest-Checksum\": \"" + to_hex(state_->digest.finish()) + "\"}\n";
  return state_->sink(as_bytes(out));
}

}  // namespace coffer::postgres
