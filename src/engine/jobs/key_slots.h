// Adding and removing key slots, with a line in the commit log: a keyset that is taken away afterwards is then missed.
#pragma once
#include <string>

#include "engine/vault/vault.h"

namespace coffer::jobs {

/// As Vault::add_slot and Vault::remove_slot, then kKeysetChanged in the log with the key of the new keyset object. An
/// error after "the keys were changed, but" means that only the log entry is missing: the change itself stands.
Status add_key_slot(const Context& context, vault::Vault& vault, const vault::NewSlot& slot);
Status remove_key_slot(const Context& context, vault::Vault& vault, const std::string& name);

}  // namespace coffer::jobs
