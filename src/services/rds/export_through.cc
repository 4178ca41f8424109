#include "services/rds/export_through.h"

#include "engine/jobs/export.h"

namespace coffer::rds {

namespace {

class SinkDestination final : public jobs::ExportDestination {
 public:
  explicit SinkDestination(ExportSink& sink) : sink_(sink) {}
  Status put(const Context& context, std::string_view path, ByteSource& bytes) override {
    return sink_.put(context, path, bytes);
  }
  Result<std::unique_ptr<ByteSource>> open(const Context& context, std::string_view path) override {
    return sink_.open(context, path);
  }
  Status remove(const Context& context, std::string_view path) override { return sink_.remove(context, path); }
  Result<std::vector<std::string>> list(const Context& context, std::string_view prefix) override {
    return sink_.list(context, prefix);
  }

 private:
  ExportSink& sink_;
};

class ForwardedProgress final : public jobs::ExportProgress {
 public:
  explicit ForwardedProgress(rds::ExportProgress& to) : to_(to) {}
  void percent(int value, uint64_t extracted_bytes) override { to_.percent(value, extracted_bytes); }

 private:
  rds::ExportProgress& to_;
};

}  // namespace

Result<ExportResult> export_through(const Context& context, const jobs::Environment& environment,
                                    const vault::Vault& vault, const std::string& point_id,
                                    const ExportRequest& request, ExportSink& sink, ExportProgress& progress) {
  jobs::ExportOptions options;
  options.point_id = point_id;
  options.identifier = request.identifier;
  options.layout = request.layout == "typed" ? jobs::ExportLayout::kTyped : jobs::ExportLayout::kRds;
  options.only = request.only;
  options.allow_skipped = true;
  options.source_arn = request.source_arn;
  options.bucket = request.bucket;
  options.prefix = request.prefix;
  options.role_arn = request.role_arn;
  options.kms_key_id = request.kms_key_id;
  options.snapshot_time = request.snapshot_time;
  options.task_start_time = request.task_start_time;
  SinkDestination destination(sink);
  ForwardedProgress forwarded(progress);
  COFFER_TRY(jobs::ExportReport report,
             jobs::run_export(context, environment, vault, options, destination, &forwarded));
  return ExportResult{report.tables, report.rows, report.extracted_bytes, std::move(report.warning_message)};
}

}  // namespace coffer::rds
