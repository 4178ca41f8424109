#include "engine/vault/retention.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <utility>

namespace coffer::vault {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

/// A calendar date exists for about 65 000 years; times beyond are nobody's and share the first and last day.
sys_days day_of(WallTime time) {
  constexpr int64_t kMicrosPerDay = 86'400'000'000;
  int64_t day = time.micros / kMicrosPerDay;
  if (time.micros % kMicrosPerDay < 0) --day;
  constexpr int64_t kDayMax = 10'000'000;  // the year 29348
  return sys_days(days(static_cast<int>(std::clamp(day, -kDayMax, kDayMax))));
}

template <class... Numbers>
std::string print(const char* format, Numbers... numbers) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, numbers...);
  return text.data();
}

std::chrono::year_month_day date_of(WallTime time) { return std::chrono::year_month_day(day_of(time)); }
int year_of(std::chrono::year_month_day date) { return static_cast<int>(date.year()); }
unsigned month_of(std::chrono::year_month_day date) { return static_cast<unsigned>(date.month()); }

std::string day_name(WallTime time) {
  const auto date = date_of(time);
  return print("daily %04d-%02u-%02u", year_of(date), month_of(date), static_cast<unsigned>(date.day()));
}
/// An ISO week belongs to the year of its Thursday.
std::string week_name(WallTime time) {
  const sys_days day = day_of(time);
  const auto since_monday = std::chrono::weekday(day) - std::chrono::Monday;
  const sys_days thursday = day - since_monday + days(3);
  const auto year = std::chrono::year_month_day(thursday).year();
  const int week = static_cast<int>((thursday - sys_days(year / std::chrono::January / 1)).count()) / 7 + 1;
  return print("weekly %04d-W%02d", static_cast<int>(year), week);
}
std::string month_name(WallTime time) {
  const auto date = date_of(time);
  return print("monthly %04d-%02u", year_of(date), month_of(date));
}
std::string year_name(WallTime time) { return print("yearly %04d", year_of(date_of(time))); }

bool damaged(const RetentionPoint& point) { return point.state == PointState::kDamaged; }
bool proven(const RetentionPoint& point) { return point.state == PointState::kProven; }
bool verified(const RetentionPoint& point) { return proven(point) || point.state == PointState::kVerified; }

bool newer(const RetentionPoint* a, const RetentionPoint* b) {
  return std::pair(a->committed, std::string_view(a->id)) > std::pair(b->committed, std::string_view(b->id));
}

/// Why one cluster's points are kept.
class ClusterPlan {
 public:
  ClusterPlan(std::vector<const RetentionPoint*> points, const RetentionPolicy& policy, WallTime now)
      : policy_(policy), now_(now), all_(std::move(points)) {
    std::sort(all_.begin(), all_.end(), newer);
    // Neither a damaged point nor one whose time cannot be true may take the place of a good one.
    for (const RetentionPoint* point : all_) {
      if (!damaged(*point) && point->committed <= now_) good_.push_back(point);
    }
  }

  std::map<std::string_view, RetentionLine> lines() {
    keep_future();
    keep_within();
    keep_last();
    keep_periods(policy_.keep_daily, day_name);
    keep_periods(policy_.keep_weekly, week_name);
    keep_periods(policy_.keep_monthly, month_name);
    keep_periods(policy_.keep_yearly, year_name);
    keep_one_to_restore();
    keep_damaged();
    std::map<std::string_view, RetentionLine> out;
    for (const RetentionPoint* point : all_) {
      const auto reason = reasons_.find(point->id);
      const bool keep = reason != reasons_.end();
      out[point->id] = {
          .id = point->id,
          .keep = keep,
          .reason = keep ? reason->second
                         : (damaged(*point) ? "damaged, and a newer verified point remains" : "no rule keeps it")};
    }
    return out;
  }

 private:
  void keep(const RetentionPoint& point, const std::string& reason) {
    std::string& text = reasons_[point.id];
    text += (text.empty() ? "" : ", ") + reason;
  }
  [[nodiscard]] bool kept(const RetentionPoint& point) const { return reasons_.contains(point.id); }

