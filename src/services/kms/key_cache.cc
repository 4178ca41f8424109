#include "services/kms/key_cache.h"

#include <algorithm>
#include <mutex>

namespace coffer::kms {
namespace {

constexpr size_t kEntriesMax = 10'000;
constexpr std::chrono::minutes kLife{1};

Result<KeyFactsPtr> read_facts(catalog::Transaction& t, std::string_view region, std::string_view id) {
  COFFER_TRY(auto key, rows::find_key_by_id(t, region, id));
  if (!key) return KeyFactsPtr();
  KeyFacts facts;
  facts.key = std::move(*key);
  COFFER_TRY(facts.aliases, rows::aliases_of(t, facts.key));
  COFFER_TRY(facts.tags, rows::tags(t, facts.key));
  COFFER_TRY(facts.grants, rows::grants_of(t, facts.key));
  COFFER_TRY(auto materials, rows::materials(t, facts.key.account, facts.key.id));
  for (rows::Material& material : materials) facts.digests.emplace_back(material.version, std::move(material.digest));
  return std::make_shared<const KeyFacts>(std::move(facts));
}

Result<std::string> read_alias(catalog::Transaction& t, std::string_view account, std::string_view region,
                               std::string_view name) {
  COFFER_TRY(auto alias, rows::find_alias(t, account, region, name));
  return alias ? std::move(alias->key_id) : std::string();
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string name;
  for (std::string_view part : parts) name.append(part).append("\n");
  return name;
}

}  // namespace

const std::string* KeyFacts::digest_of(int64_t version) const {
  const auto found =
      std::find_if(digests.begin(), digests.end(), [&](const auto& digest) { return digest.first == version; });
  return found == digests.end() ? nullptr : &found->second;
}

template <class Value>
bool KeyCache::look_up(const Map<Value>& map, std::string_view name, Value& found) const {
  std::shared_lock lock(mutex_);
  if (changes_ != rows::changes() || clock_.mono() - since_ > kLife) return false;
  const auto at = map.find(name);
  if (at == map.end()) return false;
  found = at->second;
  return true;
}

template <class Value>
void KeyCache::remember(Map<Value>& map, std::string name, Value value, uint64_t changes) {
  std::unique_lock lock(mutex_);
  if (changes < changes_) return;
  const MonoTime now = clock_.mono();
  if (changes > changes_ || now - since_ > kLife || keys_.size() + aliases_.size() >= kEntriesMax) {
    keys_.clear();
    aliases_.clear();
    changes_ = changes;
    since_ = now;
  }
  map.insert_or_assign(std::move(name), std::move(value));
}

Result<KeyFactsPtr> KeyCache::find(const Context& context, catalog::Transaction& t, std::string_view region,
                                   std::string_view id) {
  if (!is_usable(t)) return read_facts(t, region, id);
  std::string name = joined({region, id});
  KeyFactsPtr facts;
  if (look_up(keys_, name, facts)) return facts;
  // Counted before the snapshot is taken, which that of `t` may be already: what is read is then at least as new.
  const uint64_t changes = rows::changes();
  COFFER_TRY(auto newest, database_.begin(context, catalog::Database::Mode::kRead));
  COFFER_TRY(facts, read_facts(*newest, region, id));
  // What is encrypted with material that a power cut takes back is lost.
  COFFER_CHECK_OK(database_.wait_until_durable());
  if (facts) remember(keys_, std::move(name), facts, changes);
  return facts;
}

Result<std::string> KeyCache::key_id_of_alias(const Context& context, catalog::Transaction& t, std::string_view account,
                                              std::string_view region, std::string_view alias) {
  if (!is_usable(t)) return read_alias(t, account, region, alias);
  std::string name = joined({account, region, alias});
  std::string id;
  if (look_up(aliases_, name, id)) return id;
  const uint64_t changes = rows::changes();
  COFFER_TRY(auto newest, database_.begin(context, catalog::Database::Mode::kRead));
  COFFER_TRY(id, read_alias(*newest, account, region, alias));
  if (!id.empty()) remember(aliases_, std::move(name), id, changes);
  return id;
}

}  // namespace coffer::kms
