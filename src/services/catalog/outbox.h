// Outbox: events written in the transaction of the state change they tell of; delivered afterwards at least once, in
// order per topic.
#pragma once
#include "services/catalog/database.h"

namespace coffer::catalog {

struct OutboxEntry {
  int64_t sequence = 0;
  std::string topic;    // "events"
  std::string payload;  // JSON
  WallTime created;
  int64_t attempts = 0;
};

/// Appends in the caller's transaction.
Status outbox_append(Transaction& transaction, std::string_view topic, std::string_view payload, WallTime now);
/// The oldest `limit` entries of `topic` that are due.
Result<std::vector<OutboxEntry>> outbox_due(Transaction& transaction, std::string_view topic, WallTime now,
                                            int64_t limit);
/// Delivered: the entry goes.
Status outbox_done(Transaction& transaction, int64_t sequence);
/// Not delivered: due again at `again_at`, one attempt more.
Status outbox_postpone(Transaction& transaction, int64_t sequence, WallTime again_at);

}  // namespace coffer::catalog