  void keep_future() {
    for (const RetentionPoint* point : all_) {
      if (point->committed > now_) keep(*point, "its time lies in the future");
    }
  }
  void keep_within() {
    if (!policy_.keep_within || policy_.keep_within->count() <= 0) return;
    for (const RetentionPoint* point : good_) {
      const uint64_t age_micros = static_cast<uint64_t>(now_.micros) - static_cast<uint64_t>(point->committed.micros);
      if (age_micros / 1'000'000 <= static_cast<uint64_t>(policy_.keep_within->count())) {
        keep(*point, "within " + format_duration(*policy_.keep_within));
      }
    }
  }
  void keep_last() {
    for (size_t i = 0; i < std::min<size_t>(policy_.keep_last, good_.size()); ++i) {
      keep(*good_[i], "one of the last " + std::to_string(policy_.keep_last));
    }
  }
  /// The newest of each of the newest `count` periods that have a point; beside an unproven one the period's newest
  /// proven, so that a flood of later points takes nothing from it.
  void keep_periods(uint32_t count, const std::function<std::string(WallTime)>& name_of) {
    std::string period;
    bool has_proven = false;
    for (const RetentionPoint* point : good_) {
      const std::string name = name_of(point->committed);
      if (name != period) {
        if (count == 0) return;
        --count;
        period = name;
        has_proven = proven(*point);
        keep(*point, name);
      } else if (!has_proven && proven(*point)) {
        has_proven = true;
        keep(*point, name + " (the newest proven)");
      }
    }
  }
  void keep_one_to_restore() {
    const auto last_proven =
        std::find_if(good_.begin(), good_.end(), [](const RetentionPoint* p) { return proven(*p); });
    if (last_proven != good_.end()) {
      keep(**last_proven, "last proven point of this cluster");
    } else if (!good_.empty()) {
      keep(*good_.front(), "newest point of this cluster, of which none is proven");
    }
  }
  void keep_damaged() {
    bool newer_remains = false;
    for (const RetentionPoint* point : all_) {
      if (damaged(*point)) {
        if (!newer_remains && !kept(*point)) keep(*point, "damaged, but no newer verified point remains");
      } else if (verified(*point) && kept(*point) && point->committed <= now_) {
        newer_remains = true;
      }
    }
  }

  const RetentionPolicy& policy_;
  const WallTime now_;
  std::vector<const RetentionPoint*> all_, good_;  // newest first
  std::map<std::string_view, std::string> reasons_;
};

std::map<uint64_t, std::vector<const RetentionPoint*>> by_cluster(const std::vector<RetentionPoint>& points) {
  std::map<uint64_t, std::vector<const RetentionPoint*>> clusters;
  for (const RetentionPoint& point : points) clusters[point.system_identifier].push_back(&point);
  return clusters;
}

}  // namespace

bool RetentionPolicy::empty() const {
  return !keep_within && keep_last == 0 && keep_daily == 0 && keep_weekly == 0 && keep_monthly == 0 && keep_yearly == 0;
}

std::vector<RetentionLine> plan_retention(const std::vector<RetentionPoint>& points, const RetentionPolicy& policy,
                                          WallTime now) {
  std::vector<RetentionLine> lines;
  lines.reserve(points.size());
  if (policy.empty()) {
    for (const RetentionPoint& point : points) lines.push_back({point.id, true, "no rule was given"});
    return lines;
  }
  std::map<std::string_view, RetentionLine> planned;
  for (auto& [cluster, members] : by_cluster(points)) planned.merge(ClusterPlan(members, policy, now).lines());
  for (const RetentionPoint& point : points) lines.push_back(planned.at(point.id));
  return lines;
}

std::vector<RetentionLine> plan_forget_by_id(const std::vector<RetentionPoint>& points,
                                             const std::vector<std::string>& ids, bool even_last_proven) {
  std::map<std::string_view, const RetentionPoint*> by_id;
  for (const RetentionPoint& point : points) by_id[point.id] = &point;
  std::map<uint64_t, const RetentionPoint*> last_proven;
  for (const RetentionPoint& point : points) {
    if (!proven(point)) continue;
    const RetentionPoint*& last = last_proven[point.system_identifier];
    if (last == nullptr || newer(&point, last)) last = &point;
  }
  std::vector<RetentionLine> lines;
  for (const std::string& id : ids) {
    const auto found = by_id.find(id);
    if (found == by_id.end()) {
      lines.push_back({id, true, "there is no such point"});
      continue;
    }
    const auto last = last_proven.find(found->second->system_identifier);
    const bool is_last = last != last_proven.end() && last->second == found->second;
    if (is_last && !even_last_proven) {
      lines.push_back({id, true, "last proven point of this cluster"});
    } else {
      lines.push_back({id, false, is_last ? "named, although it is the last proven point of this cluster" : "named"});
    }
  }
  return lines;
}

}  // namespace coffer::vault
