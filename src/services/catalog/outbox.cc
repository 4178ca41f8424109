#include "services/catalog/outbox.h"

namespace coffer::catalog {

Status outbox_append(Transaction& transaction, std::string_view topic, std::string_view payload, WallTime now) {
  COFFER_CHECK_OK(
      transaction.run("INSERT INTO catalog_outbox (topic, payload, created, due, attempts) VALUES ($1, $2, $3, $3, 0)",
                      {topic, payload, now}));
  return ok_status();
}

Result<std::vector<OutboxEntry>> outbox_due(Transaction& transaction, std::string_view topic, WallTime now,
                                            int64_t limit) {
  // An entry that waits holds back those behind it: that is what "in order" costs.
  COFFER_TRY(Rows rows, transaction.run("SELECT sequence, topic, payload, created, attempts, due FROM catalog_outbox "
                                        "WHERE topic = $1 ORDER BY sequence LIMIT $2",
                                        {topic, limit}));
  std::vector<OutboxEntry> entries;
  for (const Row& row : rows) {
    if (row.time(5) > now) break;
    entries.push_back({row.integer(0), row.text(1), row.text(2), row.time(3), row.integer(4)});
  }
  return entries;
}

Status outbox_done(Transaction& transaction, int64_t sequence) {
  COFFER_CHECK_OK(transaction.run("DELETE FROM catalog_outbox WHERE sequence = $1", {sequence}));
  return ok_status();
}

Status outbox_postpone(Transaction& transaction, int64_t sequence, WallTime again_at) {
  COFFER_CHECK_OK(transaction.run("UPDATE catalog_outbox SET due = $2, attempts = attempts + 1 WHERE sequence = $1",
                                  {sequence, again_at}));
  return ok_status();
}

}  // namespace coffer::catalog
