#include "services/backup/decisions.h"

#include <algorithm>

#include "services/api/fault.h"
#include "services/policy/document.h"

namespace coffer::backup {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr size_t kStartAtOnce = 4;
constexpr seconds kSpread{15};  // for each job of a run, beyond those
constexpr int64_t kDaysMax = 36'500, kColdDaysMin = 90;
constexpr std::string_view kTagPrefix = "aws:ResourceTag/";

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterValueException", std::move(message));
}

std::chrono::microseconds days_of(int64_t days) { return std::chrono::hours(24 * days); }

/// "arn:aws:rds:*:*:db:*": the whole type, by its own ARN.
bool names_type(std::string_view pattern) {
  size_t colons = 0, at = 0;
  for (; at < pattern.size() && colons < 6; ++at) colons += pattern[at] == ':';
  return pattern.starts_with("arn:") && colons == 6 && pattern.substr(at) == "*";
}

}  // namespace

WatchedTime watch(const WatchedTime& last, std::optional<std::chrono::nanoseconds> passed, WallTime wall) {
  WatchedTime now = last;
  if (passed && passed->count() > 0)
    now.proven = last.proven + std::chrono::duration_cast<std::chrono::microseconds>(*passed);
  now.latest = std::max(last.latest, wall);
  now.wall = wall;
  return now;
}

bool went_back(const WatchedTime& last, WallTime wall) { return wall < last.wall; }

RunsDue runs_due(const Timing& timing, WallTime considered, WallTime now) {
  RunsDue due;
  std::vector<WallTime> runs = timing.schedule.runs(std::max(considered, now - kMissedHorizon), now, timing.zone,
                                                    kRunsLookedAtMax, timing.anchor);
  if (!runs.empty() && now - runs.back() < timing.start_window) {
    due.make = runs.back();
    runs.pop_back();
  }
  due.missed_count = static_cast<int64_t>(runs.size());
  if (runs.size() > kMissedRunsMax) runs.erase(runs.begin(), runs.end() - static_cast<ptrdiff_t>(kMissedRunsMax));
  due.missed = std::move(runs);
  due.next = timing.schedule.next(now, timing.zone, timing.anchor);
  return due;
}

Window window_of(WallTime scheduled, minutes start_window, minutes completion_window) {
  if (completion_window < start_window) completion_window = start_window + minutes(60);
  return {scheduled + start_window, scheduled + completion_window};
}

