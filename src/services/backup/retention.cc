// Retention: points whose time is over are decided about twice, told about, and deleted by the role that made them.
#include "services/backup/events.h"
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using rows::Point;

/// The best that is left of its resource in this account, should it go?
Result<bool> is_last(catalog::Transaction& t, const Point& point) {
  COFFER_TRY(const auto others,
             t.run("SELECT proof FROM backup_points WHERE account = $1 AND region = $2 AND resource = $3 AND arn <> $4 "
                   "AND status = 'COMPLETED' AND doomed IS NULL",
                   {point.account, point.region, point.resource, point.arn}));
  std::vector<std::string> proofs;
  for (const auto& row : others) proofs.push_back(row.text(0));
  return is_last_proven(point.proof, proofs);
}

/// May the role that made it still delete it? If not, AWS leaves the point EXPIRED, for a person to remove.
Status check_role(const Setting& s, const Context& context, catalog::Transaction& t, const Point& point, WallTime now) {
  // The role of a copy into another account is the source account's.
  const auto role = parse_arn(point.role);
  const std::string account = role ? role->account : point.account;
  COFFER_TRY(const Assumed assumed, assume(s, context, t, point.role, account, point.region, point.vault_arn(), now));
  if (account != point.account) return ok_status();
  api::AccessRequest request;
  request.action = "rds:DeleteDBSnapshot";
  request.resource = point.arn;
  request.resource_account = point.account;
  return s.authority.authorize(t, assumed.call, *assumed.identity, {request});
}

Status carry_out(const Setting& s, const Context& context, catalog::Transaction& t, Point& point,
                 const Verdict& verdict, WallTime now, WallTime proven_now) {
  point.look_at = verdict.look_at;
  switch (verdict.fate) {
    case Fate::kKeep: return rows::update(t, point);
    case Fate::kSpare: point.doomed.reset(); return rows::update(t, point);
    case Fate::kExpire:
      if (point.status == "EXPIRED") return rows::update(t, point);
      return change_point(s, t, point, "EXPIRED", "The recovery point is past its lifecycle; a legal hold keeps it.",
                          now);
    case Fate::kDoom: {
      COFFER_TRY(const bool last, is_last(t, point));
      if (last) COFFER_CHECK_OK(tell_last_point(t, s.entropy, point, now));
      point.doomed = proven_now;
      return rows::update(t, point);
    }
    case Fate::kDelete: break;
  }
  const Status allowed = check_role(s, context, t, point, now);
  if (!allowed.ok() && allowed.code() == ErrorCode::kPermissionDenied)
    return change_point(s, t, point, "EXPIRED", "The recovery point could not be deleted: " + allowed.error().message,
                        now);
  COFFER_CHECK_OK(allowed);
  return begin_deletion(s, t, point, "its lifecycle is over", now);
}

}  // namespace

Status run_retention(const Setting& s, const Context& context, WallTime now, WallTime proven_now) {
  constexpr int64_t kBatch = 100;
  // Every decision sets the next look later than now, so that this comes to an end.
  for (;;) {
    std::vector<Point> due;
    {
      COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(due, rows::select<Point>(*t, "WHERE look_at <= $1 ORDER BY look_at LIMIT $2", {now, kBatch}));
    }
    if (due.empty()) return ok_status();
    for (const Point& one : due) {
      COFFER_CHECK_OK(context.check());
      // A decision for each, from facts read in its own transaction.
      COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
        COFFER_TRY(auto point, rows::find_point(t, one.arn));
        if (!point || !point->look_at || *point->look_at > now) return ok_status();
        COFFER_TRY(const bool held, rows::is_held(t, point->arn));
        COFFER_TRY(const bool used, is_in_use(t, *point));
        const Verdict verdict =
            judge({point->status, point->delete_at, point->delete_after_days, point->proven, point->doomed, held, used},
                  now, proven_now);
        return carry_out(s, context, t, *point, verdict, now, proven_now);
      }));
    }
  }
}

}  // namespace coffer::backup
