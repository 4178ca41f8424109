// Changes of recovery points: they come with their snapshot, tags and protected resource, and go with them.
#include <algorithm>

#include "services/api/value_json.h"
#include "services/backup/events.h"
#include "services/backup/operations.h"
#include "services/rds/rows.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Point;

constexpr std::chrono::minutes kCollectAfter{15};

/// What RDS shows and exports.
rds::Snapshot snapshot_of(const NewPoint& made) {
  const Point& p = made.point;
  rds::Snapshot snapshot;
  snapshot.account = p.account;
  snapshot.region = p.region;
  snapshot.identifier = p.arn.substr(p.arn.find(":snapshot:") + 10);
  snapshot.type = "awsbackup";
  snapshot.status = "available";
  snapshot.percent = 100;
  if (made.database) {
    snapshot.database_identifier = made.database->identifier;
    snapshot.resource_id = made.database->resource_id;
    snapshot.user = made.database->user;
    snapshot.port = made.database->port;
    snapshot.database_created = made.database->created;
  } else {
    snapshot.database_identifier = p.resource.substr(p.resource.rfind(':') + 1);
  }
  snapshot.engine_version = made.engine_version;
  snapshot.size_bytes = p.size_bytes;
  snapshot.created = p.completed;
  snapshot.original_created = p.started;
  snapshot.source_arn = made.source_arn;
  snapshot.place = {p.account, p.region, p.vault, p.key_arn};
  snapshot.reference = p.reference;
  snapshot.tags = made.tags;
  return snapshot;
}

/// The account in whose list of protected resources a point stands: the owner of its vault.
Status note_resource(catalog::Transaction& t, const Point& p) {
  rows::Resource resource{p.account, p.region, p.resource, p.resource_type, p.created, p.vault_arn(), p.arn};
  COFFER_TRY(const auto there, rows::first<rows::Resource>(t, "WHERE account = $1 AND region = $2 AND arn = $3",
                                                           {p.account, p.region, p.resource}));
  if (!there) return rows::insert(t, resource);
  return there->last_backup > p.created ? ok_status() : rows::update(t, resource);
}

}  // namespace

Value lifecycle_value(std::optional<int64_t> delete_after_days, std::optional<int64_t> cold_after_days) {
  Value value = Value::object();
  if (cold_after_days) value.set("MoveToColdStorageAfterDays", *cold_after_days);
  if (delete_after_days) value.set("DeleteAfterDays", *delete_after_days);
  return value;
}

void set_lifecycle(Point& point, const Value& lifecycle) {
  point.delete_after_days = delete_after_days(&lifecycle);
  // There is no cold storage for databases: the member is kept and shown, and has no effect.
  point.cold_after_days = lifecycle.integer("MoveToColdStorageAfterDays");
  point.delete_at.reset();
  if (point.delete_after_days) point.delete_at = point.created + std::chrono::hours(24 * *point.delete_after_days);
  point.look_at = point.delete_at;
}

Status add_point(const Setting& s, catalog::Transaction& t, const NewPoint& made, WallTime now) {
  COFFER_CHECK_OK(rows::insert(t, made.point));
  COFFER_CHECK_OK(rows::put_tags(t, made.point.arn, made.tags));
  COFFER_CHECK_OK(rds::put_snapshot(t, snapshot_of(made)));
  COFFER_CHECK_OK(note_resource(t, made.point));
  return tell_point(t, s.entropy, made.point, now);
}

Status drop_point(catalog::Transaction& t, const Point& point) {
  COFFER_CHECK_OK(rows::remove(t, point));
  COFFER_CHECK_OK(rows::remove_tags(t, point.arn));
  COFFER_CHECK_OK(rds::remove_snapshot(t, point.arn));
  COFFER_CHECK_OK(t.run("DELETE FROM backup_held_points WHERE arn = $1", {point.arn}));
  COFFER_TRY(const auto newest,
             rows::first<Point>(
                 t, "WHERE account = $1 AND region = $2 AND resource = $3 ORDER BY created DESC, arn DESC LIMIT 1",
                 {point.account, point.region, point.resource}));
  if (newest)
    return rows::update(t, rows::Resource{newest->account, newest->region, newest->resource, newest->resource_type,
                                          newest->created, newest->vault_arn(), newest->arn});
  COFFER_CHECK_OK(t.run("DELETE FROM backup_resources WHERE account = $1 AND region = $2 AND arn = $3",
                        {point.account, point.region, point.resource}));
  return ok_status();
}

Status change_point(const Setting& s, catalog::Transaction& t, Point& point, std::string_view status,
                    std::string_view message, WallTime now) {
  point.status = status;
  point.message = message;
  COFFER_CHECK_OK(rows::update(t, point));
  return tell_point(t, s.entropy, point, now);
}

