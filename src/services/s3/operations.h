// What the operations of S3 work with, and the operations themselves by area. For the files of this folder.
#pragma once
#include "services/api/fault.h"
#include "services/api/request.h"
#include "services/s3/rows.h"
#include "services/s3/service.h"

namespace coffer::s3 {

struct LifecycleConfiguration;
struct ReplicationConfiguration;

/// A bucket with its settings, as of one generation of the catalog. What every request on an object asks for is parsed;
/// null: there is none.
struct BucketView {
  rows::Bucket bucket;
  rows::Settings settings;
  std::shared_ptr<const policy::Document> policy;
  std::shared_ptr<const Result<LifecycleConfiguration>> lifecycle;
  std::shared_ptr<const ReplicationConfiguration> replication;
  [[nodiscard]] const api::Value* setting(std::string_view kind) const {
    const auto found = settings.find(kind);
    return found == settings.end() ? nullptr : &found->second;
  }
};

/// Buckets by name, kept until a change of any bucket (catalog generation "s3"). Safe from many threads.
class BucketCache {
 public:
  virtual ~BucketCache() = default;
  /// Null: there is none of this name.
  virtual Result<std::shared_ptr<const BucketView>> find(catalog::Transaction& t, std::string_view name) = 0;
  /// In the transaction of a change of a bucket or of its settings.
  virtual Status changed(catalog::Transaction& t) = 0;
};
/// `shared`: others write to the catalog too; what they change is seen within half a second, and at once by whoever
/// writes.
std::unique_ptr<BucketCache> make_bucket_cache(Clock& clock, bool shared);

struct Setting {
  catalog::Database& database;  // for what needs one view of several rows outside a transaction
  iam::Authority& authority;
  ObjectData& data;
  Encryptor& encryptor;
  BucketCache& buckets;
  ByteView sealing_root;
  Clock& clock;
  Entropy& entropy;
  Options options;
};

struct Request {
  const Setting& setting;
  const api::Operation& operation;
  [[nodiscard]] catalog::Transaction& t() const { return operation.transaction; }
  [[nodiscard]] const api::Value& input() const { return operation.input; }
  [[nodiscard]] const api::Call& call() const { return operation.call; }
  [[nodiscard]] const Context& context() const { return operation.call.context; }
  [[nodiscard]] std::string text(std::string_view name) const { return std::string(operation.input.text(name)); }
  [[nodiscard]] WallTime now() const { return operation.call.time; }
  /// Says `name: value` in the answer of a failure.
  void error_header(std::string_view name, std::string value) const;
  void error_element(std::string_view name, std::string value) const;
};
using Entry = api::Entry<Request>;
/// The operations on buckets, their settings, listings, tags and locks (bucket_entries.cc), on objects
/// (object_entries.cc), and what replication asks a destination for (replica_operations.cc): no client reaches those,
/// because S3's model does not have them.
std::span<const Entry> bucket_entries();
std::span<const Entry> object_entries();
std::span<const Entry> replica_entries();

// ---- bucket_cache.cc, access.cc

/// The bucket of the input's member `Bucket`: "NoSuchBucket"; ExpectedBucketOwner is checked ("AccessDenied"), and the
/// Region ("PermanentRedirect").
Result<std::shared_ptr<const BucketView>> bucket_of(const Request& r, std::string_view member = "Bucket");
/// The same for a bucket that is named otherwise (a copy's source); an empty `expected_owner` is not checked.
Result<std::shared_ptr<const BucketView>> bucket_named(const Request& r, std::string_view name,
                                                       std::string_view expected_owner);
/// An account as `Owner`: its canonical user id.
api::Value owner_value(std::string_view account);
/// A decision on a bucket (key empty) or an object, with bucket policy, public access block and the condition keys of
/// the request (s3:prefix, s3:x-amz-server-side-encryption, s3:ExistingObjectTag/...).
api::AccessRequest access_to(const Request& r, const BucketView& bucket, std::string action, std::string_view key = {},
                             api::ConditionKeys more = {});
/// Is `action` allowed besides what the operation itself needs? (s3:ListBucket, for NoSuchKey instead of AccessDenied.)
Result<bool> is_allowed(const Request& r, const BucketView& bucket, std::string action, std::string_view key = {});
/// Is a bucket policy public, by the rules of the public access block?
bool is_public(const policy::Document& document);

// ---- bodies.cc: a request's body into a piece

struct ReceivedBody {
  WrittenPiece written;
  std::string md5_hex;        // empty when it was not needed
  std::string checksum_kind;  // "CRC64NVME" when the client named none
  std::string checksum;       // raw digest
};
/// Reads, checks and writes the body of `r`: announced length, Content-MD5, the one checksum of the request (header or
/// trailer), MD5 when `need_md5`. "BadDigest", "InvalidDigest", "InvalidRequest", "EntityTooLarge", "IncompleteBody".
/// `kind` is computed whatever the client named, and is then what `checksum` is of (the parts of an upload all have
/// one kind); empty: the client's, else CRC64NVME. On an error nothing is left behind.
Result<ReceivedBody> receive_body(const Request& r, ByteView object_root, bool need_md5, std::string_view kind = {});

// ---- versions.cc: what writing and deleting mean

/// If-Match and If-None-Match of a write, on what is the latest now. "PreconditionFailed", "NoSuchKey".
Status check_write_conditions(const Request& r, const BucketView& bucket, std::string_view key);
/// Makes `version` the latest of its key by the bucket's versioning: sets version id and sequence, ends what it
/// replaces, discards pieces, refuses what a lock forbids, applies default retention, and tells what follows from it
/// (events, replication). `reason`: "PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload".
Status store_version(const Request& r, const BucketView& bucket, rows::Version& version, std::string_view reason);
struct Deletion {
  bool marker_created = false, marker_removed = false;
  std::string version_id;  // of the marker made, or of what was removed; empty when unversioned
};
/// DeleteObject on one key; `version_id` empty: the latest. "AccessDenied" for a locked version.
Result<Deletion> remove_object(const Request& r, const BucketView& bucket, std::string_view key,
                               std::string_view version_id, bool bypass_governance);
/// The version that a read asks for (VersionId or the latest): "NoSuchKey", "NoSuchVersion", "MethodNotAllowed" for a
/// marker; says x-amz-delete-marker. Without s3:ListBucket a missing key is "AccessDenied".
Result<rows::Version> version_of(const Request& r, const BucketView& bucket, std::string_view key,
                                 std::string_view version_id);
/// A version id that nobody has: 32 characters.
std::string new_version_id(Entropy& entropy);
/// Metadata, tags, storage class, lock and owner of a new version from a request's members.
Result<rows::Version> new_version(const Request& r, const BucketView& bucket, std::string_view key);
/// Members of PutObject's, GetObject's and HeadObject's answers that come from a version: ETag, VersionId, checksum
/// (`with_checksum`), encryption. Buckets that never had versions show no VersionId.
void show_version(const BucketView& bucket, const rows::Version& version, bool with_checksum, api::Value& output);

// ---- consequences.cc: what follows from a change, in its transaction

enum class Change {
  kCreated,
  kRemoved,
  kMarkerCreated,
  kTagged,
  kUntagged,
  kRestored,
  kExpired,
  kExpiredMarker,
  kLockChanged,
  kReplicationFailed
};
/// Notifications and EventBridge through the outbox (topic "events"), and the queue of replication.
Status tell(const Request& r, const BucketView& bucket, const rows::Version& version, Change change,
            std::string_view reason);

}  // namespace coffer::s3
