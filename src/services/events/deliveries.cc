// Deliveries that are due: carried out, tried again, given up.
#include <algorithm>

#include "base/tasks.h"
#include "services/events/delivery.h"
#include "services/events/input.h"
#include "services/iam/principals.h"

namespace coffer::events {
namespace {

constexpr int64_t kClaimed = 16;
constexpr int64_t kClaimedOutside = 8;
constexpr std::chrono::seconds kLease{60};
constexpr std::chrono::seconds kFirstDelay{1}, kDelayMax{600};
constexpr int64_t kAttemptsDefault = 185, kAgeDefaultSeconds = 86'400;

struct RetryPolicy {
  int64_t retries = kAttemptsDefault;
  std::chrono::seconds age{kAgeDefaultSeconds};
};
RetryPolicy policy_of(const api::Value& target) {
  RetryPolicy policy;
  if (const api::Value* given = target.find("RetryPolicy")) {
    policy.retries = given->integer("MaximumRetryAttempts").value_or(kAttemptsDefault);
    policy.age = std::chrono::seconds(given->integer("MaximumEventAgeInSeconds").value_or(kAgeDefaultSeconds));
  }
  return policy;
}

}  // namespace

std::chrono::microseconds back_off(int64_t attempts, uint64_t chance) {
  const int64_t doubled = int64_t{1} << std::clamp<int64_t>(attempts - 1, 0, 20);
  const std::chrono::microseconds whole = std::min<std::chrono::seconds>(kDelayMax, kFirstDelay * doubled);
  const auto half = static_cast<uint64_t>(whole.count() / 2);
  return std::chrono::microseconds(static_cast<int64_t>(half + chance % (half + 1)));
}

Outcome outcome_of(const Error& error) {
  using Kind = Outcome::Kind;
  switch (error.code) {
    case ErrorCode::kPermissionDenied: return {Kind::kFailed, "NO_PERMISSIONS", error.message};
    case ErrorCode::kNotFound: return {Kind::kFailed, "NO_RESOURCE", error.message};
    case ErrorCode::kAlreadyExists: return {Kind::kFailed, "RESOURCE_ALREADY_EXISTS", error.message};
    case ErrorCode::kInvalidArgument: return {Kind::kFailed, "INVALID_PARAMETER", error.message};
    case ErrorCode::kThrottled:
    case ErrorCode::kResourceExhausted: return {Kind::kLater, "THROTTLING", error.message};
    case ErrorCode::kDeadlineExceeded: return {Kind::kLater, "TIMEOUT", error.message};
    default: return {Kind::kLater, "SDK_CLIENT_ERROR", error.message};
  }
}

Delivering::Delivering(const Setting& setting) : setting_(setting), holder_(random_uuid(setting.entropy)) {}

Result<int64_t> Delivering::deliver(const Context& context, WallTime now, Lane lane) {
  int64_t handled = 0;
  for (int64_t before = -1; handled > before && !context.stopped();) {
    before = handled;
    if (lane != Lane::kOutside) {
      COFFER_TRY(const int64_t drained, drain(context, now));
      COFFER_TRY(const int64_t carried, carry_out_due(context, now, Lane::kHouse));
      handled += drained + carried;
    }
    if (lane != Lane::kHouse) {
      COFFER_TRY(const int64_t carried, carry_out_due(context, now, lane == Lane::kAll ? Lane::kAll : Lane::kOutside));
      handled += carried;
    }
  }
  return handled;
}

Result<int64_t> Delivering::carry_out_due(const Context& context, WallTime now, Lane lane) {
  const bool outside = lane != Lane::kHouse;
  const auto number = static_cast<int64_t>(outside ? Lane::kOutside : Lane::kHouse);
  {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const bool due, rows::has_due_delivery(*t, number, now));
    if (!due) return 0;
  }
  std::vector<rows::Delivery> claimed;
  COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(claimed, rows::claim_deliveries(t, number, holder_, now, kLease, kPatience,
                                               outside ? kClaimedOutside : kClaimed));
    return ok_status();
  }));
  if (lane == Lane::kOutside && claimed.size() > 1) {
    // Whoever answers slowly must not hold up the others.
    TaskGroup tasks(context);
    for (const rows::Delivery& delivery : claimed)
      tasks.spawn([&] { return carry_out(tasks.context(), delivery, now); });
    COFFER_CHECK_OK(tasks.wait());
  } else {
    for (const rows::Delivery& delivery : claimed) COFFER_CHECK_OK(carry_out(context, delivery, now));
  }
  return static_cast<int64_t>(claimed.size());
}

