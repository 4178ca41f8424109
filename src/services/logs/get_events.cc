// GetLogEvents: one stream, forwards and backwards.
#include <algorithm>
#include <charconv>

#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr int64_t kPageMax = 10'000;
constexpr int64_t kFirstRead = 32;  // events, before it is known how large they are
constexpr size_t kTimeWidth = 20, kSequenceWidth = 36;

/// A place between two events: "f/" and what was read last, or "b/" and what was read first.
struct Token {
  bool forward = true;
  rows::Position at;
};

std::string text_of(const Token& token) {
  return (token.forward ? "f/" : "b/") + padded(std::max<int64_t>(0, token.at.time), kTimeWidth) +
         padded(token.at.sequence, kSequenceWidth) + "/s";
}

Result<Token> read_token(std::string_view text) {
  const auto refuse = [] { return invalid("The specified nextToken is invalid."); };
  constexpr size_t kSize = 2 + kTimeWidth + kSequenceWidth + 2;
  Token token;
  token.forward = text.starts_with("f/");
  if (text.size() != kSize || (!token.forward && !text.starts_with("b/")) || !text.ends_with("/s")) return refuse();
  const auto number = [&](size_t from, size_t size, int64_t& into) {
    const char* end = text.data() + from + size;
    const auto [stop, error] = std::from_chars(text.data() + from, end, into);
    return error == std::errc() && stop == end && text[from] != '-';
  };
  if (!number(2, kTimeWidth, token.at.time) || !number(2 + kTimeWidth, kSequenceWidth, token.at.sequence))
    return refuse();
  return token;
}

/// Reads in the token's direction until there are `limit` events or an answer's worth of bytes.
Result<std::vector<rows::Event>> read_events(const Request& r, int64_t stream, rows::Range range, bool forward,
                                             int64_t limit) {
  std::vector<rows::Event> events;
  int64_t size = 0, read = kFirstRead;
  for (bool more = true; more && static_cast<int64_t>(events.size()) < limit;) {
    COFFER_CHECK_OK(r.call().context.check());
    read = std::min(read, limit - static_cast<int64_t>(events.size()));
    COFFER_TRY(auto some, forward ? rows::events_of_stream(r.t(), stream, range, read)
                                  : rows::last_events_of_stream(r.t(), stream, range, read));
    more = static_cast<int64_t>(some.size()) == read;
    for (rows::Event& event : some) {
      size += static_cast<int64_t>(event.message.size());
      // One event is always shown, however large it is.
      if (size > kAnswerSizeMax && !events.empty()) return events;
      (forward ? range.after : range.before) = event.at;
      events.push_back(std::move(event));
    }
    const int64_t average = size / std::max<int64_t>(1, static_cast<int64_t>(events.size())) + 1;
    read = std::clamp<int64_t>((kAnswerSizeMax - size) / average + 1, 1, 2000);
  }
  return events;
}

api::Value show(const rows::Event& event) {
  return api::Value::object(
      {{"timestamp", event.at.time}, {"message", event.message}, {"ingestionTime", event.ingested}});
}

}  // namespace

Result<api::Value> get_log_events(const Request& r) {
  COFFER_TRY(const rows::Group group, group_of(r));
  COFFER_TRY(const rows::Stream stream, stream_of(r, group, r.input().text("logStreamName")));
  const int64_t limit = r.input().integer("limit").value_or(kPageMax);
  const int64_t start = std::max(r.input().integer("startTime").value_or(0), oldest_kept(group, r.now_millis()));
  rows::Range range;
  range.after = {start - 1, std::numeric_limits<int64_t>::max()};
  if (const auto end = r.input().integer("endTime")) range.before = {*end, 0};
  Token from{.forward = r.input().flag("startFromHead"), .at = {}};
  const bool goes_on = r.input().has("nextToken");
  if (goes_on) {
    COFFER_TRY(from, read_token(r.input().text("nextToken")));
    if (from.forward) range.after = std::max(range.after, from.at);
    if (!from.forward) range.before = std::min(range.before, from.at);
  }
  COFFER_TRY(auto events, read_events(r, stream.id, range, from.forward, limit));
  if (!from.forward) std::reverse(events.begin(), events.end());

  // At an end the token that was given comes back; the other one leads to what lies just before it.
  Token forward{.forward = true, .at = from.at}, backward{.forward = false, .at = from.at};
  if (!events.empty()) {
    forward.at = events.back().at;
    backward.at = events.front().at;
  } else if (!goes_on) {
    forward.at = backward.at = {start, 0};
  } else if (from.forward) {
    ++backward.at.sequence;
  } else {
    forward.at.sequence = std::max<int64_t>(0, forward.at.sequence - 1);
  }
  api::List shown;
  for (const rows::Event& event : events) shown.push_back(show(event));
  return api::Value::object(
      {{"events", std::move(shown)}, {"nextForwardToken", text_of(forward)}, {"nextBackwardToken", text_of(backward)}});
}

}  // namespace coffer::logs
