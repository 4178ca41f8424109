#include "services/logs/rows.h"

#include <algorithm>

namespace coffer::logs::rows {
namespace {

using catalog::Parameter;
using catalog::Row;

constexpr std::string_view kGroup =
    "SELECT id, account, region, name, class, created, retention_days, protected FROM logs_groups ";
constexpr std::string_view kStream =
    "SELECT id, group_id, name, created, first_event, last_event, last_ingested, stored FROM logs_streams ";
constexpr std::string_view kEvent = "SELECT time, sequence, stream_id, ingested, message FROM logs_events ";

// Behind every text that begins with what stands before it.
constexpr std::string_view kLastCharacter = "\xf4\x8f\xbf\xbf";

Group group_of(const Row& row) {
  return {row.integer(0), row.text(1),    row.text(2),    row.text(3),
          row.text(4),    row.integer(5), row.integer(6), row.flag(7)};
}

std::optional<int64_t> integer_if(const Row& row, size_t i) {
  return row.is_null(i) ? std::nullopt : std::optional(row.integer(i));
}

Stream stream_of(const Row& row) {
  return {row.integer(0),     row.integer(1),     row.text(2),        row.integer(3),
          integer_if(row, 4), integer_if(row, 5), integer_if(row, 6), row.integer(7)};
}

Event event_of(const Row& row) {
  return {{row.integer(0), row.integer(1)}, row.integer(2), row.integer(3), to_text(row.blob(4))};
}

template <class T>
Result<std::vector<T>> all_of(Result<catalog::Rows> rows, T (*read)(const Row&)) {
  if (!rows.ok()) return std::move(rows).error();
  std::vector<T> all;
  all.reserve(rows->size());
  for (const Row& row : *rows) all.push_back(read(row));
  return all;
}

template <class T>
Result<std::optional<T>> first_of(Result<catalog::Rows> rows, T (*read)(const Row&)) {
  if (!rows.ok()) return std::move(rows).error();
  return rows->empty() ? std::nullopt : std::optional<T>(read(rows->front()));
}

std::string with(std::string_view select, std::string_view rest) { return std::string(select) + std::string(rest); }

Status leave_remains(Transaction& t, std::string_view kind, int64_t id) {
  COFFER_CHECK_OK(t.run("INSERT INTO logs_remains (kind, id) VALUES ($1, $2)", {kind, id}));
  return ok_status();
}

/// "($1, $2, $3, $4, $5), ($1, $2, $6, $4, $7) ...": values of `count` events.
std::string value_places(size_t count) {
  std::string places;
  for (size_t i = 0; i < count; ++i) {
    places += (i == 0 ? "($1, $2, $" : ", ($1, $2, $") + std::to_string(4 + 2 * i) + ", $3, $" +
              std::to_string(5 + 2 * i) + ")";
  }
  return places;
}

}  // namespace

Result<std::optional<Group>> find_group(Transaction& t, std::string_view account, std::string_view region,
                                        std::string_view name) {
  return first_of(t.run(with(kGroup, "WHERE account = $1 AND region = $2 AND name = $3"), {account, region, name}),
                  group_of);
}

Result<std::vector<Group>> list_groups(Transaction& t, std::string_view account, std::string_view region,
                                       std::string_view prefix, std::string_view after, int64_t limit) {
  return all_of(t.run(with(kGroup,
                           "WHERE account = $1 AND region = $2 AND name >= $3 AND name < $4 AND name > $5 "
                           "ORDER BY name LIMIT $6"),
                      {account, region, prefix, with(prefix, kLastCharacter), after, limit}),
                group_of);
}

Result<std::vector<Group>> groups_with_retention(Transaction& t, int64_t after, int64_t limit) {
  return all_of(t.run(with(kGroup, "WHERE retention_days > 0 AND id > $1 ORDER BY id LIMIT $2"), {after, limit}),
                group_of);
}

Status insert_group(Transaction& t, Group& group) {
  COFFER_TRY(const auto made, t.run("INSERT INTO logs_groups (account, region, name, class, created, retention_days, "
                                    "protected) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
                                    {group.account, group.region, group.name, group.group_class, group.created,
                                     group.retention_days, group.is_protected}));
  group.id = made.at(0).integer(0);
  return ok_status();
}

Status update_group(Transaction& t, const Group& group) {
  COFFER_CHECK_OK(t.run("UPDATE logs_groups SET retention_days = $2, protected = $3 WHERE id = $1",
                        {group.id, group.retention_days, group.is_protected}));
  return ok_status();
}

Status remove_group(Transaction& t, const Group& group) {
  COFFER_CHECK_OK(t.run("DELETE FROM logs_tags WHERE group_id = $1", {group.id}));
  COFFER_CHECK_OK(t.run("DELETE FROM logs_streams WHERE group_id = $1", {group.id}));
  COFFER_CHECK_OK(t.run("DELETE FROM logs_groups WHERE id = $1", {group.id}));
  return leave_remains(t, "group", group.id);
}

Result<int64_t> stored_bytes(Transaction& t, int64_t group_id) {
  COFFER_TRY(const auto row, t.first("SELECT CAST(COALESCE(SUM(stored), 0) AS BIGINT) FROM logs_streams "
                                     "WHERE group_id = $1",
                                     {group_id}));
  return row ? row->integer(0) : 0;
}

Result<std::optional<Stream>> find_stream(Transaction& t, int64_t group_id, std::string_view name) {
  return first_of(t.run(with(kStream, "WHERE group_id = $1 AND name = $2"), {group_id, name}), stream_of);
}

Result<std::optional<Stream>> find_stream_by_id(Transaction& t, int64_t id) {
  return first_of(t.run(with(kStream, "WHERE id = $1"), {id}), stream_of);
}

Result<std::vector<Stream>> list_streams(Transaction& t, int64_t group_id, StreamOrder order, std::string_view prefix,
                                         const std::optional<StreamPosition>& after, int64_t limit) {
  const std::string direction = order.descending ? " DESC" : "";
  const std::string beyond = order.descending ? " < " : " > ";
  const StreamPosition position = after.value_or(StreamPosition{});
  if (order.by_last_event) {
    std::string where = "WHERE group_id = $1";
    std::vector<Parameter> parameters{group_id, limit};
    if (after) {
      where += " AND (COALESCE(last_event, 0), name)" + beyond + "($3, $4)";
      parameters.emplace_back(position.time);
      parameters.emplace_back(position.name);
    }
    return all_of(t.run(with(kStream, where + " ORDER BY COALESCE(last_event, 0)" + direction + ", name" + direction +
                                          " LIMIT $2"),
                        parameters),
                  stream_of);
  }
  const std::string end = with(prefix, kLastCharacter);
  std::string where = "WHERE group_id = $1 AND name >= $3 AND name < $4";
  std::vector<Parameter> parameters{group_id, limit, prefix, end};
  if (after) {
    where += " AND name" + beyond + "$5";
    parameters.emplace_back(position.name);
  }
  return all_of(t.run(with(kStream, where + " ORDER BY name" + direction + " LIMIT $2"), parameters), stream_of);
}

Status insert_stream(Transaction& t, Stream& stream) {
  COFFER_TRY(const auto made,
             t.run("INSERT INTO logs_streams (group_id, name, created, stored) VALUES ($1, $2, $3, 0) RETURNING id",
                   {stream.group_id, stream.name, stream.created}));
  stream.id = made.at(0).integer(0);
  return ok_status();
}

Status update_stream(Transaction& t, const Stream& stream) {
  COFFER_CHECK_OK(
      t.run("UPDATE logs_streams SET first_event = $2, last_event = $3, last_ingested = $4, stored = $5 WHERE id = $1",
            {stream.id, stream.first_event, stream.last_event, stream.last_ingested, stream.stored_bytes}));
  return ok_status();
}

Status remove_stream(Transaction& t, const Stream& stream) {
  COFFER_CHECK_OK(t.run("DELETE FROM logs_streams WHERE id = $1", {stream.id}));
  return leave_remains(t, "stream", stream.id);
}

Status insert_events(Transaction& t, const Stream& stream, int64_t ingested, const std::vector<NewEvent>& events) {
  constexpr size_t kAtOnce = 64;
  for (size_t from = 0; from < events.size();) {
    // Two forms of the statement only, so that both stay prepared.
    const size_t count = events.size() - from >= kAtOnce ? kAtOnce : 1;
    std::vector<Parameter> parameters{stream.group_id, stream.id, ingested};
    for (size_t i = from; i < from + count; ++i) {
      parameters.emplace_back(events[i].time);
      parameters.emplace_back(as_bytes(events[i].message));
    }
    COFFER_CHECK_OK(
        t.run("INSERT INTO logs_events (group_id, stream_id, time, ingested, message) VALUES " + value_places(count),
              parameters));
    from += count;
  }
  return ok_status();
}

namespace {

Result<std::vector<Event>> events(Transaction& t, std::string_view column, int64_t id, const Range& range,
                                  int64_t limit, std::string_view direction) {
  const std::string order(direction);
  return all_of(t.run(with(kEvent, "WHERE ") + std::string(column) +
                          " = $1 AND (time, sequence) > ($2, $3) AND (time, sequence) < ($4, $5) ORDER BY time" +
                          order + ", sequence" + order + " LIMIT $6",
                      {id, range.after.time, range.after.sequence, range.before.time, range.before.sequence, limit}),
                event_of);
}

}  // namespace

Result<std::vector<Event>> events_of_group(Transaction& t, int64_t group_id, const Range& range, int64_t limit) {
  return events(t, "group_id", group_id, range, limit, "");
}

Result<std::vector<Event>> events_of_stream(Transaction& t, int64_t stream_id, const Range& range, int64_t limit) {
  return events(t, "stream_id", stream_id, range, limit, "");
}

Result<std::vector<Event>> last_events_of_stream(Transaction& t, int64_t stream_id, const Range& range, int64_t limit) {
  return events(t, "stream_id", stream_id, range, limit, " DESC");
}

Result<int64_t> remove_events_before(Transaction& t, int64_t group_id, int64_t time, int64_t limit) {
  COFFER_TRY(const auto removed, t.run("DELETE FROM logs_events WHERE sequence IN (SELECT sequence FROM logs_events "
                                       "WHERE group_id = $1 AND time < $2 ORDER BY time, sequence LIMIT $3) "
                                       "RETURNING stream_id, LENGTH(message)",
                                       {group_id, time, limit}));
  std::map<int64_t, int64_t> sizes;
  for (const Row& row : removed) sizes[row.integer(0)] += row.integer(1);
  for (const auto& [id, size] : sizes) {
    COFFER_TRY(auto stream, find_stream_by_id(t, id));
    if (!stream) continue;
    COFFER_TRY(const auto first, events_of_stream(t, id, {}, 1));
    stream->stored_bytes = std::max<int64_t>(0, stream->stored_bytes - size);
    stream->first_event = first.empty() ? std::nullopt : std::optional(first.front().at.time);
    if (first.empty()) stream->last_event.reset();
    COFFER_CHECK_OK(update_stream(t, *stream));
  }
  return static_cast<int64_t>(removed.size());
}

Result<int64_t> remove_remains(Transaction& t, int64_t limit) {
  COFFER_TRY(const auto entries, t.run("SELECT kind, id FROM logs_remains ORDER BY kind, id LIMIT $1", {limit}));
  int64_t count = 0;
  for (const Row& entry : entries) {
    const std::string column = entry.text(0) == "group" ? "group_id" : "stream_id";
    COFFER_TRY(const auto removed,
               t.run("DELETE FROM logs_events WHERE sequence IN (SELECT sequence FROM logs_events WHERE " + column +
                         " = $1 LIMIT $2) RETURNING sequence",
                     {entry.integer(1), limit - count}));
    count += static_cast<int64_t>(removed.size());
    if (count >= limit) break;
    COFFER_CHECK_OK(t.run("DELETE FROM logs_remains WHERE kind = $1 AND id = $2", {entry.text(0), entry.integer(1)}));
  }
  return count;
}

Result<std::map<std::string, std::string>> tags_of(Transaction& t, int64_t group_id) {
  COFFER_TRY(const auto found, t.run("SELECT tag_key, tag_value FROM logs_tags WHERE group_id = $1", {group_id}));
  std::map<std::string, std::string> tags;
  for (const Row& row : found) tags.emplace(row.text(0), row.text(1));
  return tags;
}

Status put_tag(Transaction& t, int64_t group_id, std::string_view key, std::string_view value) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO logs_tags (group_id, tag_key, tag_value) VALUES ($1, $2, $3) "
            "ON CONFLICT (group_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
            {group_id, key, value}));
  return ok_status();
}

