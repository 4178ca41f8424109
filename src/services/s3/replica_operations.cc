// The destination's side of replication: what a role may write here with the version ids and dates of another bucket.
#include "base/base64.h"
#include "services/s3/replication.h"

namespace coffer::s3 {
namespace {

/// What prepare_replica() received. Nothing: a delete marker, or a version that is there already.
struct Received {
  Encryption encryption;
  WrittenPiece written;
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

void take_lock(const Request& r, rows::Version& version) {
  version.lock_mode = r.text("ObjectLockMode");
  version.retain_until = r.input().time("ObjectLockRetainUntilDate");
  version.legal_hold = r.text("ObjectLockLegalHoldStatus") == "ON";
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

}  // namespace

Result<std::vector<api::AccessRequest>> access_to_replicate(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  const std::string key = r.text("Key");
  std::vector<api::AccessRequest> needed;
  if (r.call().operation == kReplicateObject) {
    needed.push_back(
        access_to(r, *bucket, r.input().flag("DeleteMarker") ? "s3:ReplicateDelete" : "s3:ReplicateObject", key));
  }
  if (r.call().operation == kReplicateMetadata || !r.input().members("Tags").empty())
    needed.push_back(access_to(r, *bucket, "s3:ReplicateTags", key));
  return needed;
}

Result<std::shared_ptr<void>> prepare_replica(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_bucket(r, *bucket));
  auto received = std::make_shared<Received>();
  COFFER_TRY(auto there, existing(r, *bucket));
  if (there || r.input().flag("DeleteMarker")) return std::shared_ptr<void>();
  const api::Value* rule = nullptr;
  if (const api::Value* configuration = bucket->setting("encryption"); configuration) {
    const api::List& rules = configuration->list("Rules");
    if (!rules.empty()) rule = &rules.front();
  }
  COFFER_TRY(EncryptionWish wish, Encryptor::wish_of(r.operation, rule));
  COFFER_TRY(
      Encryptor::NewRoot root,
      r.setting.encryptor.make_root(r.operation, wish, {bucket->bucket.name, r.text("Key"), r.text("VersionId")}));
  COFFER_TRY(ReceivedBody body, receive_body(r, root.root.view(), false));
  received->encryption = std::move(root.stored);
  received->written = std::move(body.written);
  return std::shared_ptr<void>(std::move(received));
}

Result<api::Value> replicate_object(const Request& r) {
  COFFER_TRY(auto bucket, bucket_of(r));
  COFFER_CHECK_OK(check_bucket(r, *bucket));
  const auto received = std::static_pointer_cast<Received>(r.operation.prepared);
  COFFER_TRY(auto there, existing(r, *bucket));
  api::Value output = api::Value::object({{"VersionId", r.text("VersionId")}});
  if (there) {
    if (received) COFFER_CHECK_OK(rows::discard_pieces(r.t(), {received->written.piece}, r.now()));
    return output;
  }
  rows::Version version = replica_of(r, *bucket);
  if (!version.marker) {
    // It was there when the body came and has been deleted since: the sender asks again.
    if (!received) return Error{ErrorCode::kUnavailable, "the replica was deleted while it was written", {}};
    if (!r.setting.data.may_be_committed(received->written.piece.id))
      return Error{ErrorCode::kUnavailable, "the transfer took too long", {}};
    version.encryption = received->encryption;
    version.layout = {received->written.piece};
    version.size_bytes = static_cast<int64_t>(received->written.piece.size_bytes);
    if (version.size_bytes == 0) version.layout.clear();
    if (received->written.piece.is_inline)
      COFFER_CHECK_OK(rows::insert_inline(r.t(), received->written.piece.id, received->written.inline_bytes));
  }
  COFFER_TRY(auto latest, rows::latest_version(r.t(), bucket->bucket.id, version.key));
  if (latest && latest->modified > version.modified) {
    version.latest = false;
    version.noncurrent_since = latest->modified;
  } else if (latest) {
    COFFER_CHECK_OK(rows::set_latest(r.t(), *latest, false, version.modified));
  }
  COFFER_CHECK_OK(rows::insert_version(r.t(), version));
  COFFER_CHECK_OK(tell(r, *bucket, version, version.marker ? Change::kMarkerCreated : Change::kCreated, "PutObject"));
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
  const rows::Version before = *version;
  take_lock(r, *version);
  // A compliance lock of this side is never shortened, whatever the source has become.
  const bool shorter = before.lock_mode == "COMPLIANCE" &&
                       (version->lock_mode != "COMPLIANCE" || version->retain_until < before.retain_until);
  if (shorter) {
    version->lock_mode = before.lock_mode;
    version->retain_until = before.retain_until;
  }
  COFFER_CHECK_OK(rows::update_version(r.t(), *version));
  return api::Value::object({{"VersionId", version->version_id}});
}

}  // namespace coffer::s3
