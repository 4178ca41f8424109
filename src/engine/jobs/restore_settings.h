// Recovery targets, and what a restored copy's postgresql.auto.conf says (postgres-backup.md 5.4).
#pragma once
#include <string>

#include "engine/jobs/restore.h"
#include "engine/vault/manifest.h"

namespace coffer::jobs {

/// Refuses a target that the WAL stored in the point cannot reach, and says how far it can go.
Status check_recovery_target(const vault::Manifest& manifest, const RecoveryTarget& target);

/// Lines to append to postgresql.auto.conf; empty when there is nothing to say.
std::string recovery_settings(const vault::Manifest& manifest, const RestoreOptions& options);
/// "recovery.signal", "standby.signal" or empty.
std::string recovery_signal(const RestoreOptions& options);

}  // namespace coffer::jobs
