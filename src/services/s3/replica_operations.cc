// The destination's side of replication: what a role may write here with the version ids and dates of another bucket.
#include "services/s3/object_operations.h"
#include "services/s3/replication.h"

namespace coffer::s3 {
namespace {

/// What prepare_replica() received. Nothing: a delete marker, or a version that is there already.
struct Received {
  explicit Received(ObjectData& data) : piece(data) {}
  Encryption encryption;
  Layout layout;  // empty for an empty object
  UnclaimedPiece piece;
};

/// The version that the input names, when it is here already: a repeated call has no second effect.
Result<std::optional<rows::Version>> existing(const Request& r, const BucketView& bucket) {
  return rows::find_version(r.t(), bucket.bucket.id, r.text("Key"), r.text("VersionId"));
}

Status check_bucket(const Request& r, const BucketView& bucket) {
  if (bucket.bucket.versioning != "Enabled") {
    return api::fault(ErrorCode::kFailedPrecondition, "ReplicaBucketUnversioned",
                      "Versioning must be 'Enabled' on the destination bucket to replicate to it.");
  }
  if (r.input().has("ObjectLockMode") && !bucket.bucket.lock_enabled) {
    return api::fault(ErrorCode::kFailedPrecondition, "ReplicaBucketLockMissing",
                      "The object is locked, and the destination bucket has no Object Lock.");
  }
  return ok_status();
}

/// What a replica is locked by only grows, whatever became of its source: who may write replicas may not undo it.
void take_lock(const Request& r, rows::Version& version) {
  version.legal_hold = version.legal_hold || r.text("ObjectLockLegalHoldStatus") == "ON";
  const std::string mode = r.text("ObjectLockMode");
  const auto until = r.input().time("ObjectLockRetainUntilDate");
  if (mode.empty() || !until) return;
  const bool held = !version.lock_mode.empty() && version.retain_until && *version.retain_until > r.now();
  const bool weaker =
      held && (*until < *version.retain_until || (version.lock_mode == "COMPLIANCE" && mode != "COMPLIANCE"));
  if (weaker) return;
  version.lock_mode = mode;
  version.retain_until = until;
}

/// A peer says what its catalog has: nothing else has looked at it.
Status check_input(const Request& r) {
  const std::string mode = r.text("ObjectLockMode");
  const bool known_mode = mode.empty() || mode == "GOVERNANCE" || mode == "COMPLIANCE";
  if (!r.text("Key").empty() && !r.text("VersionId").empty() && known_mode) return check_key(r.text("Key"));
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", "This is no version of an object.");
}

rows::Version replica_of(const Request& r, const BucketView& bucket) {
  rows::Version version;
  version.bucket_id = bucket.bucket.id;
  version.key = r.text("Key");
  version.version_id = r.text("VersionId");
  version.root_identity = version.version_id;
  version.marker = r.input().flag("DeleteMarker");
  version.modified = r.input().time("LastModified").value_or(r.now());
  version.owner = bucket.bucket.account;
  version.replication = "REPLICA";
  if (version.marker) return version;
  version.etag = r.text("ETag");
  version.storage_class = r.text("StorageClass");
  if (const api::Value* properties = r.input().find("Properties")) version.metadata = *properties;
  version.tags = r.input().text_map("Tags");
  version.checksum_kind = r.text("StoredChecksumKind");
  version.checksum = r.text("StoredChecksum");
  version.checksum_composite = r.input().flag("StoredChecksumComposite");
  take_lock(r, version);
  return version;
}

Result<std::vector<api::AccessRequest>> access_to_replicate(const Request& r) {
  COFFER_CHECK_OK(check_input(r));
  COFFER_TRY(auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  std::vector<api::AccessRequest> needed;
  if (r.call().operation == kReplicateObject) {
    needed.push_back(
        access_to(r, *bucket, r.input().flag("DeleteMarker") ? "s3:ReplicateDelete" : "s3:ReplicateObject", key));
  }
  if (r.call().operation == kReplicateMetadata || !r.input().members("Tags").empty())
    needed.push_back(access_to(r, *bucket, "s3:ReplicateTags", key));
  const bool locks = r.input().has("ObjectLockMode") || r.input().has("ObjectLockLegalHoldStatus");
  if (r.call().operation == kReplicateMetadata && locks)
    needed.push_back(access_to(r, *bucket, "s3:ReplicateObject", key));
  return needed;
}

Result<std::shared_ptr<void>> prepare_replica(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_bucket(r, *bucket));
  COFFER_TRY(auto there, existing(r, *bucket));
  if (there || r.input().flag("DeleteMarker")) return std::shared_ptr<void>();
  auto received = std::make_shared<Received>(r.setting.data);
  COFFER_TRY(Encryptor::NewRoot root, root_for(r, *bucket, r.text("Key"), r.text("VersionId")));
  COFFER_TRY(ReceivedBody body, receive_body(r, root.root.view(), false));
  if (static_cast<int64_t>(body.written.piece.size_bytes) != r.input().integer("Size"))
    return api::fault(ErrorCode::kInvalidArgument, "IncompleteBody", "The object did not arrive whole.");
  received->encryption = std::move(root.stored);
  if (body.written.piece.size_bytes > 0) {
    received->layout = {body.written.piece};
    received->piece.set(std::move(body.written));
  }
  return std::shared_ptr<void>(std::move(received));
}

Result<api::Value> replicate_object(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_bucket(r, *bucket));
  const auto received = std::static_pointer_cast<Received>(r.operation.prepared);
  COFFER_TRY(auto there, existing(r, *bucket));
  api::Value output = api::Value::object({{"VersionId", r.text("VersionId")}});
  if (there) return output;
  rows::Version version = replica_of(r, *bucket);
  if (!version.marker) {
    // It was there when the body came and has been deleted since: the sender asks again.
    if (!received) return Error{ErrorCode::kUnavailable, "the replica was deleted while it was written", {}};
    COFFER_CHECK_OK(received->piece.begin_claim(r));
    version.encryption = received->encryption;
    version.layout = received->layout;
    version.size_bytes = r.input().integer("Size").value_or(0);
    lock_by_default(*bucket, version, r.now());
  }
  // Replicas of a key arrive in the order of its versions: the last one is the latest.
  COFFER_TRY(auto latest, rows::latest_version(r.t(), bucket->bucket.id, version.key));
  if (latest) COFFER_CHECK_OK(rows::set_latest(r.t(), *latest, false, r.now()));
  COFFER_CHECK_OK(rows::insert_version(r.t(), version));
  COFFER_CHECK_OK(tell(r, *bucket, version, version.marker ? Change::kMarkerCreated : Change::kCreated, "PutObject"));
  if (received) received->piece.claimed();
  return output;
}

Result<api::Value> replicate_metadata(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  COFFER_TRY(auto version, existing(r, *bucket));
  if (!version) {
    return api::fault(ErrorCode::kNotFound, "NoSuchVersion",
                      "The version ID specified in the request does not match an existing version.");
  }
  version->tags = r.input().text_map("Tags");
  take_lock(r, *version);
  COFFER_CHECK_OK(rows::update_version(r.t(), *version));
  return api::Value::object({{"VersionId", version->version_id}});
}

}  // namespace

std::span<const Entry> replica_entries() {
  static constexpr Entry kEntries[] = {
      {"ReplicateObject", true, access_to_replicate, replicate_object, prepare_replica},
      {"ReplicateMetadata", true, access_to_replicate, replicate_metadata},
  };
  return kEntries;
}

}  // namespace coffer::s3
