// kit write, kit check; witness.
#include <nlohmann/json.hpp>

#include "base/new_file.h"
#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/kit.h"
#include "engine/vault/witness.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

constexpr uint64_t kDocumentSizeMax = 16 << 20;
constexpr uint64_t kKitFileSizeMax = 64 << 20;
constexpr uint64_t kKeyFileSizeMax = 64 << 10;
constexpr std::string_view kWitnessLabel = "coffer witness v1";

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// The file that --to names, or one with the vault's uuid and the time in the folder that it names.
std::string kit_path(Invocation& invocation, const std::string& to, const jobs::Kit& kit) {
  const std::string path = Invocation::absolute(to);
  auto stat = invocation.world().files.stat(path);
  if (!to.ends_with('/') && (!stat.ok() || stat->type != FileType::kDirectory)) return path;
  std::string time = format_utc(kit.written);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return path + "/coffer-kit-" + kit.vault_uuid + "-" + time + ".json";
}

Result<jobs::Kit> read_kit(Invocation& invocation, const std::string& path) {
  auto text = invocation.world().files.read_file(path, kKitFileSizeMax);
  if (!text.ok()) return std::move(text).error().in("reading the recovery kit " + path);
  auto kit = jobs::parse_kit(as_text(*text));
  if (!kit.ok()) return std::move(kit).error().in(path);
  return kit;
}

ordered_json kit_document(const jobs::Kit& kit, const std::string& path) {
  ordered_json slots = ordered_json::array(), documents = ordered_json::array();
  for (const auto& slot : kit.slots) slots.push_back({{"name", slot.name}, {"type", slot.type}});
  for (const auto& [name, text] : kit.documents) documents.push_back(name);
  return {{"schema", "coffer.kit-file/1"}, {"file", path},
          {"vault", kit.vault_uuid},       {"written", format_utc(kit.written)},
          {"places", kit.places},          {"slots", std::move(slots)},
          {"points", kit.points.size()},   {"documents", std::move(documents)}};
}

/// An Ed25519 key made from a key file, for this use alone.
Result<vault::WitnessKey> witness_key(Invocation& invocation) {
  COFFER_TRY(const std::string given, invocation.arguments().required("witness-key"));
  auto contents = invocation.world().files.read_file(given, kKeyFileSizeMax);
  if (!contents.ok())
    return std::move(contents)
        .error()
        .in("reading the witness's key " + given)
        .advise("make one with: coffer keys generate FILE");
  auto key = crypto::parse_key_file(*contents);
  wipe(*contents);
  if (!key.ok()) return std::move(key).error().in("the witness's key " + given);
  vault::WitnessKey witness;
  witness.name = invocation.arguments().text("name").value_or("witness");
  COFFER_CHECK_OK(check_slot_name(witness.name));
  witness.seed = Secret(crypto::hkdf_expand_sha512(key->view(), as_bytes(kWitnessLabel), crypto::kEd25519SeedSize));
  return witness;
}

}  // namespace

Result<int> run_kit_write(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(const std::string to, arguments.required("to"));
  COFFER_TRY(store::ObjectStore * place, invocation.store());
  const vault::Vault* vault = nullptr;
  if (invocation.has_key()) {
    COFFER_TRY(vault, invocation.vault());
  }
  std::map<std::string, std::string> documents;
  for (const std::string& path : arguments.all("add")) {
    auto contents = invocation.world().files.read_file(path, kDocumentSizeMax);
    if (!contents.ok()) return std::move(contents).error().in("reading " + path);
    documents[file_name(path)] = to_text(*contents);
  }
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  COFFER_TRY(const jobs::Kit kit,
             jobs::make_kit(invocation.context(), *environment, *place, vault, std::move(documents)));
  const std::string path = kit_path(invocation, to, kit), name = file_name(path);
  const std::string folder_path = path.size() == name.size() + 1 ? "/" : path.substr(0, path.size() - name.size() - 1);
  COFFER_TRY(auto folder, invocation.world().files.create_directories(folder_path, 0700));
  const std::string text = jobs::encode_kit(kit);
  Status written = write_new_file(*folder, name, as_bytes(text));
  if (!written.ok()) return std::move(written).error().in("writing " + path);
  COFFER_TRY(const jobs::Kit back, read_kit(invocation, path));
  if (invocation.json())
    invocation.print_document(kit_document(back, path));
  else
    invocation.print(path + "\n");
  if (vault == nullptr)
    invocation.warn("the kit does not list the points: it was written without a key", "give --key KEY");
  if (back.slots.size() < 2)
    invocation.warn("the vault has one key slot: the kit is of no use without that key",
                    "coffer keys add, or coffer escrow create; then write the kit again");
  return kExitDone;
}

