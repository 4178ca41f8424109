// The composition root: an installation with its services behind one endpoint, and the loop that turns time into work.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "edge/daemon/config.h"
#include "services/audit/audit_log.h"

namespace coffer::daemon {

/// The outside. All borrowed.
struct World {
  FileSystem& files;
  Clock& clock;
  Entropy& entropy;
  Processes& processes;
  std::function<void(std::string_view level, std::string_view text)> log;  // "info", "warning", "error"
};

class Daemon {
 public:
  /// Serves requests when it returns.
  static Result<std::unique_ptr<Daemon>> start(World world, const Config& config);
  virtual ~Daemon() = default;
  [[nodiscard]] virtual std::string endpoint() const = 0;  // "http://127.0.0.1:9420"
  [[nodiscard]] virtual uint16_t port() const = 0;
  struct AccountInfo {
    std::string name, id;
    bool created = false;  // by this start
  };
  [[nodiscard]] virtual const std::vector<AccountInfo>& accounts() const = 0;
  [[nodiscard]] virtual bool is_new() const = 0;
  /// What is due by the clock: key deletions and rotations, discarded objects, audit checkpoints. The loop calls it;
  /// tests and simulations too.
  virtual Status run_due(const Context& context) = 0;
  /// Carries out what replication has queued and is due. run() does so all the time; tests and simulations call it.
  virtual Status replicate(const Context& context) = 0;
  virtual Status reload_certificate() = 0;
  /// Runs the loop until `context` is stopped, then stops gracefully.
  virtual Status run(const Context& context) = 0;
};

/// `coffer audit verify`: reads the catalog of a data folder, needs no key and no daemon.
Result<audit::VerifyReport> verify_audit_log(FileSystem& files, const Context& context, const Config& config,
                                             std::string_view public_key_hex);

/// `coffer bucket replicate`: queues what a bucket of the catalog had before its replication rules, or what failed, for
/// the daemon to carry out. How many versions.
Result<int64_t> replicate_existing(FileSystem& files, Clock& clock, const Context& context, const Config& config,
                                   std::string_view bucket, const std::vector<std::string>& statuses);

}  // namespace coffer::daemon
