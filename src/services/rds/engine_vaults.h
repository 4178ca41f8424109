// The engine of an installation: vaults in folders below one root, jobs of engine/jobs on them.
//
//   ROOT/<account>/<region>/<name>/own/             the vault of the place: what is backed up into it
//   ROOT/<account>/<region>/<name>/mirrors/<uuid>/  what was copied into it, a mirror for each vault it came from
//   ROOT/<account>/<region>/<name>/labels/<point>/  names of a point that has more than the one it was taken under
//
// The '/' of a place's name is a '+' there. A vault has two slots: the KMS key of its place, which opens it in all that
// happens here, and a recovery key derived from the installation's root, for the day when the catalog with the KMS keys
// is lost. Both are under one administration: who holds the root has both, and who loses the installation's own slots
// has lost both. Two slots under different administrations, which keep a vault readable when one of them fails or turns
// against its owner, exist only once another account's key is added (a copy into its vault, or a slot of its own).
#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "base/secret.h"
#include "base/tasks.h"
#include "services/api/action.h"
#include "services/rds/engine.h"

namespace coffer::rds {

/// References are borrowed.
struct EngineOptions {
  FileSystem& files;
  Clock& clock;
  Entropy& entropy;
  Processes& processes;
  ByteBudget& budget;
  std::string root;                             // DATA/vaults; made when it is missing
  std::string scratch;                          // DATA/scratch; made when it is missing, its leftovers removed
  std::map<int, std::string> pg_binaries = {};  // major -> bin folder; others are found where packages put them
  int jobs = 2;                                 // worker tasks of one job
};
/// KMS is called as the service that owns the place: "rds.amazonaws.com" for names that begin with "aws/rds",
/// "backup.amazonaws.com" for others, for the place's account. The key lets it (service_keys.h: a grant), or nothing is
/// opened. `installation_root`: 64 bytes.
Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, api::Invoke invoke, Secret installation_root);

/// What open_engine() has as the second slot of a vault, named "installation-recovery": a key file's 32 bytes. Given to
/// a person with `coffer keys` and the vault's folder, it opens the vault without this program's catalog.
Secret recovery_key_of(ByteView installation_root, const VaultPlace& place);
/// Where a place's own vault lies below the root.
std::string folder_of(const VaultPlace& place);

}  // namespace coffer::rds