Result<int> run_kit_check(Invocation& invocation) {
  COFFER_TRY(const std::string path, invocation.arguments().required("FILE"));
  COFFER_TRY(const jobs::Kit kit, read_kit(invocation, path));
  std::string opened;
  if (auto text = invocation.arguments().text("key")) {
    COFFER_TRY(KeySource source, parse_key_source(*text));
    COFFER_TRY(auto key, invocation.key_loader().load(source, "the recovery kit", false));
    COFFER_TRY(opened, jobs::try_kit(kit, *key));
  }
  if (invocation.json()) {
    ordered_json document = kit_document(kit, path);
    document["opened_slot"] = opened;
    invocation.print_document(document);
    return kExitDone;
  }
  std::string text = "kit of vault " + kit.vault_uuid + ", written " + format_utc(kit.written) + "\n";
  for (const std::string& place : kit.places) text += "  place  " + printable(place) + "\n";
  for (const auto& slot : kit.slots)
    text += "  slot   " + printable(slot.name) + " (" + printable(slot.type) + ")" +
            (slot.name == opened ? ", opened" : "") + "\n";
  for (const auto& [name, contents] : kit.documents)
    text += "  holds  " + printable(name) + ", " + human_bytes(contents.size()) + "\n";
  text += "  " + counted(kit.points.size(), "point") +
          (kit.points.empty() ? "" : ", the newest " + printable(kit.points.back().id)) + "\n";
  invocation.print(text);
  if (opened.empty())
    invocation.warn("no key was tried", "try each of them once a year: coffer kit check FILE --key KEY");
  return kExitDone;
}

Result<int> run_witness(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(const vault::WitnessKey key, witness_key(invocation));
  COFFER_TRY(const vault::Vault* source, invocation.vault());
  COFFER_TRY(const std::string to, arguments.required("to"));
  COFFER_TRY(auto keep, invocation.open_place(to, "opening the place of the copies", true));
  World& world = invocation.world();
  std::unique_ptr<vault::Vault> mirror;
  std::unique_ptr<vault::CommitLog> mirror_log;
  if (auto text = arguments.text("to-key")) {
    COFFER_TRY(KeySource key_source, parse_key_source(*text));
    COFFER_TRY(auto mirror_key, invocation.key_loader().load(key_source, "the mirror", false));
    COFFER_TRY(mirror, vault::Vault::open(invocation.context(), *keep, world.clock, world.entropy, *mirror_key));
    COFFER_TRY(mirror_log, vault::CommitLog::load(invocation.context(), *mirror));
  }
  COFFER_TRY(const vault::WitnessReport report,
             vault::witness(invocation.context(), *source, mirror_log.get(), *keep, world.clock, key));
  const std::string public_key = to_hex(crypto::ed25519_public_key(key.seed.view()));
  if (invocation.json()) {
    ordered_json before;
    if (report.before)
      before = {{"size", report.before->size},
                {"root", to_hex(report.before->root)},
                {"time", format_utc(report.before->time)}};
    invocation.print_document(ordered_json{{"schema", "coffer.witness/1"},
                                           {"vault", source->format().uuid},
                                           {"size", report.head.size},
                                           {"root", to_hex(report.head.root)},
                                           {"time", format_utc(report.head.time)},
                                           {"new", report.is_new},
                                           {"before", std::move(before)},
                                           {"name", key.name},
                                           {"public_key", public_key}});
    return kExitDone;
  }
  invocation.print("the history of vault " + source->format().uuid + " has " + std::to_string(report.head.size) +
                   " entries, root " + to_hex(report.head.root).substr(0, 16) +
                   (report.before ? "; it continues what was witnessed at " + format_utc(report.before->time) : "") +
                   "\n");
  return kExitDone;
}

/// For recover: the vault at --vault, or where the kit says it was, with the kit's objects.
Status use_kit(Invocation& invocation, const std::string& path) {
  COFFER_TRY(const jobs::Kit kit, read_kit(invocation, path));
  const std::string place = invocation.arguments().text("vault").value_or(kit.places.empty() ? "" : kit.places.front());
  if (place.empty()) return Error{ErrorCode::kInvalidArgument, "the kit names no place", "give --vault PLACE"};
  COFFER_TRY(auto inner, invocation.open_place(place, "opening the vault", false));
  invocation.adopt_store(jobs::with_kit(std::move(inner), kit));
  return ok_status();
}

}  // namespace coffer::cli
