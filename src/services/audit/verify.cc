#include <algorithm>
#include <map>
#include <optional>

#include "services/audit/audit_log.h"
#include "services/audit/chain.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

constexpr int64_t kPage = 1'000;
constexpr size_t kProblemsMax = 1'000;

std::string range(int64_t first, int64_t last) {
  if (first == last) return "record " + std::to_string(first);
  return "records " + std::to_string(first) + " to " + std::to_string(last);
}

class Verifier {
 public:
  Verifier(catalog::Transaction& transaction, const Context& context, ByteView public_key)
      : transaction_(transaction), context_(context), public_key_(public_key) {}

  Result<VerifyReport> run() {
    COFFER_CHECK_OK(read_checkpoints());
    COFFER_CHECK_OK(read_records());
    check_uncovered();
    COFFER_CHECK_OK(check_end());
    return std::move(report_);
  }

 private:
  void problem(std::string text) {
    if (report_.problems.size() < kProblemsMax) report_.problems.push_back(std::move(text));
    if (report_.problems.size() == kProblemsMax) report_.problems.emplace_back("there are more problems than these");
  }

  Status read_checkpoints();
  void take_checkpoint(const catalog::Row& row);
  Status read_records();
  void take_record(const catalog::Row& row);
  Status read_groups(int64_t first, int64_t last);
  void check_filing(const catalog::Row& row, const std::string& name, bool is_as_written);
  void check_signed(int64_t sequence);
  void check_uncovered();
  Status check_end();

  catalog::Transaction& transaction_;
  const Context& context_;
  const ByteView public_key_;
  VerifyReport report_;

  std::vector<Checkpoint> checkpoints_;  // whose signature holds, by size
  int64_t last_number_ = 0;              // of any checkpoint that is there
  std::string last_hash_;
  bool last_hash_known_ = true;

  size_t next_checkpoint_ = 0;
  int64_t sequence_ = 0;
  // Two, as long as it is open which of a record and its stored hash was altered.
  std::optional<crypto::Digest256> computed_, stored_;
  crypto::MerkleFrontier tree_;
  bool records_whole_ = true;  // so far: then a root must hold
  bool rewritten_ = false;     // a checkpoint did not fit; those after it cannot either
  // By account and term: from which sequence to which. Those around the records in hand.
  std::map<std::pair<std::string, std::string>, std::vector<std::pair<int64_t, int64_t>>, std::less<>> groups_;
};

Status Verifier::read_checkpoints() {
  for (int64_t after = INT64_MIN;;) {
    COFFER_CHECK_OK(context_.check());
    COFFER_TRY(auto rows, transaction_.run("SELECT number, size, checkpoint, signature, time FROM audit_checkpoints "
                                           "WHERE number > $1 ORDER BY number LIMIT $2",
                                           {after, kPage}));
    for (const catalog::Row& row : rows) take_checkpoint(row);
    if (rows.size() < static_cast<size_t>(kPage)) return ok_status();
    after = rows.back().integer(0);
  }
}

void Verifier::take_checkpoint(const catalog::Row& row) {
  const int64_t number = row.integer(0);
  const std::string name = "checkpoint " + std::to_string(number);
  ++report_.checkpoints;
  if (number <= last_number_) {
    problem(name + " was inserted: their numbers begin with 1");
    return;
  }
  if (number > last_number_ + 1) {
    problem(number == last_number_ + 2 ? "checkpoint " + std::to_string(number - 1) + " is missing"
                                       : "checkpoints " + std::to_string(last_number_ + 1) + " to " +
                                             std::to_string(number - 1) + " are missing");
    last_hash_known_ = false;
  }
  last_number_ = number;
  const auto checkpoint = decode_checkpoint(row.text(2));
  const bool is_signed = crypto::ed25519_verify(public_key_, as_bytes(row.text(2)), row.blob(3));
  if (!checkpoint.ok() || !is_signed) {
    problem(name + " was altered, or is not signed by this log's key");
    last_hash_known_ = false;
    return;
  }
  if (checkpoint->number != number || checkpoint->size != row.integer(1) || checkpoint->time != row.time(4))
    problem(name + " was moved: its text says that it is number " + std::to_string(checkpoint->number) + " over " +
            std::to_string(checkpoint->size) + " records");
  if (last_hash_known_ && checkpoint->previous != last_hash_)
    problem(name + " does not follow the one before it: that one was replaced, or this one");
  last_hash_ = checkpoint_hash(row.text(2));
  last_hash_known_ = true;
  if (!checkpoints_.empty() && checkpoint->size < checkpoints_.back().size) {
    problem(name + " covers less than the one before it");
    return;
  }
  checkpoints_.push_back(*checkpoint);
}