Result<bool> is_in_use(catalog::Transaction& t, const Point& point) {
  COFFER_TRY(
      const auto copy,
      t.first("SELECT id FROM backup_copies WHERE source_point = $1 AND deadline IS NOT NULL LIMIT 1", {point.arn}));
  if (copy) return true;
  COFFER_TRY(const auto restore,
             t.first("SELECT id FROM backup_restores WHERE point = $1 AND active = 1 LIMIT 1", {point.arn}));
  if (restore) return true;
  return rds::rows::is_exported(t, {point.account, point.region, point.vault, point.key_arn}, point.reference);
}

Status begin_deletion(const Setting& s, catalog::Transaction& t, Point& point, std::string_view why, WallTime now) {
  // Nobody is to see a snapshot whose bytes may be half gone.
  COFFER_TRY(auto snapshot, rds::find_snapshot(t, point.arn));
  if (snapshot) {
    snapshot->status = "deleting";
    COFFER_CHECK_OK(rds::put_snapshot(t, *snapshot));
  }
  point.look_at.reset();
  COFFER_CHECK_OK(change_point(s, t, point, "DELETING", "", now));
  return work::add(t, kDeleteWork, point.arn, why, now);
}

Status carry_out_deletion(const Setting& s, const Context& context, const work::Item& item) {
  constexpr int64_t kAttemptsMax = 10;
  std::optional<Point> point;
  int64_t shown_by = 0;
  {
    COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(point, rows::find_point(*t, item.subject));
    if (point) {
      COFFER_TRY(shown_by, rds::rows::snapshots_of_point(
                               *t, {point->account, point->region, point->vault, point->key_arn}, point->reference));
    }
  }
  Status forgotten = ok_status();
  // Another snapshot of RDS may be made of the same point (a copy within the account): then only this name goes.
  if (point && point->status == "DELETING" && shown_by <= 1)
    forgotten = s.engine.forget(context, {point->account, point->region, point->vault, point->key_arn},
                                point->reference, item.payload);
  if (!forgotten.ok() && (is_passing(forgotten.error()) || item.attempts < kAttemptsMax)) return forgotten;
  return catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
    const WallTime now = s.clock.wall();
    COFFER_CHECK_OK(work::check_fence(t, item));
    COFFER_TRY(auto again, rows::find_point(t, item.subject));
    if (!again || again->status != "DELETING") return work::finish(t, item);
    if (!forgotten.ok()) {
      COFFER_CHECK_OK(change_point(s, t, *again, "EXPIRED",
                                   "The recovery point could not be deleted: " + forgotten.error().message, now));
      return work::finish(t, item);
    }
    COFFER_CHECK_OK(drop_point(t, *again));
    COFFER_CHECK_OK(work::add(t, kCollectWork, again->vault_arn(), again->key_arn, now + kCollectAfter));
    return work::finish(t, item);
  });
}

/// A point that belongs to no recovery point: of a job that ended otherwise while the engine still worked for it.
/// Looked for twice, the second time a day later: a daemon that was paused may come back long after.
Status carry_out_forgetting(const Setting& s, const Context& context, const work::Item& item) {
  constexpr std::chrono::hours kAgainAfter{24};
  COFFER_TRY(const Value payload, api::from_json(item.payload));
  const rds::VaultPlace place{std::string(payload.text("account")), std::string(payload.text("region")),
                              std::string(payload.text("name")), std::string(payload.text("key"))};
  bool wanted = false;
  {
    COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(
        const auto row,
        t->first("SELECT arn FROM backup_points WHERE account = $1 AND region = $2 AND vault = $3 AND label = $4 "
                 "LIMIT 1",
                 {place.account, place.region, place.name, item.subject}));
    wanted = row.has_value();
  }
  if (!wanted) {
    COFFER_TRY(const auto point, s.engine.find(context, place, item.subject));
    if (point)
      COFFER_CHECK_OK(
          s.engine.forget(context, place, point->reference, "its job " + item.subject + " ended without it"));
  }
  return catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
    const bool second = payload.flag("second");
    if (wanted || second) return work::finish(t, item);
    Value next = payload;
    next.set("second", true);
    return work::postpone(t, item, s.clock.wall() + kAgainAfter, api::to_json(next), false);
  });
}

Status carry_out_collection(const Setting& s, const Context& context, const work::Item& item) {
  const auto arn = parse_arn(item.subject);
  if (arn && arn->resource.starts_with("backup-vault:"))
    COFFER_CHECK_OK(s.engine.collect(context, {arn->account, arn->region, arn->resource.substr(13), item.payload}));
  return catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) { return work::finish(t, item); });
}

}  // namespace coffer::backup
