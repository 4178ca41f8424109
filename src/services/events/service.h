// EventBridge: buses, rules, targets, delivery, schedules, archives. API version 2015-10-07.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::events {

/// How the outside of the house is reached: API destinations and webhooks. Implemented in edge.
class Web {
 public:
  virtual ~Web() = default;
  struct Request {
    std::string method, url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
  };
  struct Answer {
    int status = 0;
    std::string body;  // the first 64 KiB
    std::string retry_after;
  };
  /// kUnavailable and kDeadlineExceeded: not reached; kPermissionDenied: the address is not one that may be reached.
  virtual Result<Answer> send(const Context& context, const Request& request) = 0;
};

/// Which deliveries: a slow webhook must not keep functions of this house waiting.
enum class Lane {
  kHouse = 0,    // what this installation answers itself, and the outbox
  kOutside = 1,  // API destinations
  kAll = 2,
};

/// An event that reached no one, kept for a person to look at.
struct DeadLetter {
  int64_t id = 0;
  std::string rule_arn, target_id, target_arn, event_id;
  std::string event;  // JSON
  std::string error_code, error_message;
  std::string exhausted;  // "MaximumRetryAttempts", "MaximumEventAgeInSeconds", or empty: it was not tried again
  int64_t attempts = 0;
  WallTime time;
  std::string sent_to;  // ARN of the bucket or log group that got it too
};

inline constexpr std::chrono::hours kDeadLettersKept{24 * 90};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Takes what the outbox has (api/event.h), matches it against the rules of its bus, and carries out deliveries that
  /// are due. How many entries and deliveries it handled. Called by the daemon again and again, at once after a commit
  /// that told an event.
  /// From several threads at once: one of them drains the outbox, all carry out deliveries.
  virtual Result<int64_t> deliver(const Context& context, WallTime now, Lane lane = Lane::kAll) = 0;
  /// Rules with a schedule, ends of archives' retention, replays.
  virtual Status run_due(const Context& context, WallTime now) = 0;
  /// When a delivery or a schedule is due next; nothing: none is known.
  virtual Result<std::optional<WallTime>> next_due(const Context& context) = 0;
  /// Kept for kDeadLettersKept. Behind `after`, oldest first.
  virtual Result<std::vector<DeadLetter>> dead_letters(const Context& context, std::string_view account,
                                                       std::string_view region, int64_t after, int64_t limit) = 0;
};

struct Options {
  std::vector<std::string> regions;
  int64_t rules_per_bus = 300, targets_per_rule = 5;
  bool plain_http = false;  // endpoints of API destinations may be http, too
  /// The gate with a body, for dead letters that go to a bucket; null: they stay in the catalog.
  api::Transfer transfer = nullptr;
  /// JSON text as the validated input of an operation (edge knows the models); null: members keep their JSON types.
  std::function<Result<api::Value>(std::string_view service, std::string_view operation, std::string_view json)>
      read_input = nullptr;
};
/// `invoke`: the gate; targets are called through it by the service principal "events.amazonaws.com" with the rule's
/// ARN as call.source_arn, or by the target's role. `sealing_root`: 64 bytes, for the secrets of connections.
/// Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      Web& web, Secret sealing_root, Clock& clock, Entropy& entropy, Options options);

std::span<const catalog::Migration> migrations();  // numbers 700-799

}  // namespace coffer::events
