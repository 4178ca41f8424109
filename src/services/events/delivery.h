// The way of an event: outbox -> rules of its bus -> a delivery a target -> the target.
//
// Order: deliveries of one resource (the event's first, else its source) to one target go out one after the other. A
// delivery that fails holds those behind it back until it is kPatience old; then they pass, so that one dead target
// does not stop all news about a resource for a day. At least once: what was sent when the process died is sent again,
// with the same event id.
#pragma once
#include <atomic>
#include <mutex>
#include <optional>

#include "services/catalog/leases.h"
#include "services/events/operations.h"

namespace coffer::events {

inline constexpr std::chrono::seconds kPatience{60};
/// After so many buses an event goes no further: rules that feed each other would turn for ever.
inline constexpr int64_t kBusesMax = 8;

/// How an attempt ended.
struct Outcome {
  enum class Kind { kDone, kLater, kFailed };
  Kind kind = Kind::kDone;
  std::string code, message;                            // "NO_PERMISSIONS", "TIMEOUT", ...
  std::optional<std::chrono::seconds> not_before = {};  // the receiver asked for so much patience
  bool counts = true;                                   // as an attempt: false when nothing was sent yet
};
/// What an error of a call to a target means.
Outcome outcome_of(const Error& error);

/// One event on its way to one target, with all that a sender needs.
struct Parcel {
  const Context& context;
  WallTime now;
  RuleName rule;
  rows::Target target;
  TargetKind kind;
  Json event;
  WallTime ingested;
  std::string body;  // the target's input
};
/// Calls a function, writes to a log group, sends to an API destination, runs a command.
Outcome send(const Setting&, const Parcel&);
Outcome send_to_destination(const Setting&, const Parcel&);
/// Gives an event that nobody took to the bucket or log group that the target names; its ARN, or empty when there is
/// none or it did not take it (`why` then says so).
std::string send_dead_letter(const Setting&, const Parcel&, const Outcome&, std::string_view exhausted,
                             int64_t attempts, std::string& why);

/// The role of a target as the service assumes it for the rule, with the call to make in its name.
struct RoleCall {
  std::shared_ptr<const iam::Identity> identity;  // null: as the service principal
  api::Call call;
};
Result<RoleCall> call_for(const Setting&, const Parcel&, std::string_view service, std::string_view operation,
                          std::string_view region);

/// When to try again after `attempts`: doubling from a second to ten minutes, the last half of it by chance.
std::chrono::microseconds back_off(int64_t attempts, uint64_t chance);

class Delivering {
 public:
  explicit Delivering(const Setting& setting);
  Result<int64_t> deliver(const Context& context, WallTime now, Lane lane);

 private:
  Result<int64_t> drain(const Context& context, WallTime now);
  Result<bool> may_drain(const Context& context, WallTime now);
  Result<int64_t> carry_out_due(const Context& context, WallTime now, Lane lane);
  Status carry_out(const Context& context, const rows::Delivery& delivery, WallTime now);
  Status settle(const Context& context, const rows::Delivery& delivery, const Parcel& parcel, Outcome outcome,
                int64_t passed);
  Status send_to_bus(catalog::Transaction& t, const Parcel& parcel, int64_t passed, Outcome& outcome);

  const Setting& setting_;
  const std::string holder_;
  std::mutex draining_;
  std::optional<catalog::Lease> lease_;  // guarded by draining_
};

}  // namespace coffer::events
