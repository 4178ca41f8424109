#include "services/s3/replication.h"

#include <algorithm>

#include "base/tasks.h"
#include "services/catalog/leases.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

constexpr int64_t kBatch = 64;
constexpr int kTasks = 4;
constexpr std::chrono::seconds kLease{60};
constexpr std::chrono::seconds kFirstDelay{1}, kDelayMax{300};
constexpr std::string_view kPrincipal = "s3.amazonaws.com";

/// How an attempt ended. `reason` is one of S3's failure reasons, for events and metrics.
struct Outcome {
  enum class Kind { kDone, kDropped, kLater, kFailed };
  Kind kind = Kind::kDone;
  std::string reason;
};

bool is_passing(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kThrottled:
    case ErrorCode::kCancelled:
    case ErrorCode::kConflict:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCorruption:       // of what was stored or read on either side: it is no refusal
    case ErrorCode::kUnauthenticated:  // not enrolled yet, or a clock is wrong
    case ErrorCode::kInternal: return true;
    default: return error.name == "BadDigest" || error.name == "IncompleteBody";
  }
}

std::string reason_of_destination(const Error& error) {
  if (error.name == "NoSuchBucket") return "DstBucketNotFound";
  if (error.name == "ReplicaBucketUnversioned") return "DstBucketUnversioned";
  if (error.name == "ReplicaBucketLockMissing") return "DstBucketObjectLockConfigMissing";
  if (error.name == "NoSuchVersion") return "DstVersionNotFound";
  if (error.name == "KMS.NotFoundException") return "DstKmsKeyNotFound";
  if (error.name.starts_with("KMS.")) return "DstKmsKeyInvalidState";
  return "DstPutObjectNotPermitted";
}

Outcome after_destination(const Error& error) {
  if (is_passing(error)) return {Outcome::Kind::kLater, error.message};
  return {Outcome::Kind::kFailed, reason_of_destination(error)};
}

/// The input of kReplicateObject and kReplicateMetadata; read again by replica_operations.cc.
api::Value replica_input(const rows::Version& version, const ReplicationRule& rule) {
  api::Value input = api::Value::object({{"Bucket", rule.bucket},
                                         {"Key", version.key},
                                         {"VersionId", version.version_id},
                                         {"DeleteMarker", version.marker},
                                         {"LastModified", version.modified},
                                         {"Tags", api::text_map(version.tags)}});
  if (!rule.account.empty()) input.set("ExpectedBucketOwner", rule.account);
  if (version.marker) return input;
  input.set("ETag", version.etag);
  input.set("Size", version.size_bytes);
  input.set("StorageClass", rule.storage_class.empty() ? version.storage_class : rule.storage_class);
  input.set("Properties", version.metadata);
  if (rule.owner_override) input.set("OwnerOverride", true);
  if (!rule.replica_kms_key.empty()) {
    input.set("ServerSideEncryption", "aws:kms");
    input.set("SSEKMSKeyId", rule.replica_kms_key);
  }
  if (!version.checksum.empty()) {
    input.set("StoredChecksum", version.checksum);
    input.set("StoredChecksumKind", version.checksum_kind);
    input.set("StoredChecksumComposite", version.checksum_composite);
    // Of the whole object: the receiver checks what arrives against it.
    if (!version.checksum_composite) input.set("Checksum" + version.checksum_kind, version.checksum);
  }
  if (!version.lock_mode.empty() && version.retain_until) {
    input.set("ObjectLockMode", version.lock_mode);
    input.set("ObjectLockRetainUntilDate", *version.retain_until);
  }
  if (version.legal_hold) input.set("ObjectLockLegalHoldStatus", "ON");
  return input;
}

class QueueReplicator final : public Replicator {
 public:
  explicit QueueReplicator(const Setting& setting)
      : setting_(setting), database_(setting.database), holder_(random_uuid(setting.entropy)) {}

