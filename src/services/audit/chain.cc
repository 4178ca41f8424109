#include "services/audit/chain.h"

#include <array>
#include <charconv>
#include <deque>
#include <map>

#include "services/audit/audit_log.h"
#include "services/audit/canonical_json.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

constexpr std::string_view kCheckpointType = "coffer audit checkpoint v1";

std::array<std::byte, 8> big_endian(int64_t number) {
  std::array<std::byte, 8> out;
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::byte>(static_cast<uint64_t>(number) >> (56 - 8 * i));
  return out;
}

/// Runs "INSERT INTO `table` VALUES (...), (...)" for as many rows as were added: a statement for each row would cost a
/// round trip on PostgreSQL. Only a few sizes are used, so that the statements are prepared once. What is added is only
/// looked at in flush().
class RowInserter {
 public:
  RowInserter(catalog::Transaction& transaction, std::string_view into, size_t width)
      : transaction_(transaction), into_(into), width_(width) {}
  void add(std::initializer_list<catalog::Parameter> row) {
    COFFER_ASSERT(row.size() == width_);
    parameters_.insert(parameters_.end(), row.begin(), row.end());
  }
  Status flush() {
    std::span<const catalog::Parameter> rest = parameters_;
    for (size_t rows : {size_t{64}, size_t{8}, size_t{1}}) {
      if (rest.size() < rows * width_) continue;
      const std::string sql = statement(rows);
      for (; rest.size() >= rows * width_; rest = rest.subspan(rows * width_))
        COFFER_CHECK_OK(transaction_.run(sql, rest.first(rows * width_)));
    }
    parameters_.clear();
    return ok_status();
  }

 private:
  [[nodiscard]] std::string statement(size_t rows) const {
    std::string sql = "INSERT INTO " + std::string(into_) + " VALUES ";
    size_t number = 0;
    for (size_t row = 0; row < rows; ++row) {
      sql += row ? ", (" : "(";
      for (size_t column = 0; column < width_; ++column) {
        if (column) sql += ", ";
        sql += "$" + std::to_string(++number);
      }
      sql += ")";
    }
    return sql;
  }

  catalog::Transaction& transaction_;
  const std::string_view into_;
  const size_t width_;
  std::vector<catalog::Parameter> parameters_;
};

/// Puts the records of one append into groups.
class Grouper {
 public:
  struct Group {
    std::string account, term;
    WallTime first_time, last_time;
    int64_t first = 0, last = 0;
  };
  /// `filing` stays where it is until the next one was added.
  void add(const Filing& filing, int64_t sequence) {
    // Most records that come together are of one caller that does one thing.
    const bool own_id = second_of_id(filing.event_id) == filing.time;
    if (!before_ || !own_id || !has_same_terms(*before_, filing)) {
      current_.clear();
      for (std::string& term : terms_of(filing)) current_.push_back(slot(filing.account, std::move(term)));
    }
    before_ = own_id ? &filing : nullptr;
    for (size_t* at : current_) {
      if (!extend(groups_[*at], filing.time, sequence)) {
        const Group& full = groups_[*at];
        groups_.push_back({full.account, full.term, filing.time, filing.time, sequence, sequence});
        *at = groups_.size() - 1;
      }
    }
  }
  [[nodiscard]] const std::deque<Group>& groups() const { return groups_; }

 private:
  size_t* slot(const std::string& account, std::string term) {
    const auto [at, is_new] = slots_.try_emplace({account, std::move(term)}, groups_.size());
    if (is_new) groups_.push_back({account, at->first.second, {}, {}, 0, 0});
    return &at->second;
  }
  /// False when it would have too many records, or too long a span.
  static bool extend(Group& group, WallTime time, int64_t sequence) {
    if (group.first == 0) group = {std::move(group.account), std::move(group.term), time, time, sequence, sequence};
    const WallTime first = std::min(group.first_time, time), last = std::max(group.last_time, time);
    if (last - first > kGroupSpanMax || sequence - group.first >= kGroupRecordsMax) return false;
    group.first_time = first;
    group.last_time = last;
    group.last = sequence;
    return true;
  }

