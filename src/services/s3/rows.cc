#include "services/s3/rows.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "services/api/value_json.h"

namespace coffer::s3::rows {
namespace {

using catalog::Parameter;
using catalog::Row;
using catalog::Rows;
using catalog::Transaction;

constexpr std::string_view kBucketColumns = "id, name, account, region, created, versioning, lock_enabled";
/// In the order of s3_versions_listed. `latest` is known from the condition.
constexpr std::string_view kListedColumns =
    "key, version_id, marker, size, etag, modified, storage_class, owner, checksum_kind, checksum_composite, restore, "
    "sequence";
constexpr std::string_view kVersionColumns =
    "bucket_id, key, version_id, latest, marker, size, etag, modified, storage_class, owner, checksum_kind, "
    "checksum_composite, restore, checksum, lock_mode, retain_until, legal_hold, replication, noncurrent_since, "
    "root_identity, tags, metadata, encryption, layout";
constexpr std::string_view kUploadColumns = "id, bucket_id, key, initiated, initiator, input, encryption";
constexpr std::string_view kPartColumns = "upload_id, number, piece, size, is_inline, etag, checksum, modified";

Status done(Result<Rows> result) {
  if (!result.ok()) return std::move(result).error();
  return ok_status();
}

/// Two who began with the same state wrote the same new thing: the second begins again and sees the first's.
template <class T>
Result<T> or_conflict(Result<T> result) {
  if (result.ok() || result.code() != ErrorCode::kAlreadyExists) return result;
  return Error{ErrorCode::kConflict, "s3: somebody else wrote the same at the same time", {}};
}

/// "SELECT <columns> FROM <table> <rest>", made once for each place that has one.
std::string select(std::string_view columns, std::string_view table, std::string_view rest) {
  return "SELECT " + std::string(columns) + " FROM " + std::string(table) + " " + std::string(rest);
}

ByteView bytes_of(const PieceId& id) { return id; }

Error broken(std::string_view what) {
  return Error{ErrorCode::kCorruption, "s3: " + std::string(what) + " in the catalog is damaged", {}};
}

Result<PieceId> piece_id_of(const Bytes& blob) {
  PieceId id{};
  if (blob.size() != id.size()) return broken("a piece's id");
  std::copy(blob.begin(), blob.end(), id.begin());
  return id;
}

/// Most objects have neither tags nor metadata: those are an empty text, not an empty document.
std::string document_of(const api::Value& value) {
  return value.is_null() || (value.is_object() && value.entries().empty()) ? std::string() : api::to_json(value);
}
Result<api::Value> value_of(const std::string& document) {
  if (document.empty()) return api::Value::object();
  return api::from_json(document);
}

/// The columns of a version from `latest` to `encryption`, in the order of kVersionColumns: all that may change.
class ChangingColumns {
 public:
  explicit ChangingColumns(const Version& v)
      : tags_(document_of(api::text_map(v.tags))),
        metadata_(document_of(v.metadata)),
        encryption_(v.marker ? Bytes() : encode_encryption(v.encryption)),
        values_{v.latest,
                v.marker,
                v.size_bytes,
                v.etag,
                v.modified,
                v.storage_class,
                v.owner,
                v.checksum_kind,
                v.checksum_composite,
                v.restore,
                v.checksum,
                v.lock_mode,
                v.retain_until,
                v.legal_hold,
                v.replication,
                v.noncurrent_since,
                v.root_identity,
                tags_,
                metadata_,
                encryption_} {}
  ChangingColumns(const ChangingColumns&) = delete;
  ChangingColumns& operator=(const ChangingColumns&) = delete;

  /// `before`, the columns, `after`: as one statement takes them.
  [[nodiscard]] std::vector<Parameter> between(std::vector<Parameter> before, std::vector<Parameter> after = {}) const {
    before.insert(before.end(), values_.begin(), values_.end());
    before.insert(before.end(), after.begin(), after.end());
    return before;
  }

