// LeaseHolder: what a Lease does, without the thread that does it in time. Tests drive it step by step.
#pragma once
#include <chrono>
#include <mutex>
#include <string>

#include "engine/vault/lease.h"

namespace coffer::vault {

/// "COFRLEAS", strings with a u16 length (id, holder, purpose), u64 acquired and u64 expires (microseconds since 1970),
/// u64 log size, u32 renewals, u8 released.
Bytes encode_lease(const LeaseInfo& info);
Result<LeaseInfo> decode_lease(ByteView bytes);
std::string lease_key(std::string_view id, uint32_t number);

/// Safe from two threads, of which one renews. `vault` is borrowed.
class LeaseHolder {
 public:
  LeaseHolder(const Vault& vault, std::chrono::seconds term) : vault_(vault), term_(term) {}
  Status acquire(const Context& context, const CommitLog& log, const std::string& purpose);
  /// Writes the next object. After an error the lease is still held until its term has passed since the last success.
  Status renew(const Context& context);
  Status still_held(const LogState& state) const;
  /// A last object that says so, then the ones before it go. A second call does nothing.
  Status release(const Context& context);
  [[nodiscard]] const std::string& id() const { return info_.id; }

 private:
  Status put_next(const Context& context, LeaseInfo next);

  const Vault& vault_;
  const std::chrono::seconds term_;
  mutable std::mutex mutex_;  // guards what follows, but info_.id, which never changes once acquired
  LeaseInfo info_;
  uint32_t next_number_ = 0;
  MonoTime held_until_;
  std::string last_failure_;
};

}  // namespace coffer::vault
