// The end of events: those that are older than their group keeps them, and those of what was deleted.
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

// Small transactions, so that writers of events do not wait long for them; what is left waits for the next round.
constexpr int64_t kRowsAtOnce = 2000, kRoundsMax = 50, kGroupsAtOnce = 100;

/// Has `remove` take rows away, a transaction each time, until there are none left.
Status in_rounds(const Setting& setting, const Context& context,
                 const std::function<Result<int64_t>(catalog::Transaction&)>& remove) {
  for (int64_t round = 0; round < kRoundsMax; ++round) {
    COFFER_CHECK_OK(context.check());
    int64_t count = 0;
    COFFER_CHECK_OK(catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(count, remove(t));
      return ok_status();
    }));
    if (count < kRowsAtOnce) return ok_status();
  }
  return ok_status();
}

/// Whether there is anything to do is asked of a reading transaction, which keeps nobody waiting.
Result<bool> has_old_events(const Setting& setting, const Context& context, const rows::Group& group, int64_t until) {
  COFFER_TRY(const auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
  rows::Range range;
  range.before = {until, 0};
  COFFER_TRY(const auto events, rows::events_of_group(*t, group.id, range, 1));
  return !events.empty();
}

Result<bool> has_remains(const Setting& setting, const Context& context) {
  COFFER_TRY(const auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
  COFFER_TRY(const auto row, t->first("SELECT id FROM logs_remains LIMIT 1"));
  return row.has_value();
}

}  // namespace

Status remove_old_events(const Setting& setting, const Context& context, WallTime now) {
  COFFER_TRY(const bool remains, has_remains(setting, context));
  if (remains) {
    COFFER_CHECK_OK(
        in_rounds(setting, context, [](catalog::Transaction& t) { return rows::remove_remains(t, kRowsAtOnce); }));
  }
  for (int64_t after = 0;;) {
    std::vector<rows::Group> groups;
    {
      COFFER_TRY(const auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(groups, rows::groups_with_retention(*t, after, kGroupsAtOnce));
    }
    for (const rows::Group& group : groups) {
      after = group.id;
      const int64_t until = oldest_kept(group, now.micros / 1000);
      COFFER_TRY(const bool has_any, has_old_events(setting, context, group, until));
      if (!has_any) continue;
      COFFER_CHECK_OK(in_rounds(setting, context, [&](catalog::Transaction& t) -> Result<int64_t> {
        // The retention may have become longer, or the group may have gone, since it was read.
        COFFER_TRY(const auto present, rows::find_group(t, group.account, group.region, group.name));
        if (!present || present->id != group.id || present->retention_days == 0) return int64_t{0};
        return rows::remove_events_before(t, group.id, oldest_kept(*present, now.micros / 1000), kRowsAtOnce);
      }));
    }
    if (groups.size() < static_cast<size_t>(kGroupsAtOnce)) return ok_status();
  }
}

}  // namespace coffer::logs
