// Replication: what a change of a bucket puts into the queue, and the worker that carries it out. The role of the
// configuration is assumed for every entry; its policies, the bucket policies of both sides and both key policies
// decide. A destination that is away delays; a refusal makes the object FAILED.
#pragma once
#include <memory>

#include "services/s3/operations.h"
#include "services/s3/replication_queue.h"
#include "services/s3/replication_rules.h"

namespace coffer::s3 {

/// In the transaction of a change: queues what the bucket's rules want, and sets version.replication (also in its row).
Status queue_replication(const Request& r, const BucketView& bucket, rows::Version& version, ReplicaWork work);

/// The same for rules that have been picked. False: there are none.
Result<bool> queue_by_rules(catalog::Transaction& t, const rows::Bucket& bucket, rows::Version& version,
                            const std::vector<const ReplicationRule*>& rules, ReplicaWork work, WallTime now);

/// The operations that a destination bucket is asked for.
inline constexpr std::string_view kReplicateObject = "ReplicateObject", kReplicateMetadata = "ReplicateMetadata";

/// Works through the queue. One of all daemons on a catalog does, by a lease.
class Replicator {
 public:
  virtual ~Replicator() = default;
  /// Carries out entries that are due; how many were done, dropped or postponed. 0: there is nothing to do now.
  virtual Result<int64_t> run_due(const Context& context, WallTime now, ReplicaDestinations& destinations) = 0;
};
/// `setting` outlives it.
std::unique_ptr<Replicator> make_replicator(const Setting& setting);

}  // namespace coffer::s3
