// The operations behind actions.cc, by area, and what they share. For the files of this folder.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/arn.h"
#include "services/api/fault.h"
#include "services/api/request.h"
#include "services/backup/decisions.h"
#include "services/backup/rows.h"
#include "services/backup/service.h"

namespace coffer::backup {

inline constexpr std::string_view kPrincipal = "backup.amazonaws.com";
inline constexpr const char* kResourceType = "RDS";
// Kinds of work.
inline constexpr const char *kBackupWork = "backup.job", *kCopyWork = "backup.copy", *kRestoreWork = "backup.restore",
                            *kDeleteWork = "backup.delete", *kForgetWork = "backup.forget",
                            *kCollectWork = "backup.collect";

/// What every operation works with.
struct Setting {
  catalog::Database& database;
  iam::Authority& authority;
  const api::Invoke& invoke;
  rds::Service& rds;
  rds::Engine& engine;
  Clock& clock;
  Entropy& entropy;
  const Options& options;
};
using Request = api::Request<Setting>;

// failures, by the names of the model
Error not_found(std::string message);
Error invalid(std::string message);         // InvalidParameterValueException
Error missing(std::string message);         // MissingParameterValueException
Error refused(std::string message);         // InvalidRequestException
Error already_exists(std::string message);  // AlreadyExistsException
Error limit_exceeded(std::string message);  // LimitExceededException
Error invalid_state(std::string message);   // InvalidResourceStateException

using api::parse_arn;

// vaults
/// Of the calling account and Region, by the input's BackupVaultName; "ResourceNotFoundException".
Result<rows::Vault> vault_of(const Request&, std::string_view member = "BackupVaultName");
Lock lock_of(const rows::Vault&);
rds::VaultPlace place_of(const rows::Vault&);
/// The largest wall time that was ever seen here: `now`, or later when the clock has been set back.
Result<WallTime> latest_time(catalog::Transaction&, WallTime now);
Result<std::optional<std::shared_ptr<const policy::Document>>> policy_of(const rows::Vault&);

// recovery points
Result<rows::Point> point_of(const Request&);
/// A point that an operation names by its ARN alone.
Result<rows::Point> own_point(const Request&, std::string_view arn);
api::Value lifecycle_value(std::optional<int64_t> delete_after_days, std::optional<int64_t> cold_after_days);
/// Its lifecycle from a Lifecycle of the model, counted from `point.created`.
void set_lifecycle(rows::Point& point, const api::Value& lifecycle);
/// Inserts the point of a job or a copy with what goes with it: tags, the snapshot that RDS shows, the protected
/// resource, its event.
struct NewPoint {
  rows::Point point;
  rows::Tags tags;
  std::optional<rds::Database> database;  // as it was
  std::string source_arn;                 // of a copy
  std::string engine_version;
};
Status add_point(const Setting&, catalog::Transaction&, const NewPoint&, WallTime now);
/// Its row, tags and snapshot go, and the protected resource with its last point.
Status drop_point(catalog::Transaction&, const rows::Point&);
/// Status with its event.
Status change_point(const Setting&, catalog::Transaction&, rows::Point&, std::string_view status,
                    std::string_view message, WallTime now);
/// Used by a copy or a restore that has not ended.
Result<bool> is_in_use(catalog::Transaction&, const rows::Point&);
/// DELETING, and the work that carries it out.
Status begin_deletion(const Setting&, catalog::Transaction&, rows::Point&, std::string_view why, WallTime now);

// jobs
/// State, dates, row and event, in one. The only place where a backup job changes its state.
Status change_job(const Setting&, catalog::Transaction&, rows::Job&, std::string_view state, std::string_view message,
                  std::string_view category, WallTime now);
Status insert_job(const Setting&, catalog::Transaction&, const rows::Job&, WallTime due, WallTime now);
Status change_copy(const Setting&, catalog::Transaction&, rows::Copy&, std::string_view state, std::string_view message,
                   WallTime now);
Status insert_copy(const Setting&, catalog::Transaction&, const rows::Copy&, WallTime now);
Status change_restore(const Setting&, catalog::Transaction&, rows::Restore&, std::string_view state,
                      std::string_view message, WallTime now);
Status insert_restore(const Setting&, catalog::Transaction&, const rows::Restore&, WallTime now);
std::string new_job_id(Entropy&);
/// A later forgetting of what the engine may have made under `label` for a job that came to nothing.
Status forget_later(catalog::Transaction&, const rds::VaultPlace&, std::string_view label, WallTime now);
/// The role as Backup assumes it for an account; kPermissionDenied.
struct Assumed {
  api::Call call;
  std::shared_ptr<const iam::Identity> identity;
};
Result<Assumed> assume(const Setting&, const Context&, catalog::Transaction&, std::string_view role,
                       std::string_view account, std::string_view region, std::string_view source_arn, WallTime now);
/// Is it worth trying again, or an answer?
bool is_passing(const Error&);

// plans
/// Sets the clocks of a plan's rules to their next runs after `now`; those of rules that are gone go.
Status set_rule_clocks(catalog::Transaction&, const rows::Plan&, const api::Value& document, WallTime now);

// settings
Result<bool> is_opted_in(catalog::Transaction&, std::string_view account, std::string_view region,
                         std::string_view type);
/// Of the organization of the account: isCrossAccountBackupEnabled; false outside an organization.
Result<bool> cross_account_enabled(catalog::Transaction&, std::string_view account, std::string_view other);

// pages
/// The key that page tokens are made with; made with the first vault or plan.
Status make_page_key(const Request&);
struct Page {
  std::string after;  // empty: from the start
  size_t limit = 1000;
};
Result<Page> page_of(const Request&);
/// Sets NextToken to go on behind `after`.
Status set_next(const Request&, api::Value& output, std::string_view after);
/// Of a list in order of time, the newest first: what stands in the token.
std::string time_key(WallTime time, std::string_view id);
std::pair<int64_t, std::string> open_time_key(std::string_view key);

// tags
Status check_tags(const rows::Tags&);

// time.cc
/// Looks at the clocks for the whole installation: proven time, the largest wall time, a wall clock that went back.
class Watch {
 public:
  explicit Watch(Entropy& entropy) : watcher_(random_uuid(entropy)) {}
  /// The proven time now.
  Result<WallTime> look(const Setting&, const Context&, WallTime now);

