#include "engine/vault/commit_log.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "engine/vault/manifest.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kEntryMagic = "COFRLOG1";
constexpr std::string_view kEntriesPrefix = "log/entries/";
constexpr std::string_view kBundlesPrefix = "log/bundles/";
constexpr std::string_view kTilesPrefix = "log/tiles/0/";
constexpr uint64_t kBundleEntries = 256;
constexpr int kAppendAttemptsMax = 1000;
constexpr size_t kNumberDigits = 16;
constexpr size_t kSaltEnd = 88;  // of the random salt in a sealed object's header
constexpr crypto::ObjectKind kKind = crypto::ObjectKind::kLogEntry;

std::string numbered(std::string_view prefix, uint64_t number) {
  Bytes bytes;
  ByteWriter(bytes).u64(number);
  return std::string(prefix) + to_hex(bytes);
}

std::optional<uint64_t> number_of(std::string_view key, std::string_view prefix) {
  if (key.size() != prefix.size() + kNumberDigits || !key.starts_with(prefix)) return std::nullopt;
  uint64_t number = 0;
  const char* end = key.data() + key.size();
  auto [stop, error] = std::from_chars(key.data() + prefix.size(), end, number, 16);
  if (error != std::errc{} || stop != end || numbered(prefix, number) != key) return std::nullopt;
  return number;
}

std::string entry_key(uint64_t index) { return numbered(kEntriesPrefix, index); }

Error damaged(std::string what) { return {ErrorCode::kCorruption, std::move(what), {}}; }

Error damaged_entry(uint64_t index, std::string why) {
  return Error{ErrorCode::kCorruption,
               "entry " + std::to_string(index) + " of the commit log (object " + entry_key(index) + "): " + why,
               "bring log/ back from a copy of the vault; until then nothing of it should be trusted or removed"};
}

bool erase_by_id(auto& items, const std::string& id) {
  return std::erase_if(items, [&](const auto& item) { return item.id == id; }) > 0;
}

bool has_id(const auto& items, const std::string& id) {
  return std::any_of(items.begin(), items.end(), [&](const auto& item) { return item.id == id; });
}

}  // namespace

Bytes encode_log_entry(const LogEntry& entry) {
  COFFER_ASSERT(entry.subject.size() <= kLogSubjectSizeMax && entry.body.size() <= kLogBodySizeMax);
  Bytes out;
  ByteWriter w(out);
  w.bytes(as_bytes(kEntryMagic));
  w.u64(entry.index);
  w.u8(static_cast<uint8_t>(entry.type));
  w.u64(static_cast<uint64_t>(entry.time.micros));
  w.string16(entry.subject);
  w.u32(static_cast<uint32_t>(entry.body.size()));
  w.bytes(entry.body);
  w.bytes(entry.previous_root);
  return out;
}

Result<LogEntry> decode_log_entry(ByteView bytes) {
  ByteReader r(bytes);
  if (as_text(r.bytes(kEntryMagic.size())) != kEntryMagic) return damaged("this is no log entry");
  LogEntry entry;
  entry.index = r.u64();
  const uint8_t type = r.u8();
  entry.time.micros = static_cast<int64_t>(r.u64());
  entry.subject = r.string16();
  entry.body = to_bytes(r.bytes(r.u32()));
  entry.previous_root = r.array<32>();
  if (!r.done()) return damaged("a log entry is cut short or too long");
  if (entry.subject.size() > kLogSubjectSizeMax || entry.body.size() > kLogBodySizeMax)
    return damaged("a log entry is too large");
  if (type < static_cast<uint8_t>(LogEntryType::kPointCommitted) ||
      type > static_cast<uint8_t>(LogEntryType::kKeysetChanged))
    return damaged("a log entry has the unknown type " + std::to_string(type))
        .advise("read the vault with a newer version of coffer");
  entry.type = static_cast<LogEntryType>(type);
  return entry;
}

Bytes encode_commit_body(const CommitBody& body) {
  Bytes out;
  ByteWriter w(out);
  w.u64(body.manifest_size_bytes);
  w.bytes(body.manifest_sha256);
  w.string16(body.lease_id);
  return out;
}

Result<CommitBody> decode_commit_body(ByteView bytes) {
  ByteReader r(bytes);
  CommitBody body;
  body.manifest_size_bytes = r.u64();
  body.manifest_sha256 = r.array<32>();
  body.lease_id = r.string16();
  if (!r.done()) return damaged("the body of a commit is cut short or too long");
  return body;
}

