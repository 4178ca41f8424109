// Leases: who is writing. Objects in the store, so that every program that shares the vault sees them (rule R13).
//
// `leases/<id>/<n>`: sealed; holder, purpose, expiry; a renewal is the next number, a release a last one. Nothing is
// overwritten. Safety does not rest on clocks: a collector that means to ignore an expired lease first appends
// kLeaseFenced to the log, and a holder's commit is refused (in CommitLog::append's check) once its lease is fenced.
// The lease id is the fencing token.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/vault.h"

namespace coffer::vault {

struct LeaseInfo {
  std::string id;
  std::string holder;   // "host pid 1234"
  std::string purpose;  // "backup", "collect", "restore"
  WallTime acquired, expires;
  uint64_t log_size = 0;  // of the commit log when it was acquired: what the holder had seen
  uint32_t renewals = 0;
  bool released = false;
};

/// Held while it lives; a background thread renews it at a third of its term; released by release() or, if the process
/// dies, by expiry. The destructor releases as well as it can.
class Lease {
 public:
  static Result<std::unique_ptr<Lease>> acquire(const Context& context, const Vault& vault, const CommitLog& log,
                                                const std::string& purpose,
                                                std::chrono::seconds term = std::chrono::minutes(15));
  virtual ~Lease() = default;
  [[nodiscard]] virtual const std::string& id() const = 0;
  /// kConflict once renewing failed for longer than the term (by the monotonic clock), or `state` fences it.
  virtual Status still_held(const LogState& state) const = 0;
  virtual Status release(const Context& context) = 0;
};

/// The newest state of every lease object that is there and not released.
Result<std::vector<LeaseInfo>> list_leases(const Context& context, const Vault& vault);

}  // namespace coffer::vault