Status Verifier::read_records() {
  computed_ = stored_ = crypto::Digest256{};
  // Numbers below 1 have no place in the chain.
  for (int64_t after = INT64_MIN;;) {
    COFFER_CHECK_OK(context_.check());
    COFFER_TRY(auto rows, transaction_.run("SELECT sequence, record, hash, account, time, event_id, event_name, "
                                           "event_source, user_name, access_key_id, read_only FROM audit_records "
                                           "WHERE sequence > $1 ORDER BY sequence LIMIT $2",
                                           {after, kPage}));
    if (!rows.empty()) COFFER_CHECK_OK(read_groups(rows.front().integer(0), rows.back().integer(0)));
    for (const catalog::Row& row : rows) take_record(row);
    if (rows.size() < static_cast<size_t>(kPage)) return ok_status();
    after = rows.back().integer(0);
  }
}

Status Verifier::read_groups(int64_t first, int64_t last) {
  groups_.clear();
  COFFER_TRY(auto rows, transaction_.run("SELECT account, term, first, last FROM audit_groups "
                                         "WHERE first BETWEEN $1 AND $2",
                                         {std::max<int64_t>(first, kGroupRecordsMax) - kGroupRecordsMax, last}));
  for (const catalog::Row& row : rows) groups_[{row.text(0), row.text(1)}].emplace_back(row.integer(2), row.integer(3));
  return ok_status();
}

void Verifier::take_record(const catalog::Row& row) {
  const int64_t found = row.integer(0);
  const std::string& json = row.text(1);
  ++report_.records;
  if (found < 1) {
    problem("record " + std::to_string(found) + " was inserted: the log begins with record 1");
    return;
  }
  if (found > sequence_ + 1) {
    problem(range(sequence_ + 1, found - 1) + (found == sequence_ + 2 ? " is missing" : " are missing"));
    records_whole_ = false;
    // Checkpoints over what is missing say nothing more; the hash before this record is gone too.
    computed_ = stored_ = std::nullopt;
    while (next_checkpoint_ < checkpoints_.size() && checkpoints_[next_checkpoint_].size < found) ++next_checkpoint_;
  }
  crypto::Digest256 written{};
  const bool has_hash = row.blob(2).size() == written.size();
  if (has_hash) std::memcpy(written.data(), row.blob(2).data(), written.size());
  const std::string name = "record " + std::to_string(found) + " (event " + row.text(5) + ")";
  std::optional<crypto::Digest256> hash;
  for (const auto* before : {&computed_, &stored_}) {
    if (*before && (!hash || *hash != written)) hash = next_hash(**before, found, json);
  }
  const bool fits = has_hash && (!hash || *hash == written);
  if (!fits) {
    problem(name + " was altered");
    records_whole_ = false;
  }
  computed_ = fits ? written : hash;
  stored_ = has_hash ? std::optional(written) : std::nullopt;
  tree_.append(record_leaf(found, json));
  sequence_ = found;
  check_filing(row, name, fits);
  check_signed(found);
}

