#include "engine/postgres/wal_tail.h"

#include <algorithm>
#include <cstdio>

namespace coffer::postgres {

namespace {

constexpr size_t kHistorySizeMax = 1 << 20;

std::string history_name(Timeline timeline) {
  char text[32];
  snprintf(text, sizeof text, "%08X.history", timeline);
  return text;
}

Result<Bytes> read_small(Directory& directory, const std::string& name) {
  COFFER_TRY(auto file, directory.open_file(name));
  COFFER_TRY(FileStat stat, file->stat());
  if (stat.size_bytes > kHistorySizeMax)
    return Error{ErrorCode::kCorruption, "pg_wal/" + name + " is too large to be a timeline history", {}};
  Bytes contents(stat.size_bytes);
  COFFER_TRY(size_t got, file->read_at(0, contents));
  contents.resize(got);
  return contents;
}

}  // namespace

std::vector<WalSegment> segments_between(Lsn start, Lsn stop, Timeline stop_timeline,
                                         const std::vector<TimelineSwitch>& history, uint64_t segment_size_bytes) {
  std::vector<WalSegment> out;
  if (stop <= start) return out;
  const uint64_t last = (stop.value - 1) / segment_size_bytes;
  for (uint64_t number = start.value / segment_size_bytes; number <= last; ++number) {
    // A switch ends `parent` within its segment; the same-numbered segment of the child holds the shared beginning too.
    Timeline timeline = stop_timeline;
    for (const TimelineSwitch& s : history) {
      if (number < s.switch_point.value / segment_size_bytes) {
        timeline = s.parent;
        break;
      }
    }
    out.push_back({timeline, number});
  }
  return out;
}

Result<std::unique_ptr<WalTail>> WalTail::open(std::unique_ptr<Directory> directory, WalTailOptions options,
                                               std::vector<std::string>& warnings) {
  std::unique_ptr<WalTail> tail(new WalTail(std::move(directory), options));
  std::vector<TimelineSwitch> history;
  if (options.stop_timeline > 1) {
    auto contents = read_small(*tail->directory_, history_name(options.stop_timeline));
    if (contents.ok()) {
      COFFER_TRY(history, parse_timeline_history(as_text(*contents)));
    } else if (contents.code() != ErrorCode::kNotFound || options.stop_timeline != options.start_timeline) {
      return std::move(contents).error().in("reading the history of timeline " + std::to_string(options.stop_timeline));
    }
    std::vector<Timeline> wanted = {options.stop_timeline};
    for (const TimelineSwitch& s : history)
      if (s.parent > 1) wanted.push_back(s.parent);
    std::sort(wanted.begin(), wanted.end());
    for (Timeline timeline : wanted) {
      const std::string name = history_name(timeline);
      if (tail->directory_->stat(name).ok()) {
        tail->history_files_.push_back(name);
      } else {
        warnings.push_back("pg_wal/" + name +
                           " is not there: recovery to another timeline will need it from an archive");
      }
    }
  }
  tail->segments_ = segments_between(options.start, options.stop, options.stop_timeline, history,
                                     options.expected.segment_size_bytes);
  return tail;
}

Result<std::optional<Piece>> WalTail::next() {
  while (true) {
    if (auto piece = cutter_.next()) return piece;
    if (next_history_ < history_files_.size()) {
      const std::string& name = history_files_[next_history_++];
      COFFER_TRY(auto file, directory_->open_file(name));
      COFFER_TRY(auto described, describe_file(*file, "pg_wal/" + name));
      cutter_ = PieceCutter(std::move(described), make_file_reader(std::move(file), "pg_wal/" + name));
    } else if (next_segment_ < segments_.size()) {
      COFFER_CHECK_OK(open_segment(segments_[next_segment_++]));
    } else {
      return std::optional<Piece>();
    }
  }
}

Status WalTail::open_segment(WalSegment segment) {
  const std::string name = wal_segment_name(segment, options_.expected.segment_size_bytes);
  auto file = directory_->open_file(name);
  if (!file.ok()) {
    if (file.code() != ErrorCode::kNotFound) return std::move(file).error();
    return Error{ErrorCode::kFailedPrecondition,
                 "the server removed the WAL segment " + name + " that this backup needs",
                 "give the role REPLICATION so that a slot keeps the WAL, or raise wal_keep_size, and back up again"};
  }
  {
    // Mapped, as a segment has up to 1 GiB. The server never shortens one, it renames or removes it.
    COFFER_TRY(auto mapped, (*file)->map());
    Status good = check_wal_segment(mapped->view(), segment, options_.expected, options_.stop);
    if (!good.ok()) return std::move(good).error().in("checking pg_wal/" + name);
  }
  COFFER_TRY(auto described, describe_file(**file, "pg_wal/" + name));
  cutter_ = PieceCutter(std::move(described), make_file_reader(std::move(*file), "pg_wal/" + name));
  return ok_status();
}

}  // namespace coffer::postgres
