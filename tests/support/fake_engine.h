// An engine without data: points are rows in memory, by place and label, as the services see them. It can be slow,
// fail, and be cut off in the middle, and it outlives the service objects that use it, as vaults outlive a daemon.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "services/rds/engine.h"
#include "services/rds/rows.h"
#include "services/rds/service.h"

namespace coffer::testing_support {

class FakeEngine : public rds::Engine {
 public:
  explicit FakeEngine(Clock& clock) : clock_(clock) {}

  /// Called before each operation; an error is the operation's.
  std::function<Status(std::string_view operation)> before;
  /// Called in the middle of take(), copy() and restore(), with the progress of the caller: the place for time to pass,
  /// for stops to be asked for, for the daemon to die (by throwing).
  std::function<Status(const Context& context, Progress& progress)> meanwhile;
  /// Called after an effect is there and before its caller hears of it: the place for a daemon to die.
  std::function<void(std::string_view operation)> after;
  uint64_t size_bytes = 1'000'000;
  std::vector<std::string> warnings;
  std::string state = "COMPLETED";

  using Key = std::tuple<std::string, std::string, std::string>;  // account, region, name
  std::map<Key, std::map<std::string, rds::Point>> points;        // by label
  std::map<std::string, int> taken;                               // how often each label was really taken
  std::vector<std::string> forgotten, restored;                   // labels, targets
  int collections = 0;

  Status open_vault(const Context&, const rds::VaultPlace& place) override {
    COFFER_CHECK_OK(ask("open_vault"));
    points[key(place)];
    return ok_status();
  }
  Result<rds::Probe> probe(const Context&, const rds::DatabaseAccess& access) override {
    COFFER_CHECK_OK(ask("probe"));
    rds::Probe probe;
    probe.engine_version = "15.18";
    probe.system_identifier = access.system_identifier;
    probe.size_bytes = size_bytes;
    return probe;
  }
  Result<rds::Point> take(const Context& context, const rds::VaultPlace& place, const rds::DatabaseAccess& access,
                          std::string_view label, Progress& progress) override {
    COFFER_CHECK_OK(ask("take"));
    return make(context, place, label, progress, access.system_identifier, size_bytes, "take");
  }
  Result<std::vector<rds::Point>> list(const Context&, const rds::VaultPlace& place) override {
    COFFER_CHECK_OK(ask("list"));
    std::vector<rds::Point> all;
    for (const auto& [label, point] : points[key(place)]) all.push_back(point);
    return all;
  }
  Result<std::optional<rds::Point>> find(const Context&, const rds::VaultPlace& place,
                                         std::string_view label) override {
    COFFER_CHECK_OK(ask("find"));
    const auto& all = points[key(place)];
    const auto found = all.find(std::string(label));
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }
  Status forget(const Context&, const rds::VaultPlace& place, std::string_view reference, std::string_view) override {
    COFFER_CHECK_OK(ask("forget"));
    auto& all = points[key(place)];
    for (auto point = all.begin(); point != all.end(); ++point) {
      if (point->second.reference != reference) continue;
      forgotten.push_back(point->first);
      all.erase(point);
      break;
    }
    did("forget");
    return ok_status();
  }
  Status collect(const Context&, const rds::VaultPlace&) override {
    COFFER_CHECK_OK(ask("collect"));
    ++collections;
    return ok_status();
  }
  Result<rds::Point> copy(const Context& context, const rds::VaultPlace& from, std::string_view reference,
                          const rds::VaultPlace& to, std::string_view label, Progress& progress) override {
    COFFER_CHECK_OK(ask("copy"));
    for (const auto& [name, point] : points[key(from)]) {
      if (point.reference != reference) continue;
      const rds::Point source = point;
      return make(context, to, label, progress, source.system_identifier, source.size_bytes, "copy");
    }
    return Error{ErrorCode::kNotFound, "no point " + std::string(reference), {}};
  }
  Result<rds::RestoreResult> restore(const Context& context, const rds::VaultPlace& place,
                                     const rds::RestoreRequest& request, Progress& progress) override {
    COFFER_CHECK_OK(ask("restore"));
    for (const auto& [name, point] : points[key(place)]) {
      if (point.reference != request.reference) continue;
      const rds::Point source = point;
      COFFER_CHECK_OK(pass(context, progress, source.size_bytes));
      restored.push_back(request.target);
      did("restore");
      return rds::RestoreResult{source.size_bytes, source.system_identifier, {}};
    }
    return Error{ErrorCode::kNotFound, "no point " + request.reference, {}};
  }
  Result<rds::Point> prove(const Context&, const rds::VaultPlace& place, std::string_view reference,
                           Progress&) override {
    COFFER_CHECK_OK(ask("prove"));
    for (auto& [name, point] : points[key(place)]) {
      if (point.reference != reference) continue;
      point.state = "PROVEN";
      point.last_proof = clock_.wall();
      return point;
    }
    return Error{ErrorCode::kNotFound, "no point " + std::string(reference), {}};
  }
  Result<rds::ExportResult> export_point(const Context&, const rds::VaultPlace&, const rds::ExportRequest&,
                                         rds::ExportSink&, rds::ExportProgress&) override {
    return Error{ErrorCode::kInternal, "the fake engine exports nothing", {}};
  }

