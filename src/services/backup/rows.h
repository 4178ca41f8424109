// Backup's rows. One generic reader and writer serves all tables: a row type lists its columns once, in rows.cc.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/value.h"
#include "services/catalog/database.h"

namespace coffer::backup::rows {

using catalog::Transaction;

struct Vault {
  std::string account, region, name, kind = "BACKUP_VAULT", key_arn, key_type;
  WallTime created;
  std::string request_id, policy;
  api::Value notifications;
  std::optional<int64_t> min_days, max_days;
  std::optional<WallTime> lock_date;
  bool locked = false;
  bool immutable = false;  // the lock's date has been reached once: whatever a clock says later

  [[nodiscard]] std::string arn() const { return "arn:aws:backup:" + region + ":" + account + ":backup-vault:" + name; }
};

struct Plan {
  std::string id, account, region, name, version, request_id;
  std::string content;  // the plan as it was given, in a form that equal plans share
  WallTime created, changed;
  std::optional<WallTime> deleted, executed;

  [[nodiscard]] std::string arn() const { return "arn:aws:backup:" + region + ":" + account + ":backup-plan:" + id; }
};
struct PlanVersion {
  std::string plan;
  int64_t number = 0;
  std::string version;
  api::Value document;  // BackupPlan of the model, with RuleIds
  WallTime created;
};
struct Selection {
  std::string plan, id, name, role;
  api::Value document;  // BackupSelection of the model
  std::string request_id;
  WallTime created;
};
/// When a rule of a plan's current version runs next, and until when its runs have been dealt with.
struct RuleClock {
  std::string plan, rule;
  WallTime considered;
  std::optional<WallTime> next_run;
};

struct Job {
  std::string id;  // upper case
  std::string account, region, vault, resource, resource_type = "RDS", role;
  std::string plan, rule;  // empty: on demand
  std::string state = "CREATED", message, category;
  WallTime created, scheduled, start_by, complete_by;
  std::optional<WallTime> deadline;  // of the window that the job is in; nothing once it has ended
  std::optional<WallTime> started, completed;
  int64_t percent = 0, size_bytes = 0, transferred_bytes = 0, retries = 0;
  bool missed = false;  // stands for a run that nobody could make
  std::string point, token, fingerprint;
  std::optional<WallTime> proven;  // proven time (decisions.h) when it was first seen
  api::Value detail;               // Lifecycle, RecoveryPointTags, BackupOptions, CreatedBy, CopyActions

  [[nodiscard]] std::string vault_arn() const {
    return "arn:aws:backup:" + region + ":" + account + ":backup-vault:" + vault;
  }
  [[nodiscard]] std::string label() const;  // the id in lower case: what the engine knows the point by
  [[nodiscard]] bool ended() const { return !deadline; }
};

struct Point {
  std::string account, region, vault, arn, resource, resource_type = "RDS", plan, role;
  std::string status = "COMPLETED", message;
  WallTime created, started, completed;
  int64_t size_bytes = 0;
  std::optional<int64_t> delete_after_days, cold_after_days;
  std::optional<WallTime> delete_at;
  std::optional<WallTime> look_at;  // when retention looks at it next; nothing: no more
  std::optional<WallTime> proven;   // proven time (decisions.h) from which its age counts
  std::optional<WallTime> doomed;   // proven time of the first decision to delete it
  std::string proof;                // the engine's state: COMPLETED, VERIFIED, PROVEN, DAMAGED
  std::string reference, label;     // the engine's
  std::string key_arn;
  std::string source_vault;  // of a copy
  std::optional<WallTime> last_restore;
  api::Value detail;  // CreatedBy, engine version, job id

  [[nodiscard]] std::string vault_arn() const {
    return "arn:aws:backup:" + region + ":" + account + ":backup-vault:" + vault;
  }
};

struct Resource {
  std::string account, region, arn, type;
  WallTime last_backup;
  std::string last_vault, last_point;
};

struct Copy {
  std::string id, account, region, source_vault, source_point, destination_vault, destination_point;
  std::string resource, resource_type = "RDS", role, state = "CREATED", message, category;
  WallTime created;
  std::optional<WallTime> started, completed, deadline;
  int64_t size_bytes = 0, retries = 0;
  std::string token, fingerprint;
  api::Value detail;  // Lifecycle, CreatedBy, CreatedByBackupJobId

  [[nodiscard]] std::string label() const;
  [[nodiscard]] bool ended() const { return completed.has_value(); }
};

struct Restore {
  std::string id, account, region, point, vault, resource, resource_type = "RDS", role, state = "PENDING", message;
  WallTime created;
  std::optional<WallTime> started, completed;
  bool active = true;
  int64_t percent = 0, size_bytes = 0, retries = 0;
  std::string created_resource;
  WallTime point_created;
  std::string validation, validation_message, token, fingerprint;
  api::Value metadata;
};

struct Hold {
  std::string id, account, region, title, description, status = "ACTIVE";
  WallTime created;
  std::optional<WallTime> canceled, retain_until;
  std::string cancel_description, token;
  api::Value selection;

  [[nodiscard]] std::string arn() const { return "arn:aws:backup:" + region + ":" + account + ":legal-hold:" + id; }
};

/// What the service has learned of time; one row. Fields: decisions.h, WatchedTime.
struct Time {
  int64_t id = 1;
  WallTime proven, latest, wall;
  std::string watcher;
};

/// Rows by a condition: `rest` begins with WHERE. For every row type above.
template <class T>
Result<std::vector<T>> select(Transaction&, std::string_view rest,
                              std::initializer_list<catalog::Parameter> parameters = {});
template <class T>
Result<std::vector<T>> select(Transaction&, std::string_view rest, std::span<const catalog::Parameter> parameters);
template <class T>
Result<std::optional<T>> first(Transaction&, std::string_view rest,
                               std::initializer_list<catalog::Parameter> parameters);
template <class T>
Status insert(Transaction&, const T&);
/// All columns, of the row with the same key.
template <class T>
Status update(Transaction&, const T&);
template <class T>
Status remove(Transaction&, const T&);

Result<std::optional<Vault>> find_vault(Transaction&, std::string_view account, std::string_view region,
                                        std::string_view name);
Result<std::optional<Vault>> find_vault(Transaction&, std::string_view arn);
/// The version with this id; "": the newest.
Result<std::optional<PlanVersion>> find_version(Transaction&, std::string_view plan, std::string_view version);
/// By id in whatever case.
Result<std::optional<Job>> find_job(Transaction&, std::string_view id);
Result<std::optional<Copy>> find_copy(Transaction&, std::string_view id);
Result<std::optional<Restore>> find_restore(Transaction&, std::string_view id);
Result<std::optional<Point>> find_point(Transaction&, std::string_view arn);

using Tags = std::map<std::string, std::string>;
Result<Tags> tags(Transaction&, std::string_view arn);
Status put_tags(Transaction&, std::string_view arn, const Tags&);
Status remove_tags(Transaction&, std::string_view arn);

struct Setting {
  std::string value;
  WallTime updated;
};
Result<std::optional<Setting>> setting(Transaction&, std::string_view account, std::string_view region,
                                       std::string_view name);
Status put_setting(Transaction&, std::string_view account, std::string_view region, std::string_view name,
                   std::string_view value, WallTime now);

Result<bool> is_held(Transaction&, std::string_view point_arn);

}  // namespace coffer::backup::rows
