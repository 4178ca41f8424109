// Tags of log groups, under their two names.
#include "services/logs/operations.h"

namespace coffer::logs {
namespace {

constexpr size_t kTagsMax = 50;

Result<rows::Group> tagged_group(const Request& r) {
  if (r.input().has("logGroupName")) return group_of(r);
  COFFER_TRY(const GroupName name, group_of_arn(r.input().text("resourceArn")));
  return find_group(r, name);
}

Status check_tag(const std::string& key, const std::string& value) {
  if (key.empty() || key.size() > 128 * 4 || value.size() > 256 * 4)
    return invalid("Tag keys have 1 to 128 characters and values at most 256.");
  if (key.starts_with("aws:")) return invalid("aws: prefixed tag key names are not allowed for external use.");
  return ok_status();
}

}  // namespace

Status add_tags(const Request& r, const rows::Group& group, const std::map<std::string, std::string>& tags) {
  if (tags.empty()) return ok_status();
  COFFER_TRY(auto all, rows::tags_of(r.t(), group.id));
  for (const auto& [key, value] : tags) {
    COFFER_CHECK_OK(check_tag(key, value));
    all[key] = value;
    COFFER_CHECK_OK(rows::put_tag(r.t(), group.id, key, value));
  }
  if (all.size() <= kTagsMax) return ok_status();
  if (r.call().operation == "TagResource")
    return api::fault(ErrorCode::kResourceExhausted, "TooManyTagsException",
                      "A resource can have no more than 50 tags.");
  return invalid("A resource can have no more than 50 tags.");
}

Result<api::Value> tag_resource(const Request& r) {
  COFFER_TRY(const rows::Group group, tagged_group(r));
  COFFER_CHECK_OK(add_tags(r, group, r.input().text_map("tags")));
  return api::Value::object();
}

Result<api::Value> untag_resource(const Request& r) {
  COFFER_TRY(const rows::Group group, tagged_group(r));
  for (const std::string& key : r.input().texts("tagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), group.id, key));
  return api::Value::object();
}

Result<api::Value> list_tags_for_resource(const Request& r) {
  COFFER_TRY(const rows::Group group, tagged_group(r));
  COFFER_TRY(const auto tags, rows::tags_of(r.t(), group.id));
  return api::Value::object({{"tags", api::text_map(tags)}});
}

Result<api::Value> tag_log_group(const Request& r) { return tag_resource(r); }

Result<api::Value> untag_log_group(const Request& r) {
  COFFER_TRY(const rows::Group group, tagged_group(r));
  for (const std::string& key : r.input().texts("tags")) COFFER_CHECK_OK(rows::remove_tag(r.t(), group.id, key));
  return api::Value::object();
}

Result<api::Value> list_tags_log_group(const Request& r) { return list_tags_for_resource(r); }

}  // namespace coffer::logs