 private:
  std::string watcher_;                // of this process
  std::optional<MonoTime> last_mono_;  // when this process looked last and its look was kept
  std::optional<WallTime> last_wall_;
  WallTime proven_;
};

// what run_due() does, by area; each in transactions of its own
Status run_plans(const Setting&, const Context&, WallTime now);
/// The rules of one plan that are due.
Status run_plan(const Setting&, const Context&, catalog::Transaction&, std::string_view plan, WallTime now);
/// After the wall clock went back: what is next is found anew.
Status reset_rule_clocks(catalog::Transaction&, WallTime now);
Status end_windows(const Setting&, const Context&, WallTime now);
Status run_retention(const Setting&, const Context&, WallTime now, WallTime proven_now);
Status run_holds(const Setting&, const Context&, WallTime now);

// handlers of work
Status carry_out_backup(const Setting&, const Context&, const work::Item&);
Status carry_out_copy(const Setting&, const Context&, const work::Item&);
Status carry_out_restore(const Setting&, const Context&, const work::Item&);
Status carry_out_deletion(const Setting&, const Context&, const work::Item&);
Status carry_out_forgetting(const Setting&, const Context&, const work::Item&);
Status carry_out_collection(const Setting&, const Context&, const work::Item&);

// access.cc
Result<std::vector<api::AccessRequest>> access_plain(const Request&);  // no resource
Result<std::vector<api::AccessRequest>> access_vault(const Request&);  // BackupVaultName
Result<std::vector<api::AccessRequest>> access_new_vault(const Request&);
Result<std::vector<api::AccessRequest>> access_plan(const Request&);  // BackupPlanId
Result<std::vector<api::AccessRequest>> access_new_plan(const Request&);
Result<std::vector<api::AccessRequest>> access_new_selection(const Request&);
Result<std::vector<api::AccessRequest>> access_point(const Request&);  // BackupVaultName, RecoveryPointArn
Result<std::vector<api::AccessRequest>> access_start_backup(const Request&);
Result<std::vector<api::AccessRequest>> access_start_copy(const Request&);
Result<std::vector<api::AccessRequest>> access_start_restore(const Request&);
Result<std::vector<api::AccessRequest>> access_new_hold(const Request&);
Result<std::vector<api::AccessRequest>> access_hold(const Request&);  // LegalHoldId
Result<std::vector<api::AccessRequest>> access_tags(const Request&);  // ResourceArn
/// One decision on a vault, with its access policy and tags.
Result<api::AccessRequest> access_to_vault(catalog::Transaction&, const rows::Vault&, std::string action);

// vaults.cc, vault_settings.cc
Result<std::shared_ptr<void>> prepare_vault(const Request&);
Result<api::Value> create_vault(const Request&);
Result<api::Value> create_air_gapped_vault(const Request&);
Result<api::Value> describe_vault(const Request&);
Result<api::Value> list_vaults(const Request&);
Result<api::Value> delete_vault(const Request&);
Result<api::Value> put_vault_policy(const Request&);
Result<api::Value> get_vault_policy(const Request&);
Result<api::Value> delete_vault_policy(const Request&);
Result<api::Value> put_vault_notifications(const Request&);
Result<api::Value> get_vault_notifications(const Request&);
Result<api::Value> delete_vault_notifications(const Request&);
Result<api::Value> put_vault_lock(const Request&);
Result<api::Value> delete_vault_lock(const Request&);
// plans.cc, plan_documents.cc
Result<api::Value> create_plan(const Request&);
Result<api::Value> update_plan(const Request&);
Result<api::Value> get_plan(const Request&);
Result<api::Value> delete_plan(const Request&);
Result<api::Value> list_plans(const Request&);
Result<api::Value> list_plan_versions(const Request&);
Result<api::Value> export_plan(const Request&);
Result<api::Value> plan_from_json(const Request&);
Result<api::Value> plan_from_template(const Request&);
Result<api::Value> list_plan_templates(const Request&);
// selections.cc
Result<api::Value> create_selection(const Request&);
Result<api::Value> get_selection(const Request&);
Result<api::Value> list_selections(const Request&);
Result<api::Value> delete_selection(const Request&);
// jobs.cc
Result<api::Value> start_backup(const Request&);
Result<api::Value> describe_backup(const Request&);
Result<api::Value> stop_backup(const Request&);
Result<api::Value> list_backups(const Request&);
// points.cc, point_changes.cc
Result<api::Value> describe_point(const Request&);
Result<api::Value> list_points_by_vault(const Request&);
Result<api::Value> list_points_by_resource(const Request&);
Result<api::Value> list_points_by_hold(const Request&);
Result<api::Value> update_point_lifecycle(const Request&);
Result<api::Value> delete_point(const Request&);
Result<api::Value> disassociate_point(const Request&);
Result<api::Value> restore_metadata(const Request&);
Result<api::Value> list_protected(const Request&);
Result<api::Value> list_protected_by_vault(const Request&);
Result<api::Value> describe_protected(const Request&);
// copies.cc
Result<api::Value> start_copy(const Request&);
Result<api::Value> describe_copy(const Request&);
Result<api::Value> list_copies(const Request&);
// restores.cc
Result<api::Value> start_restore(const Request&);
Result<api::Value> describe_restore(const Request&);
Result<api::Value> restore_job_metadata(const Request&);
Result<api::Value> list_restores(const Request&);
Result<api::Value> list_restores_by_resource(const Request&);
Result<api::Value> put_validation(const Request&);
// holds.cc
Result<api::Value> create_hold(const Request&);
Result<api::Value> get_hold(const Request&);
Result<api::Value> list_holds(const Request&);
Result<api::Value> cancel_hold(const Request&);
// settings.cc
Result<api::Value> describe_global_settings(const Request&);
Result<api::Value> update_global_settings(const Request&);
Result<api::Value> describe_region_settings(const Request&);
Result<api::Value> update_region_settings(const Request&);
Result<api::Value> supported_types(const Request&);
// summaries.cc
Result<api::Value> backup_summaries(const Request&);
Result<api::Value> copy_summaries(const Request&);
Result<api::Value> restore_summaries(const Request&);
// tags.cc
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_tags(const Request&);

}  // namespace coffer::backup
