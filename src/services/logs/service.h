// CloudWatch Logs: groups, streams, events, retention. API version 2014-03-28.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::logs {

struct Line {
  WallTime time;
  std::string message;
};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Retention and expired queries; called by the daemon's loop, idempotent.
  virtual Status run_due(const Context& context, WallTime now) = 0;
  /// For services of this house that were already allowed to: appends, making group and stream when they are missing.
  virtual Status append(const Context& context, std::string_view account, std::string_view region,
                        std::string_view group, std::string_view stream, const std::vector<Line>& lines) = 0;
};
/// Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, Clock& clock,
                                      Entropy& entropy);

std::span<const catalog::Migration> migrations();  // numbers 800-849

}  // namespace coffer::logs
