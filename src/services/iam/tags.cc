#include "services/iam/tags.h"

#include <algorithm>
#include <set>

#include "services/iam/faults.h"
#include "services/iam/pages.h"

namespace coffer::iam {
namespace {

constexpr size_t kTagsMax = 50;

bool is_same_key(std::string_view a, std::string_view b) { return rows::lower(a) == rows::lower(b); }

}  // namespace

Result<std::vector<rows::Tag>> tags_of_input(const api::Value& input) {
  std::vector<rows::Tag> tags;
  std::set<std::string> keys;
  for (const api::Value& tag : input.list("Tags")) {
    std::string key(tag.text("Key"));
    if (rows::lower(key).starts_with("aws:")) {
      return invalid_input("aws: prefixed tag key names are not allowed for external use.");
    }
    if (!keys.insert(rows::lower(key)).second)
      return invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    tags.push_back({std::move(key), std::string(tag.text("Value"))});
  }
  if (tags.size() > kTagsMax) return quota_exceeded("TagsPerResource", kTagsMax);
  return tags;
}

api::Value tag_list(const std::vector<rows::Tag>& tags) {
  api::List list;
  for (const auto& tag : tags) list.push_back(api::Value::object({{"Key", tag.key}, {"Value", tag.value}}));
  return list;
}

Status put_tags(const Request& r, std::string_view owner, const std::vector<rows::Tag>& tags) {
  COFFER_TRY(auto there, rows::tags(r.t(), owner));
  size_t count = there.size();
  for (const rows::Tag& tag : tags) {
    const auto same =
        std::find_if(there.begin(), there.end(), [&](const rows::Tag& t) { return is_same_key(t.key, tag.key); });
    if (same == there.end()) {
      ++count;
    } else if (same->key != tag.key) {
      COFFER_CHECK_OK(rows::remove_tag(r.t(), owner, same->key));
    }
    COFFER_CHECK_OK(rows::put_tag(r.t(), owner, tag));
  }
  if (count > kTagsMax) return quota_exceeded("TagsPerResource", kTagsMax);
  return ok_status();
}

Status remove_tags(const Request& r, std::string_view owner) {
  COFFER_TRY(auto there, rows::tags(r.t(), owner));
  for (const std::string& key : r.input().texts("TagKeys")) {
    for (const rows::Tag& tag : there) {
      if (is_same_key(tag.key, key)) COFFER_CHECK_OK(rows::remove_tag(r.t(), owner, tag.key));
    }
  }
  return ok_status();
}

Result<api::Value> list_tags(const Request& r, std::string_view owner) {
  COFFER_TRY(auto tags, rows::tags(r.t(), owner));
  std::vector<PageItem> items;
  for (const rows::Tag& tag : tags) {
    items.push_back({index_key(items.size()), [tag]() -> Result<api::Value> {
                       return api::Value::object({{"Key", tag.key}, {"Value", tag.value}});
                     }});
  }
  return page_of(r, "Tags", std::move(items));
}

}  // namespace coffer::iam
