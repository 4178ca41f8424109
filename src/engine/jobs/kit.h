// The recovery kit: one file that tells and holds what is needed to restore from a vault when everything but the
// vault's packs and one key is gone. It has the keysets, whose slots are wrapped, and no secret: keep it in many
// places.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/jobs/environment.h"
#include "engine/store/object_store.h"
#include "engine/vault/vault.h"

namespace coffer::jobs {

struct KitPoint {
  std::string id, name;
  WallTime finished;
  uint64_t size_bytes = 0;
  int server_version_num = 0;
  uint64_t system_identifier = 0;
  std::vector<std::string> databases;
};
struct KitSlot {
  std::string name, type;
};

struct Kit {
  WallTime written;
  std::string coffer_version;
  std::string vault_uuid;
  std::vector<std::string> places;       // where the vault was when the kit was written
  std::map<std::string, Bytes> objects;  // `format` and the keysets, by object key
  std::vector<KitSlot> slots;            // of the newest keyset
  // As they were; empty when the kit was written without a key.
  uint64_t log_size = 0;
  std::string log_root;  // hexadecimal
  std::vector<KitPoint> points;
  std::map<std::string, std::string> documents;  // whatever else belongs to it: policies, an extract of a catalog
};

/// `vault` may be null: then the kit says nothing of points and history.
Result<Kit> make_kit(const Context& context, const Environment& environment, store::ObjectStore& store,
                     const vault::Vault* vault, std::map<std::string, std::string> documents);
/// JSON, schema coffer.kit/1, with a check over all of it and with instructions for a person who has nothing else.
std::string encode_kit(const Kit& kit);
/// kCorruption says that it is no kit, or was altered or cut.
Result<Kit> parse_kit(std::string_view text);

/// Opens the newest keyset that is in the kit; the name of the slot that did it. Needs nothing else: a drill of the
/// kit.
Result<std::string> try_kit(const Kit& kit, crypto::SlotKey& key);

/// `inner` with the kit's objects in place of its own: a vault that lost its `format` or keysets, or had them damaged,
/// opens again. Nothing can be written over them, and they are not written to `inner`.
std::unique_ptr<store::ObjectStore> with_kit(std::unique_ptr<store::ObjectStore> inner, const Kit& kit);

}  // namespace coffer::jobs
