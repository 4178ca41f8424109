// Legal holds: recovery points that stay whatever their lifecycle says.
#include <algorithm>

#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using api::Value;
using rows::Hold;
using rows::Point;

constexpr int64_t kHoldsMax = 50, kRecordDays = 180, kDaysMax = 36'500;
constexpr size_t kDescriptionMax = 280;

Result<Hold> hold_of(const Request& r) {
  const std::string id = r.text("LegalHoldId");
  COFFER_TRY(auto hold, rows::first<Hold>(r.t(), "WHERE id = $1", {id}));
  if (hold && hold->account == r.account() && hold->region == r.region()) return std::move(*hold);
  return not_found("Cannot find legal hold with ID " + id);
}

Value hold_value(const Hold& hold) {
  Value value = Value::object({{"Title", hold.title},
                               {"Status", hold.status},
                               {"Description", hold.description},
                               {"LegalHoldId", hold.id},
                               {"LegalHoldArn", hold.arn()},
                               {"CreationDate", hold.created}});
  if (hold.canceled) value.set("CancellationDate", *hold.canceled);
  return value;
}

/// The points that a selection means now. Those that come later are not held.
Result<std::vector<std::string>> held_by(const Request& r, const Value& selection) {
  const Value* range = selection.find("DateRange");
  const auto from = range ? range->time("FromDate") : std::nullopt, to = range ? range->time("ToDate") : std::nullopt;
  const auto vaults = selection.texts("VaultNames"), resources = selection.texts("ResourceIdentifiers");
  COFFER_TRY(const auto points,
             rows::select<Point>(
                 r.t(),
                 "WHERE account = $1 AND region = $2 AND status NOT IN ('EXPIRED', 'DELETING') AND "
                 "created >= $3 AND created <= $4",
                 {r.account(), r.region(), from.value_or(WallTime{INT64_MIN}), to.value_or(WallTime{INT64_MAX})}));
  const auto has = [](const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  std::vector<std::string> arns;
  for (const Point& point : points) {
    if (has(vaults, point.vault) || has(resources, point.resource)) arns.push_back(point.arn);
  }
  return arns;
}

/// What was due while it was held goes now, by the ordinary way: two decisions with a grace time between them.
Status release(catalog::Transaction& t, const Hold& hold, WallTime now) {
  COFFER_TRY(const auto held, t.run("SELECT arn FROM backup_held_points WHERE hold = $1", {hold.id}));
  COFFER_CHECK_OK(t.run("DELETE FROM backup_held_points WHERE hold = $1", {hold.id}));
  for (const auto& row : held) {
    COFFER_TRY(const bool still, rows::is_held(t, row.text(0)));
    if (still) continue;
    COFFER_CHECK_OK(
        t.run("UPDATE backup_points SET look_at = $2 WHERE arn = $1 AND status = 'EXPIRED'", {row.text(0), now}));
  }
  return ok_status();
}

}  // namespace

