// vault init, vault info, keys generate, list, add, remove.
#include <nlohmann/json.hpp>

#include "base/new_file.h"
#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/key_slots.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

constexpr size_t kKeySize = 32;

ordered_json slots_document(const std::vector<crypto::KeySlot>& slots) {
  ordered_json list = ordered_json::array();
  for (const auto& slot : slots) list.push_back({{"name", slot.name}, {"type", slot.type}});
  return list;
}

void warn_when_unprotected(Invocation& invocation, size_t slots) {
  if (slots >= 2) return;
  invocation.warn("THIS VAULT HAS ONE KEY SLOT. Whoever loses that key loses every recovery point in it, for ever.",
                  "add a second one that somebody else keeps: coffer keys add NAME --new-key KEY");
}

Result<crypto::Keyset> newest_keyset(Invocation& invocation) {
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_TRY(vault::VaultKeysets keysets, vault::Vault::inspect(invocation.context(), *place));
  if (keysets.keysets.empty())
    return Error{ErrorCode::kCorruption, place->describe() + " has a format object and no keyset", {}};
  return std::move(keysets.keysets.back());
}

struct Contents {
  uint64_t points = 0, packs = 0, stored_bytes = 0;
};
Result<Contents> count_contents(Invocation& invocation) {
  Contents contents;
  COFFER_TRY(vault::CommitLog * log, invocation.log());
  contents.points = log->state().live.size();
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_CHECK_OK(place->list(invocation.context(), "", [&](const store::ObjectInfo& info) {
    contents.packs += info.key.starts_with("packs/");
    contents.stored_bytes += info.size_bytes;
    return true;
  }));
  return contents;
}

}  // namespace

Result<int> run_vault_init(Invocation& invocation) {
  const auto texts = invocation.arguments().all("key");
  if (texts.empty())
    return Error{
        ErrorCode::kInvalidArgument, "a vault needs at least one --key: there is no vault without encryption",
        "make a key file with 'coffer keys generate FILE', then give --key ops=file:FILE --key officer=passphrase"};
  COFFER_CHECK_OK(invocation.arguments().required("vault"));
  std::vector<NamedKeySource> sources;
  for (const std::string& text : texts) {
    COFFER_TRY(NamedKeySource source, parse_named_key_source(text));
    for (const NamedKeySource& other : sources) {
      if (other.name == source.name)
        return Error{ErrorCode::kInvalidArgument, "two slots would be named '" + source.name + "'",
                     "name them: --key NAME=KEY"};
      if (other.source == source.source && source.source.kind != KeySource::Kind::kPassphrasePrompt)
        return Error{ErrorCode::kInvalidArgument, "'" + other.name + "' and '" + source.name + "' are the same key",
                     "two slots protect only when their keys are kept apart"};
    }
    sources.push_back(std::move(source));
  }
  // Every key is there before anything is written.
  std::vector<std::unique_ptr<crypto::SlotKey>> keys;
  std::vector<vault::NewSlot> slots;
  for (const NamedKeySource& source : sources) {
    COFFER_TRY(auto key, invocation.key_loader().load(source.source, "slot '" + source.name + "'", true));
    keys.push_back(std::move(key));
    slots.push_back({source.name, keys.back().get()});
  }
  COFFER_TRY(store::ObjectStore * place, invocation.store(true));
  World& world = invocation.world();
  COFFER_TRY(auto vault, vault::Vault::create(invocation.context(), *place, world.clock, world.entropy, slots));
  const auto& keyset = vault->keysets().back();
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.vault/1"},
                                           {"place", place->describe()},
                                           {"uuid", vault->format().uuid},
                                           {"created", format_utc(vault->format().created)},
                                           {"protected", keyset.slots.size() >= 2},
                                           {"slots", slots_document(keyset.slots)}});
  } else {
    std::string names;
    for (const auto& slot : keyset.slots) names += (names.empty() ? "" : ", ") + slot.name + " (" + slot.type + ")";
    invocation.print("vault " + vault->format().uuid + " in " + place->describe() + "\n" +
                     counted(keyset.slots.size(), "slot") + ": " + names + "\n");
  }
  warn_when_unprotected(invocation, keyset.slots.size());
  return kExitDone;
}

