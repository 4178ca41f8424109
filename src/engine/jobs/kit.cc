#include "engine/jobs/kit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "engine/crypto/digest.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/points.h"

namespace coffer::jobs {

using namespace vault;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr std::string_view kSchema = "coffer.kit/1";
constexpr size_t kKitSizeMax = 64 << 20;

Error bad_kit(std::string what) {
  return {ErrorCode::kCorruption, "this is no whole recovery kit: " + std::move(what), "use another copy of the kit"};
}

ordered_json instructions() {
  return {"This file and one of the keys named under 'slots' restore databases from the vault. It holds no secret.",
          "1. Get the program coffer, of the version below or newer, and PostgreSQL of the major version of the point.",
          "2. Find the vault: one of 'places', or a copy of what was there (a folder, or a bucket with a prefix).",
          "3. coffer recover --kit THIS-FILE --vault PLACE --key KEY      lists the recovery points",
          "4. coffer recover --kit THIS-FILE --vault PLACE --key KEY --to DIR      restores the newest sound one",
          "5. Start PostgreSQL on DIR as the user that owns it.",
          "KEY is file:PATH for a slot of type key-file, passphrase for one of type passphrase, kms:ARN for kms, and "
          "escrow:SHARE,SHARE,... for escrow.",
          "Without coffer: docs/format.md of its source describes every byte of a vault of this format."};
}

std::string dumped(const ordered_json& document) {
  return document.dump(1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

std::string check_of(ordered_json document) {
  document.erase("check");
  return to_hex(crypto::sha256(as_bytes(dumped(document))));
}

/// Members by name; the first that is missing or of another type is remembered.
class Reader {
 public:
  std::string text(const json& of, const char* name) {
    auto it = of.find(name);
    if (it == of.end() || !it->is_string()) return fail(name), std::string();
    return it->get<std::string>();
  }
  uint64_t number(const json& of, const char* name) {
    auto it = of.find(name);
    if (it == of.end() || !it->is_number_unsigned()) return fail(name), 0;
    return it->get<uint64_t>();
  }
  WallTime time(const json& of, const char* name) {
    auto parsed = parse_utc(text(of, name));
    if (!parsed.ok()) return fail(name), WallTime{};
    return *parsed;
  }
  const json& member(const json& of, const char* name, json::value_t type) {
    static const json none = json::object();
    auto it = of.find(name);
    if (it != of.end() && it->type() == type) return *it;
    fail(name);
    return none;
  }
  std::vector<std::string> texts(const json& of, const char* name) {
    std::vector<std::string> out;
    for (const json& item : member(of, name, json::value_t::array)) {
      if (!item.is_string()) return fail(name), out;
      out.push_back(item.get<std::string>());
    }
    return out;
  }
  void fail(const char* name) {
    if (bad_.empty()) bad_ = name;
  }
  [[nodiscard]] Status status() const {
    if (bad_.empty()) return ok_status();
    return bad_kit("'" + bad_ + "' is missing or of another kind");
  }

 private:
  std::string bad_;
};

}  // namespace

Result<Kit> make_kit(const Context& context, const Environment& env, store::ObjectStore& store, const Vault* vault,
                     std::map<std::string, std::string> documents) {
  COFFER_TRY(const VaultKeysets keysets, Vault::inspect(context, store));
  Kit kit;
  kit.written = env.clock.wall();
  kit.coffer_version = COFFER_VERSION;
  kit.vault_uuid = keysets.format.uuid;
  kit.places = {store.describe()};
  kit.objects["format"] = encode_format(keysets.format);
  for (size_t i = 0; i < keysets.keysets.size(); ++i)
    kit.objects[keyset_key(keysets.keysets[i].key_id, keysets.keysets[i].generation)] = keysets.encoded[i];
  for (const crypto::KeySlot& slot : keysets.keysets.back().slots) kit.slots.push_back({slot.name, slot.type});
  kit.documents = std::move(documents);
  if (vault == nullptr) return kit;
  COFFER_TRY(auto log, CommitLog::load(context, *vault));
  kit.log_size = log->size();
  kit.log_root = to_hex(log->root());
  COFFER_TRY(const auto points, list_points(context, *vault, log->state(), [&](const std::string& id, const Error& e) {
               env.progress.note("the point " + id + " is left out of the kit: " + e.message);
             }));
  for (const PointSummary& p : points)
    kit.points.push_back({p.manifest.id, p.manifest.name, p.manifest.finished, p.manifest.size_bytes,
                          p.manifest.server_version_num, p.manifest.system_identifier, p.manifest.databases});
  return kit;
}

std::string encode_kit(const Kit& kit) {
  ordered_json objects = ordered_json::object(), slots = ordered_json::array(), points = ordered_json::array(),
               documents = ordered_json::object();
  for (const auto& [key, bytes] : kit.objects) objects[key] = base64_encode(bytes);
  for (const KitSlot& slot : kit.slots) slots.push_back({{"name", slot.name}, {"type", slot.type}});
  for (const KitPoint& p : kit.points)
    points.push_back({{"id", p.id},
                      {"name", p.name},
                      {"finished", format_utc(p.finished)},
                      {"size_bytes", p.size_bytes},
                      {"postgresql", p.server_version_num},
                      {"system_identifier", std::to_string(p.system_identifier)},
                      {"databases", p.databases}});
  for (const auto& [name, text] : kit.documents) documents[name] = text;
  ordered_json document{{"schema", kSchema},
                        {"what_to_do", instructions()},
                        {"written", format_utc(kit.written)},
                        {"coffer_version", kit.coffer_version},
                        {"vault", kit.vault_uuid},
                        {"places", kit.places},
                        {"slots", std::move(slots)},
                        {"objects", std::move(objects)},
                        {"log_size", kit.log_size},
                        {"log_root", kit.log_root},
                        {"points", std::move(points)},
                        {"documents", std::move(documents)}};
  document["check"] = check_of(document);
  return dumped(document);
}

Result<Kit> parse_kit(std::string_view text) {
  if (text.size() > kKitSizeMax) return bad_kit("larger than 64 MiB");
  const json document = json::parse(text.begin(), text.end(), nullptr, false);
  if (!document.is_object()) return bad_kit("this is no JSON object");
  Reader r;
  if (r.text(document, "schema") != kSchema) return bad_kit("its schema is not " + std::string(kSchema));
  // What was checked is what was written, member for member in its order.
  const ordered_json ordered = ordered_json::parse(text.begin(), text.end(), nullptr, false);
  if (r.text(document, "check") != check_of(ordered)) return bad_kit("its check does not fit its content");
  Kit kit;
  kit.written = r.time(document, "written");
  kit.coffer_version = r.text(document, "coffer_version");
  kit.vault_uuid = r.text(document, "vault");
  kit.places = r.texts(document, "places");
  for (const json& slot : r.member(document, "slots", json::value_t::array))
    kit.slots.push_back({r.text(slot, "name"), r.text(slot, "type")});
  for (const auto& [key, value] : r.member(document, "objects", json::value_t::object).items()) {
    auto bytes = value.is_string() ? base64_decode(value.get<std::string>()) : std::nullopt;
    const bool belongs = key == "format" || (key.starts_with("keysets/") && store::check_key(key).ok());
    if (!bytes || !belongs) r.fail("objects");
    if (bytes) kit.objects[key] = std::move(*bytes);
  }
  kit.log_size = r.number(document, "log_size");
  kit.log_root = r.text(document, "log_root");
  for (const json& p : r.member(document, "points", json::value_t::array))
    kit.points.push_back({r.text(p, "id"), r.text(p, "name"), r.time(p, "finished"), r.number(p, "size_bytes"),
                          static_cast<int>(r.number(p, "postgresql")),
                          std::strtoull(r.text(p, "system_identifier").c_str(), nullptr, 10), r.texts(p, "databases")});
  for (const auto& [name, value] : r.member(document, "documents", json::value_t::object).items()) {
    if (!value.is_string())
      r.fail("documents");
    else
      kit.documents[name] = value.get<std::string>();
  }
  COFFER_CHECK_OK(r.status());
  if (!kit.objects.contains("format") || kit.objects.size() < 2) return bad_kit("it holds no keyset");
  return kit;
}

namespace {

/// Some objects come from memory; the rest from the store.
class KitStore final : public store::ObjectStore {
 public:
  KitStore(std::unique_ptr<store::ObjectStore> inner, std::map<std::string, Bytes> objects)
      : inner_(std::move(inner)), objects_(std::move(objects)) {}
  [[nodiscard]] store::Capabilities capabilities() const override { return inner_->capabilities(); }
  [[nodiscard]] std::string describe() const override { return inner_->describe(); }

  Result<store::ObjectInfo> put(const Context& context, std::string_view key, ByteView body) override {
    if (find(key) != nullptr)
      return Error{ErrorCode::kAlreadyExists, "the object " + std::string(key) + " comes from the recovery kit", {}};
    return inner_->put(context, key, body);
  }
  Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) override {
    const Bytes* mine = find(key);
    if (mine == nullptr) return inner_->get(context, key, offset, length);
    if (offset > mine->size() || length > mine->size() - offset)
      return Error{ErrorCode::kCorruption, "the object " + std::string(key) + " is shorter", {}};
    return to_bytes(ByteView(*mine).subspan(offset, length));
  }
  Result<store::ObjectInfo> head(const Context& context, std::string_view key) override {
    const Bytes* mine = find(key);
    if (mine == nullptr) return inner_->head(context, key);
    return store::ObjectInfo{std::string(key), mine->size()};
  }
  Result<std::unique_ptr<store::ObjectView>> view(const Context& context, std::string_view key) override {
    const Bytes* mine = find(key);
    if (mine == nullptr) return inner_->view(context, key);
    return std::unique_ptr<store::ObjectView>(std::make_unique<View>(*mine));
  }
  Status list(const Context& context, std::string_view prefix, const Visitor& visit) override {
    // Both are ascending: merged.
    auto next = objects_.lower_bound(std::string(prefix));
    auto is_mine = [&] { return next != objects_.end() && next->first.starts_with(prefix); };
    bool more = true;
    auto give_before = [&](const std::string* key) {
      for (; more && is_mine() && (key == nullptr || next->first < *key); ++next)
        more = visit({next->first, next->second.size()});
    };
    COFFER_CHECK_OK(inner_->list(context, prefix, [&](const store::ObjectInfo& info) {
      give_before(&info.key);
      if (more && find(info.key) == nullptr) more = visit(info);
      return more;
    }));
    give_before(nullptr);
    return ok_status();
  }
  Status remove(const Context& context, std::string_view key) override { return inner_->remove(context, key); }

 private:
  class View final : public store::ObjectView {
   public:
    explicit View(const Bytes& bytes) : bytes_(bytes) {}
    [[nodiscard]] ByteView bytes() const override { return bytes_; }

   private:
    const Bytes& bytes_;  // of the store, which outlives its views
  };
  [[nodiscard]] const Bytes* find(std::string_view key) const {
    const auto found = objects_.find(std::string(key));
    return found == objects_.end() ? nullptr : &found->second;
  }

  const std::unique_ptr<store::ObjectStore> inner_;
  const std::map<std::string, Bytes> objects_;
};

}  // namespace

Result<std::string> try_kit(const Kit& kit, crypto::SlotKey& key) {
  auto store = with_kit(store::open_memory(), kit);
  COFFER_TRY(const VaultKeysets keysets, Vault::inspect(Context(), *store));
  const crypto::Keyset& keyset = keysets.keysets.back();
  COFFER_CHECK_OK(crypto::unlock_keyset(keyset, keysets.encoded.back(), key));
  const Bytes binding = crypto::slot_binding(keyset);
  for (const crypto::KeySlot& slot : keyset.slots)
    if (slot.type == key.type() && key.unwrap(slot, binding).ok()) return slot.name;
  return Error{ErrorCode::kInternal, "a slot that opened does not open again", {}};
}

std::unique_ptr<store::ObjectStore> with_kit(std::unique_ptr<store::ObjectStore> inner, const Kit& kit) {
  return std::make_unique<KitStore>(std::move(inner), kit.objects);
}

}  // namespace coffer::jobs