Result<Value> create_hold(const Request& r) {
  const std::string title = r.text("Title"), description = r.text("Description"), token = r.text("IdempotencyToken");
  if (title.empty() || description.empty()) return missing("Title and Description must not be empty.");
  if (description.size() > kDescriptionMax) return invalid("A description has at most 280 characters.");
  const Value* selection = r.input().find("RecoveryPointSelection");
  const Value none = Value::object();
  if (!selection) selection = &none;
  if (const Value* range = selection->find("DateRange")) {
    const auto from = range->time("FromDate"), to = range->time("ToDate");
    if (from && to && *from > *to) return invalid("FromDate must not be after ToDate.");
  }
  if (selection->list("VaultNames").empty() && selection->list("ResourceIdentifiers").empty())
    return invalid("RecoveryPointSelection names vaults or resources.");
  const auto tags = r.input().text_map("Tags");
  COFFER_CHECK_OK(check_tags(tags));
  const auto answer = [](const Hold& hold) {
    Value output = hold_value(hold);
    output.set("RecoveryPointSelection", hold.selection);
    return output;
  };
  if (!token.empty()) {
    COFFER_TRY(const auto earlier, rows::first<Hold>(r.t(), "WHERE account = $1 AND region = $2 AND token = $3",
                                                     {r.account(), r.region(), token}));
    if (earlier && earlier->title == title && earlier->selection == *selection) return answer(*earlier);
    if (earlier) return invalid("The idempotency token was used for another request: " + token);
  }
  COFFER_TRY(const auto count, r.t().first("SELECT COUNT(*) FROM backup_holds WHERE account = $1 AND region = $2 AND "
                                           "status = 'ACTIVE'",
                                           {r.account(), r.region()}));
  if (count->integer(0) >= kHoldsMax) return limit_exceeded("An account has at most 50 legal holds in a Region.");
  Hold hold;
  hold.id = random_uuid(r.setting.entropy);
  hold.account = r.account();
  hold.region = r.region();
  hold.title = title;
  hold.description = description;
  hold.created = r.now();
  hold.token = token;
  hold.selection = *selection;
  COFFER_CHECK_OK(make_page_key(r));
  COFFER_CHECK_OK(rows::insert(r.t(), hold));
  COFFER_CHECK_OK(rows::put_tags(r.t(), hold.arn(), tags));
  COFFER_TRY(const auto arns, held_by(r, *selection));
  for (const std::string& arn : arns)
    COFFER_CHECK_OK(r.t().run("INSERT INTO backup_held_points (arn, hold) VALUES ($1, $2)", {arn, hold.id}));
  return answer(hold);
}

Result<Value> get_hold(const Request& r) {
  COFFER_TRY(const Hold hold, hold_of(r));
  Value output = hold_value(hold);
  output.set("RecoveryPointSelection", hold.selection);
  if (!hold.cancel_description.empty()) output.set("CancelDescription", hold.cancel_description);
  if (hold.retain_until) output.set("RetainRecordUntil", *hold.retain_until);
  return output;
}

Result<Value> list_holds(const Request& r) {
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const auto holds,
             rows::select<Hold>(r.t(), "WHERE account = $1 AND region = $2 AND id > $3 ORDER BY id LIMIT $4",
                                {r.account(), r.region(), page.after, static_cast<int64_t>(page.limit) + 1}));
  Value output = Value::object();
  api::List list;
  for (const Hold& hold : holds) {
    if (list.size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, holds[page.limit - 1].id));
      break;
    }
    list.push_back(hold_value(hold));
  }
  output.set("LegalHolds", std::move(list));
  return output;
}

Result<Value> cancel_hold(const Request& r) {
  COFFER_TRY(Hold hold, hold_of(r));
  if (hold.status != "ACTIVE") return invalid_state("Legal hold " + hold.id + " is in state " + hold.status + ".");
  const int64_t days = r.input().integer("RetainRecordInDays").value_or(kRecordDays);
  if (days < 0 || days > kDaysMax) return invalid("RetainRecordInDays must be between 0 and 36500.");
  if (r.text("CancelDescription").empty()) return missing("CancelDescription must not be empty.");
  hold.status = "CANCELED";
  hold.canceled = r.now();
  hold.retain_until = r.now() + std::chrono::hours(24 * days);
  hold.cancel_description = r.text("CancelDescription");
  COFFER_CHECK_OK(rows::update(r.t(), hold));
  COFFER_CHECK_OK(release(r.t(), hold, r.now()));
  return Value::object();
}

Status run_holds(const Setting& s, const Context& context, WallTime now) {
  constexpr std::string_view kOver = "WHERE status = 'CANCELED' AND retain_until <= $1";
  {
    COFFER_TRY(auto t, s.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const auto over, rows::select<Hold>(*t, kOver, {now}));
    if (over.empty()) return ok_status();
  }
  return catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto over, rows::select<Hold>(t, kOver, {now}));
    for (const Hold& hold : over) {
      COFFER_CHECK_OK(rows::remove(t, hold));
      COFFER_CHECK_OK(rows::remove_tags(t, hold.arn()));
    }
    return ok_status();
  });
}

}  // namespace coffer::backup
