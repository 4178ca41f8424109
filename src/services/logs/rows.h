// Rows of CloudWatch Logs: groups, their streams, events, tags, resource policies. For the files of this folder.
//
// All times are milliseconds since 1970, as the API has them. A group or stream that is deleted goes at once; its
// events go afterwards, some at a time (`Remains`): ids are never used twice, so nobody finds them meanwhile.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/catalog/database.h"

namespace coffer::logs::rows {

using catalog::Transaction;

struct Group {
  int64_t id = 0;
  std::string account, region, name, group_class = "STANDARD";
  int64_t created = 0;
  int64_t retention_days = 0;  // 0: for ever
  bool is_protected = false;   // from deletion
};
Result<std::optional<Group>> find_group(Transaction&, std::string_view account, std::string_view region,
                                        std::string_view name);
/// By name, behind `after`, those that begin with `prefix`.
Result<std::vector<Group>> list_groups(Transaction&, std::string_view account, std::string_view region,
                                       std::string_view prefix, std::string_view after, int64_t limit);
/// Those whose events do not stay for ever, by id behind `after`.
Result<std::vector<Group>> groups_with_retention(Transaction&, int64_t after, int64_t limit);
/// kAlreadyExists when the name is taken. Sets `id`.
Status insert_group(Transaction&, Group&);
Status update_group(Transaction&, const Group&);  // retention and protection
Status remove_group(Transaction&, const Group&);  // with streams and tags
/// Bytes of the events that a group's streams have.
Result<int64_t> stored_bytes(Transaction&, int64_t group_id);

struct Stream {
  int64_t id = 0, group_id = 0;
  std::string name;
  int64_t created = 0;
  std::optional<int64_t> first_event, last_event, last_ingested;
  int64_t stored_bytes = 0;
};
Result<std::optional<Stream>> find_stream(Transaction&, int64_t group_id, std::string_view name);
Result<std::optional<Stream>> find_stream_by_id(Transaction&, int64_t id);
/// Where a list of streams goes on: behind this name, or this time and name.
struct StreamPosition {
  int64_t time = 0;
  std::string name;
};
struct StreamOrder {
  bool by_last_event = false, descending = false;
};
Result<std::vector<Stream>> list_streams(Transaction&, int64_t group_id, StreamOrder order, std::string_view prefix,
                                         const std::optional<StreamPosition>& after, int64_t limit);
/// kAlreadyExists when the name is taken. Sets `id`.
Status insert_stream(Transaction&, Stream&);
Status update_stream(Transaction&, const Stream&);  // times and size
Status remove_stream(Transaction&, const Stream&);

/// Events are ordered by time; those of one time as they came.
struct Position {
  int64_t time = std::numeric_limits<int64_t>::min(), sequence = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};
struct Event {
  Position at;
  int64_t stream_id = 0, ingested = 0;
  std::string message;  // UTF-8; may hold NUL
};
struct NewEvent {
  int64_t time = 0;
  std::string_view message;
};
Status insert_events(Transaction&, const Stream&, int64_t ingested, const std::vector<NewEvent>& events);
/// Bounds of a reading, both exclusive.
struct Range {
  Position after, before = {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()};
};
/// Ascending, the first `limit` of the range.
Result<std::vector<Event>> events_of_group(Transaction&, int64_t group_id, const Range& range, int64_t limit);
Result<std::vector<Event>> events_of_stream(Transaction&, int64_t stream_id, const Range& range, int64_t limit);
/// Descending, the last `limit` of the range.
Result<std::vector<Event>> last_events_of_stream(Transaction&, int64_t stream_id, const Range& range, int64_t limit);
/// Removes up to `limit` of the group's events before `time`, and keeps its streams' sizes right; how many.
Result<int64_t> remove_events_before(Transaction&, int64_t group_id, int64_t time, int64_t limit);
/// Removes up to `limit` events that deleted groups and streams have left; how many.
Result<int64_t> remove_remains(Transaction&, int64_t limit);

Result<std::map<std::string, std::string>> tags_of(Transaction&, int64_t group_id);
Status put_tag(Transaction&, int64_t group_id, std::string_view key, std::string_view value);
Status remove_tag(Transaction&, int64_t group_id, std::string_view key);

/// Of the account and Region (`resource_arn` empty), or of one log group (`name` empty).
struct ResourcePolicy {
  std::string account, region, name, resource_arn, document, revision;
  int64_t updated = 0;
};
/// By name and ARN.
Result<std::vector<ResourcePolicy>> resource_policies(Transaction&, std::string_view account, std::string_view region);
Status put_resource_policy(Transaction&, const ResourcePolicy&);
/// Whether there was one.
Result<bool> remove_resource_policy(Transaction&, std::string_view account, std::string_view region,
                                    std::string_view name, std::string_view resource_arn);

}  // namespace coffer::logs::rows