Result<int> run_vault_info(Invocation& invocation) {
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  COFFER_TRY(vault::VaultKeysets keysets, vault::Vault::inspect(invocation.context(), *place));
  std::optional<Contents> contents;
  if (invocation.has_key()) {
    COFFER_TRY(contents, count_contents(invocation));
  }
  const size_t slots = keysets.keysets.empty() ? 0 : keysets.keysets.back().slots.size();
  if (invocation.json()) {
    ordered_json document{{"schema", "coffer.vault/1"},
                          {"place", place->describe()},
                          {"uuid", keysets.format.uuid},
                          {"format", keysets.format.format},
                          {"created", format_utc(keysets.format.created)},
                          {"protected", slots >= 2},
                          {"slots", slots == 0 ? ordered_json::array() : slots_document(keysets.keysets.back().slots)}};
    if (contents)
      document.update(
          {{"points", contents->points}, {"packs", contents->packs}, {"stored_bytes", contents->stored_bytes}});
    invocation.print_document(document);
    return kExitDone;
  }
  std::string text = "vault    " + keysets.format.uuid + " in " + place->describe() + "\nformat   " +
                     std::to_string(keysets.format.format) + "\ncreated  " + format_utc(keysets.format.created) + "\n";
  for (const crypto::Keyset& keyset : keysets.keysets)
    for (const auto& slot : keyset.slots) text += "slot     " + slot.name + " (" + slot.type + ")\n";
  if (contents)
    text += "points   " + std::to_string(contents->points) + "\nstored   " + human_bytes(contents->stored_bytes) +
            " in " + counted(contents->packs, "pack") + "\n";
  invocation.print(text);
  warn_when_unprotected(invocation, slots);
  return kExitDone;
}

Result<int> run_keys_generate(Invocation& invocation) {
  COFFER_TRY(std::string given, invocation.arguments().required("FILE"));
  const std::string path = Invocation::absolute(given);
  const size_t slash = path.rfind('/');
  World& world = invocation.world();
  auto directory = world.files.open_directory(slash == 0 ? "/" : path.substr(0, slash));
  if (!directory.ok()) return std::move(directory).error().in("writing " + path).advise("make the folder first");
  auto key = world.entropy.array<kKeySize>();
  std::string text = crypto::format_key_file(key);
  wipe(key);
  Status written = write_new_file(**directory, path.substr(slash + 1), as_bytes(text));
  wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  if (!written.ok() && written.code() == ErrorCode::kAlreadyExists)
    return Error{ErrorCode::kAlreadyExists, path + " exists, and a key file is never overwritten", "name another file"};
  if (!written.ok()) return std::move(written).error().in("writing " + path);
  if (invocation.json())
    invocation.print_document(ordered_json{{"schema", "coffer.key-file/1"}, {"file", path}});
  else
    invocation.print(path + "\n");
  return kExitDone;
}

Result<int> run_keys_list(Invocation& invocation) {
  COFFER_TRY(crypto::Keyset keyset, newest_keyset(invocation));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.keys/1"},
                                           {"vault", keyset.vault_uuid},
                                           {"epoch", keyset.epoch},
                                           {"generation", keyset.generation},
                                           {"slots", slots_document(keyset.slots)}});
    return kExitDone;
  }
  TextTable table({{"SLOT"}, {"TYPE"}});
  for (const auto& slot : keyset.slots) table.add({slot.name, slot.type});
  invocation.print(table.text());
  if (!invocation.arguments().flag("quiet")) warn_when_unprotected(invocation, keyset.slots.size());
  return kExitDone;
}

Result<int> run_keys_add(Invocation& invocation) {
  COFFER_TRY(std::string name, invocation.arguments().required("NAME"));
  COFFER_CHECK_OK(check_slot_name(name));
  COFFER_TRY(std::string text, invocation.arguments().required("new-key"));
  COFFER_TRY(KeySource source, parse_key_source(text));
  COFFER_TRY(vault::Vault * vault, invocation.vault());
  COFFER_TRY(auto key, invocation.key_loader().load(source, "the new slot '" + name + "'", true));
  COFFER_CHECK_OK(jobs::add_key_slot(invocation.context(), *vault, {name, key.get()}));
  COFFER_TRY(crypto::Keyset keyset, newest_keyset(invocation));
  if (invocation.json())
    invocation.print_document(
        ordered_json{{"schema", "coffer.keys/1"}, {"added", name}, {"slots", slots_document(keyset.slots)}});
  else
    invocation.print("slot " + name + " opens the vault; it has " + counted(keyset.slots.size(), "slot") + "\n");
  return kExitDone;
}

Result<int> run_keys_remove(Invocation& invocation) {
  COFFER_TRY(std::string name, invocation.arguments().required("NAME"));
  COFFER_TRY(vault::Vault * vault, invocation.vault());
  if (!invocation.arguments().flag("yes")) {
    if (!invocation.world().prompter.available())
      return Error{ErrorCode::kInvalidArgument, "removing a slot needs a confirmation", "add --yes"};
    COFFER_TRY(bool agreed,
               invocation.world().prompter.confirm("Remove slot " + name + " of " + vault->store().describe() + "?"));
    if (!agreed) return Error{ErrorCode::kInvalidArgument, "not confirmed, nothing was changed", {}};
  }
  COFFER_CHECK_OK(jobs::remove_key_slot(invocation.context(), *vault, name));
  COFFER_TRY(crypto::Keyset keyset, newest_keyset(invocation));
  if (invocation.json())
    invocation.print_document(
        ordered_json{{"schema", "coffer.keys/1"}, {"removed", name}, {"slots", slots_document(keyset.slots)}});
  else
    invocation.print("slot " + name + " is gone; the vault has " + counted(keyset.slots.size(), "slot") + "\n");
  warn_when_unprotected(invocation, keyset.slots.size());
  return kExitDone;
}

}  // namespace coffer::cli
