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
#include "engine/store/object_store.h"
#include "services/audit/audit_log.h"
#include "services/catalog/database.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"
#include "services/kms/service.h"
#include "services/s3/service.h"

namespace coffer::daemon {

class Services {
 public:
  /// All borrowed.
  static Result<std::unique_ptr<Services>> open(World& world, const Config& config, Installation& installation);

  [[nodiscard]] catalog::Database& database() { return *database_; }
  [[nodiscard]] iam::Authority& authority() { return *authority_; }
  [[nodiscard]] audit::AuditLog& audit() { return *audit_; }
  [[nodiscard]] gate::Gate& gate() { return *gate_; }
  [[nodiscard]] s3::Service& s3() { return *s3_; }

  /// What is due by the clock, of every service. Idempotent.
  Status run_due(const Context& context);

 private:
  Services(World& world, const Config& config, Installation& installation)
      : world_(world), config_(config), installation_(installation) {}
  Status open_catalog();
  Status open_identity();
  Status open_objects();
  api::Invoke invoke();

  World& world_;
  const Config& config_;
  Installation& installation_;
  Context context_;
  std::unique_ptr<catalog::Database> database_;
  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<iam::Authority> authority_;
  std::unique_ptr<kms::Service> kms_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<store::ObjectStore> objects_;
  std::unique_ptr<s3::Service> s3_;
};

}  // namespace coffer::daemon
