#include "services/audit/audit_log.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/crypto/digest.h"
#include "engine/crypto/ed25519.h"
#include "services/audit/chain.h"

namespace coffer::audit {
namespace {

constexpr size_t kQueueMax = 20'000;
constexpr size_t kBatchMax = 2'000;
constexpr std::chrono::milliseconds kGroupCommit{40};
constexpr std::chrono::hours kCheckpointEvery{1};
constexpr int kAttemptsMax = 20;

class ChainedLog final : public AuditLog {
 public:
  ChainedLog(catalog::Database& database, Clock& clock, Entropy& entropy, Secret signing_key)
      : database_(database), clock_(clock), entropy_(entropy), signing_key_(std::move(signing_key)), writer_([this] {
          write_groups();
        }) {}

  ~ChainedLog() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    writer_.join();
  }

  Status append(catalog::Transaction& transaction, const Record& record) override {
    return append_all(transaction, {&record, 1});
  }

  Status enqueue(Record record) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.size() < kQueueMax || failed_ || stopping_; });
    // What cannot be recorded must not happen unseen: calls are refused while the log cannot be written.
    if (failed_)
      return Error{ErrorCode::kUnavailable, "the audit log cannot be written: " + failed_->message,
                   "see the daemon's messages"};
    queue_.push_back(std::move(record));
    ++queued_;
    if (queue_.size() == 1 || queue_.size() >= kBatchMax) changed_.notify_all();
    return ok_status();
  }

  Status flush(const Context& context) override {
    std::unique_lock lock(mutex_);
    const uint64_t wanted = queued_;
    flush_wanted_ = true;
    changed_.notify_all();
    while (written_ < wanted && !failed_) {
      COFFER_CHECK_OK(context.check());
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    return failed_ ? Status(*failed_) : ok_status();
  }

  Status checkpoint(const Context& context, bool force) override {
    return catalog::in_transaction(database_, context, [&](catalog::Transaction& transaction) -> Status {
      COFFER_TRY(Head head, read_head(transaction));
      COFFER_TRY(auto last, transaction.first(
                                "SELECT number, size, time, hash FROM audit_checkpoints ORDER BY number DESC LIMIT 1"));
      if (last && last->integer(1) == head.size) return ok_status();
      const WallTime now = clock_.wall();
      if (!last && head.size == 0) return ok_status();
      if (last && !force && now - last->time(2) < kCheckpointEvery) return ok_status();
      Checkpoint made;
      made.number = last ? last->integer(0) + 1 : 1;
      made.size = head.size;
      made.chain = head.hash;
      made.time = now;
      if (last) made.previous = last->blob(3);
      const Bytes body = encode_checkpoint(made);
      const auto signature = crypto::ed25519_sign(signing_key_.view(), body);
      const auto hash = crypto::sha256(body);
      return transaction
                     .run(
                         "INSERT INTO audit_checkpoints (number, size, chain, time, previous, hash, signature) VALUES "
                         "($1, $2, $3, $4, $5, $6, $7)",
                         {made.number, made.size, made.chain, made.time, made.previous, ByteView(hash),
                          ByteView(signature)})
                     .ok()
                 ? ok_status()
                 : Status(Error{ErrorCode::kUnavailable, "writing a checkpoint of the audit log", {}});
    });
  }

 private:
  Status append_all(catalog::Transaction& transaction, std::span<const Record> records) {
    COFFER_TRY(Head head, read_head(transaction));
    for (const Record& given : records) {
      Record record = given;
      if (record.event_id.empty()) record.event_id = random_uuid(entropy_);
      const std::string json = record_json(record);
      ++head.size;
      head.hash = next_hash(head.hash, head.size, json);
      const std::string& user = record.caller.user_name.empty() ? record.caller.session_name : record.caller.user_name;
      std::string resources;
      for (const std::string& arn : record.resources) resources += arn + "\n";
      COFFER_CHECK_OK(transaction.run(
          "INSERT INTO audit_records (sequence, account, time, event_id, name, source, user_name, access_key_id, "
          "read_only, resources, json, hash) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
          {head.size, record.account, record.time, record.event_id, record.operation, record.service + ".amazonaws.com",
           user, record.caller.access_key_id, record.read_only, resources, json, head.hash}));
    }
    COFFER_CHECK_OK(transaction.run("UPDATE audit_head SET size = $1, hash = $2", {head.size, head.hash}));
    return ok_status();
  }

  void write_groups() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !queue_.empty() || stopping_; });
      if (queue_.empty()) return;
      // Others may join the group for a moment.
      if (!stopping_ && !flush_wanted_) {
        changed_.wait_for(lock, kGroupCommit, [&] { return queue_.size() >= kBatchMax || stopping_ || flush_wanted_; });
      }
      flush_wanted_ = false;
      std::vector<Record> group;
      while (!queue_.empty() && group.size() < kBatchMax) {
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      lock.unlock();
      Status written = catalog::in_transaction(
          database_, Context(), [&](catalog::Transaction& transaction) { return append_all(transaction, group); },
          kAttemptsMax);
      lock.lock();
      written_ += group.size();
      if (!written.ok()) failed_ = std::move(written).error();
      changed_.notify_all();
      if (failed_) return;
    }
  }

  catalog::Database& database_;
  Clock& clock_;
  Entropy& entropy_;
  Secret signing_key_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Record> queue_;
  uint64_t queued_ = 0, written_ = 0;
  bool stopping_ = false, flush_wanted_ = false;
  std::optional<Error> failed_;
  std::thread writer_;
};

}  // namespace