  std::deque<Group> groups_;
  std::map<std::pair<std::string, std::string>, size_t> slots_;  // the last group of each account and term
  std::vector<size_t*> current_;                                 // of the record before
  const Filing* before_ = nullptr;
};

Result<crypto::Digest256> digest_of(const Bytes& bytes) {
  crypto::Digest256 digest{};
  if (bytes.empty()) return digest;
  if (bytes.size() != digest.size()) return Error{ErrorCode::kCorruption, "it has a short hash", {}};
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return digest;
}

Status decode_head(const catalog::Row& row, Head& head) {
  head.size = row.integer(0);
  head.checkpoints = row.integer(3);
  COFFER_TRY(head.hash, digest_of(row.blob(1)));
  const Bytes& peaks = row.blob(2);
  std::vector<crypto::Digest256> digests(peaks.size() / sizeof(crypto::Digest256));
  if (!peaks.empty()) std::memcpy(digests.data(), peaks.data(), digests.size() * sizeof(crypto::Digest256));
  if (head.size < 0) return Error{ErrorCode::kCorruption, "it has a negative size", {}};
  COFFER_TRY(head.tree, crypto::MerkleFrontier::restore(static_cast<uint64_t>(head.size), std::move(digests)));
  return ok_status();
}

bool hex_to(std::string_view hex, crypto::Digest256& out) {
  auto bytes = from_hex(hex);
  if (!bytes.ok() || bytes->size() != out.size()) return false;
  std::memcpy(out.data(), bytes->data(), out.size());
  return true;
}

bool number_to(std::string_view text, int64_t& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

Result<Head> read_head(catalog::Transaction& transaction) {
  COFFER_TRY(auto row, transaction.first("SELECT size, hash, peaks, checkpoints FROM audit_head WHERE id = 1"));
  Head head;
  Status decoded = row ? decode_head(*row, head) : Status(Error{ErrorCode::kCorruption, "there is none", {}});
  if (!decoded.ok()) return std::move(decoded).error().in("the audit log's head");
  return head;
}

Status write_head(catalog::Transaction& transaction, const Head& head) {
  Bytes peaks;
  for (const crypto::Digest256& peak : head.tree.peaks()) append(peaks, peak);
  COFFER_CHECK_OK(
      transaction.run("UPDATE audit_head SET size = $1, hash = $2, peaks = $3, checkpoints = $4 WHERE id = 1",
                      {head.size, ByteView(head.hash), peaks, head.checkpoints}));
  return ok_status();
}

crypto::Digest256 next_hash(const crypto::Digest256& previous, int64_t sequence, std::string_view json) {
  crypto::Sha256 hash;
  hash.update(previous);
  hash.update(big_endian(sequence));
  hash.update(as_bytes(json));
  return hash.finish();
}

crypto::Digest256 record_leaf(int64_t sequence, std::string_view json) {
  // What crypto::merkle_leaf() does, without joining the two first.
  static constexpr std::byte kPrefix[] = {std::byte{0}};
  crypto::Sha256 hash;
  hash.update(kPrefix);
  hash.update(big_endian(sequence));
  hash.update(as_bytes(json));
  return hash.finish();
}

Status append_to_chain(catalog::Transaction& transaction, std::span<const std::string> records) {
  if (records.empty()) return ok_status();
  COFFER_TRY(Head head, read_head(transaction));
  RowInserter rows(transaction,
                   "audit_records (sequence, account, time, event_id, event_name, event_source, user_name, "
                   "access_key_id, read_only, record, hash)",
                   11);
  RowInserter group_rows(transaction, "audit_groups (account, term, first_time, last_time, first, last)", 6);
  // What the inserters point at lives until they are done.
  std::vector<Filing> filings(records.size());
  std::vector<crypto::Digest256> hashes(records.size());
  Grouper grouper;
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string& json = records[i];
    COFFER_TRY(filings[i], filing_of(json));
    const Filing& filing = filings[i];
    ++head.size;
    head.hash = hashes[i] = next_hash(head.hash, head.size, json);
    head.tree.append(record_leaf(head.size, json));
    rows.add({head.size, filing.account, filing.time, filing.event_id, filing.event_name, filing.event_source,
              filing.user_name, filing.access_key_id, filing.read_only, json, ByteView(hashes[i])});
    grouper.add(filing, head.size);
  }
  for (const Grouper::Group& group : grouper.groups())
    group_rows.add({group.account, group.term, group.first_time, group.last_time, group.first, group.last});
  // The head first: of two who were at the same place, the later one waits here and is told of a conflict. With a row
  // it would meet the other's and take it for a record that is there twice.
  COFFER_CHECK_OK(write_head(transaction, head));
  COFFER_CHECK_OK(rows.flush());
  return group_rows.flush();
}

