// Copies carried out: into another vault, Region or account, under the policy of the vault that takes them.
#include <algorithm>

#include "services/backup/job_work.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Copy;
using rows::Point;

constexpr std::chrono::minutes kRetry{10};
constexpr int64_t kRetriesMax = 3;

struct Ready {
  bool go = false;
  Copy copy;
  Point source;
  rows::Vault from, to;
};

Result<bool> is_another_running(catalog::Transaction& t, const Copy& copy) {
  COFFER_TRY(const auto other, t.first("SELECT id FROM backup_copies WHERE resource = $1 AND deadline IS NOT NULL AND "
                                       "state = 'RUNNING' AND id <> $2 LIMIT 1",
                                       {copy.resource, copy.id}));
  return other.has_value();
}

/// How long the copy is kept: as its action or its request says, else as its source.
Value lifecycle_of(const Ready& ready) {
  const Value* own = ready.copy.detail.find("Lifecycle");
  return own ? *own : lifecycle_value(ready.source.delete_after_days, ready.source.cold_after_days);
}

Status check(const Setting& s, const Context& context, catalog::Transaction& t, Ready& ready, WallTime now) {
  const Copy& copy = ready.copy;
  COFFER_TRY(auto source, rows::find_point(t, copy.source_point));
  if (!source || source->status == "DELETING")
    return not_found("Recovery point " + copy.source_point + " does not exist any more.");
  ready.source = std::move(*source);
  COFFER_TRY(auto from, rows::find_vault(t, copy.source_vault));
  COFFER_TRY(auto to, rows::find_vault(t, copy.destination_vault));
  if (!from || !to)
    return not_found("Backup vault " + (from ? copy.destination_vault : copy.source_vault) + " does not exist.");
  ready.from = std::move(*from);
  ready.to = std::move(*to);
  if (ready.to.account != copy.account) {
    COFFER_TRY(const bool enabled, cross_account_enabled(t, copy.account, ready.to.account));
    if (!enabled)
      return Error{
          ErrorCode::kPermissionDenied,
          "Copy job from " + copy.source_vault + " to " + copy.destination_vault +
              " cannot be initiated: both accounts must belong to one organization, and its management account "
              "must have enabled cross-account backup.",
          {}};
  }
  COFFER_TRY(const Assumed assumed,
             assume(s, context, t, copy.role, copy.account, copy.region, copy.source_vault, now));
  std::vector<api::AccessRequest> needed(1);
  COFFER_TRY(needed[0], access_to_vault(t, ready.to, "backup:CopyIntoBackupVault"));
  api::AccessRequest snapshot;
  snapshot.action = "rds:CopyDBSnapshot";
  snapshot.resource = copy.source_point;
  snapshot.resource_account = copy.account;
  needed.push_back(std::move(snapshot));
  COFFER_CHECK_OK(s.authority.authorize(t, assumed.call, *assumed.identity, needed));
  const Value lifecycle = lifecycle_of(ready);
  return check_retention(lock_of(ready.to), delete_after_days(&lifecycle));
}

Status fail(const Setting& s, catalog::Transaction& t, const work::Item& item, Copy& copy, const Error& error,
            WallTime now) {
  copy.category = error.code == ErrorCode::kPermissionDenied ? "AccessDenied" : "JobFailed";
  COFFER_CHECK_OK(change_copy(s, t, copy, "FAILED", error.message, now));
  return work::finish(t, item);
}

Status begin(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item, Ready& ready) {
  ready = {};
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto copy, rows::find_copy(t, item.subject));
  if (!copy || copy->ended()) return work::finish(t, item);
  ready.copy = std::move(*copy);
  if (ready.copy.state == "CREATED") {
    COFFER_TRY(const bool busy, is_another_running(t, ready.copy));
    if (busy) return work::postpone(t, item, now + std::chrono::minutes(1), {}, false);
  }
  if (const Status checked = check(s, context, t, ready, now); !checked.ok()) {
    if (is_passing(checked.error()) || checked.code() == ErrorCode::kInternal) return checked;
    return fail(s, t, item, ready.copy, checked.error(), now);
  }
  if (ready.copy.state == "CREATED") COFFER_CHECK_OK(change_copy(s, t, ready.copy, "RUNNING", "", now));
  ready.go = true;
  return ok_status();
}

