// The retention planner: a pure function from points and rules to a line for each point. It does no IO and knows no
// clock.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/vault/points.h"

namespace coffer::vault {

struct RetentionPolicy {
  std::optional<std::chrono::seconds> keep_within;
  uint32_t keep_last = 0, keep_daily = 0, keep_weekly = 0, keep_monthly = 0, keep_yearly = 0;
  [[nodiscard]] bool empty() const;
};

struct RetentionPoint {
  std::string id;
  uint64_t system_identifier = 0;  // rules apply to each cluster by itself
  WallTime committed;              // the log's time of the commit, not what a manifest claims
  PointState state = PointState::kCompleted;
};

struct RetentionLine {
  std::string id;
  bool keep = true;
  std::string reason;  // "daily 2026-11-24", "within 7 d", "last proven point of this cluster", "no rule keeps it"
};

/// A line per point, in the order of `points`. Points of one cluster compete only with each other; ids are unique.
/// Of a day (ISO week, month, year; all UTC) the newest point is kept, and the newest proven one beside it when that is
/// another. DAMAGED points satisfy no rule, and are dropped only when a newer proven or verified point of the cluster
/// is kept. The last proven point of a cluster is always kept, and where none is proven the newest that is not damaged.
/// A point in the future of `now` is kept ("its time lies in the future") and satisfies no rule. An empty policy keeps
/// all.
std::vector<RetentionLine> plan_retention(const std::vector<RetentionPoint>& points, const RetentionPolicy& policy,
                                          WallTime now);

/// May these be forgotten by name? A line for each of `ids`; the last proven point of a cluster needs
/// `even_last_proven`.
std::vector<RetentionLine> plan_forget_by_id(const std::vector<RetentionPoint>& points,
                                             const std::vector<std::string>& ids, bool even_last_proven);

}  // namespace coffer::vault
