// What using a key reads from the catalog, remembered until rows of KMS change. For the files of this folder.
#pragma once
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "services/kms/rows.h"

namespace coffer::kms {

/// A key with all that hangs on it, as it was at one moment.
struct KeyFacts {
  rows::Key key;
  std::vector<rows::Alias> aliases;
  std::vector<rows::Tag> tags;
  std::vector<rows::Grant> grants;
  std::vector<std::pair<int64_t, std::string>> digests;  // of its materials, by version

  /// Null: there is no material of this version.
  [[nodiscard]] const std::string* digest_of(int64_t version) const;
};
using KeyFactsPtr = std::shared_ptr<const KeyFacts>;

/// Safe from many threads. Answers a transaction that writes, and everybody on a database that other processes write
/// to, from the catalog itself: only what this process has committed is known to be the newest. Nothing is remembered
/// for longer than a minute, which bounds what follows from a commit of which nobody knows whether it happened. What
/// does not exist is not remembered, so nobody fills it by guessing.
class KeyCache {
 public:
  KeyCache(catalog::Database& database, const Clock& clock) : database_(database), clock_(clock) {}
  /// Null: no account has such a key.
  Result<KeyFactsPtr> find(const Context& context, catalog::Transaction& t, std::string_view region,
                           std::string_view id);
  /// Of an account's alias; empty: it has no such alias.
  Result<std::string> key_id_of_alias(const Context& context, catalog::Transaction& t, std::string_view account,
                                      std::string_view region, std::string_view name);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  [[nodiscard]] bool is_usable(const catalog::Transaction& t) const { return !t.writes() && !database_.shared(); }
  template <class Value>
  bool look_up(const Map<Value>& map, std::string_view name, Value& found) const;
  template <class Value>
  void remember(Map<Value>& map, std::string name, Value value, uint64_t changes);

  catalog::Database& database_;
  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  uint64_t changes_ = 0;  // that the entries are true after
  MonoTime since_;        // no entry is older
  Map<KeyFactsPtr> keys_;
  Map<std::string> aliases_;
};

}  // namespace coffer::kms
