#include "services/rds/export_work.h"

#include <algorithm>
#include <mutex>

#include "services/rds/s3_sink.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr std::string_view kPrincipal = "export.rds.amazonaws.com";
constexpr int64_t kAttemptsMax = 4;

Result<std::optional<rows::ExportTask>> find_task(catalog::Transaction& t, std::string_view subject) {
  // "arn:aws:rds:R:A:export-task/ID"
  std::vector<std::string> parts;
  for (int i = 0; i < 5; ++i) {
    const size_t colon = subject.find(':');
    if (colon == std::string_view::npos) return std::optional<rows::ExportTask>();
    parts.emplace_back(subject.substr(0, colon));
    subject.remove_prefix(colon + 1);
  }
  return rows::find_export(t, parts[4], parts[3], subject.substr(subject.find('/') + 1));
}

/// Shows how far the task is, and learns that it is to be cancelled.
class TaskProgress final : public ExportProgress {
 public:
  TaskProgress(const Setting& setting, std::string subject, StopSource& stop)
      : setting_(setting), subject_(std::move(subject)), stop_(stop), shown_(setting.clock.mono()) {}

  void percent(int value, uint64_t extracted_bytes) override {
    std::lock_guard lock(mutex_);
    extracted_ = std::max(extracted_, extracted_bytes);
    percent_ = std::max<int64_t>(percent_, std::clamp(value, 0, 99));
    if (setting_.clock.mono() - shown_ < kEvery) return;
    shown_ = setting_.clock.mono();
    static_cast<void>(catalog::in_transaction(setting_.database, Context(), [&](catalog::Transaction& t) -> Status {
                        COFFER_TRY(auto task, find_task(t, subject_));
                        if (!task || task->status == "CANCELING") {
                          stop_.request_stop();
                          return ok_status();
                        }
                        task->percent = percent_;
                        task->extracted_bytes = static_cast<int64_t>(extracted_);
                        return rows::update_export(t, *task);
                      }).ok());
  }
  [[nodiscard]] uint64_t extracted() const { return extracted_; }

 private:
  static constexpr std::chrono::seconds kEvery{1};
  const Setting& setting_;
  const std::string subject_;
  StopSource& stop_;
  std::mutex mutex_;
  int64_t percent_ = 0;
  uint64_t extracted_ = 0;
  MonoTime shown_;
};

std::string failure_of(const rows::ExportTask& task, const Error& error) {
  const std::string& name = error.name;
  if (name == "NoSuchBucket" || name == "AccessDenied" || name.starts_with("KMS.") ||
      error.code == ErrorCode::kPermissionDenied)
    return "Failed to write to the S3 bucket " + task.bucket + " with the IAM role " + task.role_arn +
           " and the KMS key " + task.kms_key + ". Error code: " + (name.empty() ? "AccessDenied" : name) + ". " +
           error.message;
  return error.message + (error.next_step.empty() ? "" : ". Next: " + error.next_step);
}

/// The role writes under the key no more.
void retire_grant(const Setting& setting, const rows::ExportTask& task) {
  if (task.grant_id.empty()) return;
  const ServiceIdentity itself{std::string(kPrincipal), task.account, task.source_arn};
  // A grant that stays is seen in ListGrants; the export is what it is without this.
  static_cast<void>(
      setting
          .invoke(service_call(itself, "kms", "RetireGrant", task.region, setting.clock.wall(), setting.entropy),
                  nullptr, Value::object({{"KeyId", task.kms_key}, {"GrantId", task.grant_id}}))
          .ok());
}

