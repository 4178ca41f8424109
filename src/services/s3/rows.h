// Catalog rows of S3, and the statements on them. Nothing here decides anything.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "services/api/value.h"
#include "services/catalog/database.h"
#include "services/s3/encryption.h"
#include "services/s3/object_data.h"

namespace coffer::s3::rows {

struct Bucket {
  int64_t id = 0;  // never used twice
  std::string name, account, region;
  WallTime created;
  std::string versioning;     // "", "Enabled", "Suspended"
  bool lock_enabled = false;  // Object Lock; never goes off
  [[nodiscard]] std::string arn() const { return "arn:aws:s3:::" + name; }
};

/// The settings of a bucket that are one document each: kind -> document as the API shows it. Kinds: "acl", "cors",
/// "encryption", "lifecycle", "logging", "notification", "object-lock", "ownership", "policy" (text), "public-access",
/// "replication", "tagging", "request-payment", "accelerate".
using Settings = std::map<std::string, api::Value, std::less<>>;

/// A version of an object, or a delete marker.
struct Version {
  int64_t bucket_id = 0;
  std::string key;
  int64_t sequence = 0;    // grows with every version of the bucket: the largest of a key is the latest
  std::string version_id;  // "null", or 32 characters
  bool latest = true, marker = false;
  int64_t size_bytes = 0;
  std::string etag;  // without quotes
  WallTime modified;
  std::string storage_class = "STANDARD";
  std::string owner;          // account of the bucket (BucketOwnerEnforced)
  std::string checksum_kind;  // "CRC64NVME"; empty: none
  std::string checksum;       // base64, as shown, with "-N" when composite
  bool checksum_composite = false;
  api::Value metadata;  // ContentType, CacheControl ..., and "Metadata": the user's map
  std::map<std::string, std::string> tags;
  Encryption encryption;
  std::string root_identity;  // ObjectIdentity::upload_or_version of its root
  Layout layout;              // empty for markers and empty objects
  std::string lock_mode;      // "", "GOVERNANCE", "COMPLIANCE"
  std::optional<WallTime> retain_until;
  bool legal_hold = false;
  std::string replication;                   // "", "PENDING", "COMPLETED", "FAILED", "REPLICA"
  std::optional<WallTime> noncurrent_since;  // when its successor was made
  std::string restore;                       // "", "ongoing", or the expiry (RFC 1123) of the restored copy
};

struct Upload {
  std::string id;
  int64_t bucket_id = 0;
  std::string key;
  WallTime initiated;
  std::string initiator_arn;
  api::Value input;  // of CreateMultipartUpload: metadata, tags, lock, storage class, checksum algorithm and type
  Encryption encryption;
};
struct Part {
  std::string upload_id;
  int32_t number = 0;
  Piece piece;
  std::string etag;
  std::string checksum;  // raw digest
  WallTime modified;
};

// buckets
Result<std::optional<Bucket>> find_bucket(catalog::Transaction& t, std::string_view name);
Result<std::vector<Bucket>> list_buckets(catalog::Transaction& t, std::string_view account, std::string_view after,
                                         std::string_view prefix, int64_t limit);
Result<std::optional<Bucket>> find_bucket_by_id(catalog::Transaction& t, int64_t id);
/// Sets `bucket.id`. kAlreadyExists when the name is taken.
Status insert_bucket(catalog::Transaction& t, Bucket& bucket);
Status update_bucket(catalog::Transaction& t, const Bucket& bucket);  // versioning, lock_enabled
Status delete_bucket(catalog::Transaction& t, int64_t id);            // and its settings
Result<bool> bucket_is_empty(catalog::Transaction& t, int64_t id);    // no version, marker or upload
Result<Settings> load_settings(catalog::Transaction& t, int64_t bucket_id);
/// Null removes it.
Status put_setting(catalog::Transaction& t, int64_t bucket_id, std::string_view kind, const api::Value& document);

// versions
Result<std::optional<Version>> latest_version(catalog::Transaction& t, int64_t bucket_id, std::string_view key);
Result<std::optional<Version>> find_version(catalog::Transaction& t, int64_t bucket_id, std::string_view key,
                                            std::string_view version_id);
Result<std::optional<Version>> find_version_by_sequence(catalog::Transaction& t, int64_t sequence);
/// The newest of a key besides `sequence`: what becomes the latest when that one goes.
Result<std::optional<Version>> next_latest(catalog::Transaction& t, int64_t bucket_id, std::string_view key,
                                           int64_t sequence);
/// Takes the next sequence. Does not touch other versions. kConflict when the key has a latest one: another writer's.
Status insert_version(catalog::Transaction& t, Version& version);
/// All columns but the identity and the layout, which never changes.
Status update_version(catalog::Transaction& t, const Version& version);
Status set_latest(catalog::Transaction& t, const Version& version, bool latest,
                  std::optional<WallTime> noncurrent_since);
Status delete_version(catalog::Transaction& t, const Version& version);

/// What a listing shows of a version; made without its layout and keys.
struct Listed {
  std::string key, version_id, etag, storage_class, owner, checksum_kind, restore;
  bool latest = false, marker = false, checksum_composite = false;
  int64_t size_bytes = 0, sequence = 0;
  WallTime modified;
};
/// Latest versions that are no markers, keys >= `from` (or > when `exclusive`) that begin with `prefix`, in byte order.
Result<std::vector<Listed>> list_current(catalog::Transaction& t, int64_t bucket_id, std::string_view prefix,
                                         std::string_view from, bool exclusive, int64_t limit);
/// All versions by key, the newest of a key first, from key `from` (with sequence below `below_sequence` of that key).
Result<std::vector<Listed>> list_versions(catalog::Transaction& t, int64_t bucket_id, std::string_view prefix,
                                          std::string_view from, int64_t below_sequence, int64_t limit);

// inline bytes, and pieces that are garbage
Status insert_inline(catalog::Transaction& t, const PieceId& id, ByteView sealed);
Result<Bytes> find_inline(catalog::Transaction& t, const PieceId& id);  // kCorruption when it is not there
/// Nothing refers to these any more: inline bytes go now, blocks are removed later by the service's loop.
Status discard_pieces(catalog::Transaction& t, const Layout& layout, WallTime now);
struct Discarded {
  PieceId id{};
  uint64_t size_bytes = 0;
};
Result<std::vector<Discarded>> discarded_before(catalog::Transaction& t, WallTime before, int64_t limit);
Status forget_discarded(catalog::Transaction& t, const PieceId& id);
/// Does any version, part or discarded row name this piece, whose blocks are in the store? By the table of references
/// that insert_version(), put_part() and their counterparts keep.
Result<bool> piece_is_known(catalog::Transaction& t, const PieceId& id);

// uploads
Status insert_upload(catalog::Transaction& t, const Upload& upload);
Result<std::optional<Upload>> find_upload(catalog::Transaction& t, std::string_view upload_id);
Result<std::vector<Upload>> list_uploads(catalog::Transaction& t, int64_t bucket_id, std::string_view prefix,
                                         std::string_view key_after, std::string_view id_after, int64_t limit);
/// With its parts' rows; their pieces are the caller's to discard or to keep.
Status delete_upload(catalog::Transaction& t, std::string_view upload_id);
/// Replaces a part of the same number and gives the one that was there.
Result<std::optional<Part>> put_part(catalog::Transaction& t, const Part& part);
Result<std::vector<Part>> list_parts(catalog::Transaction& t, std::string_view upload_id, int32_t after, int64_t limit);
Result<std::optional<Part>> find_part(catalog::Transaction& t, std::string_view upload_id, int32_t number);

/// The answer of a completed upload, kept a while for a client that asks again.
struct Completed {
  std::string upload_id;
  int64_t bucket_id = 0;
  std::string key;
  std::string parts;  // what identifies the list of parts that was completed
  api::Value output;
  WallTime at;
};
Status insert_completed(catalog::Transaction& t, const Completed& completed);
Result<std::optional<Completed>> find_completed(catalog::Transaction& t, std::string_view upload_id);
Status forget_completed_before(catalog::Transaction& t, WallTime before);

}  // namespace coffer::s3::rows
