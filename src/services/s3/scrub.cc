#include <algorithm>

#include "services/api/event.h"
#include "services/catalog/outbox.h"
#include "services/s3/upkeep.h"

namespace coffer::s3 {
namespace {

using api::Value;

// A round is planned to end early, so that a night without the daemon makes none late.
constexpr std::chrono::hours kPlannedRound{28 * 24};
constexpr int64_t kVersionsAtOnce = 500;
constexpr uint64_t kBytesAtOnce = uint64_t{256} << 20;

api::Event damage_event(const rows::Bucket& bucket, const rows::Version& version, const std::string& reason,
                        WallTime now, Entropy& entropy) {
  Value object = Value::object({{"key", version.key}, {"size", version.size_bytes}, {"etag", version.etag}});
  if (!bucket.versioning.empty()) object.set("version-id", version.version_id);
  return {.id = random_uuid(entropy),
          .source = "coffer.s3",
          .detail_type = "Object Damaged",
          .account = bucket.account,
          .region = bucket.region,
          .time = now,
          .resources = {bucket.arn()},
          .detail = Value::object({{"version", "0"},
                                   {"bucket", Value::object({{"name", bucket.name}})},
                                   {"object", std::move(object)},
                                   {"reason", reason}})};
}

}  // namespace

struct Scrub::Progress {
  int64_t position = 0;
  WallTime started;
  static Result<Progress> load(catalog::Transaction& t, WallTime now) {
    COFFER_TRY(const auto row, t.first("SELECT position, started FROM s3_upkeep WHERE name = 'scrub'"));
    // A clock that went back would stop the scrub until it has caught up.
    if (!row || row->time(1) > now) return Progress{row ? row->integer(0) : 0, now};
    return Progress{row->integer(0), row->time(1)};
  }
  [[nodiscard]] Status save(catalog::Transaction& t) const {
    COFFER_CHECK_OK(
        t.run("INSERT INTO s3_upkeep (name, position, started) VALUES ('scrub', $1, $2) "
              "ON CONFLICT (name) DO UPDATE SET position = $1, started = $2",
              {position, started}));
    return ok_status();
  }
  /// How far it should be.
  [[nodiscard]] int64_t planned(int64_t newest, WallTime now) const {
    const double passed = static_cast<double>((now - started).count()) /
                          static_cast<double>(std::chrono::microseconds(kPlannedRound).count());
    return passed >= 1 ? newest : static_cast<int64_t>(static_cast<double>(newest) * passed);
  }
};

Status Scrub::run_due(const Context& context, WallTime now) {
  Progress progress;
  std::vector<int64_t> due;
  bool is_new = false;
  {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(progress, Progress::load(*t, now));
    is_new = progress.started == now;
    COFFER_TRY(const auto newest, t->first("SELECT max(sequence) FROM s3_versions"));
    const int64_t last = newest && !newest->is_null(0) ? newest->integer(0) : 0;
    if (progress.position >= last && now - progress.started >= kRound) {
      progress = Progress{0, now};
      is_new = true;
    }
    COFFER_TRY(const catalog::Rows rows,
               t->run("SELECT sequence FROM s3_versions WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence "
                      "LIMIT $3",
                      {progress.position, progress.planned(last, now), kVersionsAtOnce}));
    for (const catalog::Row& row : rows) due.push_back(row.integer(0));
  }
  uint64_t size_bytes = 0;
  std::string newly_damaged;
  Status looked = ok_status();
  for (const int64_t sequence : due) {
    looked = look_at(context, now, sequence, size_bytes, newly_damaged);
    if (!looked.ok()) break;
    progress.position = sequence;
    if (size_bytes >= kBytesAtOnce) break;
  }
  if (is_new || !due.empty()) {
    COFFER_CHECK_OK(catalog::in_transaction(setting_.database, Context(), [&](catalog::Transaction& t) -> Status {
      if (is_new)
        COFFER_CHECK_OK(t.run("DELETE FROM s3_damaged WHERE sequence NOT IN (SELECT sequence FROM s3_versions)"));
      return progress.save(t);
    }));
  }
  COFFER_CHECK_OK(looked);
  if (newly_damaged.empty()) return ok_status();
  return Error{ErrorCode::kCorruption, "s3: damaged objects were found: " + newly_damaged,
               "restore them from a copy or a backup; the table s3_damaged lists them"};
}

Status Scrub::look_at(const Context& context, WallTime now, int64_t sequence, uint64_t& size_bytes,
                      std::string& newly_damaged) {
  COFFER_CHECK_OK(context.check());
  const auto read = [&]() -> Status {
    std::optional<rows::Version> version;
    std::optional<rows::Bucket> bucket;
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(version, rows::find_version_by_sequence(*t, sequence));
      if (!version || version->marker || version->layout.empty()) return ok_status();
      COFFER_TRY(bucket, rows::find_bucket_by_id(*t, version->bucket_id));
    }
    if (!bucket) return ok_status();
    size_bytes += static_cast<uint64_t>(version->size_bytes);
    return check(context, *bucket, *version);
  };
  const Status done = read();
  if (done.ok()) {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const auto was_damaged, t->first("SELECT 1 FROM s3_damaged WHERE sequence = $1", {sequence}));
    if (!was_damaged) return ok_status();
    t.reset();
    return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& w) -> Status {
      COFFER_CHECK_OK(w.run("DELETE FROM s3_damaged WHERE sequence = $1", {sequence}));
      return ok_status();
    });
  }
  if (done.code() != ErrorCode::kCorruption) return done;
  COFFER_TRY(const bool is_new, note(context, now, sequence, done.error()));
  if (is_new) newly_damaged += (newly_damaged.empty() ? "" : "; ") + done.error().message;
  return ok_status();
}

