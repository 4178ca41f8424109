#include "engine/vault/lease.h"

#include <unistd.h>

#include <condition_variable>
#include <map>

#include "base/tasks.h"
#include "engine/vault/lease_holder.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kMagic = "COFRLEAS";
constexpr std::string_view kPrefix = "leases/";
constexpr crypto::ObjectKind kKind = crypto::ObjectKind::kLease;
constexpr size_t kNumberDigits = 8;
constexpr int kLookAttemptsMax = 5;
constexpr int kNumbersTriedMax = 1000;
constexpr size_t kTextSizeMax = 1024;

std::string holder_name() {
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return std::string(host[0] != '\0' ? host : "unknown host") + " pid " + std::to_string(getpid());
}

struct LeaseName {
  std::string id;
  uint32_t number = 0;
};

std::optional<LeaseName> parse_lease_key(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  const size_t slash = key.find('/');
  if (slash == key.npos || key.size() - slash - 1 != kNumberDigits) return std::nullopt;
  LeaseName name{std::string(key.substr(0, slash)), 0};
  for (char c : key.substr(slash + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    name.number = name.number * 10 + static_cast<uint32_t>(c - '0');
  }
  return name;
}

/// The highest number of each lease that has an object below `prefix`.
Result<std::map<std::string, uint32_t>> list_newest(const Context& context, const Vault& vault,
                                                    const std::string& prefix) {
  std::map<std::string, uint32_t> newest;
  COFFER_CHECK_OK(vault.store().list(context, prefix, [&](const store::ObjectInfo& info) {
    if (auto name = parse_lease_key(info.key)) {
      uint32_t& number = newest[name->id];
      number = std::max(number, name->number);
    }
    return true;
  }));
  return newest;
}

Result<LeaseInfo> read_lease(const Context& context, const Vault& vault, const std::string& id, uint32_t number) {
  const std::string key = lease_key(id, number);
  COFFER_TRY(Bytes plain, vault.get_sealed(context, key, kKind));
  auto info = decode_lease(plain);
  if (!info.ok()) return std::move(info).error().in("object " + key);
  if (info->id != id) return Error{ErrorCode::kCorruption, "object " + key + " is of another lease", {}};
  return info;
}

/// Nothing when the lease is gone. A holder that renews or releases while we look moves on to higher numbers and takes
/// the lower ones away, and listings lag: so from the number that was listed we look upwards, and list again before
/// giving up.
Result<std::optional<LeaseInfo>> read_newest(const Context& context, const Vault& vault, const std::string& id,
                                             uint32_t listed) {
  for (int attempt = 0; attempt < kLookAttemptsMax; ++attempt) {
    std::optional<LeaseInfo> newest;
    for (uint32_t number = listed;; ++number) {
      auto info = read_lease(context, vault, id, number);
      if (info.ok()) {
        newest = std::move(*info);
      } else if (info.code() != ErrorCode::kNotFound) {
        return std::move(info).error();
      } else if (newest || number > listed) {
        break;
      }
    }
    if (newest) return newest;
    COFFER_TRY(auto again, list_newest(context, vault, std::string(kPrefix) + id + "/"));
    if (again.empty()) return std::optional<LeaseInfo>();
    listed = again.begin()->second;
  }
  // Taking it for gone could cost a running backup its chunks.
  return Error{ErrorCode::kUnavailable, "the lease " + id + " is listed but none of its objects can be read",
               "try again in a while"};
}

}  // namespace

Bytes encode_lease(const LeaseInfo& info) {
  Bytes out;
  ByteWriter w(out);
  w.bytes(as_bytes(kMagic));
  w.string16(info.id);
  w.string16(info.holder);
  w.string16(info.purpose);
  w.u64(static_cast<uint64_t>(info.acquired.micros));
  w.u64(static_cast<uint64_t>(info.expires.micros));
  w.u64(info.log_size);
  w.u32(info.renewals);
  w.u8(info.released ? 1 : 0);
  return out;
}

Result<LeaseInfo> decode_lease(ByteView bytes) {
  const Error bad{ErrorCode::kCorruption, "this is no lease", {}};
  ByteReader r(bytes);
  if (as_text(r.bytes(kMagic.size())) != kMagic) return bad;
  LeaseInfo info;
  info.id = r.string16();
  info.holder = r.string16();
  info.purpose = r.string16();
  info.acquired.micros = static_cast<int64_t>(r.u64());
  info.expires.micros = static_cast<int64_t>(r.u64());
  info.log_size = r.u64();
  info.renewals = r.u32();
  const uint8_t released = r.u8();
  info.released = released == 1;
  if (!r.done() || released > 1) return bad;
  return info;
}

std::string lease_key(std::string_view id, uint32_t number) {
  const std::string digits = std::to_string(number);
  const std::string zeros(kNumberDigits - std::min(digits.size(), kNumberDigits), '0');
  return std::string(kPrefix) + std::string(id) + "/" + zeros + digits;
}

Status LeaseHolder::acquire(const Context& context, const CommitLog& log, const std::string& purpose) {
  if (purpose.size() > kTextSizeMax)
    return Error{ErrorCode::kInvalidArgument, "the purpose of a lease is too long", {}};
  LeaseInfo info;
  info.id = to_hex(vault_.entropy().array<8>());
  info.holder = holder_name();
  info.purpose = purpose;
  info.acquired = vault_.clock().wall();
  info.log_size = log.size();
  {
    std::lock_guard lock(mutex_);
    info_ = info;
  }
  if (auto put = put_next(context, std::move(info)); !put.ok())
    return std::move(put).error().in("taking a lease for " + purpose);
  return ok_status();
}