Status append_pending(catalog::Transaction& transaction, std::string_view record) {
  COFFER_CHECK_OK(transaction.run("INSERT INTO audit_pending (record) VALUES ($1)", {record}));
  return ok_status();
}

Result<size_t> chain_pending(catalog::Transaction& transaction, size_t limit, std::span<const std::string> records) {
  COFFER_TRY(auto pending, transaction.run("SELECT id, record FROM audit_pending ORDER BY id LIMIT $1",
                                           {static_cast<int64_t>(limit)}));
  std::vector<std::string> all;
  all.reserve(pending.size() + records.size());
  for (const catalog::Row& row : pending) all.push_back(row.text(1));
  // One snapshot for both statements: this removes exactly what was read, even if a smaller id is committed meanwhile.
  if (!pending.empty())
    COFFER_CHECK_OK(transaction.run("DELETE FROM audit_pending WHERE id <= $1", {pending.back().integer(0)}));
  all.insert(all.end(), records.begin(), records.end());
  COFFER_CHECK_OK(append_to_chain(transaction, all));
  return pending.size();
}

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  std::string out;
  ObjectWriter object(out);
  object.text("chainHash", to_hex(checkpoint.chain_hash));
  object.text("merkleRoot", to_hex(checkpoint.merkle_root));
  object.number("number", static_cast<uint64_t>(checkpoint.number));
  object.text("previous", checkpoint.previous);
  object.number("size", static_cast<uint64_t>(checkpoint.size));
  object.text("time", format_utc(checkpoint.time, true));
  object.text("type", kCheckpointType);
  object.end();
  return out;
}

Result<Checkpoint> decode_checkpoint(std::string_view text) {
  Checkpoint checkpoint;
  bool well = true;
  JsonCursor cursor(text);
  cursor.object([&](const std::string& name) {
    if (name == "chainHash") well = hex_to(cursor.string(), checkpoint.chain_hash) && well;
    if (name == "merkleRoot") well = hex_to(cursor.string(), checkpoint.merkle_root) && well;
    if (name == "number") well = number_to(cursor.skip(), checkpoint.number) && well;
    if (name == "previous") checkpoint.previous = cursor.string();
    if (name == "size") well = number_to(cursor.skip(), checkpoint.size) && well;
    if (name == "time") {
      const auto time = parse_utc(cursor.string());
      well = time.ok() && well;
      if (time.ok()) checkpoint.time = *time;
    }
  });
  if (!well || !cursor.done() || encode_checkpoint(checkpoint) != text)
    return Error{ErrorCode::kCorruption, "this is not the text of a checkpoint", {}};
  return checkpoint;
}

std::string checkpoint_hash(std::string_view text) { return to_hex(crypto::sha256(as_bytes(text))); }

