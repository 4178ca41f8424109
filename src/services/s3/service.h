// S3: buckets and objects, encrypted, versioned, locked, expired and replicated. API version 2006-03-01.
#pragma once
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "engine/store/object_store.h"
#include "services/api/access_record.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"

namespace coffer::s3 {

struct Options {
  std::vector<std::string> regions;  // of this installation; the first is the default
  uint64_t block_size_bytes = uint64_t{8} << 20;
  uint64_t inline_size_max_bytes = 16 * 1024;  // objects up to this lie in the catalog
};

/// Where the bucket is that a replica goes to: here, in a peer installation, in another S3 server.
class ReplicaDestinations {
 public:
  virtual ~ReplicaDestinations() = default;
  /// Runs an operation of the destination (ReplicateObject, ReplicateMetadata; `call.operation`) on the input's Bucket
  /// for a role of this installation. `account`: the owner that the rule names; empty: it names none. kUnavailable and
  /// kDeadlineExceeded say that it is away; other errors are its answer.
  virtual Result<api::Value> call(const api::Call& call, const iam::Identity& identity, std::string_view account,
                                  const api::Value& input, api::RequestBody* body) = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// What is due at `now`: lifecycle, bytes that nobody refers to, the scrub. Called by the daemon's
  /// loop; idempotent.
  virtual Status run_due(const Context& context, WallTime now) = 0;
  /// Carries out what replication has queued and is due; how many entries it looked at. Called by the daemon again and
  /// again, at once after it found something.
  virtual Result<int64_t> replicate(const Context& context, WallTime now, ReplicaDestinations& destinations) = 0;
  /// The CORSConfiguration of a bucket, which the edge needs before it knows any operation; null when it has none, or
  /// when there is no such bucket.
  virtual Result<api::Value> cors_of(const Context& context, std::string_view bucket) = 0;
  /// Whether a bucket has a server access log; and a line for it. What asks for none, the front need not write down.
  virtual bool wants_access_log(std::string_view bucket) = 0;
  virtual void note_access(api::AccessRecord record) = 0;
  /// Delivers access logs that have waited long enough, as logging.s3.amazonaws.com through `transfer`.
  virtual Status deliver_access_logs(const Context& context, WallTime now, const api::Transfer& transfer) = 0;
};

/// `store`: where the bytes of objects lie. `sealing_root`: 64 bytes, the installation's root. `invoke`: the gate, for
/// KMS. Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, store::ObjectStore& store,
                                      api::Invoke invoke, Secret sealing_root, Clock& clock, Entropy& entropy,
                                      Options options);

/// Queues what a bucket had before its replication rules, and what failed: versions and, where a rule takes them,
/// delete markers whose status is in `statuses` ("NONE", "FAILED", "COMPLETED"). How many were queued. A running
/// daemon of the catalog carries them out. kNotFound: no such bucket; kFailedPrecondition: it has no rules.
Result<int64_t> replicate_existing(catalog::Database& database, const Context& context, Clock& clock,
                                   std::string_view bucket, const std::vector<std::string>& statuses);

std::span<const catalog::Migration> migrations();  // numbers 500-599

}  // namespace coffer::s3
