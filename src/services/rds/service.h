// RDS: registered databases as DB instances, their snapshots, export tasks, restores, events. API version 2014-10-31.
// Operations beside AWS's (registering a database by its connection string) are the service "coffer"'s.
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
#include "services/rds/databases.h"
#include "services/rds/engine.h"
#include "services/work/work.h"

namespace coffer::rds {

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// RegisterDatabase, DeregisterDatabase, CheckDatabase, DescribeDatabase: what `coffer database` calls.
  virtual api::ServiceTable coffer_actions() = 0;
  virtual void add_handlers(work::Runner& runner) = 0;
  /// Probes of databases that are due, export tasks and snapshots that nobody works on any more.
  virtual Status run_due(const Context& context, WallTime now) = 0;
  /// The unsealed connection of a database. For services/backup.
  virtual Result<DatabaseAccess> access_of(const Context& context, const Database& database) = 0;
  /// Registers what was restored to a folder as a database that is stopped: it has a folder but no server yet.
  virtual Status register_restored(catalog::Transaction& transaction, const Database& database) = 0;
};

struct Options {
  std::vector<std::string> regions;
  std::string restore_root;  // restored databases lie in ROOT/<account>/<identifier> unless told otherwise
  api::Transfer transfer;    // to S3, for exports; without it there are none
};
/// `sealing_root`: 64 bytes. Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      Engine& engine, Secret sealing_root, Clock& clock, Entropy& entropy,
                                      Options options);

std::span<const catalog::Migration> migrations();  // numbers 900-949

}  // namespace coffer::rds