std::span<const catalog::Migration> migrations() {
  static constexpr catalog::Migration kMigrations[] = {{300, "audit: records, checkpoints, what they are found by", R"(
CREATE TABLE audit_records (
  sequence BIGINT PRIMARY KEY,
  account TEXT NOT NULL,
  time BIGINT NOT NULL,
  event_id TEXT NOT NULL,
  event_name TEXT NOT NULL,
  event_source TEXT NOT NULL,
  user_name TEXT NOT NULL,
  access_key_id TEXT NOT NULL,
  read_only BIGINT NOT NULL,
  record TEXT NOT NULL,
  hash {blob} NOT NULL
);
CREATE INDEX audit_records_time ON audit_records (account, time, sequence);
CREATE INDEX audit_records_changes ON audit_records (account, time, sequence) WHERE read_only = 0;
CREATE INDEX audit_records_id ON audit_records (account, event_id, time, sequence);
CREATE INDEX audit_records_name ON audit_records (account, event_name, time, sequence);
CREATE INDEX audit_records_source ON audit_records (account, event_source, time, sequence);
CREATE INDEX audit_records_user ON audit_records (account, user_name, time, sequence);
CREATE INDEX audit_records_key ON audit_records (account, access_key_id, time, sequence);
CREATE TABLE audit_terms (
  account TEXT NOT NULL,
  term TEXT NOT NULL,
  time BIGINT NOT NULL,
  sequence BIGINT NOT NULL
);
CREATE INDEX audit_terms_term ON audit_terms (account, term, time, sequence);
CREATE TABLE audit_head (
  id BIGINT PRIMARY KEY,
  size BIGINT NOT NULL,
  hash {blob},
  peaks {blob},
  checkpoints BIGINT NOT NULL
);
INSERT INTO audit_head (id, size, checkpoints) VALUES (1, 0, 0);
CREATE TABLE audit_checkpoints (
  number BIGINT PRIMARY KEY,
  size BIGINT NOT NULL,
  time BIGINT NOT NULL,
  checkpoint TEXT NOT NULL,
  signature {blob} NOT NULL
);
CREATE TABLE audit_pending (
  id {identity},
  record TEXT NOT NULL
);
)"},
                                                       {301, "audit: lookups by groups of records", R"(
CREATE TABLE audit_groups (
  account TEXT NOT NULL,
  term TEXT NOT NULL,
  first_time BIGINT NOT NULL,
  last_time BIGINT NOT NULL,
  first BIGINT NOT NULL,
  last BIGINT NOT NULL
);
INSERT INTO audit_groups SELECT account, 'i:' || event_id, time, time, sequence, sequence
  FROM audit_records WHERE event_id <> '';
INSERT INTO audit_groups SELECT account, 'e:' || event_name, time, time, sequence, sequence
  FROM audit_records WHERE event_name <> '';
INSERT INTO audit_groups SELECT account, 's:' || event_source, time, time, sequence, sequence
  FROM audit_records WHERE event_source <> '';
INSERT INTO audit_groups SELECT account, 'u:' || user_name, time, time, sequence, sequence
  FROM audit_records WHERE user_name <> '';
INSERT INTO audit_groups SELECT account, 'k:' || access_key_id, time, time, sequence, sequence
  FROM audit_records WHERE access_key_id <> '';
INSERT INTO audit_groups SELECT account, 'w:', time, time, sequence, sequence
  FROM audit_records WHERE read_only = 0;
INSERT INTO audit_groups SELECT account, term, time, time, sequence, sequence FROM audit_terms;
DROP TABLE audit_terms;
DROP INDEX audit_records_changes;
DROP INDEX audit_records_id;
DROP INDEX audit_records_name;
DROP INDEX audit_records_source;
DROP INDEX audit_records_user;
DROP INDEX audit_records_key;
CREATE INDEX audit_groups_term ON audit_groups (account, term, last_time, last);
CREATE INDEX audit_groups_first ON audit_groups (first);
)"}};
  return kMigrations;
}

}  // namespace coffer::audit
