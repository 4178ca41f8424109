// Log streams: their life and lists of them.
#include <charconv>

#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr int64_t kPageMax = 50;
constexpr size_t kTimeWidth = 20;

api::Value show(const rows::Group& group, const rows::Stream& stream) {
  api::Value value = api::Value::object({{"logStreamName", stream.name},
                                         {"creationTime", stream.created},
                                         {"arn", name_of(group).policy_arn(stream.name)},
                                         {"storedBytes", 0}});
  if (stream.first_event) value.set("firstEventTimestamp", *stream.first_event);
  if (stream.last_event) value.set("lastEventTimestamp", *stream.last_event);
  if (stream.last_ingested) {
    value.set("lastIngestionTime", *stream.last_ingested);
    value.set("uploadSequenceToken", padded(stream.id, 26) + padded(*stream.last_ingested, 30));
  }
  return value;
}

/// A token's text: the time of the last event in a fixed width, then the name.
rows::StreamPosition position_of(std::string_view token) {
  rows::StreamPosition position;
  const std::string_view digits = token.substr(0, kTimeWidth);
  std::from_chars(digits.data(), digits.data() + digits.size(), position.time);
  position.name = token.substr(digits.size());
  return position;
}

}  // namespace

Result<api::Value> create_log_stream(const Request& r) {
  COFFER_TRY(const rows::Group group, group_of(r));
  rows::Stream stream;
  stream.group_id = group.id;
  stream.name = r.text("logStreamName");
  stream.created = r.now_millis();
  COFFER_TRY(const auto known, rows::find_stream(r.t(), group.id, stream.name));
  if (known)
    return api::fault(ErrorCode::kAlreadyExists, "ResourceAlreadyExistsException",
                      "The specified log stream already exists");
  COFFER_CHECK_OK(rows::insert_stream(r.t(), stream));
  return api::Value::object();
}

Result<api::Value> delete_log_stream(const Request& r) {
  COFFER_TRY(const rows::Group group, group_of(r));
  COFFER_TRY(const rows::Stream stream, stream_of(r, group, r.input().text("logStreamName")));
  COFFER_CHECK_OK(rows::remove_stream(r.t(), stream));
  return api::Value::object();
}

Result<api::Value> describe_log_streams(const Request& r) {
  const rows::StreamOrder order{.by_last_event = r.input().text("orderBy") == "LastEventTime",
                                .descending = r.input().flag("descending")};
  if (order.by_last_event && r.input().has("logStreamNamePrefix"))
    return invalid("Cannot order by LastEventTime with a logStreamNamePrefix.");
  COFFER_TRY(const rows::Group group, group_of(r));
  COFFER_TRY(const auto begin, begin_of_page(r));
  const auto after = begin ? std::optional(position_of(*begin)) : std::nullopt;
  const int64_t limit = r.input().integer("limit").value_or(kPageMax);
  COFFER_TRY(const auto streams,
             rows::list_streams(r.t(), group.id, order, r.text("logStreamNamePrefix"), after, limit + 1));
  api::List shown;
  for (const rows::Stream& stream : streams) {
    if (shown.size() < static_cast<size_t>(limit)) shown.push_back(show(group, stream));
  }
  api::Value output = api::Value::object({{"logStreams", std::move(shown)}});
  if (streams.size() > static_cast<size_t>(limit)) {
    const rows::Stream& last = streams[static_cast<size_t>(limit) - 1];
    output.set("nextToken", token_behind(r, padded(last.last_event.value_or(0), kTimeWidth) + last.name));
  }
  return output;
}

}  // namespace coffer::logs