 private:
  const std::string tags_, metadata_;
  const Bytes encryption_;
  const std::vector<Parameter> values_;
};

Bucket bucket_of(const Row& row) {
  Bucket b;
  b.id = row.integer(0);
  b.name = row.text(1);
  b.account = row.text(2);
  b.region = row.text(3);
  b.created = row.time(4);
  b.versioning = row.text(5);
  b.lock_enabled = row.flag(6);
  return b;
}

/// "sequence, " and kVersionColumns.
Result<Version> version_of(const Row& row) {
  Version v;
  size_t i = 0;
  v.sequence = row.integer(i++);
  v.bucket_id = row.integer(i++);
  v.key = row.text(i++);
  v.version_id = row.text(i++);
  v.latest = row.flag(i++);
  v.marker = row.flag(i++);
  v.size_bytes = row.integer(i++);
  v.etag = row.text(i++);
  v.modified = row.time(i++);
  v.storage_class = row.text(i++);
  v.owner = row.text(i++);
  v.checksum_kind = row.text(i++);
  v.checksum_composite = row.flag(i++);
  v.restore = row.text(i++);
  v.checksum = row.text(i++);
  v.lock_mode = row.text(i++);
  v.retain_until = row.time_if(i++);
  v.legal_hold = row.flag(i++);
  v.replication = row.text(i++);
  v.noncurrent_since = row.time_if(i++);
  v.root_identity = row.text(i++);
  COFFER_TRY(const api::Value tags, value_of(row.text(i++)));
  for (const auto& [key, value] : tags.entries()) {
    const std::string* text = value.get_if<std::string>();
    if (!text) return broken("a version's tags");
    v.tags.emplace(key, *text);
  }
  COFFER_TRY(v.metadata, value_of(row.text(i++)));
  const Bytes& encryption = row.blob(i++);
  if (!encryption.empty()) {
    COFFER_TRY(v.encryption, decode_encryption(encryption));
  }
  const Bytes& layout = row.blob(i++);
  if (!layout.empty()) {
    COFFER_TRY(v.layout, decode_layout(layout));
  }
  return v;
}

Result<std::optional<Version>> one_version(Transaction& t, std::string_view rest,
                                           std::initializer_list<Parameter> parameters) {
  COFFER_TRY(auto row, t.first(select("sequence, " + std::string(kVersionColumns), "s3_versions", rest), parameters));
  if (!row) return std::optional<Version>();
  COFFER_TRY(Version version, version_of(*row));
  return std::optional<Version>(std::move(version));
}

Listed listed_of(const Row& row, bool latest) {
  Listed l;
  size_t i = 0;
  l.latest = latest;
  l.key = row.text(i++);
  l.version_id = row.text(i++);
  l.marker = row.flag(i++);
  l.size_bytes = row.integer(i++);
  l.etag = row.text(i++);
  l.modified = row.time(i++);
  l.storage_class = row.text(i++);
  l.owner = row.text(i++);
  l.checksum_kind = row.text(i++);
  l.checksum_composite = row.flag(i++);
  l.restore = row.text(i++);
  l.sequence = row.integer(i++);
  return l;
}

/// `rest` begins behind the condition on `latest`.
Result<std::vector<Listed>> listed(Transaction& t, bool latest, std::string_view rest,
                                   const std::vector<Parameter>& parameters) {
  const std::string where = (latest ? "WHERE latest = 1 AND " : "WHERE latest = 0 AND ") + std::string(rest);
  COFFER_TRY(const Rows rows, t.run(select(kListedColumns, "s3_versions", where), parameters));
  std::vector<Listed> all;
  all.reserve(rows.size());
  for (const Row& row : rows) all.push_back(listed_of(row, latest));
  return all;
}

/// The first text in byte order behind all that begin with `prefix`; nothing when there is none. Counts up characters,
/// not bytes, because the catalog takes only UTF-8; the orders agree.
std::optional<std::string> behind_prefix(std::string_view prefix) {
  std::string text(prefix);
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) --at;
    const auto first = static_cast<uint8_t>(text[at]);
    uint32_t point = first < 0x80 ? first : first < 0xe0 ? first & 0x1f : first < 0xf0 ? first & 0x0f : first & 0x07;
    for (size_t i = at + 1; i < text.size(); ++i) point = point << 6 | (static_cast<uint8_t>(text[i]) & 0x3f);
    text.resize(at);
    if (point >= 0x10ffff) continue;
    point = point == 0xd7ff ? 0xe000 : point + 1;
    const auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
    if (point < 0x80) {
      put(point);
    } else if (point < 0x800) {
      put(0xc0 | point >> 6), put(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
      put(0xe0 | point >> 12), put(0x80 | (point >> 6 & 0x3f)), put(0x80 | (point & 0x3f));
    } else {
      put(0xf0 | point >> 18), put(0x80 | (point >> 12 & 0x3f)), put(0x80 | (point >> 6 & 0x3f)),
          put(0x80 | (point & 0x3f));
    }
    return text;
  }
  return std::nullopt;
}

/// Keys from `from` (or behind it) with the prefix: a condition on `name` with $2 and, when there is an end, $4; $3 is
/// the limit. A statement has no placeholder that it does not use, so there are texts with and without an end.
struct KeyRange {
  std::string from;
  bool exclusive = false;
  std::optional<std::string> end;