Status end_task(const Setting& setting, const work::Item& item, const std::string& status, const std::string& cause,
                const ExportResult* result, uint64_t extracted) {
  std::optional<rows::ExportTask> ended;
  COFFER_CHECK_OK(catalog::in_transaction(setting.database, Context(), [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(auto task, find_task(t, item.subject));
    if (task && !task->ended_already()) {
      task->status = status;
      task->failure_cause = cause;
      task->ended = setting.clock.wall();
      task->extracted_bytes = static_cast<int64_t>(result ? result->extracted_bytes : extracted);
      if (result) {
        task->percent = 100;
        task->warning = result->warning_message;
      }
      COFFER_CHECK_OK(rows::update_export(t, *task));
      // Of the snapshot, also when it was deleted meanwhile.
      Snapshot snapshot;
      COFFER_TRY(auto there, find_snapshot(t, task->source_arn));
      if (there) snapshot = std::move(*there);
      if (const auto arn = parse_arn(task->source_arn)) {
        snapshot.account = arn->account;
        snapshot.region = arn->region;
        snapshot.identifier = arn->name;
      }
      const bool complete = status == "COMPLETE", failed = status == "FAILED";
      COFFER_CHECK_OK(tell(t, setting.entropy, setting.clock.wall(), snapshot,
                           complete ? "0161"
                           : failed ? "0159"
                                    : "0160",
                           "notification",
                           complete ? "The snapshot export task completed."
                           : failed ? "The snapshot export task failed."
                                    : "The snapshot export task was canceled."));
      ended = std::move(*task);
    }
    return work::finish(t, item);
  }));
  if (ended) retire_grant(setting, *ended);
  return ok_status();
}

}  // namespace

Status run_export(const Setting& setting, const Context& context, const work::Item& item) {
  std::optional<rows::ExportTask> task;
  COFFER_CHECK_OK(catalog::in_transaction(setting.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(task, find_task(t, item.subject));
    if (!task || task->status != "STARTING") return ok_status();
    task->status = "IN_PROGRESS";
    if (!task->started) task->started = setting.clock.wall();
    return rows::update_export(t, *task);
  }));
  if (!task || task->ended_already()) return end_task(setting, item, "", "", nullptr, 0);
  if (task->status == "CANCELING") return end_task(setting, item, "CANCELED", "", nullptr, 0);
  if (!setting.options.transfer)
    return end_task(setting, item, "FAILED", "This installation has no way to write to buckets.", nullptr, 0);

  StopSource cancel;
  // Asked before every call to the bucket, so that a task that is cancelled, or whose role was taken back, writes no
  // more.
  const auto identity = [&]() -> Result<std::shared_ptr<const iam::Identity>> {
    COFFER_TRY(auto t, setting.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const auto as_it_is, find_task(*t, item.subject));
    if (!as_it_is || as_it_is->status == "CANCELING") cancel.request_stop();
    if (cancel.stop_requested()) return Error{ErrorCode::kCancelled, "the export task is canceled", {}};
    api::Call call = service_call({std::string(kPrincipal), task->account, task->source_arn}, "rds", "StartExportTask",
                                  task->region, setting.clock.wall(), setting.entropy);
    return setting.authority.assume_for_service(*t, task->role_arn, kPrincipal, call);
  };
  const auto sink = open_s3_sink(setting, identity,
                                 {task->bucket, task->prefix, task->kms_key, task->region, std::string(kPrincipal)});
  TaskProgress progress(setting, item.subject, cancel);
  ExportRequest request;
  request.reference = task->reference;
  request.identifier = task->identifier;
  request.layout = task->layout;
  request.only = task->only;
  request.source_arn = task->source_arn;
  request.bucket = task->bucket;
  request.prefix = task->prefix;
  request.role_arn = task->role_arn;
  request.kms_key_id = task->kms_key;
  request.snapshot_time = task->snapshot_time;
  request.task_start_time = task->started.value_or(setting.clock.wall());
  const Result<ExportResult> done =
      setting.engine.export_point(context.with_stop(cancel), task->place, request, *sink, progress);
  if (done.ok()) return end_task(setting, item, "COMPLETE", "", &*done, 0);
  if (context.stopped()) return done.error();  // the daemon stops, or another one has taken over
  if (cancel.stop_requested()) return end_task(setting, item, "CANCELED", "", nullptr, progress.extracted());
  if (is_passing(done.error()) && item.attempts < kAttemptsMax) return done.error();
  return end_task(setting, item, "FAILED", failure_of(*task, done.error()), nullptr, progress.extracted());
}

}  // namespace coffer::rds
