// Witness: the receiver remembers, signed, how far it has seen the commit log of a source. Whoever owns the source can
// seal any history; that it is another one than was shown before, only somebody else can tell.
//
// Vocabulary. head: size and root of a log's Merkle tree. note: a head as text with its co-signature, in the form of
// C2SP tlog-checkpoint and tlog-cosignature. A log agrees with a head when its first `size` entries have that root.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "engine/crypto/ed25519.h"
#include "engine/vault/commit_log.h"

namespace coffer::vault {

struct LogHead {
  uint64_t size = 0;
  crypto::Digest256 root{};
  WallTime time;  // when it was witnessed, to the second
};

/// "coffer-vault/<uuid>/log".
std::string log_origin(const VaultFormat& format);
/// `name` has no blank and no '+', and says who signs. `seed` is an Ed25519 private key.
std::string cosign_head(const LogHead& head, std::string_view origin, std::string_view name, ByteView seed);
/// kCorruption unless it is a note of this origin with a co-signature of this name by this key. Signatures of others
/// are passed over.
Result<LogHead> open_note(std::string_view note, std::string_view origin, std::string_view name, ByteView public_key);

/// The root of the first `size` entries; `size` is at most the log's.
crypto::Digest256 root_at(const CommitLog& log, uint64_t size);
/// kCorruption when the log is shorter than the head, or has another root there.
Status check_agrees(const CommitLog& log, const LogHead& head);

/// Who witnesses.
struct WitnessKey {
  std::string name;
  Secret seed;  // 32 bytes
};
struct WitnessReport {
  std::optional<LogHead> before;  // the newest that had been witnessed
  LogHead head;                   // now
  bool is_new = false;            // `head` was signed and kept by this call
};
/// Compares the source's log with every head that is kept as `witness/<uuid>/<16 hexadecimal digits of the size>` in
/// `keep`, the receiver's own store, and with the points of the receiver's `mirror` log (null: there is none); keeps
/// the new head. kCorruption says what happened to the source's history: shortened, forked and after which entry at the
/// earliest, a copied point that it does not know; also when a kept note was altered. Nothing is kept then.
Result<WitnessReport> witness(const Context& context, const Vault& source, const CommitLog* mirror,
                              store::ObjectStore& keep, Clock& clock, const WitnessKey& key);
/// The newest head that is kept, without looking at the source.
Result<std::optional<LogHead>> newest_head(const Context& context, const VaultFormat& format, store::ObjectStore& keep,
                                           std::string_view name, ByteView public_key);

}  // namespace coffer::vault
