// How callers name log groups, and what is found under the names.
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr std::string_view kPrefix = "arn:aws:logs:";
constexpr std::string_view kKind = "log-group:";
constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#";

bool is_group_name(std::string_view name) {
  return !name.empty() && name.size() <= 512 && name.find_first_not_of(kNameCharacters) == std::string_view::npos;
}

}  // namespace

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterException", std::move(message));
}
Error no_such_group() {
  return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", "The specified log group does not exist.");
}
Error no_such_stream() {
  return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", "The specified log stream does not exist.");
}

std::string GroupName::arn() const {
  return std::string(kPrefix) + region + ":" + account + ":" + std::string(kKind) + name;
}
std::string GroupName::policy_arn(std::string_view stream) const {
  return arn() + ":log-stream:" + std::string(stream);
}

Result<GroupName> group_of_arn(std::string_view arn) {
  const auto refuse = [&] { return invalid("The ARN '" + std::string(arn) + "' names no log group."); };
  if (!arn.starts_with(kPrefix)) return refuse();
  std::string_view rest = arn.substr(kPrefix.size());
  const size_t region_end = rest.find(':');
  const size_t account_end = region_end == std::string_view::npos ? region_end : rest.find(':', region_end + 1);
  if (account_end == std::string_view::npos) return refuse();
  GroupName group{std::string(rest.substr(region_end + 1, account_end - region_end - 1)),
                  std::string(rest.substr(0, region_end)),
                  {}};
  rest.remove_prefix(account_end + 1);
  if (!rest.starts_with(kKind)) return refuse();
  rest.remove_prefix(kKind.size());
  if (rest.ends_with(":*")) rest.remove_suffix(2);
  if (!is_group_name(rest) || group.account.size() != 12 || group.region.empty()) return refuse();
  group.name = rest;
  return group;
}

Result<GroupName> group_of_identifier(const Request& r, std::string_view identifier) {
  if (identifier.starts_with("arn:")) return group_of_arn(identifier);
  if (!is_group_name(identifier)) return invalid("'" + std::string(identifier) + "' is no name of a log group.");
  return GroupName{r.account(), r.call().region, std::string(identifier)};
}

Result<GroupName> group_name(const Request& r) {
  const bool by_name = r.input().has("logGroupName"), by_identifier = r.input().has("logGroupIdentifier");
  if (by_name == by_identifier) return invalid("Exactly one of logGroupName and logGroupIdentifier must be given.");
  if (by_name) return GroupName{r.account(), r.call().region, r.text("logGroupName")};
  return group_of_identifier(r, r.input().text("logGroupIdentifier"));
}

GroupName name_of(const rows::Group& group) { return {group.account, group.region, group.name}; }

Result<rows::Group> find_group(const Request& r, const GroupName& name) {
  COFFER_TRY(auto group, rows::find_group(r.t(), name.account, name.region, name.name));
  if (!group || name.region != r.call().region) return no_such_group();
  return std::move(*group);
}

Result<rows::Group> group_of(const Request& r) {
  COFFER_TRY(const GroupName name, group_name(r));
  return find_group(r, name);
}

Result<rows::Stream> stream_of(const Request& r, const rows::Group& group, std::string_view name) {
  COFFER_TRY(auto stream, rows::find_stream(r.t(), group.id, name));
  if (!stream) return no_such_stream();
  return std::move(*stream);
}

}  // namespace coffer::logs