// ---- LogState

const LogState::Committed* LogState::find(std::string_view point_id) const {
  auto it = std::find_if(live.begin(), live.end(), [&](const Committed& c) { return c.id == point_id; });
  return it == live.end() ? nullptr : &*it;
}

Status LogState::check(const LogEntry& entry) const {
  const std::string& subject = entry.subject;
  switch (entry.type) {
    case LogEntryType::kPointCommitted: {
      if (!is_point_id(subject)) return damaged("commits a point whose id is none");
      if (ever_committed.contains(subject)) return damaged("commits the point " + subject + " a second time");
      COFFER_TRY(CommitBody body, decode_commit_body(entry.body));
      if (fenced_leases.contains(body.lease_id))
        return damaged("commits the point " + subject + " under the lease " + body.lease_id + ", which is fenced");
      return ok_status();
    }
    case LogEntryType::kPointForgotten:
      if (find(subject) == nullptr) return damaged("forgets the point " + subject + ", which is not live");
      return ok_status();
    case LogEntryType::kTombstone:
      if (entry.body.size() != crypto::Digest256{}.size())
        return damaged("sets the tombstone " + subject + " without a digest");
      if (has_id(open_tombstones, subject)) return damaged("sets the tombstone " + subject + " a second time");
      return ok_status();
    case LogEntryType::kCollected:
    case LogEntryType::kTombstoneDropped:
      if (!has_id(open_tombstones, subject)) return damaged("ends the tombstone " + subject + ", which is not open");
      return ok_status();
    case LogEntryType::kLeaseFenced:
    case LogEntryType::kKeysetChanged: return ok_status();
  }
  return damaged("has an unknown type");
}

Status LogState::apply(const LogEntry& entry) {
  COFFER_CHECK_OK(check(entry));
  switch (entry.type) {
    case LogEntryType::kPointCommitted: {
      COFFER_TRY(CommitBody body, decode_commit_body(entry.body));
      live.push_back({entry.subject, entry.index, entry.time, body.manifest_size_bytes, body.manifest_sha256});
      ever_committed.insert(entry.subject);
      break;
    }
    case LogEntryType::kPointForgotten: erase_by_id(live, entry.subject); break;
    case LogEntryType::kTombstone:
      open_tombstones.push_back({entry.subject, entry.index, entry.time, ByteReader(entry.body).array<32>()});
      break;
    case LogEntryType::kCollected:
    case LogEntryType::kTombstoneDropped: erase_by_id(open_tombstones, entry.subject); break;
    case LogEntryType::kLeaseFenced: fenced_leases.insert(entry.subject); break;
    case LogEntryType::kKeysetChanged: break;
  }
  return ok_status();
}

// ---- CommitLog

namespace {

class StoredCommitLog final : public CommitLog {
 public:
  explicit StoredCommitLog(const Vault& vault) : vault_(vault) {}

  Status load(const Context& context);
  [[nodiscard]] const LogState& state() const override { return state_; }
  [[nodiscard]] uint64_t size() const override { return entries_.size(); }
  [[nodiscard]] crypto::Digest256 root() const override { return tree_.root(); }
  [[nodiscard]] const std::vector<LogEntry>& entries() const override { return entries_; }
  Status refresh(const Context& context) override;
  Result<uint64_t> append(const Context& context, LogEntryType type, const std::string& subject, ByteView body,
                          const std::function<Status(const LogState&)>& check) override;

 private:
  /// Takes the entry that is next, after every check that needs no store.
  Status accept(ByteView encoded);
  /// False when there is no entry of the next index.
  Result<bool> read_next(const Context& context);
  bool read_bundle(const Context& context, uint64_t number);
  enum class Put { kOurs, kLostRace };
  Result<Put> put_entry(const Context& context, uint64_t index, ByteView encoded);
  void write_bundles(const Context& context);
  Status write_derived(const Context& context, const std::string& key, ByteView plain);