seconds start_offset(size_t index, size_t count, minutes start_window, std::string_view job) {
  if (index < kStartAtOnce || count <= kStartAtOnce) return seconds(0);
  const seconds range = std::min(kSpread * static_cast<int64_t>(count), seconds(start_window) / 4);
  if (range.count() <= 0) return seconds(0);
  uint64_t hash = 1469598103934665603u;  // FNV-1a: the same on every machine
  for (char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return seconds(static_cast<int64_t>(hash % static_cast<uint64_t>(range.count())));
}

bool is_terminal(std::string_view state) {
  return state == "COMPLETED" || state == "FAILED" || state == "ABORTED" || state == "EXPIRED" || state == "PARTIAL";
}

JobStep next_step(const JobFacts& job, WallTime now) {
  if (is_terminal(job.state)) return JobStep::kNothing;
  if (job.state == "ABORTING") return JobStep::kAbort;
  if (job.state == "RUNNING") return now >= job.complete_by ? JobStep::kExpire : JobStep::kGoOn;
  if (now >= job.start_by) return JobStep::kExpire;
  return job.resource_busy ? JobStep::kWait : JobStep::kStart;
}

size_t longest_kept(const std::vector<std::optional<int64_t>>& days) {
  size_t best = 0;
  for (size_t i = 1; i < days.size(); ++i) {
    if (days[best] && (!days[i] || *days[i] > *days[best])) best = i;
  }
  return best;
}

SelectionRule::SelectionRule(const api::Value& selection)
    : resources_(selection.texts("Resources")), not_resources_(selection.texts("NotResources")) {
  for (const api::Value& tag : selection.list("ListOfTags"))
    tags_.emplace_back(tag.text("ConditionKey"), tag.text("ConditionValue"));
  if (const api::Value* conditions = selection.find("Conditions")) {
    using Kind = Condition::Kind;
    for (const auto& [name, kind] : {std::pair{"StringEquals", Kind::kEquals},
                                     {"StringNotEquals", Kind::kNotEquals},
                                     {"StringLike", Kind::kLike},
                                     {"StringNotLike", Kind::kNotLike}}) {
      for (const api::Value& one : conditions->list(name)) {
        std::string_view key = one.text("ConditionKey");
        if (key.starts_with(kTagPrefix)) key.remove_prefix(kTagPrefix.size());
        conditions_.push_back({kind, std::string(key), std::string(one.text("ConditionValue"))});
      }
    }
  }
  if (resources_.empty() && tags_.empty() && !conditions_.empty()) resources_.emplace_back("*");
}

bool SelectionRule::named(const Candidate& candidate, bool opted_in) const {
  for (const std::string& pattern : resources_) {
    if (pattern == candidate.arn) return true;
    if (!opted_in && !names_type(pattern)) continue;
    if (policy::glob_match(pattern, candidate.arn)) return true;
  }
  if (!opted_in) return false;
  return std::any_of(tags_.begin(), tags_.end(), [&](const auto& wanted) {
    const auto found = candidate.tags.find(wanted.first);
    return found != candidate.tags.end() && found->second == wanted.second;
  });
}

bool SelectionRule::selects(const Candidate& candidate, bool opted_in) const {
  if (!named(candidate, opted_in)) return false;
  for (const Condition& condition : conditions_) {
    const auto found = candidate.tags.find(condition.key);
    const bool there = found != candidate.tags.end();
    bool holds = false;
    switch (condition.kind) {
      case Condition::Kind::kEquals: holds = there && found->second == condition.value; break;
      case Condition::Kind::kNotEquals: holds = !there || found->second != condition.value; break;
      case Condition::Kind::kLike: holds = there && policy::glob_match(condition.value, found->second); break;
      case Condition::Kind::kNotLike: holds = !there || !policy::glob_match(condition.value, found->second); break;
    }
    if (!holds) return false;
  }
  return std::none_of(not_resources_.begin(), not_resources_.end(),
                      [&](const std::string& pattern) { return policy::glob_match(pattern, candidate.arn); });
}

std::optional<int64_t> delete_after_days(const api::Value* lifecycle) {
  if (!lifecycle) return std::nullopt;
  const auto days = lifecycle->integer("DeleteAfterDays");
  return days && *days > 0 ? days : std::nullopt;  // -1 is AWS's other way to say for ever
}

Status check_lifecycle(const api::Value& lifecycle) {
  const auto days = lifecycle.integer("DeleteAfterDays"), cold = lifecycle.integer("MoveToColdStorageAfterDays");
  if (days && *days != -1 && (*days < 1 || *days > kDaysMax))
    return invalid("Invalid lifecycle. DeleteAfterDays must be between 1 and 36500.");
  if (cold && *cold != -1 && (*cold < 1 || *cold > kDaysMax))
    return invalid("Invalid lifecycle. MoveToColdStorageAfterDays must be between 1 and 36500.");
  if (days && *days > 0 && cold && *cold > 0 && *days < *cold + kColdDaysMin)
    return invalid(
        "Invalid lifecycle. DeleteAfterDays cannot be less than 90 days apart from MoveToColdStorageAfterDays");
  return ok_status();
}

bool is_immutable(const Lock& lock, WallTime latest) {
  return lock.locked && (lock.immutable || (lock.lock_date && *lock.lock_date <= latest));
}

Status check_retention(const Lock& lock, std::optional<int64_t> days) {
  if (!lock.locked) return ok_status();
  const bool short_one = lock.min_days && days && *days < *lock.min_days;
  const bool long_one = lock.max_days && (!days || *days > *lock.max_days);
  if (!short_one && !long_one) return ok_status();
  std::string range = lock.min_days ? "at least " + std::to_string(*lock.min_days) + " days" : std::string();
  if (lock.max_days) range += (range.empty() ? "at most " : " and at most ") + std::to_string(*lock.max_days) + " days";
  return invalid("Retention of " + (days ? std::to_string(*days) + " days" : std::string("unlimited length")) +
                 " is not within the range that the Backup Vault's lock allows: " + range + ".");
}

Verdict judge(const PointFacts& point, WallTime now, WallTime proven_now) {
  if (point.status == "DELETING") return {Fate::kKeep, std::nullopt};
  if (!point.delete_at || !point.days) return {point.doomed ? Fate::kSpare : Fate::kKeep, std::nullopt};
  // Its age has not begun to count: whoever watches time has not seen it yet.
  if (!point.proven) return {Fate::kKeep, std::max(*point.delete_at, now + std::chrono::minutes(1))};
  const auto missing = *point.proven + days_of(*point.days) - proven_now;
  if (now < *point.delete_at || missing.count() > 0) {
    const WallTime again = std::max(*point.delete_at, missing.count() > 0 ? now + missing : now);
    return {point.doomed ? Fate::kSpare : Fate::kKeep, again};
  }
  if (point.held) return {Fate::kExpire, std::nullopt};
  if (!point.doomed) return {Fate::kDoom, now + kDeletionGrace};
  const auto grace_left = *point.doomed + kDeletionGrace - proven_now;
  if (grace_left.count() > 0) return {Fate::kKeep, now + grace_left};
  if (point.in_use) return {Fate::kKeep, now + std::chrono::minutes(10)};
  return {Fate::kDelete, std::nullopt};
}

int proof_rank(std::string_view proof) {
  if (proof == "PROVEN") return 3;
  if (proof == "VERIFIED") return 2;
  return proof == "DAMAGED" ? 0 : 1;
}

bool is_last_proven(std::string_view proof, const std::vector<std::string>& others) {
  const int rank = proof_rank(proof);
  return rank > 0 &&
         std::none_of(others.begin(), others.end(), [&](const auto& other) { return proof_rank(other) >= rank; });
}

}  // namespace coffer::backup
