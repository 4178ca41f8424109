// What Backup decides, without IO: when a rule runs, when a job may start and must have ended, which databases a
// selection means, how long a recovery point stays.
//
// Vocabulary. run: one firing of a plan's rule. window: from the run until a job must have started, and until it must
// have ended. missed: a run whose start window was over before anybody looked. proven time: how much time has passed
// for certain, as a running daemon measured it by its monotonic clock; it stands still while no daemon runs and does
// not follow the wall clock when that jumps. Ages of recovery points are proven time, so that no clock makes one older.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/api/value.h"
#include "services/schedule/schedule.h"

namespace coffer::backup {

inline constexpr std::chrono::minutes kStartWindow{480}, kCompletionWindow{10'080};
/// AWS wants at least 60 minutes to start in; here a minute is enough.
inline constexpr std::chrono::minutes kStartWindowMin{1}, kWindowMax{52'560'000};
inline constexpr std::string_view kDefaultSchedule = "cron(0 5 ? * * *)";

// --- Time -----------------------------------------------------------------------------------------------------------

/// What the installation knows of time. Kept in the catalog.
struct WatchedTime {
  WallTime proven;  // never runs faster than time itself; its zero point means nothing
  WallTime latest;  // the largest wall time ever seen: a date that was reached once stays reached
  WallTime wall;    // of the last look
};
/// One look at the clocks. `passed`: monotonic time since this watcher's last look, if nobody else looked in between;
/// nothing when that is not known (it just started, or another daemon watched meanwhile).
WatchedTime watch(const WatchedTime& last, std::optional<std::chrono::nanoseconds> passed, WallTime wall);
/// Did the wall clock go back since the last look? What was planned by it is planned anew.
bool went_back(const WatchedTime& last, WallTime wall);

// --- Runs and windows -----------------------------------------------------------------------------------------------

/// What to do about a rule at `now`, having dealt with its runs until `considered`.
struct RunsDue {
  std::optional<WallTime> make;  // the run to make: the latest one that is still inside its start window
  std::vector<WallTime> missed;  // ascending; the latest kMissedRunsMax of them
  int64_t missed_count = 0;      // within kMissedHorizon
  std::optional<WallTime> next;  // after `now`
};
inline constexpr size_t kMissedRunsMax = 10, kRunsLookedAtMax = 50'000;  // one a minute, over the horizon
inline constexpr std::chrono::hours kMissedHorizon{24 * 31};             // older ones are not looked for
/// A schedule as a rule has it. `anchor`: when the plan was made, for rate().
struct Timing {
  schedule::Schedule schedule;
  schedule::Zone zone;
  WallTime anchor;
  std::chrono::minutes start_window, completion_window;
};
RunsDue runs_due(const Timing& timing, WallTime considered, WallTime now);

struct Window {
  WallTime start_by, complete_by;
};
/// Both from the time of the run. A completion window that is shorter than the start window would end first: it counts
/// as an hour more than that.
Window window_of(WallTime scheduled, std::chrono::minutes start_window, std::chrono::minutes completion_window);

/// When job `index` of `count` of one run is due. As early in the window as a worker is free: the first ones at once,
/// the others spread so that hundreds of databases do not all begin in one second; never later than a quarter of the
/// window. The same for the same job.
std::chrono::seconds start_offset(size_t index, size_t count, std::chrono::minutes start_window, std::string_view job);

/// What a job is that has to go on.
enum class JobStep { kStart, kGoOn, kWait, kExpire, kAbort, kNothing };
struct JobFacts {
  std::string_view state;
  WallTime start_by, complete_by;
  bool resource_busy = false;  // another job of the same resource runs
};
JobStep next_step(const JobFacts& job, WallTime now);
bool is_terminal(std::string_view state);

/// Rules that fire in the same minute for one vault and resource would take the same backup twice: the one with the
/// longest retention is made. `days`: of each, nothing is for ever. The index of the one to keep; the first of equals.
size_t longest_kept(const std::vector<std::optional<int64_t>>& days);

// --- Selections -----------------------------------------------------------------------------------------------------

struct Candidate {
  std::string arn, type;
  std::map<std::string, std::string> tags;
};
/// A BackupSelection of the model, prepared. (Resources or ListOfTags), and all Conditions, and not NotResources.
class SelectionRule {
 public:
  explicit SelectionRule(const api::Value& selection);
  /// `opted_in`: the account wants backups of this type in the Region. Naming a resource by its whole ARN, or its type
  /// by "arn:...:db:*", overrides that; "*" and tags do not.
  [[nodiscard]] bool selects(const Candidate& candidate, bool opted_in) const;

 private:
  struct Condition {
    enum class Kind { kEquals, kNotEquals, kLike, kNotLike } kind;
    std::string key, value;
  };
  [[nodiscard]] bool named(const Candidate& candidate, bool opted_in) const;
  std::vector<std::string> resources_, not_resources_;
  std::vector<std::pair<std::string, std::string>> tags_;
  std::vector<Condition> conditions_;
};

// --- Retention ------------------------------------------------------------------------------------------------------

/// A Lifecycle as AWS takes it; "InvalidParameterValueException".
Status check_lifecycle(const api::Value& lifecycle);
std::optional<int64_t> delete_after_days(const api::Value* lifecycle);

/// The lock of a vault.
struct Lock {
  bool locked = false, immutable = false;
  std::optional<int64_t> min_days, max_days;
  std::optional<WallTime> lock_date;  // nothing: governance mode
};
/// Nobody can change or remove it any more. `latest`: the largest wall time ever seen.
bool is_immutable(const Lock& lock, WallTime latest);
/// May a recovery point that is kept for `days` (nothing: for ever) come into the vault? The message is for a job.
Status check_retention(const Lock& lock, std::optional<int64_t> days);

inline constexpr std::chrono::hours kDeletionGrace{1};
struct PointFacts {
  std::string_view status;
  std::optional<WallTime> delete_at;       // by the wall clock
  std::optional<int64_t> days;             // how long it is kept
  std::optional<WallTime> proven, doomed;  // proven times: of its birth, of the first decision
  bool held = false;                       // by a legal hold
  bool in_use = false;                     // by a copy or a restore
};
/// kDoom: the first decision to delete. kDelete: the second one, at least kDeletionGrace later by proven time, from
/// facts read anew. kSpare: it was doomed and is not due (its lifecycle changed). kExpire: due, but a hold keeps it.
enum class Fate { kKeep, kDoom, kDelete, kSpare, kExpire };
struct Verdict {
  Fate fate = Fate::kKeep;
  std::optional<WallTime> look_at;  // by the wall clock, later than now; nothing: no more
};
/// Deletion needs both clocks: the wall clock past delete_at, and the age in proven time.
Verdict judge(const PointFacts& point, WallTime now, WallTime proven_now);

/// How good the engine's state of a point is: DAMAGED is nothing, PROVEN the best.
int proof_rank(std::string_view proof);
/// Is `point` the best that is left of its resource? `others`: proofs of the other usable points.
bool is_last_proven(std::string_view proof, const std::vector<std::string>& others);

}  // namespace coffer::backup
