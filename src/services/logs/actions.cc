// The table of CloudWatch Logs' operations.
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr api::Entry<Request> kEntries[] = {
    {"CreateLogGroup", true, on_new_group, create_log_group},
    {"DeleteLogGroup", true, on_group, delete_log_group},
    {"DescribeLogGroups", false, on_all_groups, describe_log_groups},
    {"PutRetentionPolicy", true, on_group, put_retention_policy},
    {"DeleteRetentionPolicy", true, on_group, delete_retention_policy},
    {"PutLogGroupDeletionProtection", true, on_group, put_deletion_protection},
    {"CreateLogStream", true, on_stream, create_log_stream},
    {"DeleteLogStream", true, on_stream, delete_log_stream},
    {"DescribeLogStreams", false, on_group, describe_log_streams},
    {"PutLogEvents", true, on_stream, put_log_events},
    {"GetLogEvents", false, on_stream, get_log_events},
    {"FilterLogEvents", false, on_group, filter_log_events},
    {"TestMetricFilter", false, on_nothing, test_metric_filter},
    {"TagResource", true, on_tagged, tag_resource},
    {"UntagResource", true, on_tagged, untag_resource},
    {"ListTagsForResource", false, on_tagged, list_tags_for_resource},
    {"TagLogGroup", true, on_group, tag_log_group},
    {"UntagLogGroup", true, on_group, untag_log_group},
    {"ListTagsLogGroup", false, on_group, list_tags_log_group},
    {"PutResourcePolicy", true, on_nothing, put_resource_policy},
    {"DescribeResourcePolicies", false, on_nothing, describe_resource_policies},
    {"DeleteResourcePolicy", true, on_nothing, delete_resource_policy},
};

class LogService final : public Service {
 public:
  LogService(catalog::Database& database, iam::Authority& authority, Clock& clock, Entropy& entropy)
      : setting_{database, authority, clock, entropy} {}

  api::ServiceTable actions() override { return api::table_of<Request>("logs", kEntries, setting_); }

  Status run_due(const Context& context, WallTime now) override { return remove_old_events(setting_, context, now); }

  Status append(const Context& context, std::string_view account, std::string_view region, std::string_view group,
                std::string_view stream, const std::vector<Line>& lines) override {
    const GroupName name{std::string(account), std::string(region), std::string(group)};
    return append_lines(setting_, context, name, stream, lines);
  }

 private:
  Setting setting_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, Clock& clock,
                                      Entropy& entropy) {
  return std::make_unique<LogService>(database, authority, clock, entropy);
}

}  // namespace coffer::logs
