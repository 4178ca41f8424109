#include "services/iam/pages.h"

#include <algorithm>

#include "services/api/page_marker.h"
#include "services/iam/faults.h"

namespace coffer::iam {
namespace {

constexpr int64_t kPageSizeDefault = 100;
constexpr size_t kKeySizeMax = 180;

Secret key_of_markers(const Request& r) { return api::page_marker_key(r.setting.root, "iam list markers v1"); }

}  // namespace

Result<Page> Page::of(const Request& r) {
  Page page;
  page.scope_ = api::page_scope(r.operation.call.operation, r.account(), r.input(), {"Marker", "MaxItems"});
  page.size_ =
      static_cast<size_t>(std::clamp<int64_t>(r.input().integer("MaxItems").value_or(kPageSizeDefault), 1, 1000));
  if (r.input().has("Marker")) {
    auto after = api::open_page_marker(key_of_markers(r).view(), page.scope_, r.input().text("Marker"));
    if (!after) return validation_error("Invalid Marker.");
    page.after_ = std::move(*after);
  }
  return page;
}

void Page::finish(const Request& r, api::Value& output, bool more, std::string_view last_key) const {
  output.set("IsTruncated", more);
  if (!more) return;
  COFFER_ASSERT(last_key.size() <= kKeySizeMax);
  output.set("Marker", api::make_page_marker(key_of_markers(r).view(), scope_, last_key));
}

Result<api::Value> page_of(const Request& r, std::string_view member, std::vector<PageItem> items) {
  COFFER_TRY(Page page, Page::of(r));
  std::sort(items.begin(), items.end(), [](const PageItem& a, const PageItem& b) { return a.key < b.key; });
  auto at = std::upper_bound(items.begin(), items.end(), page.after(),
                             [](const std::string& after, const PageItem& item) { return after < item.key; });
  api::List shown;
  std::string last_key;
  for (; at != items.end() && shown.size() < page.size(); ++at) {
    COFFER_TRY(api::Value value, at->make());
    shown.push_back(std::move(value));
    last_key = at->key;
  }
  api::Value output = api::Value::object({{std::string(member), std::move(shown)}});
  page.finish(r, output, at != items.end(), last_key);
  return output;
}

std::string index_key(size_t index) {
  std::string digits = std::to_string(index);
  return std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

}  // namespace coffer::iam
