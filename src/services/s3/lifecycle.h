// Lifecycle rules carried out by the clock. A bucket is walked through once after each midnight UTC, because everything
// becomes due at one, and once more when its configuration changed. Locked versions stay; what waits for replication
// waits here too.
#pragma once
#include <memory>

#include "services/s3/operations.h"

namespace coffer::s3 {

class Lifecycle {
 public:
  virtual ~Lifecycle() = default;
  /// Does a bounded piece of the work that is due at `now`. True: there is more; call again soon.
  virtual Result<bool> run_due(const Context& context, WallTime now) = 0;
};
/// `setting` outlives it.
std::unique_ptr<Lifecycle> make_lifecycle(const Setting& setting);

extern const catalog::Migration kLifecycleMigration;

}  // namespace coffer::s3
