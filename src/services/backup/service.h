// AWS Backup: vaults, plans, selections, jobs, recovery points, copies, restores, legal holds. API version 2018-11-15.
#pragma once
#include <functional>
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
#include "services/rds/engine.h"
#include "services/rds/service.h"
#include "services/work/work.h"

namespace coffer::backup {

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Backup, copy and restore jobs, deletions.
  virtual void add_handlers(work::Runner& runner) = 0;
  /// Plans that are due, windows that are over, retention, dead-man events. Idempotent; called by the daemon's loop
  /// (one daemon of a catalog at a time does it, under a lease).
  virtual Status run_due(const Context& context, WallTime now) = 0;
};

struct Options {
  std::vector<std::string> regions;
  std::string restore_root;  // restored databases lie in ROOT/<account>/<name>, and nowhere else; "": no restores
};
/// Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      rds::Service& rds, rds::Engine& engine, Clock& clock, Entropy& entropy,
                                      Options options);

std::span<const catalog::Migration> migrations();  // numbers 1000-1099

}  // namespace coffer::backup
