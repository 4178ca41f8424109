#include <map>
#include <mutex>

#include "base/filesystem.h"
#include "services/schedule/schedule.h"
#include "services/schedule/zone_times.h"

namespace coffer::schedule {
namespace {

constexpr std::string_view kDatabase = "/usr/share/zoneinfo/";
constexpr size_t kNameMax = 50;  // as AWS's services limit it
constexpr uint64_t kFileSizeMax = 1 << 20;

/// Letters, digits, '_', '+', '-' and single '/' between them: nothing that leads out of the database.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax || name.front() == '/' || name.back() == '/') return false;
  char before = '/';
  for (const char c : name) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool inner = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
    if (!letter && !(c == '/' ? before != '/' : inner && before != '/')) return false;
    before = c;
  }
  return true;
}

}  // namespace

Zone Zone::utc() {
  static const auto kUtc = std::make_shared<const Rules>(Rules{.name = "UTC", .times = {}});
  Zone zone;
  zone.rules_ = kUtc;
  return zone;
}

const std::string& Zone::name() const { return rules_->name; }

Result<Zone> Zone::find(std::string_view name) {
  if (name.empty() || name == "UTC") return utc();
  // What was read once is kept: the database has some hundreds of zones, and names that it does not have are not kept.
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Rules>, std::less<>> known;
  Zone zone;
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(name); found != known.end()) return zone.rules_ = found->second, zone;
  }
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument,
                 "time zone '" + std::string(name.substr(0, kNameMax)) + "' " + std::string(why),
                 {}};
  };
  if (!is_zone_name(name)) return refuse("is no name of a time zone");
  PosixFileSystem files;
  const std::string path = std::string(kDatabase) + std::string(name);
  // A directory ("Europe") is no zone either.
  const auto stat = files.stat(path);
  if (!stat.ok() || stat->type != FileType::kRegular) return refuse("is not known");
  COFFER_TRY(const Bytes file, files.read_file(path, kFileSizeMax));
  auto times = ZoneTimes::parse(file);
  if (!times.ok()) return refuse("is not usable: " + times.error().message);
  zone.rules_ = std::make_shared<const Rules>(Rules{.name = std::string(name), .times = std::move(*times)});
  const std::lock_guard lock(mutex);
  known.emplace(name, zone.rules_);
  return zone;
}

}  // namespace coffer::schedule