  [[nodiscard]] size_t count() const {
    size_t all = 0;
    for (const auto& [place, of_place] : points) all += of_place.size();
    return all;
  }
  static Key key(const rds::VaultPlace& place) { return {place.account, place.region, place.name}; }

 private:
  Status ask(std::string_view operation) {
    const auto hook = before;
    return hook ? hook(operation) : ok_status();
  }
  void did(std::string_view operation) {
    if (const auto hook = after) hook(operation);
  }
  Status pass(const Context& context, Progress& progress, uint64_t bytes) {
    progress.step("copy", bytes);
    progress.advance(bytes / 2);
    // A copy: a hook may take itself away.
    if (const auto hook = meanwhile) COFFER_CHECK_OK(hook(context, progress));
    COFFER_CHECK_OK(context.check());
    progress.advance(bytes - bytes / 2);
    return ok_status();
  }
  Result<rds::Point> make(const Context& context, const rds::VaultPlace& place, std::string_view label,
                          Progress& progress, uint64_t system, uint64_t bytes, std::string_view operation) {
    auto& all = points[key(place)];
    if (const auto found = all.find(std::string(label)); found != all.end()) return found->second;
    const WallTime began = clock_.wall();
    COFFER_CHECK_OK(pass(context, progress, bytes));
    // Another daemon may have been faster: a label has one point.
    if (const auto found = all.find(std::string(label)); found != all.end()) return found->second;
    rds::Point point;
    point.reference = "point-" + std::to_string(++made_);
    point.label = label;
    point.started = began;
    point.finished = clock_.wall();
    point.size_bytes = bytes;
    point.transferred_bytes = bytes / 10;
    point.engine_version = "15.18";
    point.system_identifier = system;
    point.state = state;
    point.warnings = warnings;
    points[key(place)][std::string(label)] = point;
    ++taken[std::string(label)];
    did(operation);
    return point;
  }

  Clock& clock_;
  int made_ = 0;
};

/// RDS without operations: it opens every database, and takes restored ones into a list.
class FakeRds : public rds::Service {
 public:
  api::ServiceTable actions() override { return {"rds", {}}; }
  api::ServiceTable coffer_actions() override { return {"coffer", {}}; }
  void add_handlers(work::Runner&) override {}
  Status run_due(const Context&, WallTime) override { return ok_status(); }
  Result<rds::DatabaseAccess> access_of(const Context&, const rds::Database& database) override {
    if (unreachable.contains(database.identifier))
      return Error{ErrorCode::kUnavailable, "no connection to " + database.identifier, {}};
    return rds::DatabaseAccess{Secret(), {}, database.system_identifier};
  }
  Status register_restored(catalog::Transaction& t, const rds::Database& database) override {
    COFFER_CHECK_OK(rds::rows::insert_database(t, database, ByteView()));
    t.on_commit([this, database] { registered.push_back(database); });
    return ok_status();
  }

  std::set<std::string> unreachable;
  std::vector<rds::Database> registered;
};

}  // namespace coffer::testing_support
