#include "engine/jobs/key_slots.h"

#include "engine/vault/commit_log.h"

namespace coffer::jobs {

using namespace vault;

namespace {

// A remove takes the older generations away, so an entry of an older one, appended late by a slower program, must not
// come last: who finds a newer generation in the store logs that one.
Status log_change(const Context& context, const Vault& vault) {
  auto logged = [&]() -> Status {
    COFFER_TRY(auto log, CommitLog::load(context, vault));
    COFFER_TRY(VaultKeysets keysets, Vault::inspect(context, vault.store()));
    const crypto::Keyset& newest = keysets.keysets.back();
    COFFER_CHECK_OK(
        log->append(context, LogEntryType::kKeysetChanged, keyset_key(newest.key_id, newest.generation), {}, {}));
    return ok_status();
  };
  auto status = logged();
  if (!status.ok()) return std::move(status).error().in("the keys were changed, but the commit log does not say so");
  return ok_status();
}

}  // namespace

Status add_key_slot(const Context& context, Vault& vault, const NewSlot& slot) {
  COFFER_CHECK_OK(vault.add_slot(context, slot));
  return log_change(context, vault);
}

Status remove_key_slot(const Context& context, Vault& vault, const std::string& name) {
  COFFER_CHECK_OK(vault.remove_slot(context, name));
  return log_change(context, vault);
}

}  // namespace coffer::jobs
