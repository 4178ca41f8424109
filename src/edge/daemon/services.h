// Every service of an installation, behind one gate: made once, in the order in which they need each other.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/tasks.h"
#include "edge/daemon/config.h"
#include "edge/daemon/daemon.h"
#include "edge/daemon/installation.h"
#include "edge/functions/executor.h"
#include "engine/store/object_store.h"
#include "services/audit/audit_log.h"
#include "services/backup/service.h"
#include "services/catalog/database.h"
#include "services/events/service.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"
#include "services/kms/service.h"
#include "services/lambda/service.h"
#include "services/logs/service.h"
#include "services/rds/engine_vaults.h"
#include "services/rds/service.h"
#include "services/s3/service.h"
#include "services/work/work.h"

namespace coffer::daemon {

class Services {
 public:
  /// All borrowed. `endpoint`: where the installation answers; asked later, when it does.
  static Result<std::unique_ptr<Services>> open(World& world, const Config& config, Installation& installation,
                                                std::function<std::string()> endpoint);

  [[nodiscard]] catalog::Database& database() { return *database_; }
  [[nodiscard]] iam::Authority& authority() { return *authority_; }
  [[nodiscard]] audit::AuditLog& audit() { return *audit_; }
  [[nodiscard]] gate::Gate& gate() { return *gate_; }
  [[nodiscard]] s3::Service& s3() { return *s3_; }

  /// What is due by the clock, idempotent. Plans, schedules and windows, to be looked at every second ...
  Status run_due_by_the_second(const Context& context);
  /// ... and the rest: deletions, lifecycles, retention of logs, checkpoints.
  Status run_due(const Context& context);
  /// Jobs: backups, copies, restores, exports.
  [[nodiscard]] work::Runner& runner() { return *runner_; }
  [[nodiscard]] events::Service& events() { return *events_; }
  [[nodiscard]] lambda::Service& lambda() { return *lambda_; }

 private:
  Services(World& world, const Config& config, Installation& installation, std::function<std::string()> endpoint)
      : world_(world), config_(config), installation_(installation), endpoint_(std::move(endpoint)) {}
  Status open_catalog();
  Status open_identity();
  Status open_objects();
  Status open_backup();
  Result<std::string> scratch_folder();
  Status open_functions();
  Status open_events();
  api::Invoke invoke();
  api::Transfer transfer();  // the same with bodies

  World& world_;
  const Config& config_;
  Installation& installation_;
  std::function<std::string()> endpoint_;
  Context context_;
  std::unique_ptr<catalog::Database> database_;
  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<iam::Authority> authority_;
  std::unique_ptr<kms::Service> kms_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<store::ObjectStore> objects_;
  std::unique_ptr<s3::Service> s3_;
  std::unique_ptr<ByteBudget> budget_;
  std::unique_ptr<rds::Engine> engine_;
  std::unique_ptr<work::Runner> runner_;
  std::unique_ptr<logs::Service> logs_;
  std::unique_ptr<rds::Service> rds_;
  std::unique_ptr<backup::Service> backup_;
  std::unique_ptr<functions::Executor> executor_;  // null: this machine runs no functions
  std::unique_ptr<lambda::Executor> no_executor_;  // then this says why
  std::unique_ptr<lambda::Service> lambda_;
  std::unique_ptr<events::Web> web_;
  std::unique_ptr<events::Service> events_;
};

}  // namespace coffer::daemon
