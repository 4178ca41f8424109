#include "services/work/work.h"

#include <algorithm>
#include <limits>

namespace coffer::work {
namespace {

// `wake` is when an item may be claimed: when it is due, or while it is held the end of the lease. `due` of a held item
// is kNever until somebody asks for it again meanwhile.
constexpr catalog::Migration kMigrations[] = {
    {600, "work: items", R"(
CREATE TABLE work_items (
  id {identity},
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  payload TEXT NOT NULL,
  wake BIGINT NOT NULL,
  due BIGINT NOT NULL,
  claimed_due BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  holder TEXT,
  token BIGINT NOT NULL,
  UNIQUE (kind, subject)
);
CREATE INDEX work_items_wake ON work_items (kind, wake);
)"},
};
constexpr WallTime kNever{std::numeric_limits<int64_t>::max()};

Error taken_over(const Item& item) {
  return Error{ErrorCode::kFailedPrecondition,
               "the work on " + item.kind + " " + item.subject + " was taken over, or is no longer wanted",
               {}};
}

/// "$<first>, $<first+1> ...": as many as there are kinds.
std::string placeholders(size_t first, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += (i == 0 ? "$" : ", $") + std::to_string(first + i);
  return text;
}

}  // namespace

std::span<const catalog::Migration> migrations() { return kMigrations; }

Status add(catalog::Transaction& transaction, std::string_view kind, std::string_view subject, std::string_view payload,
           WallTime due) {
  COFFER_CHECK_OK(transaction.run(
      "INSERT INTO work_items (kind, subject, payload, wake, due, claimed_due, attempts, token) "
      "VALUES ($1, $2, $3, $4, $4, $4, 0, 0) ON CONFLICT (kind, subject) DO UPDATE SET "
      "due = CASE WHEN work_items.due < excluded.due THEN work_items.due ELSE excluded.due END, "
      "wake = CASE WHEN work_items.holder IS NOT NULL OR work_items.wake < excluded.wake THEN work_items.wake "
      "ELSE excluded.wake END",
      {kind, subject, payload, due}));
  return ok_status();
}

Result<std::vector<Item>> claim(catalog::Transaction& transaction, std::span<const std::string> kinds,
                                std::string_view holder, WallTime now, std::chrono::seconds lease, int64_t limit) {
  std::vector<Item> items;
  if (kinds.empty() || limit <= 0) return items;
  const WallTime until = now + lease;
  std::vector<catalog::Parameter> parameters{holder, until, now, kNever, limit};
  for (const std::string& kind : kinds) parameters.emplace_back(kind);
  COFFER_TRY(catalog::Rows rows,
             transaction.run("UPDATE work_items SET claimed_due = CASE WHEN due = $4 THEN claimed_due ELSE due END, "
                             "due = $4, wake = $2, holder = $1, token = token + 1, attempts = attempts + 1 "
                             "WHERE id IN (SELECT id FROM work_items WHERE kind IN (" +
                                 placeholders(6, kinds.size()) +
                                 ") AND wake <= $3 ORDER BY wake, id LIMIT $5 {skip_locked}) "
                                 "RETURNING id, kind, subject, payload, claimed_due, attempts, token",
                             parameters));
  for (const catalog::Row& row : rows)
    items.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.time(4), row.integer(5),
                     std::string(holder), row.integer(6), until});
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return std::pair(a.due, a.id) < std::pair(b.due, b.id); });
  return items;
}

Status renew(catalog::Transaction& transaction, Item& item, WallTime now, std::chrono::seconds lease) {
  const WallTime until = now + lease;
  COFFER_TRY(auto row, transaction.first("UPDATE work_items SET wake = $3 WHERE id = $1 AND token = $2 AND holder IS "
                                         "NOT NULL RETURNING token",
                                         {item.id, item.token, until}));
  if (!row) return taken_over(item);
  item.lease_until = until;
  return ok_status();
}

Status check_fence(catalog::Transaction& transaction, const Item& item) {
  COFFER_TRY(auto row,
             transaction.first("SELECT token FROM work_items WHERE id = $1 AND holder IS NOT NULL", {item.id}));
  return row && row->integer(0) == item.token ? ok_status() : Status(taken_over(item));
}

Status finish(catalog::Transaction& transaction, const Item& item) {
  COFFER_CHECK_OK(check_fence(transaction, item));
  COFFER_TRY(auto gone,
             transaction.first("DELETE FROM work_items WHERE id = $1 AND due = $2 RETURNING id", {item.id, kNever}));
  if (gone) return ok_status();
  // Asked for once more while it was at work.
  COFFER_CHECK_OK(
      transaction.run("UPDATE work_items SET holder = NULL, wake = due, attempts = 0 WHERE id = $1", {item.id}));
  return ok_status();
}

Status postpone(catalog::Transaction& transaction, const Item& item, WallTime due, std::string_view payload,
                bool begun) {
  COFFER_CHECK_OK(check_fence(transaction, item));
  COFFER_CHECK_OK(transaction.run(
      "UPDATE work_items SET holder = NULL, due = CASE WHEN due < $2 THEN due ELSE $2 END, "
      "wake = CASE WHEN due < $2 THEN due ELSE $2 END, payload = $3, attempts = attempts - $4 WHERE id = $1",
      {item.id, due, payload.empty() ? std::string_view(item.payload) : payload, begun ? 0 : 1}));
  return ok_status();
}

Status cancel(catalog::Transaction& transaction, std::string_view kind, std::string_view subject) {
  COFFER_CHECK_OK(transaction.run("DELETE FROM work_items WHERE kind = $1 AND subject = $2", {kind, subject}));
  return ok_status();
}

Result<std::optional<WallTime>> next_due(catalog::Transaction& transaction, std::span<const std::string> kinds) {
  std::optional<WallTime> earliest;
  // One probe of the index a kind, instead of a sort of all.
  for (const std::string& kind : kinds) {
    COFFER_TRY(auto row,
               transaction.first("SELECT wake FROM work_items WHERE kind = $1 ORDER BY wake LIMIT 1", {kind}));
    if (row && (!earliest || row->time(0) < *earliest)) earliest = row->time(0);
  }
  return earliest;
}

}  // namespace coffer::work
