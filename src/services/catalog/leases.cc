#include "services/catalog/leases.h"

namespace coffer::catalog {
namespace {

Error taken_over(const Lease& lease) {
  return Error{ErrorCode::kFailedPrecondition,
               "the lease on " + lease.name + " was taken over: token " + std::to_string(lease.token) +
                   " is no longer the newest",
               {}};
}

}  // namespace

Result<Lease> claim_lease(Transaction& transaction, std::string_view name, std::string_view holder, WallTime now,
                          std::chrono::seconds duration) {
  // The row outlives its holders: the token has to grow over a release too.
  const WallTime until = now + duration;
  COFFER_TRY(auto row,
             transaction.first("INSERT INTO catalog_leases (name, holder, token, until) VALUES ($1, $2, 1, $3) "
                               "ON CONFLICT (name) DO UPDATE SET holder = $2, token = catalog_leases.token + 1, "
                               "until = $3 WHERE catalog_leases.holder IS NULL OR catalog_leases.holder = $2 OR "
                               "catalog_leases.until <= $4 RETURNING token",
                               {name, holder, until, now}));
  // Named, so that in_transaction() does not take it for a lost race of the database and try again.
  if (!row)
    return Error{ErrorCode::kConflict, "the lease on " + std::string(name) + " is held by another", {}, "LeaseHeld"};
  return Lease{std::string(name), std::string(holder), row->integer(0), until};
}

Status renew_lease(Transaction& transaction, Lease& lease, WallTime now, std::chrono::seconds duration) {
  const WallTime until = now + duration;
  COFFER_TRY(auto row, transaction.first("UPDATE catalog_leases SET until = $3 WHERE name = $1 AND token = $2 AND "
                                         "holder IS NOT NULL RETURNING token",
                                         {lease.name, lease.token, until}));
  if (!row) return taken_over(lease);
  lease.until = until;
  return ok_status();
}

Status check_fence(Transaction& transaction, const Lease& lease) {
  COFFER_TRY(auto row, transaction.first("SELECT token FROM catalog_leases WHERE name = $1 AND holder IS NOT NULL",
                                         {lease.name}));
  if (!row || row->integer(0) != lease.token) return taken_over(lease);
  return ok_status();
}

Status release_lease(Transaction& transaction, const Lease& lease) {
  // Not the newest any more: it is somebody else's, and stays.
  COFFER_CHECK_OK(transaction.run("UPDATE catalog_leases SET holder = NULL, until = 0 WHERE name = $1 AND token = $2",
                                  {lease.name, lease.token}));
  return ok_status();
}

}  // namespace coffer::catalog
