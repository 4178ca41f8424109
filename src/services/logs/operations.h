// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include "services/api/fault.h"
#include "services/api/request.h"
#include "services/logs/rows.h"
#include "services/logs/service.h"

namespace coffer::logs {

/// What every operation works with.
struct Setting {
  catalog::Database& database;
  iam::Authority& authority;
  Clock& clock;
  Entropy& entropy;
};
struct Request : api::Request<Setting> {
  [[nodiscard]] int64_t now_millis() const { return call().time.micros / 1000; }
};

inline constexpr int64_t kDayMillis = 86'400'000;

/// "InvalidParameterException".
Error invalid(std::string message);
Error no_such_group();   // "ResourceNotFoundException"
Error no_such_stream();  // the same

// names
/// A log group as a caller names it.
struct GroupName {
  std::string account, region, name;
  /// "arn:aws:logs:us-east-1:111111111111:log-group:NAME"
  [[nodiscard]] std::string arn() const;
  /// As IAM policies are asked: with the stream, which is empty for what is done to a group.
  [[nodiscard]] std::string policy_arn(std::string_view stream) const;
};
/// Of logGroupName or logGroupIdentifier (a name or an ARN, with or without ":*" at its end), one of which must be
/// there.
Result<GroupName> group_name(const Request&);
/// Of an ARN; an ARN of something else is "InvalidParameterException".
Result<GroupName> group_of_arn(std::string_view arn);
/// Either.
Result<GroupName> group_of_identifier(const Request&, std::string_view identifier);
GroupName name_of(const rows::Group&);

/// "ResourceNotFoundException"
Result<rows::Group> find_group(const Request&, const GroupName&);
/// Of the input's group.
Result<rows::Group> group_of(const Request&);
Result<rows::Stream> stream_of(const Request&, const rows::Group&, std::string_view name);

// access
Result<std::vector<api::AccessRequest>> on_group(const Request&);
Result<std::vector<api::AccessRequest>> on_stream(const Request&);
Result<std::vector<api::AccessRequest>> on_new_group(const Request&);
Result<std::vector<api::AccessRequest>> on_tagged(const Request&);  // of resourceArn
Result<std::vector<api::AccessRequest>> on_all_groups(const Request&);
Result<std::vector<api::AccessRequest>> on_nothing(const Request&);
/// "TagLogGroup" and "UntagLogGroup" have their tags under other names than TagResource.
api::ConditionKeys tag_conditions(const Request&);

// pages
/// Behind what this page begins; nothing: at the start. "InvalidParameterException" for a token of another list.
Result<std::optional<std::string>> begin_of_page(const Request&);
std::string token_behind(const Request&, std::string_view after);
/// A number with leading zeros, so that tokens and ids sort as what they stand for.
std::string padded(int64_t number, size_t width);

/// How many bytes of events one answer holds at most.
inline constexpr int64_t kAnswerSizeMax = 1 << 20;
/// Adds events to a stream and keeps its times and size.
Status add_events(catalog::Transaction&, rows::Stream, int64_t now_millis, const std::vector<rows::NewEvent>&);
/// Events before this are over, whether or not they were removed already.
int64_t oldest_kept(const rows::Group&, int64_t now_millis);

Result<api::Value> create_log_group(const Request&);
Result<api::Value> delete_log_group(const Request&);
Result<api::Value> describe_log_groups(const Request&);
Result<api::Value> put_retention_policy(const Request&);
Result<api::Value> delete_retention_policy(const Request&);
Result<api::Value> put_deletion_protection(const Request&);
Result<api::Value> create_log_stream(const Request&);
Result<api::Value> delete_log_stream(const Request&);
Result<api::Value> describe_log_streams(const Request&);
Result<api::Value> put_log_events(const Request&);
Result<api::Value> get_log_events(const Request&);
Result<api::Value> filter_log_events(const Request&);
Result<api::Value> test_metric_filter(const Request&);
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_tags_for_resource(const Request&);
Result<api::Value> tag_log_group(const Request&);
Result<api::Value> untag_log_group(const Request&);
Result<api::Value> list_tags_log_group(const Request&);
Result<api::Value> put_resource_policy(const Request&);
Result<api::Value> describe_resource_policies(const Request&);
Result<api::Value> delete_resource_policy(const Request&);

/// Tags of CreateLogGroup and the tagging operations; "TooManyTagsException" over 50.
Status add_tags(const Request&, const rows::Group&, const std::map<std::string, std::string>& tags);

/// What Service::append() does.
Status append_lines(const Setting&, const Context&, const GroupName&, std::string_view stream,
                    const std::vector<Line>& lines);
/// What Service::run_due() does.
Status remove_old_events(const Setting&, const Context&, WallTime now);

}  // namespace coffer::logs