Status Scrub::check(const Context& context, const rows::Bucket& bucket, const rows::Version& version) {
  const auto whole = [&]() -> Status {
    if (version.encryption.mode != EncryptionMode::kS3) {
      for (const Piece& piece : version.layout) COFFER_CHECK_OK(setting_.data.check_without_root(context, piece));
      return ok_status();
    }
    COFFER_TRY(const Secret root,
               setting_.encryptor.open_own_root(version.encryption, {bucket.name, version.key, version.root_identity}));
    for (const Piece& piece : version.layout) {
      COFFER_CHECK_OK(setting_.data.check(context, root.view(), piece));
      if (!piece.is_inline) continue;
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_CHECK_OK(setting_.data.open(context, root.clone(), {piece}, 0, piece.size_bytes,
                                         [&](const PieceId& id) { return rows::find_inline(*t, id); }));
    }
    return ok_status();
  };
  Status done = whole();
  if (done.ok()) return done;
  return std::move(done).error().in(bucket.arn() + "/" + version.key + " (version " + version.version_id + ")");
}

/// False when it was known already, or the version went meanwhile.
Result<bool> Scrub::note(const Context& context, WallTime now, int64_t sequence, const Error& error) {
  bool is_new = false;
  COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    is_new = false;
    COFFER_TRY(const auto row,
               t.first("SELECT bucket_id, key, version_id FROM s3_versions WHERE sequence = $1", {sequence}));
    COFFER_TRY(const auto known, t.first("SELECT 1 FROM s3_damaged WHERE sequence = $1", {sequence}));
    if (!row || known) return ok_status();
    COFFER_TRY(const auto bucket, rows::find_bucket_by_id(t, row->integer(0)));
    if (!bucket) return ok_status();
    is_new = true;
    COFFER_CHECK_OK(
        t.run("INSERT INTO s3_damaged (sequence, bucket, key, version_id, found, message) VALUES ($1, $2, $3, $4, $5, "
              "$6)",
              {sequence, bucket->name, row->text(1), row->text(2), now, error.message}));
    rows::Version version;
    version.key = row->text(1);
    version.version_id = row->text(2);
    // The rest of a row that cannot be read is left out.
    if (auto whole = rows::find_version_by_sequence(t, sequence); whole.ok() && *whole) version = **whole;
    return catalog::outbox_append(t, api::kEventTopic,
                                  api::event_json(damage_event(*bucket, version, error.message, now, setting_.entropy)),
                                  now);
  }));
  return is_new;
}

}  // namespace coffer::s3
