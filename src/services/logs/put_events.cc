// Events that come in: by PutLogEvents, and from services of this house.
#include <algorithm>

#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr int64_t kBatchSizeMax = 1'048'576;  // bytes, with the overhead of each event
constexpr int64_t kEventOverhead = 26;
constexpr size_t kBatchMax = 10'000;
constexpr size_t kLineMax = 256 << 10;  // bytes of one event that a service of this house writes
constexpr int64_t kAgeMax = 14 * kDayMillis, kAheadMax = 2 * 3'600'000;

Result<std::vector<rows::NewEvent>> read_batch(const Request& r) {
  std::vector<rows::NewEvent> events;
  int64_t size = 0;
  for (const api::Value& event : r.input().list("logEvents")) {
    events.push_back({event.integer("timestamp").value_or(0), event.text("message")});
    size += static_cast<int64_t>(events.back().message.size()) + kEventOverhead;
  }
  if (size > kBatchSizeMax)
    return invalid("Upload too large: " + std::to_string(size) + " bytes exceeds limit of " +
                   std::to_string(kBatchSizeMax));
  const auto by_time = [](const rows::NewEvent& a, const rows::NewEvent& b) { return a.time < b.time; };
  if (!std::is_sorted(events.begin(), events.end(), by_time))
    return invalid("Log events in a single PutLogEvents request must be in chronological order.");
  if (!events.empty() && events.back().time - events.front().time > kDayMillis)
    return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  return events;
}

/// Takes the events that are too old or too new out of a batch, which is in order; what the answer says about them.
api::Value reject(std::vector<rows::NewEvent>& events, const rows::Group& group, int64_t now) {
  const auto first_at = [&](int64_t time) {
    return std::lower_bound(events.begin(), events.end(), time,
                            [](const rows::NewEvent& event, int64_t t) { return event.time < t; }) -
           events.begin();
  };
  api::Value info;
  const auto too_old = first_at(now - kAgeMax), expired = first_at(oldest_kept(group, now));
  const auto too_new = first_at(now + kAheadMax + 1);
  if (too_old > 0) info.set("tooOldLogEventEndIndex", int64_t{too_old});
  if (expired > 0) info.set("expiredLogEventEndIndex", int64_t{expired});
  if (too_new < static_cast<int64_t>(events.size())) info.set("tooNewLogEventStartIndex", int64_t{too_new});
  events.erase(events.begin() + too_new, events.end());
  events.erase(events.begin(), events.begin() + std::min(std::max(too_old, expired), too_new));
  return info;
}

/// How many bytes the UTF-8 character at the start of `text` has; 0: it is none.
size_t character_size(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t size = lead < 0x80                   ? 1
                      : lead >= 0xc2 && lead < 0xe0 ? 2
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xf0 && lead < 0xf5 ? 4
                                                    : 0;
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) ||
      (lead == 0xf4 && byte(1) > 0x8f))
    return 0;
  return size;
}

/// A line as events of at most kLineMax bytes; what is not UTF-8 becomes U+FFFD.
void add_line(std::string_view line, int64_t time, std::vector<std::pair<int64_t, std::string>>& into) {
  std::string piece;
  while (!line.empty()) {
    const size_t size = character_size(line);
    const std::string_view next = size ? line.substr(0, size) : std::string_view("\xef\xbf\xbd");
    if (piece.size() + next.size() > kLineMax) into.emplace_back(time, std::exchange(piece, {}));
    piece += next;
    line.remove_prefix(size ? size : 1);
  }
  if (!piece.empty()) into.emplace_back(time, std::move(piece));
}

Status append_batch(catalog::Transaction& t, const GroupName& name, std::string_view stream_name, int64_t now,
                    const std::vector<rows::NewEvent>& events) {
  COFFER_TRY(auto group, rows::find_group(t, name.account, name.region, name.name));
  if (!group) {
    group.emplace();
    group->account = name.account;
    group->region = name.region;
    group->name = name.name;
    group->created = now;
    COFFER_CHECK_OK(rows::insert_group(t, *group));
  }
  COFFER_TRY(auto stream, rows::find_stream(t, group->id, stream_name));
  if (!stream) {
    stream.emplace();
    stream->group_id = group->id;
    stream->name = stream_name;
    stream->created = now;
    COFFER_CHECK_OK(rows::insert_stream(t, *stream));
  }
  return add_events(t, std::move(*stream), now, events);
}

}  // namespace

Status add_events(catalog::Transaction& t, rows::Stream stream, int64_t now,
                  const std::vector<rows::NewEvent>& events) {
  if (events.empty()) return ok_status();
  COFFER_CHECK_OK(rows::insert_events(t, stream, now, events));
  for (const rows::NewEvent& event : events) {
    stream.first_event = std::min(stream.first_event.value_or(event.time), event.time);
    stream.last_event = std::max(stream.last_event.value_or(event.time), event.time);
    stream.stored_bytes += static_cast<int64_t>(event.message.size());
  }
  stream.last_ingested = now;
  return rows::update_stream(t, stream);
}

Result<api::Value> put_log_events(const Request& r) {
  COFFER_TRY(auto events, read_batch(r));
  COFFER_TRY(const rows::Group group, group_of(r));
  COFFER_TRY(rows::Stream stream, stream_of(r, group, r.input().text("logStreamName")));
  // The token that a writer had to pass on is taken and told as before; nothing depends on it any more.
  api::Value output = api::Value::object({{"nextSequenceToken", padded(stream.id, 26) + padded(r.now_millis(), 30)}});
  api::Value rejected = reject(events, group, r.now_millis());
  if (!rejected.is_null()) output.set("rejectedLogEventsInfo", std::move(rejected));
  COFFER_CHECK_OK(add_events(r.t(), std::move(stream), r.now_millis(), events));
  return output;
}

Status append_lines(const Setting& setting, const Context& context, const GroupName& group, std::string_view stream,
                    const std::vector<Line>& lines) {
  std::vector<std::pair<int64_t, std::string>> events;
  for (const Line& line : lines) add_line(line.message, std::max<int64_t>(0, line.time.micros / 1000), events);
  const int64_t now = setting.clock.wall().micros / 1000;
  for (size_t from = 0; from < events.size() || from == 0; from += kBatchMax) {
    std::vector<rows::NewEvent> batch;
    for (size_t i = from; i < std::min(events.size(), from + kBatchMax); ++i)
      batch.push_back({events[i].first, events[i].second});
    COFFER_CHECK_OK(catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) {
      return append_batch(t, group, stream, now, batch);
    }));
  }
  return ok_status();
}

}  // namespace coffer::logs
