// EventBridge: buses, rules, targets, delivery, schedules, archives. API version 2015-10-07.
#pragma once
#include <memory>
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

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Takes what the outbox has (api/event.h), matches it against the rules of its bus, and carries out deliveries that
  /// are due. How many entries and deliveries it handled. Called by the daemon again and again, at once after a commit
  /// that told an event.
  virtual Result<int64_t> deliver(const Context& context, WallTime now) = 0;
  /// Rules with a schedule, ends of archives' retention, replays.
  virtual Status run_due(const Context& context, WallTime now) = 0;
};

struct Options {
  std::vector<std::string> regions;
};
/// `invoke`: the gate; targets are called through it by the service principal "events.amazonaws.com" with the rule's
/// ARN as call.source_arn, or by the target's role. `sealing_root`: 64 bytes, for the secrets of connections.
/// Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      Web& web, Secret sealing_root, Clock& clock, Entropy& entropy, Options options);

std::span<const catalog::Migration> migrations();  // numbers 700-799

}  // namespace coffer::events
