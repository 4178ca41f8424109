// The commit log: the vault's history, append only, one small sealed object an entry, hashed into an RFC 6962 Merkle
// tree.
//
// `log/entries/<16 hex digits of the index>` is put if absent, so of two writers exactly one appends entry n; the loser
// reads it and tries again (that put is the only commit point of every state change). Each entry carries the root of
// the tree before it, so a changed, dropped or reordered entry is found by whoever reads on. Every 256 entries are also
// kept as one bundle, `log/bundles/<n>`, and their leaf hashes as one tile, `log/tiles/0/<n>`: derived, for fast
// opening and for witnesses.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/crypto/merkle.h"
#include "engine/vault/vault.h"

namespace coffer::vault {

enum class LogEntryType : uint8_t {
  kPointCommitted = 1,  // subject: point id; body: u64 manifest sealed size, 32-byte SHA-256 of the sealed manifest,
                        // u16 lease id length and id
  kPointForgotten = 2,  // subject: point id; body: reason as text
  kTombstone = 3,    // subject: tombstone id (object tombstones/<id>: the objects to go); body: 32-byte SHA-256 of it
  kCollected = 4,    // subject: tombstone id: its objects were removed
  kLeaseFenced = 5,  // subject: lease id: whoever holds it may commit nothing more
  kTombstoneDropped = 6,  // subject: tombstone id: found reachable again, nothing of it may be removed
  kKeysetChanged = 7,     // subject: keyset generation
};

struct LogEntry {
  uint64_t index = 0;
  LogEntryType type{};
  WallTime time;  // the writer's clock; for people
  std::string subject;
  Bytes body;
  crypto::Digest256 previous_root{};  // of the tree of `index` entries
};
/// "COFRLOG1", u64 index, u8 type, u64 time (microseconds since 1970), u16 length and subject, u32 length and body, 32
/// bytes of previous root. These bytes are the leaf of the tree. The subject is at most kLogSubjectSizeMax bytes, the
/// body kLogBodySizeMax.
Bytes encode_log_entry(const LogEntry& entry);
/// kCorruption for anything else, also for the types of a newer version.
Result<LogEntry> decode_log_entry(ByteView bytes);
inline constexpr size_t kLogSubjectSizeMax = 255;
inline constexpr size_t kLogBodySizeMax = 64 << 10;

/// The body of a kPointCommitted entry.
struct CommitBody {
  uint64_t manifest_size_bytes = 0;  // sealed
  crypto::Digest256 manifest_sha256{};
  std::string lease_id;
};
Bytes encode_commit_body(const CommitBody& body);
Result<CommitBody> decode_commit_body(ByteView bytes);

/// What the log adds up to. A pure fold: apply() one entry after the other.
struct LogState {
  struct Committed {
    std::string id;
    uint64_t log_index = 0;
    WallTime time;
    uint64_t manifest_size_bytes = 0;
    crypto::Digest256 manifest_sha256{};
  };
  std::vector<Committed> live;  // in commit order
  std::set<std::string> ever_committed;
  std::set<std::string> fenced_leases;
  struct Tombstone {
    std::string id;
    uint64_t log_index = 0;
    WallTime time;
    crypto::Digest256 sha256{};
  };
  std::vector<Tombstone> open_tombstones;  // set and not yet collected or dropped
  /// kCorruption for what no correct writer appends: a point committed twice, a forget of what is not live, a commit
  /// under a fenced lease, an end of a tombstone that is not open. Then nothing was changed.
  Status apply(const LogEntry& entry);
  /// What apply() would say; changes nothing.
  [[nodiscard]] Status check(const LogEntry& entry) const;
  [[nodiscard]] const Committed* find(std::string_view point_id) const;
};

/// A reader's and writer's view. Not thread-safe.
class CommitLog {
 public:
  /// Reads and checks the whole log: every entry authentic, contiguous, chained. kCorruption names the entry.
  static Result<std::unique_ptr<CommitLog>> load(const Context& context, const Vault& vault);
  virtual ~CommitLog() = default;
  [[nodiscard]] virtual const LogState& state() const = 0;
  [[nodiscard]] virtual uint64_t size() const = 0;
  [[nodiscard]] virtual crypto::Digest256 root() const = 0;
  [[nodiscard]] virtual const std::vector<LogEntry>& entries() const = 0;
  /// Reads entries that others appended since.
  virtual Status refresh(const Context& context) = 0;
  /// Appends at the end as it is then: refreshes, asks `check` (may be null) whether the entry is still right, puts; on
  /// a lost race again from the start, at most 1000 times. When it returns an error of `check`, nothing was appended.
  /// After kUnavailable of the store it has looked whether the entry got there. Returns the index. kFailedPrecondition
  /// when no correct writer may append this; when the look itself fails, the error says that the entry may have been
  /// appended.
  virtual Result<uint64_t> append(const Context& context, LogEntryType type, const std::string& subject, ByteView body,
                                  const std::function<Status(const LogState&)>& check) = 0;
};

}  // namespace coffer::vault