  KeyRange(std::string_view prefix, std::string_view from_key, bool is_exclusive)
      : from(from_key), exclusive(is_exclusive), end(behind_prefix(prefix)) {
    if (from >= prefix) return;
    from = prefix;
    exclusive = false;
  }
  [[nodiscard]] std::string condition(const std::string& name) const {
    return name + (exclusive ? " > $2" : " >= $2") + (end ? " AND " + name + " < $4" : "");
  }
  [[nodiscard]] std::vector<Parameter> parameters(Parameter first, int64_t limit) const {
    std::vector<Parameter> all{first, from, limit};
    if (end) all.emplace_back(*end);
    return all;
  }
};

Result<std::vector<Listed>> listed_in(Transaction& t, int64_t bucket_id, bool latest, std::string_view which,
                                      const KeyRange& range, std::string_view order, int64_t limit) {
  const std::string rest = "bucket_id = $1 AND " + range.condition("key") + std::string(which) + " ORDER BY " +
                           std::string(order) + " LIMIT $3";
  return listed(t, latest, rest, range.parameters(bucket_id, limit));
}

// ---- references

std::string holder_of(const Version& version) { return "v" + std::to_string(version.sequence); }
std::string holder_of(const Part& part) { return "p" + part.upload_id + "/" + std::to_string(part.number); }

/// Takes over what another holds: the pieces of an upload become those of its object.
Status refer(Transaction& t, const Piece& piece, const std::string& holder) {
  if (piece.is_inline) return ok_status();
  return done(
      t.run("INSERT INTO s3_pieces (piece, holder) VALUES ($1, $2) ON CONFLICT (piece) DO UPDATE SET holder = $2",
            {bytes_of(piece.id), holder}));
}
/// Only what `holder` still has.
Status let_go(Transaction& t, const Piece& piece, const std::string& holder) {
  if (piece.is_inline) return ok_status();
  return done(t.run("DELETE FROM s3_pieces WHERE piece = $1 AND holder = $2", {bytes_of(piece.id), holder}));
}

Result<Upload> upload_of(const Row& row) {
  Upload u;
  u.id = row.text(0);
  u.bucket_id = row.integer(1);
  u.key = row.text(2);
  u.initiated = row.time(3);
  u.initiator_arn = row.text(4);
  COFFER_TRY(u.input, value_of(row.text(5)));
  COFFER_TRY(u.encryption, decode_encryption(row.blob(6)));
  return u;
}

Result<Part> part_of(const Row& row) {
  Part p;
  p.upload_id = row.text(0);
  p.number = static_cast<int32_t>(row.integer(1));
  COFFER_TRY(p.piece.id, piece_id_of(row.blob(2)));
  p.piece.size_bytes = static_cast<uint64_t>(row.integer(3));
  p.piece.is_inline = row.flag(4);
  p.piece.part_number = p.number;
  p.etag = row.text(5);
  p.checksum = to_text(row.blob(6));
  p.piece.checksum = p.checksum;
  p.modified = row.time(7);
  return p;
}

Result<std::vector<Part>> parts(Transaction& t, std::string_view rest, std::initializer_list<Parameter> parameters) {
  COFFER_TRY(const Rows rows, t.run(select(kPartColumns, "s3_parts", rest), parameters));
  std::vector<Part> all;
  all.reserve(rows.size());
  for (const Row& row : rows) {
    COFFER_TRY(Part part, part_of(row));
    all.push_back(std::move(part));
  }
  return all;
}

}  // namespace