  Result<int64_t> run_due(const Context& context, WallTime now, ReplicaDestinations& destinations) override {
    std::vector<QueuedReplica> entries;
    {
      COFFER_TRY(auto t, database_.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(entries, due_replicas(*t, now, kBatch));
    }
    if (entries.empty()) return 0;
    COFFER_TRY(const bool ours, hold_lease(context, now));
    if (!ours) return 0;
    Channel<QueuedReplica> work(entries.size());
    for (QueuedReplica& entry : entries) work.push(context, std::move(entry));
    work.close();
    TaskGroup tasks(context);
    for (int i = 0; i < kTasks; ++i) {
      tasks.spawn([&]() -> Status {
        while (auto entry = work.pop(tasks.context()))
          COFFER_CHECK_OK(carry_out(tasks.context(), *entry, now, destinations));
        return ok_status();
      });
    }
    COFFER_CHECK_OK(tasks.wait());
    return static_cast<int64_t>(entries.size());
  }

 private:
  Result<bool> hold_lease(const Context& context, WallTime now) {
    bool ours = false;
    COFFER_CHECK_OK(catalog::in_transaction(database_, context, [&](catalog::Transaction& t) -> Status {
      Result<catalog::Lease> lease = catalog::claim_lease(t, "s3-replication", holder_, now, kLease);
      ours = lease.ok();
      return ours || lease.code() == ErrorCode::kConflict ? ok_status() : Status(std::move(lease).error());
    }));
    return ours;
  }

  Status carry_out(const Context& context, const QueuedReplica& entry, WallTime now,
                   ReplicaDestinations& destinations) {
    Result<Outcome> tried = attempt(context, entry, now, destinations);
    const Outcome outcome = tried.ok() ? *tried : Outcome{Outcome::Kind::kLater, tried.error().message};
    if (context.stopped()) return ok_status();  // what was cut off is done again
    return catalog::in_transaction(database_, context, [&](catalog::Transaction& t) -> Status {
      if (outcome.kind == Outcome::Kind::kLater) {
        const auto delay = std::min<std::chrono::seconds>(
            kDelayMax, kFirstDelay * (int64_t{1} << std::min<int64_t>(entry.attempts, 9)));
        return postpone_replica(t, entry.id, now + delay);
      }
      COFFER_CHECK_OK(remove_replica(t, entry.id));
      if (outcome.kind == Outcome::Kind::kDropped) return ok_status();
      return settle(context, t, entry, outcome, now);
    });
  }

  /// PENDING becomes COMPLETED with the last destination, FAILED with the first that refuses.
  Status settle(const Context& context, catalog::Transaction& t, const QueuedReplica& entry, const Outcome& outcome,
                WallTime now) {
    COFFER_TRY(auto version, rows::find_version(t, entry.bucket_id, entry.key, entry.version_id));
    if (!version || version->replication == "REPLICA") return ok_status();
    if (outcome.kind == Outcome::Kind::kFailed) {
      if (!version->marker) {
        version->replication = "FAILED";
        COFFER_CHECK_OK(rows::update_version(t, *version));
      }
      return tell_failure(context, t, entry, *version, outcome.reason, now);
    }
    COFFER_TRY(const int64_t left, count_replicas_of(t, entry.bucket_id, entry.key, entry.version_id));
    if (version->marker || left > 0 || version->replication != "PENDING") return ok_status();
    version->replication = "COMPLETED";
    return rows::update_version(t, *version);
  }

  /// The notification s3:Replication:OperationFailedReplication, by rules that have metrics.
  Status tell_failure(const Context& context, catalog::Transaction& t, const QueuedReplica& entry,
                      const rows::Version& version, const std::string& reason, WallTime now) {
    COFFER_TRY(auto bucket, setting_.buckets.find(t, entry.bucket));
    if (!bucket || !bucket->replication) return ok_status();
    const ReplicationConfiguration& configuration = *bucket->replication;
    const bool wanted =
        std::any_of(configuration.rules.begin(), configuration.rules.end(),
                    [&](const ReplicationRule& rule) { return rule.id == entry.rule_id && rule.metrics; });
    if (!wanted) return ok_status();
    api::Call call;
    call.context = context;
    call.service = "s3";
    call.request_id = random_uuid(setting_.entropy);
    call.time = now;
    const api::Value input =
        api::Value::object({{"RuleId", entry.rule_id}, {"DestinationBucket", "arn:aws:s3:::" + entry.destination}});
    const api::Operation operation{call, input, t};
    return tell({setting_, operation}, *bucket, version, Change::kReplicationFailed, reason);
  }

  Result<Outcome> attempt(const Context& context, const QueuedReplica& entry, WallTime now,
                          ReplicaDestinations& destinations) {
    const auto failed = [](std::string reason) { return Outcome{Outcome::Kind::kFailed, std::move(reason)}; };
    COFFER_TRY(auto t, database_.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(auto bucket, setting_.buckets.find(*t, entry.bucket));
    if (!bucket || bucket->bucket.id != entry.bucket_id) return Outcome{Outcome::Kind::kDropped, "SrcBucketNotFound"};
    COFFER_TRY(auto version, rows::find_version(*t, entry.bucket_id, entry.key, entry.version_id));
    if (!version) return Outcome{Outcome::Kind::kDropped, "SrcVersionNotFound"};
    if (!bucket->replication) return failed("SrcBucketReplicationConfigMissing");
    const ReplicationConfiguration& configuration = *bucket->replication;
    const auto rule =
        std::find_if(configuration.rules.begin(), configuration.rules.end(), [&](const ReplicationRule& one) {
          return one.enabled && one.id == entry.rule_id && one.bucket == entry.destination;
        });
    if (rule == configuration.rules.end()) return failed("SrcBucketReplicationConfigMissing");
    if (version->encryption.mode == EncryptionMode::kCustomer) return failed("SrcObjectNotEligible");

    api::Call call;
    call.context = context;
    call.service = "s3";
    call.operation = entry.work == ReplicaWork::kVersion ? kReplicateObject : kReplicateMetadata;
    call.region = bucket->bucket.region;
    call.request_id = random_uuid(setting_.entropy);
    call.user_agent = kPrincipal;
    call.secure_transport = true;
    call.time = now;
    call.source_arn = bucket->bucket.arn();
    call.source_account = bucket->bucket.account;
    auto identity = setting_.authority.assume_for_service(*t, configuration.role, kPrincipal, call);
    if (!identity.ok()) {
      if (identity.code() != ErrorCode::kPermissionDenied && identity.code() != ErrorCode::kNotFound)
        return std::move(identity).error();
      return failed("AssumeRoleNotPermitted");
    }
    call.caller = (*identity)->caller;
    call.source_arn.clear(), call.source_account.clear();

    const api::Value input = replica_input(*version, *rule);
    const api::Operation operation{call, input, *t, identity->get()};
    const Request r{setting_, operation};
    std::vector<api::AccessRequest> needed{
        access_to(r, *bucket, "s3:GetObjectVersionForReplication", entry.key),
    };
    if (!version->tags.empty()) needed.push_back(access_to(r, *bucket, "s3:GetObjectVersionTagging", entry.key));
    if (Status allowed = setting_.authority.authorize(*t, call, **identity, needed); !allowed.ok()) {
      if (allowed.code() != ErrorCode::kPermissionDenied) return std::move(allowed).error();
      return failed("SrcGetObjectNotPermitted");
    }
    std::unique_ptr<CopiedBody> body;
    if (entry.work == ReplicaWork::kVersion && !version->marker) {
      Result<Secret> root = setting_.encryptor.open_root(operation, version->encryption,
                                                         {entry.bucket, entry.key, version->root_identity}, nullptr);
      if (!root.ok()) {
        if (is_passing(root.error())) return std::move(root).error();
        return failed("SrcKmsKeyInvalidState");
      }
      const auto size = static_cast<uint64_t>(version->size_bytes);
      COFFER_TRY(auto source, setting_.data.open(context, std::move(*root), version->layout, 0, size,
                                                 [&](const PieceId& id) { return rows::find_inline(*t, id); }));
      body = std::make_unique<CopiedBody>(std::move(source), size);
    }
    t.reset();  // the transfer may take long
    Result<api::Value> sent = destinations.call(call, **identity, rule->account, input, body.get());
    if (!sent.ok()) return after_destination(sent.error());
    // A success that says nothing is somebody else's, on the way.
    if (sent->text("VersionId") != entry.version_id)
      return Outcome{Outcome::Kind::kLater, "the destination does not confirm the version"};
    return Outcome{};
  }

  const Setting& setting_;
  catalog::Database& database_;
  const std::string holder_;
};

}  // namespace

Result<bool> queue_by_rules(catalog::Transaction& t, const rows::Bucket& bucket, rows::Version& version,
                            const std::vector<const ReplicationRule*>& rules, ReplicaWork work, WallTime now) {
  for (const ReplicationRule* rule : rules) {
    QueuedReplica entry;
    entry.bucket_id = bucket.id;
    entry.bucket = bucket.name;
    entry.key = version.key;
    entry.version_id = version.version_id;
    entry.work = work;
    entry.rule_id = rule->id;
    entry.destination = rule->bucket;
    entry.created = entry.due = now;
    COFFER_CHECK_OK(queue_replica(t, entry));
  }
  if (rules.empty()) return false;
  if (version.marker || version.replication == "REPLICA") return true;
  version.replication = "PENDING";
  COFFER_CHECK_OK(rows::update_version(t, version));
  return true;
}

Status queue_replication(const Request& r, const BucketView& bucket, rows::Version& version, ReplicaWork work) {
  if (!bucket.replication) return ok_status();
  // Later changes of a version that never went anywhere do not go either.
  if (work == ReplicaWork::kMetadata && version.replication.empty()) return ok_status();
  const auto rules = work == ReplicaWork::kVersion ? rules_for(*bucket.replication, version)
                                                   : rules_for_changes(*bucket.replication, version);
  COFFER_CHECK_OK(queue_by_rules(r.t(), bucket.bucket, version, rules, work, r.now()));
  return ok_status();
}

std::unique_ptr<Replicator> make_replicator(const Setting& setting) {
  return std::make_unique<QueueReplicator>(setting);
}

}  // namespace coffer::s3
