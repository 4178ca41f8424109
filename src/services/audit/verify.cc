#include <map>

#include "engine/crypto/digest.h"
#include "engine/crypto/ed25519.h"
#include "services/audit/audit_log.h"
#include "services/audit/chain.h"

namespace coffer::audit {
namespace {

constexpr int64_t kPage = 1'000;
constexpr size_t kProblemsMax = 100;

}  // namespace

Result<VerifyReport> verify(catalog::Database& database, const Context& context, ByteView public_key) {
  VerifyReport report;
  const auto problem = [&](std::string text) {
    if (report.problems.size() < kProblemsMax) report.problems.push_back(std::move(text));
  };
  COFFER_TRY(auto transaction, database.begin(context, catalog::Database::Mode::kRead));
  COFFER_TRY(auto checkpoints,
             transaction->run(
                 "SELECT number, size, chain, time, previous, hash, signature FROM audit_checkpoints ORDER BY number"));
  Bytes previous;
  int64_t number = 0, covered = 0;
  std::map<int64_t, Bytes> chain_at;  // what each checkpoint says of the record that it ends with
  for (const catalog::Row& row : checkpoints) {
    ++report.checkpoints;
    const Checkpoint checkpoint{row.integer(0), row.integer(1), row.time(3), row.blob(2), row.blob(4)};
    const std::string name = "checkpoint " + std::to_string(checkpoint.number);
    const Bytes body = encode_checkpoint(checkpoint);
    if (!crypto::ed25519_verify(public_key, body, row.blob(6))) problem(name + " is not signed by this log's key");
    if (checkpoint.number != number + 1) problem("checkpoint " + std::to_string(number + 1) + " is missing");
    if (checkpoint.previous != previous) problem(name + " does not follow the one before it");
    if (checkpoint.size < covered) problem(name + " covers less than the one before it");
    number = checkpoint.number;
    covered = checkpoint.size;
    const auto digest = crypto::sha256(body);
    previous = to_bytes(ByteView(digest));
    chain_at[checkpoint.size] = checkpoint.chain;
  }

  Bytes hash(32, std::byte{0});
  int64_t sequence = 0;
  for (;;) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(auto rows, transaction->run("SELECT sequence, json, hash, event_id, account FROM audit_records WHERE "
                                           "sequence > $1 ORDER BY sequence LIMIT $2",
                                           {sequence, kPage}));
    for (const catalog::Row& row : rows) {
      const int64_t found = row.integer(0);
      if (found != sequence + 1) problem("record " + std::to_string(sequence + 1) + " is missing");
      hash = next_hash(hash, found, row.text(1));
      if (hash != row.blob(2))
        problem("record " + std::to_string(found) + " (event " + row.text(3) + ") is not what was written");
      // The columns that lookups go by must say what the record says.
      if (row.text(1).find("\"eventID\":\"" + row.text(3) + "\"") == std::string::npos ||
          row.text(1).find("\"recipientAccountId\":\"" + row.text(4) + "\"") == std::string::npos)
        problem("record " + std::to_string(found) + " is filed under another event or account");
      if (const auto at = chain_at.find(found); at != chain_at.end() && at->second != hash)
        problem("record " + std::to_string(found) + " is not the one that was signed");
      hash = row.blob(2);  // so that one altered record is not reported for all that follow
      sequence = found;
      ++report.records;
    }
    if (rows.size() < static_cast<size_t>(kPage)) break;
  }
  if (sequence < covered)
    problem("records " + std::to_string(sequence + 1) + " to " + std::to_string(covered) +
            " are missing: the log was cut off");
  COFFER_TRY(Head head, read_head(*transaction));
  if (head.size != sequence || (sequence > 0 && head.hash != hash))
    problem("the head does not belong to the last record");
  report.unsigned_tail = sequence > covered ? static_cast<uint64_t>(sequence - covered) : 0;
  return report;
}

Result<LookupPage> lookup(catalog::Transaction& transaction, std::string_view account,
                          const std::optional<LookupFilter>& filter, std::optional<WallTime> from,
                          std::optional<WallTime> until, std::optional<int64_t> next, int64_t limit) {
  static const std::map<std::string_view, std::string_view> kColumns = {
      {"EventId", "event_id"},          {"EventName", "name"},    {"EventSource", "source"}, {"Username", "user_name"},
      {"AccessKeyId", "access_key_id"}, {"ReadOnly", "read_only"}};
  std::string sql =
      "SELECT sequence, json FROM audit_records WHERE account = $1 AND sequence < $2 AND time >= $3 AND time <= $4";
  std::vector<catalog::Parameter> parameters{account, next.value_or(INT64_MAX), from.value_or(WallTime{INT64_MIN}),
                                             until.value_or(WallTime{INT64_MAX}), limit + 1};
  std::string like;
  if (filter) {
    if (const auto column = kColumns.find(filter->key); column != kColumns.end()) {
      sql += " AND " + std::string(column->second) + " = $6";
      if (filter->key == "ReadOnly") {
        parameters.emplace_back(filter->value == "true");
      } else {
        parameters.emplace_back(filter->value);
      }
    } else if (filter->key == "ResourceName") {
      for (char c : filter->value) like += c == '%' || c == '_' || c == '\\' ? std::string{'\\', c} : std::string{c};
      like = "%" + like + "%";
      sql += " AND resources LIKE $6 ESCAPE '\\'";
      parameters.emplace_back(like);
    } else {
      sql += " AND 1 = 0";  // no such attribute is kept: nothing has it
    }
  }
  sql += " ORDER BY sequence DESC LIMIT $5";
  COFFER_TRY(auto rows, transaction.run(sql, parameters));
  LookupPage page;
  for (size_t i = 0; i < rows.size() && i < static_cast<size_t>(limit); ++i) {
    page.events.push_back(rows[i].text(1));
    if (rows.size() > static_cast<size_t>(limit)) page.next = rows[i].integer(0);
  }
  return page;
}

}  // namespace coffer::audit
