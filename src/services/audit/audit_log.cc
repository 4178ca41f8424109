#include "services/audit/audit_log.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/tasks.h"
#include "engine/crypto/ed25519.h"
#include "services/audit/chain.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

constexpr size_t kQueueMax = 20'000;
constexpr size_t kQueueSizeMax = size_t{32} << 20;
// Others wait for the database's one writer meanwhile: a batch of this many takes about ten milliseconds.
constexpr size_t kBatchMax = 512;
constexpr std::chrono::milliseconds kGather{40};
constexpr std::chrono::milliseconds kPauseAfterFailure{200};
// Records that another daemon left pending when it died are ours to chain.
constexpr std::chrono::milliseconds kLookForPending{5000};
constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::hours kCheckpointEvery{1};
constexpr int kAttemptsMax = 50;

class ChainedLog final : public AuditLog {
 public:
  ChainedLog(catalog::Database& database, Clock& clock, Entropy& entropy, Secret signing_key)
      : database_(database),
        clock_(clock),
        entropy_(entropy),
        signing_key_(std::move(signing_key)),
        tasks_(std::make_unique<TaskGroup>(Context())) {
    tasks_->spawn([this] {
      write_groups();
      return ok_status();
    });
  }

  ~ChainedLog() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    done_.notify_all();
    static_cast<void>(tasks_->wait().ok());
  }

  Status append(catalog::Transaction& transaction, const Record& record) override {
    const std::string json = json_of(record);
    if (!database_.shared()) return append_to_chain(transaction, {&json, 1});
    COFFER_CHECK_OK(append_pending(transaction, json));
    transaction.on_commit([this] { look_for_pending(); });
    return ok_status();
  }

  Status enqueue(Record record) override {
    std::string json = json_of(std::move(record));
    std::unique_lock lock(mutex_);
    while (queue_.size() >= kQueueMax || queue_size_bytes_ >= kQueueSizeMax) {
      // Who waits here would wait as long as the disk is full.
      if (failure_) return failure_->in("the audit log cannot be written");
      if (stopping_) return Error{ErrorCode::kCancelled, "the audit log is being closed", {}};
      done_.wait(lock);
    }
    queue_size_bytes_ += json.size();
    queue_.push_back(std::move(json));
    ++enqueued_;
    is_crowded_ = queue_.size() > kQueueMax / 2 || queue_size_bytes_ > kQueueSizeMax / 2;
    if (queue_.size() == 1 || queue_.size() == kBatchMax) work_.notify_all();
    return ok_status();
  }

  [[nodiscard]] bool is_crowded() const override { return is_crowded_.load(std::memory_order_relaxed); }

  Status flush(const Context& context) override {
    std::unique_lock lock(mutex_);
    const uint64_t enqueued = enqueued_, failures = failures_;
    // A round that has begun may have looked for pending records before ours came.
    const uint64_t round = database_.shared() ? rounds_begun_ + 1 : 0;
    wanted_round_ = std::max(wanted_round_, round);
    hurry_ = true;
    work_.notify_all();
    while (written_ < enqueued || rounds_done_ < round || (round > 0 && more_pending_)) {
      if (failures_ > failures && failure_) return failure_->in("flushing the audit log");
      COFFER_CHECK_OK(context.check());
      done_.wait_for(lock, kPoll);
    }
    return ok_status();
  }

  Status checkpoint(const Context& context, bool force) override {
    return catalog::in_transaction(
        database_, context, [&](catalog::Transaction& transaction) { return sign_head(transaction, force); },
        kAttemptsMax);
  }

 private:
  std::string json_of(Record record) {
    if (record.event_id.empty()) record.event_id = new_event_id(record.time);
    return record_json(record);
  }

  /// A UUID that begins with the time (version 7 of RFC 9562): ids that come one after the other stand side by side in
  /// their index, where random ones would make every record write to a page of its own.
  std::string new_event_id(WallTime time) {
    std::array<std::byte, 16> id{};
    {
      std::lock_guard lock(entropy_mutex_);
      entropy_.fill(id);
    }
    const uint64_t millis = static_cast<uint64_t>(time.micros / 1000);
    for (size_t i = 0; i < 6; ++i) id[i] = static_cast<std::byte>(millis >> (40 - 8 * i));
    id[6] = (id[6] & std::byte{0x0f}) | std::byte{0x70};
    id[8] = (id[8] & std::byte{0x3f}) | std::byte{0x80};
    std::string text = to_hex(id);
    for (size_t at : {size_t{20}, size_t{16}, size_t{12}, size_t{8}}) text.insert(at, 1, '-');
    return text;
  }

  void look_for_pending() {
    std::lock_guard lock(mutex_);
    wanted_round_ = std::max(wanted_round_, rounds_begun_ + 1);
    work_.notify_all();
  }

  Status sign_head(catalog::Transaction& transaction, bool force) {
    COFFER_TRY(Head head, read_head(transaction));
    COFFER_TRY(auto last, transaction.first("SELECT number, size, time, checkpoint FROM audit_checkpoints "
                                            "ORDER BY number DESC LIMIT 1"));
    const WallTime now = clock_.wall();
    if (!last && head.size == 0) return ok_status();
    const bool due = !last || now - last->time(2) >= kCheckpointEvery;
    const bool news = !last || last->integer(1) != head.size;
    if (!due && !(force && news)) return ok_status();
    Checkpoint made;
    made.number = last ? last->integer(0) + 1 : 1;
    made.size = head.size;
    made.chain_hash = head.hash;
    made.merkle_root = head.tree.root();
    made.time = now;
    if (last) made.previous = checkpoint_hash(last->text(3));
    const std::string text = encode_checkpoint(made);
    const auto signature = crypto::ed25519_sign(signing_key_.view(), as_bytes(text));
    COFFER_CHECK_OK(
        transaction.run("INSERT INTO audit_checkpoints (number, size, time, checkpoint, signature) "
                        "VALUES ($1, $2, $3, $4, $5)",
                        {made.number, made.size, made.time, text, ByteView(signature)}));
    head.checkpoints = made.number;
    return write_head(transaction, head);
  }

  [[nodiscard]] bool has_work() const { return !queue_.empty() || rounds_done_ < wanted_round_ || more_pending_; }

  /// The thread of this object: writes what is queued, one group after the other, until the object ends. What cannot be
  /// written then is lost with the process; flush() before would have told.
  void write_groups() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto awake = [&] { return has_work() || stopping_; };
      if (database_.shared()) {
        if (!work_.wait_for(lock, kLookForPending, awake)) wanted_round_ = rounds_begun_ + 1;
      } else {
        work_.wait(lock, awake);
      }
      // Others may join the group for a moment.
      work_.wait_for(lock, kGather, [&] { return stopping_ || hurry_ || queue_.size() >= kBatchMax; });
      const bool last = stopping_;
      write_group(lock);
      if (last && (failure_ || !has_work())) return;
      if (failure_) work_.wait_for(lock, kPauseAfterFailure, [&] { return stopping_; });
    }
  }

  void write_group(std::unique_lock<std::mutex>& lock) {
    // A group that failed is tried again as it was.
    while (!group_maybe_written_ && !queue_.empty() && group_.size() < kBatchMax) {
      group_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    hurry_ = hurry_ && !queue_.empty();
    const uint64_t round = ++rounds_begun_;
    lock.unlock();
    size_t moved = 0;
    Status written = ok_status();
    if (!group_.empty() || database_.shared()) {
      written = catalog::in_transaction(
          database_, Context(), [&](catalog::Transaction& transaction) { return write_group_in(transaction, moved); },
          kAttemptsMax);
    }
    lock.lock();
    if (written.ok()) {
      rounds_done_ = round;
      more_pending_ = moved == kBatchMax;
      written_ += group_.size();
      for (const std::string& json : group_) queue_size_bytes_ -= json.size();
      group_.clear();
      is_crowded_ = queue_.size() > kQueueMax / 2 || queue_size_bytes_ > kQueueSizeMax / 2;
      group_maybe_written_ = false;
      failure_.reset();
    } else {
      group_maybe_written_ = !group_.empty();
      ++failures_;
      failure_ = std::move(written).error();
    }
    done_.notify_all();
  }

  Status write_group_in(catalog::Transaction& transaction, size_t& moved) {
    std::span<const std::string> group = group_;
    if (group_maybe_written_ && !group.empty()) {
      // The commit that failed may have happened all the same; a group is there as a whole or not at all.
      COFFER_TRY(const bool there, is_written(transaction, group.front()));
      if (there) group = {};
    }
    if (!database_.shared()) return append_to_chain(transaction, group);
    COFFER_TRY(moved, chain_pending(transaction, kBatchMax, group));
    return ok_status();
  }

  static Result<bool> is_written(catalog::Transaction& transaction, const std::string& json) {
    COFFER_TRY(const Filing filing, filing_of(json));
    COFFER_TRY(auto rows, transaction.run("SELECT record FROM audit_records WHERE account = $1 AND event_id = $2",
                                          {filing.account, filing.event_id}));
    for (const catalog::Row& row : rows) {
      if (row.text(0) == json) return true;
    }
    return false;
  }

  catalog::Database& database_;
  Clock& clock_;
  std::mutex entropy_mutex_;
  Entropy& entropy_;
  const Secret signing_key_;

  std::mutex mutex_;
  std::condition_variable work_, done_;  // for the thread; for those who wait for it
  std::deque<std::string> queue_;
  size_t queue_size_bytes_ = 0;  // of the group in hand too
  std::atomic<bool> is_crowded_{false};
  uint64_t enqueued_ = 0, written_ = 0, failures_ = 0;
  // A round writes one group, and on a shared database moves pending records into the chain.
  uint64_t rounds_begun_ = 0, rounds_done_ = 0, wanted_round_ = 0;
  bool stopping_ = false, hurry_ = false, more_pending_ = false;
  std::optional<Error> failure_;  // of the last round

  // The thread's own.
  std::vector<std::string> group_;
  bool group_maybe_written_ = false;
  std::unique_ptr<TaskGroup> tasks_;
};

}  // namespace

Result<std::unique_ptr<AuditLog>> open_audit_log(catalog::Database& database, Clock& clock, Entropy& entropy,
                                                 Secret signing_key) {
  COFFER_ASSERT(signing_key.size() == crypto::kEd25519SeedSize);
  {
    // A catalog without a head, or with one that cannot be, is refused now and not by the first call.
    COFFER_TRY(auto transaction, database.begin(Context(), catalog::Database::Mode::kRead));
    COFFER_CHECK_OK(read_head(*transaction));
  }
  return std::unique_ptr<AuditLog>(std::make_unique<ChainedLog>(database, clock, entropy, std::move(signing_key)));
}

}  // namespace coffer::audit
