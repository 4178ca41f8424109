// What the clock makes due: live probes, automated snapshots.
#include <algorithm>
#include <charconv>

#include "services/rds/operations.h"

namespace coffer::rds {
namespace {

constexpr std::chrono::seconds kProbeEvery{60};
constexpr int64_t kProbesAtOnce = 500;
constexpr std::string_view kDefaultWindow = "05:00-05:30";

/// What a failed probe says of the instance, as RDS would name it.
std::string status_of(const Error& error) {
  if (error.code == ErrorCode::kFailedPrecondition) return "incompatible-restore";  // another cluster is there
  if (error.code == ErrorCode::kPermissionDenied) return "incompatible-network";    // it is there, and not for us
  return "stopped";
}

/// Does a probe have a say about this status?
bool is_probed(const Database& d) { return d.status != "creating" && d.status != "deleting"; }

struct Look {
  bool has_connection = false, has_key = true;
  Result<Probe> probe = Error{};
};

Status keep_look(const Setting& setting, catalog::Transaction& t, const Database& seen, const Look& look,
                 WallTime now) {
  COFFER_TRY(auto d, rows::find_database(t, seen.account, seen.region, seen.identifier));
  if (!d || d->resource_id != seen.resource_id) return ok_status();
  d->probed = now;
  if (!look.has_connection || !is_probed(*d)) return rows::update_database(t, *d);
  const std::string before = d->status;
  if (look.probe.ok()) {
    d->status = "available";
    d->status_message = look.probe->findings.empty() ? std::string() : look.probe->findings.front().what;
    d->engine_version = look.probe->engine_version;
    d->size_bytes = static_cast<int64_t>(look.probe->size_bytes);
  } else {
    d->status =
        look.has_key ? status_of(look.probe.error()) : std::string("inaccessible-encryption-credentials-recoverable");
    d->status_message = look.probe.error().message;
  }
  COFFER_CHECK_OK(rows::update_database(t, *d));
  if (before == d->status) return ok_status();
  if (d->status == "available") return tell(t, setting.entropy, now, *d, "0088", "notification", "DB instance started");
  if (d->status == "stopped")
    return tell(t, setting.entropy, now, *d, "0087", "notification", "DB instance stopped: " + d->status_message);
  return tell(t, setting.entropy, now, *d, "0035", "failure",
              "The DB instance is in the state " + d->status + ": " + d->status_message);
}

/// Minutes of the day at which a window begins.
int64_t begin_of(std::string_view window) {
  int64_t hours = 5, minutes = 0;
  if (window.size() >= 5) {
    std::from_chars(window.data(), window.data() + 2, hours);
    std::from_chars(window.data() + 3, window.data() + 5, minutes);
  }
  return hours * 60 + minutes;
}

/// The last time, at or before `now`, at which the window began.
WallTime last_begin(const Database& d, WallTime now) {
  const auto found = d.settings.find("PreferredBackupWindow");
  constexpr int64_t kDay = int64_t{86'400} * 1'000'000, kMinute = int64_t{60} * 1'000'000;
  const int64_t at = begin_of(found == d.settings.end() ? kDefaultWindow : std::string_view(found->second)) * kMinute;
  const int64_t today = now.micros / kDay * kDay + at;
  return WallTime{today <= now.micros ? today : today - kDay};
}

/// "rds:orders-2026-01-05-05-00"
std::string automated_name(const Database& d, WallTime at) {
  std::string time = format_utc(at).substr(0, 16);
  std::replace(time.begin(), time.end(), 'T', '-');
  std::replace(time.begin(), time.end(), ':', '-');
  return "rds:" + d.identifier + "-" + time;
}

Status automate(const Setting& setting, catalog::Transaction& t, const Database& d, WallTime now) {
  COFFER_TRY(const auto snapshots, list_snapshots(t, d.account, d.region, "rds:" + d.identifier + "-", 1000));
  const WallTime due = last_begin(d, now), expired = now - std::chrono::hours(24 * d.backup_retention_days);
  bool taken = false;
  std::optional<WallTime> newest;
  for (const Snapshot& s : snapshots) {
    if (s.type != "automated" || s.resource_id != d.resource_id) continue;
    taken |= s.created >= due;
    if (s.status == "available" && (!newest || s.created > *newest)) newest = s.created;
  }
  for (const Snapshot& s : snapshots) {
    if (s.type != "automated" || s.resource_id != d.resource_id || s.status == "creating") continue;
    // The newest one stays until there is another: a retention that only the clock keeps would leave nothing.
    if (s.created < expired && !(newest && s.created == *newest)) COFFER_CHECK_OK(drop_snapshot(setting, t, now, s));
  }
  if (taken || d.created > due || d.status != "available") return ok_status();
  const std::string name = automated_name(d, due);
  COFFER_TRY(const auto there, rows::find_snapshot(t, d.account, d.region, name));
  if (there) return ok_status();
  COFFER_CHECK_OK(begin_snapshot(setting, t, now, d, name, "automated", d.tags, false));
  return ok_status();
}

}  // namespace

Status probe_due(const Setting& setting, const Context& context, WallTime now) {
  std::vector<Database> due;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(due, rows::databases_probed_before(*t, now - kProbeEvery + std::chrono::microseconds(1), kProbesAtOnce));
  }
  if (due.empty()) return ok_status();
  return catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) -> Status {
    for (const Database& d : due) COFFER_CHECK_OK(work::add(t, "rds.probe", d.resource_id, d.arn(), now));
    return ok_status();
  });
}

Status run_probe(const Setting& setting, const Context& context, const work::Item& item) {
  std::optional<Database> d;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(d, find_database(*t, item.payload));
  }
  Look look;
  if (d && d->resource_id == item.subject) {
    Result<DatabaseAccess> access = access_to(setting, context, *d);
    if (!access.ok() && is_passing(access.error())) return std::move(access).error();
    look.has_connection = access.ok() || access.error().name != "InvalidDBInstanceState";
    look.has_key = access.ok();
    if (access.ok())
      look.probe = setting.engine.probe(context, *access);
    else
      look.probe = access.error();
    COFFER_CHECK_OK(context.check());
  }
  return catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) -> Status {
    if (d && d->resource_id == item.subject) COFFER_CHECK_OK(keep_look(setting, t, *d, look, setting.clock.wall()));
    return work::finish(t, item);
  });
}

Status automate_due(const Setting& setting, const Context& context, WallTime now) {
  std::vector<Database> all;
  {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(all, rows::automated_databases(*t));
  }
  for (const Database& d : all) {
    COFFER_CHECK_OK(catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) -> Status {
      COFFER_TRY(const auto as_it_is, rows::find_database(t, d.account, d.region, d.identifier));
      return as_it_is && as_it_is->backup_retention_days > 0 ? automate(setting, t, *as_it_is, now) : ok_status();
    }));
  }
  return ok_status();
}

}  // namespace coffer::rds