Bytes next_hash(ByteView previous, int64_t sequence, std::string_view json) {
  crypto::Sha256 hash;
  Bytes number;
  ByteWriter(number).u64(static_cast<uint64_t>(sequence));
  hash.update(previous);
  hash.update(number);
  hash.update(as_bytes(json));
  const auto digest = hash.finish();
  return to_bytes(ByteView(digest));
}

Bytes encode_checkpoint(const Checkpoint& checkpoint) {
  Bytes out = to_bytes("coffer audit checkpoint v1\n");
  ByteWriter writer(out);
  writer.u64(static_cast<uint64_t>(checkpoint.number));
  writer.u64(static_cast<uint64_t>(checkpoint.size));
  writer.u64(static_cast<uint64_t>(checkpoint.time.micros));
  writer.bytes(checkpoint.chain);
  writer.bytes(checkpoint.previous);
  return out;
}

Result<Head> read_head(catalog::Transaction& transaction) {
  // An update first, so that PostgreSQL's other daemons wait here instead of losing a race at commit.
  if (transaction.writes()) COFFER_CHECK_OK(transaction.run("UPDATE audit_head SET size = size"));
  COFFER_TRY(auto row, transaction.first("SELECT size, hash FROM audit_head"));
  if (!row) return Error{ErrorCode::kCorruption, "the audit log has no head", {}};
  return Head{row->integer(0), row->blob(1)};
}

Result<std::unique_ptr<AuditLog>> open_audit_log(catalog::Database& database, Clock& clock, Entropy& entropy,
                                                 Secret signing_key) {
  COFFER_CHECK_OK(catalog::in_transaction(database, Context(), [](catalog::Transaction& transaction) -> Status {
    COFFER_TRY(auto row, transaction.first("SELECT size FROM audit_head"));
    if (row) return ok_status();
    const Bytes start(32, std::byte{0});
    return transaction.run("INSERT INTO audit_head (size, hash) VALUES (0, $1)", {start}).ok()
               ? ok_status()
               : Status(Error{ErrorCode::kUnavailable, "beginning the audit log", {}});
  }));
  return std::unique_ptr<AuditLog>(std::make_unique<ChainedLog>(database, clock, entropy, std::move(signing_key)));
}

std::span<const catalog::Migration> migrations() {
  static constexpr catalog::Migration kMigrations[] = {
      {300, "audit: records and checkpoints",
       "CREATE TABLE audit_records (sequence BIGINT PRIMARY KEY, account TEXT NOT NULL, time BIGINT NOT NULL, event_id "
       "TEXT NOT NULL, "
       "name TEXT NOT NULL, source TEXT NOT NULL, user_name TEXT NOT NULL, access_key_id TEXT NOT NULL, read_only "
       "BIGINT NOT NULL, "
       "resources TEXT NOT NULL, json TEXT NOT NULL, hash {blob} NOT NULL);\n"
       "CREATE INDEX audit_records_account ON audit_records (account, sequence);\n"
       "CREATE INDEX audit_records_event ON audit_records (event_id);\n"
       "CREATE TABLE audit_head (size BIGINT NOT NULL, hash {blob} NOT NULL);\n"
       "CREATE TABLE audit_checkpoints (number BIGINT PRIMARY KEY, size BIGINT NOT NULL, chain {blob} NOT NULL, time "
       "BIGINT NOT NULL, "
       "previous {blob} NOT NULL, hash {blob} NOT NULL, signature {blob} NOT NULL);\n"}};
  return kMigrations;
}

}  // namespace coffer::audit
