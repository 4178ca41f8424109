// The installation's clocks, watched. See decisions.h for what proven time is.
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

constexpr std::chrono::seconds kLookEvery{30};
constexpr std::chrono::hours kLargeStep{1};

Status forget_now(catalog::Transaction& t, const std::string& vault_arn, const std::string& label, WallTime now) {
  COFFER_CHECK_OK(work::cancel(t, kForgetWork, label));
  COFFER_TRY(const auto vault, rows::find_vault(t, vault_arn));
  return vault ? forget_later(t, place_of(*vault), label, now) : ok_status();
}

/// Everything that was to go on at a time that is now far ahead goes on now. Who holds what cannot be told any more
/// either, as leases end by the same clock: it all begins anew, and the holders' writes are refused.
Status begin_anew(catalog::Transaction& t, WallTime now) {
  const auto again = [&](const char* kind, const char* sql) -> Status {
    COFFER_TRY(const auto found, t.run(sql));
    for (const auto& row : found) {
      COFFER_CHECK_OK(work::cancel(t, kind, row.text(0)));
      COFFER_CHECK_OK(work::add(t, kind, row.text(0), "", now));
    }
    return ok_status();
  };
  COFFER_CHECK_OK(again(kBackupWork, "SELECT id FROM backup_jobs WHERE deadline IS NOT NULL"));
  COFFER_CHECK_OK(again(kCopyWork, "SELECT id FROM backup_copies WHERE deadline IS NOT NULL"));
  // Leftovers of what ended in what is now the future are looked for now.
  COFFER_TRY(const auto jobs,
             rows::select<rows::Job>(t, "WHERE completed > $1 AND started IS NOT NULL AND point = ''", {now}));
  for (const rows::Job& job : jobs) COFFER_CHECK_OK(forget_now(t, job.vault_arn(), job.label(), now));
  COFFER_TRY(
      const auto copies,
      rows::select<rows::Copy>(t, "WHERE completed > $1 AND started IS NOT NULL AND destination_point = ''", {now}));
  for (const rows::Copy& copy : copies) COFFER_CHECK_OK(forget_now(t, copy.destination_vault, copy.label(), now));
  COFFER_CHECK_OK(again(kRestoreWork, "SELECT id FROM backup_restores WHERE active = 1"));
  return again(kDeleteWork, "SELECT arn FROM backup_points WHERE status = 'DELETING'");
}

}  // namespace

Result<WallTime> Watch::look(const Setting& s, const Context& context, WallTime now) {
  const MonoTime mono = s.clock.mono();
  const bool back = last_wall_ && now < *last_wall_;
  if (last_mono_ && !back && mono - *last_mono_ < kLookEvery) {
    last_wall_ = now;
    return proven_;
  }
  // Until this look is kept for certain, it is not known what the catalog holds.
  const std::optional<MonoTime> since = std::exchange(last_mono_, std::nullopt);
  WallTime proven;
  COFFER_CHECK_OK(catalog::in_transaction(s.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto stored, rows::first<rows::Time>(t, "WHERE id = $1", {1}));
    const WatchedTime last =
        stored ? WatchedTime{stored->proven, stored->latest, stored->wall} : WatchedTime{WallTime{0}, now, now};
    const bool mine = stored && stored->watcher == watcher_;
    const WatchedTime looked = watch(last, mine && since ? std::optional(mono - *since) : std::nullopt, now);
    const rows::Time row{1, looked.proven, looked.latest, looked.wall, watcher_};
    COFFER_CHECK_OK(stored ? rows::update(t, row) : rows::insert(t, row));
    // The age of what came since the last look counts from here on.
    COFFER_CHECK_OK(
        t.run("UPDATE backup_jobs SET proven = $1 WHERE deadline IS NOT NULL AND proven IS NULL", {looked.proven}));
    COFFER_CHECK_OK(t.run("UPDATE backup_points SET proven = $1 WHERE proven IS NULL", {looked.proven}));
    if (went_back(last, now)) {
      COFFER_CHECK_OK(reset_rule_clocks(t, now));
      COFFER_CHECK_OK(t.run("UPDATE backup_points SET look_at = delete_at WHERE look_at > delete_at"));
      if (last.wall - now > kLargeStep) COFFER_CHECK_OK(begin_anew(t, now));
    }
    proven = looked.proven;
    return ok_status();
  }));
  last_mono_ = mono;
  last_wall_ = now;
  proven_ = proven;
  return proven;
}

}  // namespace coffer::backup
