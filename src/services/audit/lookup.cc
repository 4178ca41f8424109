#include <algorithm>

#include "services/audit/audit_log.h"
#include "services/audit/chain.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

constexpr int64_t kGroupsAtOnce = 32;

/// How a filter is answered: which groups have the records, and which records in them.
struct Plan {
  std::string_view key;
  TermKind term;
  std::string_view column;  // of audit_records; empty: the record itself tells
};
constexpr Plan kPlans[] = {{"EventId", TermKind::kEventId, "event_id"},
                           {"EventName", TermKind::kEventName, "event_name"},
                           {"Username", TermKind::kUserName, "user_name"},
                           {"EventSource", TermKind::kEventSource, "event_source"},
                           {"AccessKeyId", TermKind::kAccessKey, "access_key_id"},
                           {"ResourceName", TermKind::kResourceName, {}},
                           {"ResourceType", TermKind::kResourceType, {}}};

/// What is looked for, from the newest on.
struct Range {
  std::string_view account;
  WallTime from, before_time;
  int64_t before = 0;  // of those at before_time: sequences below
  int64_t limit = 0;   // one more than are shown
};

struct Found {
  WallTime time;
  int64_t sequence = 0;
  std::string record;
  /// Newest first is by time; records of one second by sequence.
  friend bool operator<(const Found& a, const Found& b) {
    return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
  }
};
using AllFound = std::vector<Found>;

/// Those whose columns fulfil `condition` on $6 and $7. Without a condition the index by time has them in order.
Result<AllFound> find_records(catalog::Transaction& transaction, const Range& range, const std::string& condition,
                              std::span<const catalog::Parameter> values, int64_t limit) {
  std::vector<catalog::Parameter> parameters{range.account, range.before_time, range.before, range.from, limit};
  parameters.insert(parameters.end(), values.begin(), values.end());
  COFFER_TRY(auto rows, transaction.run("SELECT time, sequence, record FROM audit_records WHERE account = $1 AND "
                                        "(time, sequence) < ($2, $3) AND time >= $4" +
                                            condition + " ORDER BY time DESC, sequence DESC LIMIT $5",
                                        parameters));
  AllFound found;
  for (const catalog::Row& row : rows) found.push_back({row.time(0), row.integer(1), row.text(2)});
  return found;
}

/// Goes through the groups that have a term, those with the newest records first.
class TermLookup {
 public:
  TermLookup(catalog::Transaction& transaction, const Range& range, const Plan& plan, std::string_view value)
      : transaction_(transaction), range_(range), plan_(plan), value_(value), term_(term(plan.term, value)) {}

  Result<AllFound> run() {
    // A group whose last record is later may still have some before it.
    WallTime last_time = range_.before_time.micros > INT64_MAX - kSpan ? WallTime{INT64_MAX}
                                                                       : WallTime{range_.before_time.micros + kSpan};
    int64_t last = INT64_MAX;
    for (;;) {
      COFFER_TRY(
          auto groups,
          transaction_.run("SELECT last_time, last, first FROM audit_groups WHERE account = $1 AND term = $2 "
                           "AND (last_time, last) < ($3, $4) AND last_time >= $5 AND first_time <= $6 "
                           "ORDER BY last_time DESC, last DESC LIMIT $7",
                           {range_.account, term_, last_time, last, range_.from, range_.before_time, kGroupsAtOnce}));
      for (const catalog::Row& group : groups) {
        last_time = group.time(0);
        last = group.integer(1);
        // What is left is older than all that is wanted.
        if (is_full() && found_.back().time > last_time) return std::move(found_);
        COFFER_CHECK_OK(look_into(group.integer(2), last));
      }
      if (groups.size() < static_cast<size_t>(kGroupsAtOnce)) return std::move(found_);
    }
  }

 private:
  static constexpr int64_t kSpan = std::chrono::microseconds(kGroupSpanMax).count();

  [[nodiscard]] bool is_full() const { return found_.size() == static_cast<size_t>(range_.limit); }

  Status look_into(int64_t first, int64_t last) {
    const bool by_column = !plan_.column.empty();
    std::string condition = " AND sequence BETWEEN $6 AND $7";
    std::vector<catalog::Parameter> values{first, last};
    if (by_column) {
      condition += " AND " + std::string(plan_.column) + " = $8";
      values.emplace_back(value_);
    } else if (plan_.term == TermKind::kChange) {
      condition += " AND read_only = 0";
    }
    const bool is_exact = by_column || plan_.term == TermKind::kChange;
    COFFER_TRY(auto records,
               find_records(transaction_, range_, condition, values, is_exact ? range_.limit : kGroupRecordsMax));
    for (Found& one : records) {
      if (!is_exact) {
        COFFER_TRY(const Filing filing, filing_of(one.record));
        const auto terms = terms_of(filing);
        if (!std::binary_search(terms.begin(), terms.end(), term_)) continue;
      }
      found_.insert(std::lower_bound(found_.begin(), found_.end(), one), std::move(one));
      if (found_.size() > static_cast<size_t>(range_.limit)) found_.pop_back();
    }
    return ok_status();
  }

  catalog::Transaction& transaction_;
  const Range& range_;
  const Plan& plan_;
  const std::string_view value_;
  const std::string term_;
  AllFound found_;
};

Result<AllFound> find(catalog::Transaction& transaction, const Range& range,
                      const std::optional<LookupFilter>& filter) {
  if (!filter) return find_records(transaction, range, "", {}, range.limit);
  if (filter->key == "ReadOnly" && filter->value == "true")
    return find_records(transaction, range, " AND read_only = 1", {}, range.limit);
  if (filter->key == "ReadOnly" && filter->value == "false") {
    static constexpr Plan kChanges{"ReadOnly", TermKind::kChange, {}};
    return TermLookup(transaction, range, kChanges, "").run();
  }
  if (const auto second = second_of_id(filter->value); second && filter->key == "EventId") {
    const catalog::Parameter values[] = {*second, filter->value};
    COFFER_TRY(auto found, find_records(transaction, range, " AND time = $6 AND event_id = $7", values, range.limit));
    if (!found.empty()) return found;
  }
  for (const Plan& plan : kPlans) {
    if (filter->key == plan.key) return TermLookup(transaction, range, plan, filter->value).run();
  }
  return AllFound();
}

}  // namespace

Result<LookupPage> lookup(catalog::Transaction& transaction, std::string_view account,
                          const std::optional<LookupFilter>& filter, std::optional<WallTime> from,
                          std::optional<WallTime> until, std::optional<int64_t> next, int64_t limit) {
  LookupPage page;
  Range range{account, from.value_or(WallTime{INT64_MIN}), WallTime{INT64_MAX}, INT64_MAX, limit + 1};
  if (next) {
    COFFER_TRY(auto row, transaction.first("SELECT time FROM audit_records WHERE sequence = $1", {*next}));
    if (!row) return page;
    range.before_time = row->time(0);
    range.before = *next;
  }
  if (until && *until < range.before_time) {
    range.before_time = *until;
    range.before = INT64_MAX;
  }
  COFFER_TRY(AllFound found, find(transaction, range, filter));
  const bool more = found.size() > static_cast<size_t>(limit);
  if (more) found.pop_back();
  if (more && !found.empty()) page.next = found.back().sequence;
  for (Found& one : found) page.events.push_back(std::move(one.record));
  return page;
}

}  // namespace coffer::audit