void Verifier::check_filing(const catalog::Row& row, const std::string& name, bool is_as_written) {
  const auto filing = filing_of(row.text(1));
  if (!filing.ok()) {
    problem(name + " is no record");
    return;
  }
  if (filing->account != row.text(3) || filing->time != row.time(4) || filing->event_id != row.text(5) ||
      filing->event_name != row.text(6) || filing->event_source != row.text(7) || filing->user_name != row.text(8) ||
      filing->access_key_id != row.text(9) || filing->read_only != row.flag(10))
    problem(name + " was filed under something else than it says, so that lookups miss it");
  if (!is_as_written) return;
  for (std::string& term : terms_of(*filing)) {
    const auto found = groups_.find(std::pair(filing->account, std::move(term)));
    const bool covered =
        found != groups_.end() && std::any_of(found->second.begin(), found->second.end(), [&](const auto& group) {
          return group.first <= row.integer(0) && row.integer(0) <= group.second;
        });
    if (covered) continue;
    problem(name + " is not in the groups that lookups look into");
    return;
  }
}

void Verifier::check_signed(int64_t sequence) {
  for (; next_checkpoint_ < checkpoints_.size() && checkpoints_[next_checkpoint_].size <= sequence;
       ++next_checkpoint_) {
    const Checkpoint& checkpoint = checkpoints_[next_checkpoint_];
    if (checkpoint.size < sequence || rewritten_) continue;
    const bool chain_holds =
        (stored_ && checkpoint.chain_hash == *stored_) || (computed_ && checkpoint.chain_hash == *computed_);
    // The root covers the records themselves: with one known to be wrong it cannot hold.
    const bool root_holds = !records_whole_ || checkpoint.merkle_root == tree_.root();
    if (chain_holds && root_holds) continue;
    rewritten_ = true;
    const int64_t first = next_checkpoint_ == 0 ? 1 : std::min(checkpoints_[next_checkpoint_ - 1].size + 1, sequence);
    problem(range(first, sequence) + ": not what checkpoint " + std::to_string(checkpoint.number) +
            " was signed over; from there on the log was rewritten");
  }
}

void Verifier::check_uncovered() {
  const int64_t covered = checkpoints_.empty() ? 0 : checkpoints_.back().size;
  if (covered > sequence_)
    problem(range(sequence_ + 1, covered) + " missing at the end: checkpoint " +
            std::to_string(checkpoints_.back().number) + " was signed over " + std::to_string(covered));
  report_.unsigned_tail = sequence_ > covered ? static_cast<uint64_t>(sequence_ - covered) : 0;
}

Status Verifier::check_end() {
  COFFER_TRY(auto pending, transaction_.first("SELECT count(*) FROM audit_pending"));
  report_.unsigned_tail += static_cast<uint64_t>(pending ? pending->integer(0) : 0);
  auto head = read_head(transaction_);
  if (!head.ok()) {
    if (head.code() != ErrorCode::kCorruption) return std::move(head).error();
    problem(head.error().message);
    return ok_status();
  }
  if (head->size > sequence_) {
    problem(range(sequence_ + 1, head->size) + " missing at the end: the log had " + std::to_string(head->size));
  } else if (head->size < sequence_) {
    problem(range(head->size + 1, sequence_) + " inserted at the end: the log has " + std::to_string(head->size));
  } else if ((stored_ && head->hash != *stored_) && (!computed_ || head->hash != *computed_)) {
    problem("the head does not belong to record " + std::to_string(sequence_));
  } else if (records_whole_ && head->tree.root() != tree_.root()) {
    problem("the head's Merkle tree is not that of the records");
  }
  if (head->checkpoints > last_number_) {
    problem("checkpoint " + std::to_string(head->checkpoints) + " is missing: the last that is there is " +
            std::to_string(last_number_));
  } else if (head->checkpoints < last_number_) {
    problem("checkpoint " + std::to_string(last_number_) + " was inserted: the log has " +
            std::to_string(head->checkpoints));
  }
  return ok_status();
}

}  // namespace

Result<VerifyReport> verify(catalog::Database& database, const Context& context, ByteView public_key) {
  // One snapshot: a daemon that writes meanwhile does not disturb.
  COFFER_TRY(auto transaction, database.begin(context, catalog::Database::Mode::kRead));
  return Verifier(*transaction, context, public_key).run();
}

}  // namespace coffer::audit