  const Vault& vault_;
  std::vector<LogEntry> entries_;
  std::vector<crypto::Digest256> leaves_;
  crypto::MerkleFrontier tree_;
  LogState state_;
  std::set<uint64_t> bundles_;  // those that are there
  std::optional<Error> fork_;   // found beside the entries: nothing is read or appended any more
};

Status StoredCommitLog::accept(ByteView encoded) {
  const uint64_t index = entries_.size();
  auto entry = decode_log_entry(encoded);
  if (!entry.ok()) return damaged_entry(index, entry.error().message);
  if (entry->index != index) return damaged_entry(index, "it says to be entry " + std::to_string(entry->index));
  if (entry->previous_root != tree_.root())
    return damaged_entry(
        index,
        "it does not continue the log before it: an entry up to this one was replaced, or the history was forked");
  if (auto applied = state_.apply(*entry); !applied.ok()) return damaged_entry(index, applied.error().message);
  const crypto::Digest256 leaf = crypto::merkle_leaf(encoded);
  tree_.append(leaf);
  leaves_.push_back(leaf);
  entries_.push_back(std::move(*entry));
  return ok_status();
}

Result<bool> StoredCommitLog::read_next(const Context& context) {
  const uint64_t index = entries_.size();
  auto encoded = vault_.get_sealed(context, entry_key(index), kKind);
  if (!encoded.ok()) {
    if (encoded.code() == ErrorCode::kNotFound) return false;
    if (encoded.code() == ErrorCode::kCorruption) return damaged_entry(index, encoded.error().message);
    return std::move(encoded).error().in("reading the commit log");
  }
  COFFER_CHECK_OK(accept(*encoded));
  return true;
}

/// A bundle is only a short cut: when it does not hold, the entries themselves are asked, and an error is theirs.
bool StoredCommitLog::read_bundle(const Context& context, uint64_t number) {
  auto plain = vault_.get_sealed(context, numbered(kBundlesPrefix, number), kKind);
  if (!plain.ok()) return false;
  ByteReader r(*plain);
  std::vector<ByteView> encoded;
  for (uint64_t i = 0; i < kBundleEntries; ++i) encoded.push_back(r.bytes(r.u32()));
  if (!r.done()) return false;
  // accept() stops at the first that does not fit; what it took before that was authentic and in its place.
  return std::all_of(encoded.begin(), encoded.end(), [&](ByteView e) { return accept(e).ok(); });
}

Status StoredCommitLog::load(const Context& context) {
  // Listed before anything is read: what a listing names was there already, so its absence later is damage and no race.
  // The other way round a listing proves nothing: it may lag, and the end is where a get finds nothing.
  uint64_t size_min = 0;
  COFFER_CHECK_OK(vault_.store().list(context, kBundlesPrefix, [&](const store::ObjectInfo& info) {
    if (auto number = number_of(info.key, kBundlesPrefix);
        number && *number < std::numeric_limits<uint64_t>::max() / kBundleEntries) {
      bundles_.insert(*number);
      size_min = std::max(size_min, (*number + 1) * kBundleEntries);
    }
    return true;
  }));
  COFFER_CHECK_OK(vault_.store().list(context, kEntriesPrefix, [&](const store::ObjectInfo& info) {
    if (auto index = number_of(info.key, kEntriesPrefix)) size_min = std::max(size_min, *index + 1);
    return true;
  }));
  for (;;) {
    COFFER_CHECK_OK(context.check());
    const uint64_t next = entries_.size();
    if (next % kBundleEntries == 0 && bundles_.contains(next / kBundleEntries) &&
        read_bundle(context, next / kBundleEntries))
      continue;
    if (entries_.size() != next) continue;  // the bundle gave a part
    COFFER_TRY(bool found, read_next(context));
    if (found) continue;
    if (entries_.size() < size_min)
      return damaged_entry(entries_.size(),
                           "it is missing, though later ones are there, up to " + std::to_string(size_min - 1));
    return ok_status();
  }
}

Status StoredCommitLog::refresh(const Context& context) {
  if (fork_) return *fork_;
  for (;;) {
    COFFER_CHECK_OK(context.check());
    COFFER_TRY(bool found, read_next(context));
    if (!found) return ok_status();
  }
}

Result<StoredCommitLog::Put> StoredCommitLog::put_entry(const Context& context, uint64_t index, ByteView encoded) {
  const std::string key = entry_key(index);
  const std::string doing = "appending entry " + std::to_string(index) + " to the commit log";
  COFFER_TRY(Bytes sealed, vault_.seal_for(key, kKind, encoded));
  auto put = vault_.store().put(context, key, sealed);
  // Whatever put() said, what stands there decides: an answer may be lost, and a retry below us may have met our own
  // entry. A stop request does not spoil this look: the caller must know.
  auto there = vault_.store().view(Context(), key);
  if (there.ok()) {
    const ByteView bytes = (*there)->bytes();
    if (equal(bytes, sealed)) return Put::kOurs;
    // A backend without atomic put leaves beginnings. One with our salt is ours alone, was never an entry, and would
    // stand in everybody's way.
    const bool torn =
        bytes.size() >= kSaltEnd && bytes.size() < sealed.size() && equal(bytes, ByteView(sealed).first(bytes.size()));
    if (!put.ok() && put.code() != ErrorCode::kAlreadyExists && torn) {
      there->reset();
      COFFER_CHECK_OK(vault_.store().remove(Context(), key));
      return std::move(put).error().in(doing);
    }
    if (!put.ok()) return Put::kLostRace;
    return damaged_entry(index, "reading it back gave other bytes than were stored");
  }
  if (there.code() == ErrorCode::kNotFound) {
    if (put.ok()) return damaged_entry(index, "the store took it and does not have it");
    if (put.code() != ErrorCode::kAlreadyExists) return std::move(put).error().in(doing);
  }
  Error unknown = std::move(there).error().in(doing + ": it may have been appended, looking for it failed");
  return std::move(unknown).advise("list the recovery points before trying again");
}

Result<uint64_t> StoredCommitLog::append(const Context& context, LogEntryType type, const std::string& subject,
                                         ByteView body, const std::function<Status(const LogState&)>& check) {
  if (subject.size() > kLogSubjectSizeMax || body.size() > kLogBodySizeMax)
    return Error{ErrorCode::kInvalidArgument, "too large for an entry of the commit log", {}};
  for (int attempt = 0; attempt < kAppendAttemptsMax; ++attempt) {
    COFFER_CHECK_OK(refresh(context));
    if (check) COFFER_CHECK_OK(check(state_));
    LogEntry entry{.index = size(),
                   .type = type,
                   .time = vault_.clock().wall(),
                   .subject = subject,
                   .body = to_bytes(body),
                   .previous_root = tree_.root()};
    if (auto allowed = state_.check(entry); !allowed.ok())
      return Error{ErrorCode::kFailedPrecondition,
                   "an entry of the commit log that " + allowed.error().message + " is refused",
                   {}};
    const Bytes encoded = encode_log_entry(entry);
    COFFER_TRY(Put put, put_entry(context, entry.index, encoded));
    if (put == Put::kLostRace) continue;
    COFFER_CHECK_OK(accept(encoded));
    write_bundles(context);
    return entry.index;
  }
  return Error{ErrorCode::kConflict,
               "lost " + std::to_string(kAppendAttemptsMax) + " races to append to the commit log", "try again"};
}

// Failing to write what is derived fails nothing: whoever appends next tries again.
void StoredCommitLog::write_bundles(const Context& context) {
  uint64_t number = 0;
  while (bundles_.contains(number)) ++number;
  for (; (number + 1) * kBundleEntries <= size(); ++number) {
    if (bundles_.contains(number)) continue;
    Bytes bundle, tile;
    for (uint64_t i = number * kBundleEntries; i < (number + 1) * kBundleEntries; ++i) {
      const Bytes encoded = encode_log_entry(entries_[i]);
      ByteWriter(bundle).u32(static_cast<uint32_t>(encoded.size()));
      coffer::append(bundle, encoded);
      coffer::append(tile, leaves_[i]);
    }
    Status written = write_derived(context, numbered(kTilesPrefix, number), tile);
    if (written.ok()) written = write_derived(context, numbered(kBundlesPrefix, number), bundle);
    if (!written.ok()) return;
    bundles_.insert(number);
  }
}

Status StoredCommitLog::write_derived(const Context& context, const std::string& key, ByteView plain) {
  Status put = vault_.put_sealed(context, key, kKind, plain);
  if (put.ok() || put.code() != ErrorCode::kAlreadyExists) return put;
  auto there = vault_.get_sealed(context, key, kKind);
  // One that does not open is damage of a short cut. One that opens and tells another history is a fork.
  if (there.ok() && !equal(*there, plain))
    fork_ = Error{ErrorCode::kCorruption, "object " + key + " holds another history than the entries of the commit log",
                  "compare log/ with a copy of the vault; until then nothing of it should be trusted or removed"};
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<CommitLog>> CommitLog::load(const Context& context, const Vault& vault) {
  auto log = std::make_unique<StoredCommitLog>(vault);
  COFFER_CHECK_OK(log->load(context));
  return std::unique_ptr<CommitLog>(std::move(log));
}

}  // namespace coffer::vault
