// Counts of jobs per day, state and type.
#include <map>

#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using api::Value;

constexpr int64_t kDay = 86'400'000'000;

struct Family {
  const char *table, *output;
  bool has_category;
};

/// Days before today's, the youngest last, that a period means.
int64_t days_of(std::string_view period) { return period == "SEVEN_DAYS" ? 7 : period == "FOURTEEN_DAYS" ? 14 : 1; }

Result<Value> summaries(const Request& r, const Family& family) {
  COFFER_TRY(const Page page, page_of(r));
  const std::string account = r.text("AccountId"), state = r.text("State"), type = r.text("ResourceType"),
                    category = r.text("MessageCategory");
  const std::string period = r.text("AggregationPeriod").empty() ? "FOURTEEN_DAYS" : r.text("AggregationPeriod");
  Value output = Value::object({{"AggregationPeriod", period}});
  const int64_t end = r.now().micros - r.now().micros % kDay, begin = end - days_of(period) * kDay;
  // ANY shows each value for itself; AGGREGATE_ALL counts them together, and so does leaving a member out for states.
  const bool all_states = state == "AGGREGATE_ALL", all_types = type == "AGGREGATE_ALL",
             all_categories = category == "AGGREGATE_ALL" || !family.has_category;
  const std::string wanted_state = state == "ANY" || all_states ? "" : state,
                    wanted_type = type == "ANY" || all_types ? "" : type,
                    wanted_category = category == "ANY" || all_categories ? "" : category;
  api::List list;
  if (account.empty() || account == r.account() || account == "ANY" || account == "AGGREGATE_ALL") {
    const std::string category_column = family.has_category ? "category" : "''";
    COFFER_TRY(const auto found,
               r.t().run("SELECT state, resource_type, " + category_column + ", created / 86400000000, COUNT(*) FROM " +
                             family.table +
                             " WHERE account = $1 AND region = $2 AND created >= $3 AND created < $4 AND "
                             "($5 = '' OR state = $5) AND ($6 = '' OR resource_type = $6) AND ($7 = '' OR " +
                             category_column + " = $7) GROUP BY 1, 2, 3, 4",
                         {r.account(), r.region(), begin, end, wanted_state, wanted_type, wanted_category}));
    // Day, state, type, category -> count.
    std::map<std::tuple<int64_t, std::string, std::string, std::string>, int64_t> counts;
    for (const auto& row : found)
      counts[{row.integer(3), all_states ? "AGGREGATE_ALL" : row.text(0), all_types ? "AGGREGATE_ALL" : row.text(1),
              all_categories ? "AGGREGATE_ALL" : row.text(2)}] += row.integer(4);
    for (const auto& [key, count] : counts) {
      const auto& [day, of_state, of_type, of_category] = key;
      Value one = Value::object({{"Region", r.region()},
                                 {"AccountId", r.account()},
                                 {"State", of_state},
                                 {"ResourceType", of_type},
                                 {"Count", count},
                                 {"StartTime", WallTime{day * kDay}},
                                 {"EndTime", WallTime{(day + 1) * kDay}}});
      if (family.has_category && !of_category.empty()) one.set("MessageCategory", of_category);
      list.push_back(std::move(one));
    }
  }
  const size_t from = page.after.empty() ? 0 : static_cast<size_t>(open_time_key(page.after).first);
  const size_t to = std::min(list.size(), from + page.limit);
  if (to < list.size()) COFFER_CHECK_OK(set_next(r, output, std::to_string(to)));
  output.set(family.output, from < list.size() ? api::List(list.begin() + static_cast<ptrdiff_t>(from),
                                                           list.begin() + static_cast<ptrdiff_t>(to))
                                               : api::List());
  return output;
}

}  // namespace

Result<Value> backup_summaries(const Request& r) { return summaries(r, {"backup_jobs", "BackupJobSummaries", true}); }
Result<Value> copy_summaries(const Request& r) { return summaries(r, {"backup_copies", "CopyJobSummaries", true}); }
Result<Value> restore_summaries(const Request& r) {
  return summaries(r, {"backup_restores", "RestoreJobSummaries", false});
}

}  // namespace coffer::backup
