// Leases on named work (a job, the scheduler): one holder at a time, until a time, with a fencing token that grows with
// every holder.
#pragma once
#include "services/catalog/database.h"

namespace coffer::catalog {

struct Lease {
  std::string name;
  std::string holder;
  int64_t token = 0;  // larger than every earlier holder's
  WallTime until;
};

/// kConflict while another holder's lease runs. The same holder claims again with a new token.
Result<Lease> claim_lease(Transaction& transaction, std::string_view name, std::string_view holder, WallTime now,
                          std::chrono::seconds duration);
/// Extends; kFailedPrecondition when `lease.token` is no longer the newest (somebody took over).
Status renew_lease(Transaction& transaction, Lease& lease, WallTime now, std::chrono::seconds duration);
/// kFailedPrecondition when the lease was taken over: the effect that is about to be written must not be.
Status check_fence(Transaction& transaction, const Lease& lease);
Status release_lease(Transaction& transaction, const Lease& lease);

}  // namespace coffer::catalog
