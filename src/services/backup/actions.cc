// The table of Backup's operations, and the service behind it.
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

constexpr api::Entry<Request> kEntries[] = {
    {"CreateBackupVault", true, access_new_vault, create_vault, prepare_vault},
    {"CreateLogicallyAirGappedBackupVault", true, access_new_vault, create_air_gapped_vault, prepare_vault},
    {"DescribeBackupVault", false, access_vault, describe_vault},
    {"ListBackupVaults", false, access_plain, list_vaults},
    {"DeleteBackupVault", true, access_vault, delete_vault},
    {"PutBackupVaultAccessPolicy", true, access_vault, put_vault_policy},
    {"GetBackupVaultAccessPolicy", false, access_vault, get_vault_policy},
    {"DeleteBackupVaultAccessPolicy", true, access_vault, delete_vault_policy},
    {"PutBackupVaultNotifications", true, access_vault, put_vault_notifications},
    {"GetBackupVaultNotifications", false, access_vault, get_vault_notifications},
    {"DeleteBackupVaultNotifications", true, access_vault, delete_vault_notifications},
    {"PutBackupVaultLockConfiguration", true, access_vault, put_vault_lock},
    {"DeleteBackupVaultLockConfiguration", true, access_vault, delete_vault_lock},
    {"CreateBackupPlan", true, access_new_plan, create_plan},
    {"UpdateBackupPlan", true, access_plan, update_plan},
    {"GetBackupPlan", false, access_plan, get_plan},
    {"DeleteBackupPlan", true, access_plan, delete_plan},
    {"ListBackupPlans", false, access_plain, list_plans},
    {"ListBackupPlanVersions", false, access_plan, list_plan_versions},
    {"ExportBackupPlanTemplate", false, access_plan, export_plan},
    {"GetBackupPlanFromJSON", false, access_plain, plan_from_json},
    {"GetBackupPlanFromTemplate", false, access_plain, plan_from_template},
    {"ListBackupPlanTemplates", false, access_plain, list_plan_templates},
    {"CreateBackupSelection", true, access_new_selection, create_selection},
    {"GetBackupSelection", false, access_plan, get_selection},
    {"ListBackupSelections", false, access_plan, list_selections},
    {"DeleteBackupSelection", true, access_plan, delete_selection},
    {"StartBackupJob", true, access_start_backup, start_backup},
    {"DescribeBackupJob", false, access_plain, describe_backup},
    {"StopBackupJob", true, access_plain, stop_backup},
    {"ListBackupJobs", false, access_plain, list_backups},
    {"DescribeRecoveryPoint", false, access_point, describe_point},
    {"ListRecoveryPointsByBackupVault", false, access_vault, list_points_by_vault},
    {"ListRecoveryPointsByResource", false, access_plain, list_points_by_resource},
    {"UpdateRecoveryPointLifecycle", true, access_point, update_point_lifecycle},
    {"DeleteRecoveryPoint", true, access_point, delete_point},
    {"DisassociateRecoveryPoint", true, access_point, disassociate_point},
    {"GetRecoveryPointRestoreMetadata", false, access_point, restore_metadata},
    {"ListProtectedResources", false, access_plain, list_protected},
    {"ListProtectedResourcesByBackupVault", false, access_vault, list_protected_by_vault},
    {"DescribeProtectedResource", false, access_plain, describe_protected},
    {"ListRecoveryPointsByLegalHold", false, access_hold, list_points_by_hold},
    {"StartCopyJob", true, access_start_copy, start_copy},
    {"DescribeCopyJob", false, access_plain, describe_copy},
    {"ListCopyJobs", false, access_plain, list_copies},
    {"StartRestoreJob", true, access_start_restore, start_restore},
    {"DescribeRestoreJob", false, access_plain, describe_restore},
    {"GetRestoreJobMetadata", false, access_plain, restore_job_metadata},
    {"ListRestoreJobs", false, access_plain, list_restores},
    {"ListRestoreJobsByProtectedResource", false, access_plain, list_restores_by_resource},
    {"PutRestoreValidationResult", true, access_plain, put_validation},
    {"CreateLegalHold", true, access_new_hold, create_hold},
    {"GetLegalHold", false, access_hold, get_hold},
    {"ListLegalHolds", false, access_plain, list_holds},
    {"CancelLegalHold", true, access_hold, cancel_hold},
    {"ListBackupJobSummaries", false, access_plain, backup_summaries},
    {"ListCopyJobSummaries", false, access_plain, copy_summaries},
    {"ListRestoreJobSummaries", false, access_plain, restore_summaries},
    {"DescribeGlobalSettings", false, access_plain, describe_global_settings},
    {"UpdateGlobalSettings", true, access_plain, update_global_settings},
    {"DescribeRegionSettings", false, access_plain, describe_region_settings},
    {"UpdateRegionSettings", true, access_plain, update_region_settings},
    {"GetSupportedResourceTypes", false, access_plain, supported_types},
    {"TagResource", true, access_tags, tag_resource},
    {"UntagResource", true, access_tags, untag_resource},
    {"ListTags", false, access_tags, list_tags},
};

class BackupService final : public Service {
 public:
  BackupService(catalog::Database& database, iam::Authority& authority, api::Invoke invoke, rds::Service& rds,
                rds::Engine& engine, Clock& clock, Entropy& entropy, Options options)
      : invoke_(std::move(invoke)),
        options_(std::move(options)),
        setting_{database, authority, invoke_, rds, engine, clock, entropy, options_},
        watch_(entropy) {}

  api::ServiceTable actions() override { return api::table_of<Request>("backup", kEntries, setting_); }

  void add_handlers(work::Runner& runner) override {
    using Carry = Status (*)(const Setting&, const Context&, const work::Item&);
    for (const auto& [kind, carry] : {std::pair<const char*, Carry>{kBackupWork, carry_out_backup},
                                      {kCopyWork, carry_out_copy},
                                      {kRestoreWork, carry_out_restore},
                                      {kDeleteWork, carry_out_deletion},
                                      {kForgetWork, carry_out_forgetting},
                                      {kCollectWork, carry_out_collection}})
      runner.handle(kind, [this, carry = carry](const Context& context, const work::Item& item) {
        return carry(setting_, context, item);
      });
  }

  Status run_due(const Context& context, WallTime now) override {
    const std::lock_guard lock(mutex_);
    COFFER_TRY(const WallTime proven, watch_.look(setting_, context, now));
    COFFER_CHECK_OK(run_plans(setting_, context, now));
    COFFER_CHECK_OK(end_windows(setting_, context, now));
    COFFER_CHECK_OK(run_holds(setting_, context, now));
    return run_retention(setting_, context, now, proven);
  }

 private:
  api::Invoke invoke_;
  Options options_;
  Setting setting_;
  std::mutex mutex_;  // of run_due()
  Watch watch_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, api::Invoke invoke,
                                      rds::Service& rds, rds::Engine& engine, Clock& clock, Entropy& entropy,
                                      Options options) {
  return std::make_unique<BackupService>(database, authority, std::move(invoke), rds, engine, clock, entropy,
                                         std::move(options));
}

}  // namespace coffer::backup