Status complete(const Setting& s, catalog::Transaction& t, const Ready& ready, Copy& copy, const rds::Point& made,
                WallTime now) {
  NewPoint point;
  Point& p = point.point;
  p.account = ready.to.account;
  p.region = ready.to.region;
  p.vault = ready.to.name;
  p.arn = "arn:aws:rds:" + p.region + ":" + p.account + ":snapshot:awsbackup:copyjob-" + copy.label();
  p.resource = copy.resource;
  p.plan = ready.source.plan;
  p.role = copy.role;
  // Ages count from the original backup, by either clock.
  p.created = ready.source.created;
  p.proven = ready.source.proven;
  p.started = ready.source.started;
  p.completed = now;
  p.size_bytes = static_cast<int64_t>(made.size_bytes);
  p.proof = made.state;
  p.reference = made.reference;
  p.label = copy.label();
  p.key_arn = ready.to.key_arn;
  p.source_vault = copy.source_vault;
  p.detail = Value::object({{"CopyJobId", copy.id}, {"EngineVersion", made.engine_version}});
  if (const Value* by = copy.detail.find("CreatedBy")) p.detail.set("CreatedBy", *by);
  set_lifecycle(p, lifecycle_of(ready));
  COFFER_TRY(point.tags, rows::tags(t, ready.source.arn));
  COFFER_TRY(point.database, rds::find_database(t, copy.resource));
  point.source_arn = copy.source_point;
  point.engine_version = made.engine_version;
  COFFER_CHECK_OK(add_point(s, t, point, now));
  copy.destination_point = p.arn;
  copy.size_bytes = p.size_bytes;
  return change_copy(s, t, copy, "COMPLETED", "", now);
}

Status end(const Setting& s, const Context& context, catalog::Transaction& t, const work::Item& item,
           const Ready& ready, const Result<rds::Point>& made) {
  const WallTime now = s.clock.wall();
  COFFER_CHECK_OK(work::check_fence(t, item));
  COFFER_TRY(auto copy, rows::find_copy(t, item.subject));
  if (!copy || copy->ended()) return work::finish(t, item);
  if (made.ok()) {
    COFFER_TRY(const auto vault, rows::find_vault(t, copy->destination_vault));
    if (!vault)
      return fail(s, t, item, *copy, not_found("Backup vault " + copy->destination_vault + " does not exist."), now);
    COFFER_CHECK_OK(complete(s, t, ready, *copy, *made, now));
    return work::finish(t, item);
  }
  if (context.stopped()) return made.error();
  if (is_passing(made.error()) && copy->retries < kRetriesMax) {
    ++copy->retries;
    COFFER_CHECK_OK(rows::update(t, *copy));
    return work::postpone(t, item, now + kRetry);
  }
  COFFER_CHECK_OK(forget_later(t, place_of(ready.to), copy->label(), now));
  return fail(s, t, item, *copy, made.error(), now);
}

}  // namespace

Status carry_out_copy(const Setting& s, const Context& context, const work::Item& item) {
  Ready ready;
  COFFER_CHECK_OK(catalog::in_transaction(s.database, context,
                                          [&](catalog::Transaction& t) { return begin(s, context, t, item, ready); }));
  if (!ready.go) return ok_status();
  const auto look = [&](int64_t) {
    auto t = s.database.begin(Context(), catalog::Database::Mode::kRead);
    if (!t.ok()) return true;
    const auto copy = rows::find_copy(**t, item.subject);
    return !copy.ok() || (*copy && !(*copy)->ended());
  };
  WatchedWork watched(context, s.clock, look);
  const rds::VaultPlace from = place_of(ready.from), to = place_of(ready.to);
  const auto carry = [&]() -> Result<rds::Point> {
    COFFER_CHECK_OK(s.engine.open_vault(watched.context(), to));
    return s.engine.copy(watched.context(), from, ready.source.reference, to, ready.copy.label(), watched);
  };
  const Result<rds::Point> made = carry();
  return catalog::in_transaction(s.database, Context(),
                                 [&](catalog::Transaction& t) { return end(s, context, t, item, ready, made); });
}

}  // namespace coffer::backup
