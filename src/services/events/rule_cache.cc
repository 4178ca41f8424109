#include "services/events/operations.h"

namespace coffer::events {
namespace {

constexpr int64_t kAllRows = 1'000'000;

Result<std::shared_ptr<const BusRules>> compile(catalog::Transaction& t, const rows::Bus& bus) {
  auto made = std::make_shared<BusRules>();
  made->revision = bus.revision;
  std::vector<Pattern> patterns;
  COFFER_TRY(const auto rules, rows::list_rules(t, bus.name, "", "", kAllRows));
  for (const rows::Rule& rule : rules) {
    if (!rule.enabled()) continue;
    BusRules::Entry& entry = made->entries.emplace_back();
    entry.rule = rule.name;
    COFFER_TRY(const auto targets, rows::list_targets(t, rule.name, "", kAllRows));
    for (const rows::Target& target : targets) entry.targets.emplace_back(target.id, target.arn);
    Pattern pattern;  // a schedule alone matches nothing
    if (!rule.pattern.empty()) {
      COFFER_TRY(pattern, parse_pattern(rule.pattern));
    }
    patterns.push_back(std::move(pattern));
  }
  COFFER_TRY(auto archives, rows::archives_of(t, bus.name));
  for (rows::Archive& archive : archives) {
    Pattern pattern;
    if (archive.pattern.empty()) {
      pattern.alternatives.emplace_back();  // nothing to hold: every event
    } else {
      COFFER_TRY(pattern, parse_pattern(archive.pattern));
    }
    patterns.push_back(std::move(pattern));
    made->entries.emplace_back().archive = std::move(archive);
  }
  made->matcher = std::make_shared<const Matcher>(patterns);
  return std::shared_ptr<const BusRules>(std::move(made));
}

}  // namespace

Result<std::shared_ptr<const BusRules>> RuleCache::find(catalog::Transaction& t, const BusName& name) {
  COFFER_TRY(const auto bus, rows::find_bus(t, name));
  if (!bus) return std::shared_ptr<const BusRules>();
  {
    std::lock_guard lock(mutex_);
    if (const auto known = cache_.find(name); known != cache_.end() && known->second->revision == bus->revision)
      return known->second;
  }
  COFFER_TRY(auto made, compile(t, *bus));
  std::lock_guard lock(mutex_);
  cache_[name] = made;
  return made;
}

}  // namespace coffer::events