Status remove_tag(Transaction& t, int64_t group_id, std::string_view key) {
  COFFER_CHECK_OK(t.run("DELETE FROM logs_tags WHERE group_id = $1 AND tag_key = $2", {group_id, key}));
  return ok_status();
}

Result<std::vector<ResourcePolicy>> resource_policies(Transaction& t, std::string_view account,
                                                      std::string_view region) {
  return all_of<ResourcePolicy>(
      t.run("SELECT account, region, name, resource_arn, document, revision, updated FROM logs_resource_policies "
            "WHERE account = $1 AND region = $2 ORDER BY name, resource_arn",
            {account, region}),
      [](const Row& row) {
        return ResourcePolicy{row.text(0), row.text(1), row.text(2),   row.text(3),
                              row.text(4), row.text(5), row.integer(6)};
      });
}

Status put_resource_policy(Transaction& t, const ResourcePolicy& policy) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO logs_resource_policies (account, region, name, resource_arn, document, revision, "
            "updated) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, region, name, "
            "resource_arn) DO UPDATE SET document = excluded.document, revision = excluded.revision, "
            "updated = excluded.updated",
            {policy.account, policy.region, policy.name, policy.resource_arn, policy.document, policy.revision,
             policy.updated}));
  return ok_status();
}

Result<bool> remove_resource_policy(Transaction& t, std::string_view account, std::string_view region,
                                    std::string_view name, std::string_view resource_arn) {
  COFFER_TRY(const auto removed, t.run("DELETE FROM logs_resource_policies WHERE account = $1 AND region = $2 AND "
                                       "name = $3 AND resource_arn = $4 RETURNING name",
                                       {account, region, name, resource_arn}));
  return !removed.empty();
}

}  // namespace coffer::logs::rows