Status Delivering::carry_out(const Context& context, const rows::Delivery& delivery, WallTime now) {
  if (context.stopped()) return ok_status();  // its lease ends, and it is done again
  Parcel parcel{context, now, delivery.rule, {}, {}, {}, delivery.created, {}};
  int64_t passed = 0;
  std::optional<rows::Target> target;
  std::optional<std::string> message;
  {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(target, rows::find_target(*t, delivery.rule, delivery.target));
    COFFER_TRY(message, rows::find_message(*t, delivery.message));
  }
  if (!target || !message) {
    // The target was taken away: nobody waits for this any more.
    return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
      if (!rows::check_fence(t, delivery).ok()) return ok_status();
      return rows::remove_delivery(t, delivery);
    });
  }
  COFFER_TRY(Json wrapped, parse_json(*message));
  if (Json* event = wrapped.find("event")) parcel.event = Json(std::move(*event));
  if (const Json* count = wrapped.find("passed")) passed = std::strtoll(count->text.c_str(), nullptr, 10);
  parcel.target = std::move(*target);
  Outcome outcome;
  const auto kind = parse_target(parcel.target.arn);
  auto body = make_input(parcel.target.settings, parcel.event, {parcel.rule, parcel.ingested});
  if (!kind) {
    outcome = {Outcome::Kind::kFailed, "NO_RESOURCE", "the target is of a kind that is not supported"};
  } else if (!body.ok()) {
    outcome = {Outcome::Kind::kFailed, "INVALID_PARAMETER", body.error().message};
  } else {
    parcel.kind = *kind;
    parcel.body = std::move(*body);
    // An event for another bus is told in the transaction that ends its delivery.
    if (kind->kind != TargetKind::Kind::kBus) {
      try {
        outcome = send(setting_, parcel);
      } catch (const std::exception& thrown) {
        outcome = {Outcome::Kind::kFailed, "INTERNAL_ERROR", thrown.what(), {}};
      }
      if (context.stopped() && outcome.kind == Outcome::Kind::kLater) return ok_status();
    }
  }
  return settle(context, delivery, parcel, std::move(outcome), passed);
}