Status LeaseHolder::put_next(const Context& context, LeaseInfo next) {
  // Counted from before the put: what the store takes long for is not ours to have.
  const MonoTime asked = vault_.clock().mono();
  next.expires = vault_.clock().wall() + std::chrono::duration_cast<std::chrono::microseconds>(term_);
  uint32_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_number_;
  }
  Status put = ok_status();
  for (int attempt = 0; attempt < kNumbersTriedMax; ++attempt, ++number) {
    put = vault_.put_sealed(context, lease_key(next.id, number), kKind, encode_lease(next));
    // Nobody else writes below our id: it is ours of a put whose answer was lost. The next number says the newer
    // expiry.
    if (put.ok() || put.code() != ErrorCode::kAlreadyExists) break;
  }
  std::lock_guard lock(mutex_);
  next_number_ = put.ok() ? number + 1 : number;
  if (!put.ok()) {
    last_failure_ = put.error().message;
    return put;
  }
  info_ = std::move(next);
  held_until_ = MonoTime{asked.nanos + std::chrono::duration_cast<std::chrono::nanoseconds>(term_).count()};
  return ok_status();
}

Status LeaseHolder::renew(const Context& context) {
  LeaseInfo next;
  {
    std::lock_guard lock(mutex_);
    if (info_.released) return ok_status();
    next = info_;
  }
  ++next.renewals;
  return put_next(context, std::move(next));
}

Status LeaseHolder::still_held(const LogState& state) const {
  std::lock_guard lock(mutex_);
  const std::string name = "the lease " + info_.id + " (" + info_.purpose + ")";
  if (info_.released) return Error{ErrorCode::kConflict, name + " was released", {}};
  if (state.fenced_leases.contains(info_.id))
    return Error{ErrorCode::kConflict, name + " was fenced: a collector took it for lost", "start again"};
  if (vault_.clock().mono() < held_until_) return ok_status();
  return Error{ErrorCode::kConflict,
               name + " could not be renewed in time" + (last_failure_.empty() ? "" : ": " + last_failure_),
               "start again"};
}

Status LeaseHolder::release(const Context& context) {
  LeaseInfo last;
  {
    std::lock_guard lock(mutex_);
    if (info_.released || info_.id.empty()) return ok_status();
    last = info_;
  }
  last.released = true;
  const Status put = put_next(context, std::move(last));
  // A collector may take a released lease away before the put has read it back: then it is as over as it can be.
  const bool taken_away = !put.ok() && put.code() == ErrorCode::kNotFound;
  if (!put.ok() && !taken_away) return put.error().in("releasing the lease " + id());
  uint32_t marker = 0;
  {
    std::lock_guard lock(mutex_);
    marker = taken_away ? next_number_ : next_number_ - 1;
    info_.released = true;
  }
  // The marker stays for the collector: it is what tells a reader who has the old listing that this is over.
  for (uint32_t number = 0; number < marker; ++number)
    COFFER_CHECK_OK(vault_.store().remove(context, lease_key(id(), number)));
  return ok_status();
}

namespace {

class RenewedLease final : public Lease {
 public:
  RenewedLease(const Vault& vault, std::chrono::seconds term) : holder_(vault, term), term_(term), group_(Context()) {}
  ~RenewedLease() override {
    try {
      static_cast<void>(release(Context()));
    } catch (...) {  // a destructor has nobody to tell; the lease then ends by its expiry
    }
  }
  Status acquire(const Context& context, const CommitLog& log, const std::string& purpose) {
    COFFER_CHECK_OK(holder_.acquire(context, log, purpose));
    // With a context of its own: a job that is asked to stop keeps its lease until it has unwound.
    group_.spawn([this] { return keep_renewing(group_.context()); });
    running_ = true;
    return ok_status();
  }
  [[nodiscard]] const std::string& id() const override { return holder_.id(); }
  Status still_held(const LogState& state) const override { return holder_.still_held(state); }
  Status release(const Context& context) override {
    stop_renewing();
    return holder_.release(context);
  }

 private:
  Status keep_renewing(const Context& context) {
    constexpr int kRetriesPerTerm = 10;
    std::chrono::milliseconds wait = term_;
    wait /= 3;
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, wait, [this] { return stopping_; })) {
      lock.unlock();
      bool renewed = false;
      try {
        renewed = holder_.renew(context).ok();
      } catch (const std::exception&) {  // as a failure: still_held() says no once the term has passed
      }
      wait = std::chrono::milliseconds(term_) / (renewed ? 3 : kRetriesPerTerm);
      lock.lock();
    }
    return ok_status();
  }
  void stop_renewing() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    if (std::exchange(running_, false)) static_cast<void>(group_.wait());
  }

  LeaseHolder holder_;
  const std::chrono::seconds term_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool running_ = false;
  TaskGroup group_;
};

}  // namespace

Result<std::unique_ptr<Lease>> Lease::acquire(const Context& context, const Vault& vault, const CommitLog& log,
                                              const std::string& purpose, std::chrono::seconds term) {
  if (term <= std::chrono::seconds(0)) return Error{ErrorCode::kInvalidArgument, "a lease needs a term", {}};
  auto lease = std::make_unique<RenewedLease>(vault, term);
  COFFER_CHECK_OK(lease->acquire(context, log, purpose));
  return std::unique_ptr<Lease>(std::move(lease));
}

Result<std::vector<LeaseInfo>> list_leases(const Context& context, const Vault& vault) {
  COFFER_TRY(auto newest, list_newest(context, vault, std::string(kPrefix)));
  std::vector<LeaseInfo> leases;
  for (const auto& [id, number] : newest) {
    COFFER_TRY(std::optional<LeaseInfo> info, read_newest(context, vault, id, number));
    if (info && !info->released) leases.push_back(std::move(*info));
  }
  return leases;
}

}  // namespace coffer::vault