// ---- buckets

Result<std::optional<Bucket>> find_bucket(Transaction& t, std::string_view name) {
  COFFER_TRY(auto row, t.first(select(kBucketColumns, "s3_buckets", "WHERE name = $1"), {name}));
  return row ? std::optional(bucket_of(*row)) : std::nullopt;
}
Result<std::optional<Bucket>> find_bucket_by_id(Transaction& t, int64_t id) {
  COFFER_TRY(auto row, t.first(select(kBucketColumns, "s3_buckets", "WHERE id = $1"), {id}));
  return row ? std::optional(bucket_of(*row)) : std::nullopt;
}
Result<std::vector<Bucket>> list_buckets(Transaction& t, std::string_view account, std::string_view after,
                                         std::string_view prefix, int64_t limit) {
  const KeyRange range(prefix, after, !after.empty());
  const std::string rest = "WHERE account = $1 AND " + range.condition("name") + " ORDER BY name LIMIT $3";
  COFFER_TRY(const Rows rows, t.run(select(kBucketColumns, "s3_buckets", rest), range.parameters(account, limit)));
  std::vector<Bucket> all;
  for (const Row& row : rows) all.push_back(bucket_of(row));
  return all;
}
Status insert_bucket(Transaction& t, Bucket& b) {
  COFFER_TRY(auto row, t.first("INSERT INTO s3_buckets (name, account, region, created, versioning, lock_enabled) "
                               "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                               {b.name, b.account, b.region, b.created, b.versioning, b.lock_enabled}));
  b.id = row->integer(0);
  return ok_status();
}
Status update_bucket(Transaction& t, const Bucket& b) {
  return done(t.run("UPDATE s3_buckets SET versioning = $2, lock_enabled = $3 WHERE id = $1",
                    {b.id, b.versioning, b.lock_enabled}));
}
Status delete_bucket(Transaction& t, int64_t id) {
  COFFER_CHECK_OK(t.run("DELETE FROM s3_settings WHERE bucket_id = $1", {id}));
  return done(t.run("DELETE FROM s3_buckets WHERE id = $1", {id}));
}
Result<bool> bucket_is_empty(Transaction& t, int64_t id) {
  for (const char* sql : {"SELECT 1 FROM s3_versions WHERE bucket_id = $1 AND latest = 1 LIMIT 1",
                          "SELECT 1 FROM s3_versions WHERE bucket_id = $1 AND latest = 0 LIMIT 1",
                          "SELECT 1 FROM s3_uploads WHERE bucket_id = $1 LIMIT 1"}) {
    COFFER_TRY(auto row, t.first(sql, {id}));
    if (row) return false;
  }
  return true;
}
Result<Settings> load_settings(Transaction& t, int64_t bucket_id) {
  COFFER_TRY(const Rows rows, t.run("SELECT kind, document FROM s3_settings WHERE bucket_id = $1", {bucket_id}));
  Settings settings;
  for (const Row& row : rows) {
    COFFER_TRY(api::Value document, api::from_json(row.text(1)));
    settings.emplace(row.text(0), std::move(document));
  }
  return settings;
}
Status put_setting(Transaction& t, int64_t bucket_id, std::string_view kind, const api::Value& document) {
  if (document.is_null())
    return done(t.run("DELETE FROM s3_settings WHERE bucket_id = $1 AND kind = $2", {bucket_id, kind}));
  return done(
      t.run("INSERT INTO s3_settings (bucket_id, kind, document) VALUES ($1, $2, $3) "
            "ON CONFLICT (bucket_id, kind) DO UPDATE SET document = $3",
            {bucket_id, kind, api::to_json(document)}));
}

// ---- versions

Result<std::optional<Version>> latest_version(Transaction& t, int64_t bucket_id, std::string_view key) {
  return one_version(t, "WHERE bucket_id = $1 AND key = $2 AND latest = 1", {bucket_id, key});
}
Result<std::optional<Version>> find_version_by_sequence(Transaction& t, int64_t sequence) {
  return one_version(t, "WHERE sequence = $1", {sequence});
}
Result<std::optional<Version>> find_version(Transaction& t, int64_t bucket_id, std::string_view key,
                                            std::string_view version_id) {
  if (version_id != "null")
    return one_version(t, "WHERE version_id = $3 AND version_id <> 'null' AND bucket_id = $1 AND key = $2",
                       {bucket_id, key, version_id});
  COFFER_TRY(auto latest, latest_version(t, bucket_id, key));
  if (!latest || latest->version_id == "null") return latest;
  return one_version(t, "WHERE bucket_id = $1 AND key = $2 AND latest = 0 AND version_id = 'null'", {bucket_id, key});
}
Result<std::optional<Version>> next_latest(Transaction& t, int64_t bucket_id, std::string_view key, int64_t sequence) {
  return one_version(t,
                     "WHERE bucket_id = $1 AND key = $2 AND latest = 0 AND sequence <> $3 "
                     "ORDER BY sequence DESC LIMIT 1",
                     {bucket_id, key, sequence});
}
Status insert_version(Transaction& t, Version& v) {
  static const std::string kSql = "INSERT INTO s3_versions (" + std::string(kVersionColumns) +
                                  ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
                                  "$17, $18, $19, $20, $21, $22, $23, $24) RETURNING sequence";
  const ChangingColumns columns(v);
  const Bytes layout = v.layout.empty() ? Bytes() : encode_layout(v.layout);
  COFFER_TRY(const auto rows, or_conflict(t.run(kSql, columns.between({v.bucket_id, v.key, v.version_id}, {layout}))));
  v.sequence = rows.at(0).integer(0);
  for (const Piece& piece : v.layout) COFFER_CHECK_OK(refer(t, piece, holder_of(v)));
  return ok_status();
}
Status update_version(Transaction& t, const Version& v) {
  const ChangingColumns columns(v);
  return done(
      t.run("UPDATE s3_versions SET latest = $2, marker = $3, size = $4, etag = $5, modified = $6, storage_class = $7, "
            "owner = $8, checksum_kind = $9, checksum_composite = $10, restore = $11, checksum = $12, lock_mode = $13, "
            "retain_until = $14, legal_hold = $15, replication = $16, noncurrent_since = $17, root_identity = $18, "
            "tags = $19, metadata = $20, encryption = $21 WHERE sequence = $1",
            columns.between({v.sequence})));
}
Status set_latest(Transaction& t, const Version& v, bool latest, std::optional<WallTime> noncurrent_since) {
  return done(t.run("UPDATE s3_versions SET latest = $2, noncurrent_since = $3 WHERE sequence = $1",
                    {v.sequence, latest, noncurrent_since}));
}
Status delete_version(Transaction& t, const Version& v) {
  for (const Piece& piece : v.layout) COFFER_CHECK_OK(let_go(t, piece, holder_of(v)));
  return done(t.run("DELETE FROM s3_versions WHERE sequence = $1", {v.sequence}));
}

Result<std::vector<Listed>> list_current(Transaction& t, int64_t bucket_id, std::string_view prefix,
                                         std::string_view from, bool exclusive, int64_t limit) {
  return listed_in(t, bucket_id, true, " AND marker = 0", KeyRange(prefix, from, exclusive), "key", limit);
}

Result<std::vector<Listed>> list_versions(Transaction& t, int64_t bucket_id, std::string_view prefix,
                                          std::string_view from, int64_t below_sequence, int64_t limit) {
  const bool within_key = below_sequence < std::numeric_limits<int64_t>::max() && from.starts_with(prefix);
  std::vector<Listed> page;
  if (within_key) {
    // What is left of `from` itself: an index's range of its own, so that a key of many versions is paged through and
    // not read again for every page. Its latest has the largest sequence: it is only left when none was shown.
    COFFER_TRY(page,
               listed(t, true, "bucket_id = $1 AND key = $2 AND sequence < $3", {bucket_id, from, below_sequence}));
    COFFER_TRY(std::vector<Listed> older,
               listed(t, false, "bucket_id = $1 AND key = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4",
                      {bucket_id, from, below_sequence, limit}));
    page.insert(page.end(), older.begin(), older.end());
  }
  const auto left = limit - static_cast<int64_t>(page.size());
  if (left > 0) {
    const KeyRange range(prefix, from, within_key);
    COFFER_TRY(std::vector<Listed> current, listed_in(t, bucket_id, true, "", range, "key", left));
    COFFER_TRY(std::vector<Listed> older,
               listed_in(t, bucket_id, false, "", range, "bucket_id, key, sequence DESC", left));
    std::merge(
        current.begin(), current.end(), older.begin(), older.end(), std::back_inserter(page),
        [](const Listed& a, const Listed& b) { return a.key != b.key ? a.key < b.key : a.sequence > b.sequence; });
  }
  if (page.size() > static_cast<size_t>(limit)) page.resize(static_cast<size_t>(limit));
  return page;
}

// ---- bytes

Status insert_inline(Transaction& t, const PieceId& id, ByteView sealed) {
  return done(t.run("INSERT INTO s3_inline (piece, sealed) VALUES ($1, $2)", {bytes_of(id), sealed}));
}
Result<Bytes> find_inline(Transaction& t, const PieceId& id) {
  COFFER_TRY(auto row, t.first("SELECT sealed FROM s3_inline WHERE piece = $1", {bytes_of(id)}));
  if (!row) return Error{ErrorCode::kCorruption, "s3: the bytes of piece " + to_hex(id) + " are not there", {}};
  return row->blob(0);
}
Status discard_pieces(Transaction& t, const Layout& layout, WallTime now) {
  for (const Piece& piece : layout) {
    if (piece.is_inline) {
      COFFER_CHECK_OK(t.run("DELETE FROM s3_inline WHERE piece = $1", {bytes_of(piece.id)}));
    } else {
      COFFER_CHECK_OK(t.run("INSERT INTO s3_discarded (piece, size, discarded) VALUES ($1, $2, $3)",
                            {bytes_of(piece.id), static_cast<int64_t>(piece.size_bytes), now}));
    }
  }
  return ok_status();
}
Result<std::vector<Discarded>> discarded_before(Transaction& t, WallTime before, int64_t limit) {
  COFFER_TRY(
      const Rows rows,
      t.run("SELECT piece, size FROM s3_discarded WHERE discarded < $1 ORDER BY discarded LIMIT $2", {before, limit}));
  std::vector<Discarded> all;
  for (const Row& row : rows) {
    Discarded one;
    COFFER_TRY(one.id, piece_id_of(row.blob(0)));
    one.size_bytes = static_cast<uint64_t>(row.integer(1));
    all.push_back(one);
  }
  return all;
}
Status forget_discarded(Transaction& t, const PieceId& id) {
  return done(t.run("DELETE FROM s3_discarded WHERE piece = $1", {bytes_of(id)}));
}
Result<bool> piece_is_known(Transaction& t, const PieceId& id) {
  COFFER_TRY(auto row, t.first("SELECT 1 FROM s3_pieces WHERE piece = $1 UNION ALL "
                               "SELECT 1 FROM s3_discarded WHERE piece = $1 LIMIT 1",
                               {bytes_of(id)}));
  return row.has_value();
}

// ---- uploads

Status insert_upload(Transaction& t, const Upload& u) {
  return done(t.run(
      "INSERT INTO s3_uploads (" + std::string(kUploadColumns) + ") VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {u.id, u.bucket_id, u.key, u.initiated, u.initiator_arn, document_of(u.input), encode_encryption(u.encryption)}));
}
Result<std::optional<Upload>> find_upload(Transaction& t, std::string_view upload_id) {
  COFFER_TRY(auto row, t.first(select(kUploadColumns, "s3_uploads", "WHERE id = $1"), {upload_id}));
  if (!row) return std::optional<Upload>();
  COFFER_TRY(Upload upload, upload_of(*row));
  return std::optional<Upload>(std::move(upload));
}
Result<std::vector<Upload>> list_uploads(Transaction& t, int64_t bucket_id, std::string_view prefix,
                                         std::string_view key_after, std::string_view id_after, int64_t limit) {
  std::vector<Upload> all;
  const auto add = [&](const Rows& rows) -> Status {
    for (const Row& row : rows) {
      COFFER_TRY(Upload upload, upload_of(row));
      all.push_back(std::move(upload));
    }
    return ok_status();
  };
  const bool within_key = !id_after.empty() && key_after.starts_with(prefix);
  if (within_key) {
    COFFER_TRY(const Rows rows, t.run(select(kUploadColumns, "s3_uploads",
                                             "WHERE bucket_id = $1 AND key = $2 AND id > $3 ORDER BY id LIMIT $4"),
                                      {bucket_id, key_after, id_after, limit}));
    COFFER_CHECK_OK(add(rows));
  }
  const auto left = limit - static_cast<int64_t>(all.size());
  if (left <= 0) return all;
  const KeyRange range(prefix, key_after, !key_after.empty());
  COFFER_TRY(const Rows rows,
             t.run(select(kUploadColumns, "s3_uploads",
                          "WHERE bucket_id = $1 AND " + range.condition("key") + " ORDER BY key, id LIMIT $3"),
                   range.parameters(bucket_id, left)));
  COFFER_CHECK_OK(add(rows));
  return all;
}
Status delete_upload(Transaction& t, std::string_view upload_id) {
  COFFER_TRY(const std::vector<Part> all, list_parts(t, upload_id, 0, std::numeric_limits<int32_t>::max()));
  for (const Part& part : all) COFFER_CHECK_OK(let_go(t, part.piece, holder_of(part)));
  COFFER_CHECK_OK(t.run("DELETE FROM s3_parts WHERE upload_id = $1", {upload_id}));
  return done(t.run("DELETE FROM s3_uploads WHERE id = $1", {upload_id}));
}
Result<std::optional<Part>> put_part(Transaction& t, const Part& p) {
  COFFER_TRY(std::optional<Part> old, find_part(t, p.upload_id, p.number));
  if (old) COFFER_CHECK_OK(let_go(t, old->piece, holder_of(*old)));
  COFFER_CHECK_OK(
      t.run("INSERT INTO s3_parts (" + std::string(kPartColumns) +
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (upload_id, number) DO UPDATE SET "
                "piece = $3, size = $4, is_inline = $5, etag = $6, checksum = $7, modified = $8",
            {p.upload_id, static_cast<int64_t>(p.number), bytes_of(p.piece.id),
             static_cast<int64_t>(p.piece.size_bytes), p.piece.is_inline, p.etag, as_bytes(p.checksum), p.modified}));
  COFFER_CHECK_OK(refer(t, p.piece, holder_of(p)));
  return old;
}
Result<std::vector<Part>> list_parts(Transaction& t, std::string_view upload_id, int32_t after, int64_t limit) {
  return parts(t, "WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3",
               {upload_id, static_cast<int64_t>(after), limit});
}
Result<std::optional<Part>> find_part(Transaction& t, std::string_view upload_id, int32_t number) {
  COFFER_TRY(std::vector<Part> found,
             parts(t, "WHERE upload_id = $1 AND number = $2", {upload_id, static_cast<int64_t>(number)}));
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

Status insert_completed(Transaction& t, const Completed& c) {
  return done(
      or_conflict(t.run("INSERT INTO s3_completed (upload_id, bucket_id, key, parts, output, completed) "
                        "VALUES ($1, $2, $3, $4, $5, $6)",
                        {c.upload_id, c.bucket_id, c.key, c.parts, api::to_json(c.output), c.at})));
}
Result<std::optional<Completed>> find_completed(Transaction& t, std::string_view upload_id) {
  COFFER_TRY(auto row, t.first("SELECT upload_id, bucket_id, key, parts, output, completed FROM s3_completed "
                               "WHERE upload_id = $1",
                               {upload_id}));
  if (!row) return std::optional<Completed>();
  Completed c{row->text(0), row->integer(1), row->text(2), row->text(3), {}, row->time(5)};
  COFFER_TRY(c.output, api::from_json(row->text(4)));
  return std::optional<Completed>(std::move(c));
}
Status forget_completed_before(Transaction& t, WallTime before) {
  return done(t.run("DELETE FROM s3_completed WHERE completed < $1", {before}));
}

}  // namespace coffer::s3::rows
