#include <algorithm>
#include <array>

#include "services/audit/audit_log.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

struct ColumnOfKey {
  std::string_view key, column;
};
constexpr ColumnOfKey kColumns[] = {{"EventId", "event_id"},
                                    {"EventName", "event_name"},
                                    {"Username", "user_name"},
                                    {"EventSource", "event_source"},
                                    {"AccessKeyId", "access_key_id"}};

/// Of what stands for the filter's value: kept here while the statement runs.
struct Condition {
  std::string sql;  // "" when nothing can have it
  std::string value;
};

Condition condition_of(const LookupFilter& filter) {
  for (const auto& [key, column] : kColumns) {
    if (filter.key == key) return {"r." + std::string(column) + " = $6", filter.value};
  }
  // Written out, because what changes something has an index of its own.
  if (filter.key == "ReadOnly" && filter.value == "true") return {"r.read_only = 1", {}};
  if (filter.key == "ReadOnly" && filter.value == "false") return {"r.read_only = 0", {}};
  if (filter.key == "ResourceName") return {"t.term = $6", name_term(filter.value)};
  if (filter.key == "ResourceType") return {"t.term = $6", type_term(filter.value)};
  return {};
}

}  // namespace

Result<LookupPage> lookup(catalog::Transaction& transaction, std::string_view account,
                          const std::optional<LookupFilter>& filter, std::optional<WallTime> from,
                          std::optional<WallTime> until, std::optional<int64_t> next, int64_t limit) {
  LookupPage page;
  WallTime before_time{INT64_MAX};
  int64_t before = INT64_MAX;
  if (next) {
    // Newest first is by time; records of one second by sequence.
    COFFER_TRY(auto row, transaction.first("SELECT time FROM audit_records WHERE sequence = $1", {*next}));
    if (!row) return page;
    before_time = row->time(0);
    before = *next;
  }
  Condition condition;
  if (filter) {
    condition = condition_of(*filter);
    if (condition.sql.empty()) return page;
  }
  // One upper bound, so that every index that ends in time and sequence serves both it and the order.
  if (until && *until < before_time) {
    before_time = *until;
    before = INT64_MAX;
  }
  const bool by_term = condition.sql.starts_with("t.");
  const std::string of = by_term ? "t." : "r.";
  std::string sql = "SELECT r.sequence, r.record FROM ";
  sql += by_term ? "audit_terms t JOIN audit_records r ON r.sequence = t.sequence" : "audit_records r";
  sql += " WHERE " + of + "account = $1";
  if (filter) sql += " AND " + condition.sql;
  sql += " AND (" + of + "time, " + of + "sequence) < ($2, $3) AND " + of + "time >= $4 ORDER BY " + of +
         "time DESC, " + of + "sequence DESC LIMIT $5";
  std::vector<catalog::Parameter> parameters{account, before_time, before, from.value_or(WallTime{INT64_MIN}),
                                             limit + 1};
  if (!condition.value.empty()) parameters.emplace_back(condition.value);
  COFFER_TRY(auto rows, transaction.run(sql, parameters));
  const size_t shown = std::min(rows.size(), static_cast<size_t>(limit));
  for (size_t i = 0; i < shown; ++i) page.events.push_back(rows[i].text(1));
  if (rows.size() > shown && shown > 0) page.next = rows[shown - 1].integer(0);
  return page;
}

}  // namespace coffer::audit
