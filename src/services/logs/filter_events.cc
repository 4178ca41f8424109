// FilterLogEvents: the events of a group's streams in one order, and those of them that a pattern wants.
#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>

#include "services/logs/filter_pattern.h"
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr int64_t kPageMax = 10'000;
constexpr int64_t kScanMax = 50'000;                 // events that one call looks at
constexpr int64_t kScanSizeMax = int64_t{32} << 20;  // and their bytes
constexpr size_t kTimeWidth = 20, kSequenceWidth = 36;

std::string id_of(const rows::Position& at) {
  return padded(at.time, kTimeWidth) + padded(at.sequence, kSequenceWidth);
}

Result<rows::Position> position_of(std::string_view token) {
  rows::Position position;
  const char* middle = token.data() + std::min(token.size(), kTimeWidth);
  const char* end = token.data() + token.size();
  const bool ok = std::from_chars(token.data(), middle, position.time).ec == std::errc() &&
                  std::from_chars(middle, end, position.sequence).ec == std::errc();
  if (!ok) return invalid("The specified nextToken is invalid.");
  return position;
}

/// Names of streams by id, and which of them are wanted.
class Streams {
 public:
  static Result<Streams> of(const Request& r, const rows::Group& group) {
    if (r.input().has("logStreamNames") && r.input().has("logStreamNamePrefix"))
      return invalid("Only one of logStreamNames and logStreamNamePrefix may be given.");
    Streams streams(r);
    streams.prefix_ = r.text("logStreamNamePrefix");
    for (const std::string& name : r.input().texts("logStreamNames")) {
      COFFER_TRY(const rows::Stream stream, stream_of(r, group, name));
      streams.wanted_.insert(stream.id);
      streams.names_.emplace(stream.id, stream.name);
    }
    return streams;
  }
  /// The only one that is wanted, when it is one.
  [[nodiscard]] std::optional<int64_t> only() const {
    return wanted_.size() == 1 ? std::optional(*wanted_.begin()) : std::nullopt;
  }
  /// Null: not wanted, or deleted meanwhile.
  Result<const std::string*> name_if_wanted(int64_t id) {
    if (!wanted_.empty() && !wanted_.contains(id)) return nullptr;
    auto known = names_.find(id);
    if (known == names_.end()) {
      COFFER_TRY(const auto stream, rows::find_stream_by_id(r_.t(), id));
      known = names_.emplace(id, stream && stream->name.starts_with(prefix_) ? stream->name : std::string()).first;
    }
    return known->second.empty() ? nullptr : &known->second;
  }

 private:
  explicit Streams(const Request& r) : r_(r) {}
  const Request& r_;
  std::string prefix_;
  std::set<int64_t> wanted_;
  std::unordered_map<int64_t, std::string> names_;  // empty: passed over
};

/// Goes through events in their order, as far as one call may.
class Scan {
 public:
  Scan(const Request& r, const rows::Group& group, Streams& streams, const FilterPattern& pattern, rows::Range range)
      : r_(r), group_(group), streams_(streams), pattern_(pattern), range_(range) {}

  Status run(int64_t limit) {
    int64_t read = 64;
    while (!is_done_) {
      COFFER_CHECK_OK(r_.call().context.check());
      const auto only = streams_.only();
      COFFER_TRY(const auto events, only ? rows::events_of_stream(r_.t(), *only, range_, read)
                                         : rows::events_of_group(r_.t(), group_.id, range_, read));
      is_done_ = static_cast<int64_t>(events.size()) < read;
      for (const rows::Event& event : events) {
        COFFER_TRY(const bool taken, take(event));
        if (!taken) return is_done_ = false, ok_status();
        range_.after = event.at;
        ++scanned_;
        scanned_size_ += static_cast<int64_t>(event.message.size());
        if (static_cast<int64_t>(shown.size()) == limit) return is_done_ = false, ok_status();
      }
      if (scanned_ >= kScanMax || scanned_size_ >= kScanSizeMax) return ok_status();
      const int64_t average = scanned_size_ / std::max<int64_t>(1, scanned_) + 1;
      read = std::clamp<int64_t>(kAnswerSizeMax / average, 16, 2000);
    }
    return ok_status();
  }
  /// Nothing is left behind what was looked at.
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const rows::Position& position() const { return range_.after; }

  api::List shown;

 private:
  /// False: the answer is full, and this event has no place in it any more.
  Result<bool> take(const rows::Event& event) {
    COFFER_TRY(const std::string* name, streams_.name_if_wanted(event.stream_id));
    if (!name || !pattern_.matches(event.message)) return true;
    const auto size = static_cast<int64_t>(event.message.size());
    if (!shown.empty() && size_ + size > kAnswerSizeMax) return false;
    size_ += size;
    shown.push_back(api::Value::object({{"logStreamName", *name},
                                        {"timestamp", event.at.time},
                                        {"message", event.message},
                                        {"ingestionTime", event.ingested},
                                        {"eventId", id_of(event.at)}}));
    return true;
  }

  const Request& r_;
  const rows::Group& group_;
  Streams& streams_;
  const FilterPattern& pattern_;
  rows::Range range_;
  int64_t scanned_ = 0, scanned_size_ = 0, size_ = 0;
  bool is_done_ = false;
};

}  // namespace

Result<api::Value> filter_log_events(const Request& r) {
  COFFER_TRY(const FilterPattern pattern, FilterPattern::parse(r.input().text("filterPattern")));
  COFFER_TRY(const rows::Group group, group_of(r));
  COFFER_TRY(Streams streams, Streams::of(r, group));
  const int64_t start = std::max(r.input().integer("startTime").value_or(0), oldest_kept(group, r.now_millis()));
  rows::Range range;
  range.after = {start - 1, std::numeric_limits<int64_t>::max()};
  // Unlike that of GetLogEvents this end belongs to what is asked for.
  if (const auto end = r.input().integer("endTime"); end && *end < std::numeric_limits<int64_t>::max())
    range.before = {*end + 1, 0};
  COFFER_TRY(const auto begin, begin_of_page(r));
  if (begin) {
    COFFER_TRY(const rows::Position position, position_of(*begin));
    range.after = std::max(range.after, position);
  }
  Scan scan(r, group, streams, pattern, range);
  COFFER_CHECK_OK(scan.run(r.input().integer("limit").value_or(kPageMax)));
  api::Value output = api::Value::object({{"events", std::move(scan.shown)}, {"searchedLogStreams", api::List()}});
  if (!scan.is_done()) output.set("nextToken", token_behind(r, id_of(scan.position())));
  return output;
}

Result<api::Value> test_metric_filter(const Request& r) {
  COFFER_TRY(const FilterPattern pattern, FilterPattern::parse(r.input().text("filterPattern")));
  api::List matches;
  int64_t number = 0;
  for (const std::string& message : r.input().texts("logEventMessages")) {
    ++number;
    if (!pattern.matches(message)) continue;
    matches.push_back(api::Value::object({{"eventNumber", number},
                                          {"eventMessage", message},
                                          {"extractedValues", api::text_map(pattern.extract(message))}}));
  }
  return api::Value::object({{"matches", std::move(matches)}});
}

}  // namespace coffer::logs
