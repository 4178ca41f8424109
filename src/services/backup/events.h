// The events of source aws.backup, one writer for each kind. Types follow AWS's samples, oddities included: sizes are
// texts here and numbers there.
#pragma once
#include "base/entropy.h"
#include "services/backup/rows.h"

namespace coffer::backup {

Status tell_job(catalog::Transaction&, Entropy&, const rows::Job&, WallTime now);
Status tell_copy(catalog::Transaction&, Entropy&, const rows::Copy&, WallTime now);
Status tell_restore(catalog::Transaction&, Entropy&, const rows::Restore&, WallTime now);
Status tell_point(catalog::Transaction&, Entropy&, const rows::Point&, WallTime now);
/// `state`: CREATED, MODIFIED, DELETED.
Status tell_plan(catalog::Transaction&, Entropy&, const rows::Plan&, std::string_view state, WallTime now);
Status tell_vault(catalog::Transaction&, Entropy&, const rows::Vault&, std::string_view state, WallTime now);
/// `changed`: type -> whether it is opted in, of what changed.
Status tell_region(catalog::Transaction&, Entropy&, std::string_view account, std::string_view region,
                   const api::Value& changed, WallTime now);

// Not AWS's: what it does not say.
/// Runs of a rule that nobody made: "Backup Plan Missed Runs".
struct Missed {
  const rows::Plan& plan;
  std::string rule, rule_name;
  WallTime first, last;
  int64_t count = 0;
  std::optional<WallTime> made_late;  // a later run that is made instead
};
Status tell_missed(catalog::Transaction&, Entropy&, const Missed&, WallTime now);
/// The last point of its resource that can be relied on is about to be deleted: "Last Recovery Point Expiring".
Status tell_last_point(catalog::Transaction&, Entropy&, const rows::Point&, WallTime now);

/// As AWS prints expectedCompletionDate: "Jul 15, 2020 9:39:07 PM".
std::string us_date(WallTime time);

}  // namespace coffer::backup