Status Delivering::settle(const Context& context, const rows::Delivery& delivery, const Parcel& parcel, Outcome outcome,
                          int64_t passed) {
  const bool to_bus =
      parcel.kind.kind == TargetKind::Kind::kBus && !parcel.body.empty() && outcome.kind == Outcome::Kind::kDone;
  const RetryPolicy policy = policy_of(parcel.target.settings);
  const WallTime end = parcel.ingested + policy.age;
  const auto exhausted_by = [&]() -> std::string {
    if (outcome.kind != Outcome::Kind::kLater) return "";
    if (outcome.counts && delivery.attempts > policy.retries) return "MaximumRetryAttempts";
    return parcel.now >= end ? "MaximumEventAgeInSeconds" : "";
  };
  const auto gives_up = [&] { return outcome.kind == Outcome::Kind::kFailed || !exhausted_by().empty(); };
  const uint64_t chance = setting_.entropy.u64();
  // Dead letters leave the house before the delivery ends: rather twice than never.
  std::string sent_to, why;
  bool offered = false;
  const auto offer = [&] {
    if (offered || !gives_up()) return;
    offered = true;
    sent_to = send_dead_letter(setting_, parcel, outcome, exhausted_by(), delivery.attempts, why);
  };
  offer();
  for (bool again = true; again;) {
    again = false;
    bool bury_first = false;
    COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
      if (const Status ours = rows::check_fence(t, delivery); !ours.ok())
        return ours.code() == ErrorCode::kFailedPrecondition ? ok_status() : ours;
      if (to_bus && !offered) {
        outcome = {};
        COFFER_CHECK_OK(send_to_bus(t, parcel, passed, outcome));
        if (gives_up()) {
          bury_first = true;  // outside of this transaction; then once more, to end it
          return ok_status();
        }
      }
      if (outcome.kind == Outcome::Kind::kDone) return rows::remove_delivery(t, delivery);
      if (gives_up()) {
        rows::DeadLetter letter;
        letter.rule = parcel.rule;
        letter.target = delivery.target;
        letter.target_arn = parcel.target.arn;
        letter.event_id = delivery.event_id;
        letter.event = write_json(parcel.event);
        letter.error_code = outcome.code;
        letter.error_message = outcome.message + (why.empty() ? "" : "; " + why);
        letter.exhausted = exhausted_by();
        letter.attempts = delivery.attempts;
        letter.created = parcel.now;
        letter.sent_to = sent_to;
        COFFER_CHECK_OK(rows::insert_dead_letter(t, letter));
        return rows::remove_delivery(t, delivery);
      }
      rows::Delivery later = delivery;
      if (!outcome.counts) --later.attempts;
      later.error_code = outcome.code;
      later.error_message = outcome.message;
      std::chrono::microseconds wait = outcome.counts ? back_off(delivery.attempts, chance) : back_off(1, chance);
      if (outcome.not_before) wait = std::max<std::chrono::microseconds>(wait, *outcome.not_before);
      return rows::postpone_delivery(t, later, std::min(parcel.now + wait, std::max(end, parcel.now)));
    }));
    if (bury_first) {
      offer();
      again = true;
    }
  }
  return ok_status();
}

Status Delivering::send_to_bus(catalog::Transaction& t, const Parcel& parcel, int64_t passed, Outcome& outcome) {
  const BusName bus{parcel.kind.arn.account, parcel.kind.arn.region, parcel.kind.name};
  if (passed + 1 >= kBusesMax) {
    outcome = {Outcome::Kind::kFailed,
               "TOO_MANY_BUSES",
               "the event passed " + std::to_string(kBusesMax) + " buses; do their rules feed each other?",
               {}};
    return ok_status();
  }
  COFFER_TRY(const auto row, rows::find_bus(t, bus));
  if (!row && !bus.is_default()) {
    outcome = {Outcome::Kind::kFailed, "NO_RESOURCE", "Event bus " + bus.name + " does not exist.", {}};
    return ok_status();
  }
  api::AccessRequest access;
  access.action = "events:PutEvents";
  access.resource = bus.arn();
  access.resource_account = bus.account;
  if (row) {
    COFFER_TRY(access.resource_policy, bus_policy(*row));
  }
  auto call = call_for(setting_, parcel, "events", "PutEvents", bus.region);
  if (!call.ok()) {
    outcome = outcome_of(call.error());
    return ok_status();
  }
  // Without a role the rule's account sends; to its own bus it may.
  if (!call->identity && bus.account != parcel.rule.bus.account) {
    COFFER_TRY(iam::Identity owner, iam::identity_of_root(t, parcel.rule.bus.account));
    call->identity = std::make_shared<const iam::Identity>(std::move(owner));
    call->call.caller = call->identity->caller;
  }
  if (call->identity) {
    const Status allowed = setting_.authority.authorize(t, call->call, *call->identity, {access});
    if (!allowed.ok()) {
      outcome = outcome_of(allowed.error());
      return ok_status();
    }
  }
  // An event keeps its id, account and Region on another bus, unless the target makes another text of it.
  COFFER_TRY(Json event, parse_json(parcel.body));
  if (!event.is_object() || !event.find("id") || !event.find("detail-type")) event = parcel.event;
  return append_event(t, bus, write_json(event), parcel.now, passed + 1);
}

}  // namespace coffer::events
