#include "services/iam/pages.h"

#include <algorithm>

#include "services/iam/faults.h"

namespace coffer::iam {
namespace {

constexpr int64_t kPageSizeDefault = 100;
constexpr size_t kKeySizeMax = 180;

/// All of an input but the two members that differ from page to page, so that no two inputs look the same.
void write_scope(std::string& scope, const api::Value& value, bool outermost) {
  const auto write = [&](char kind, std::string_view text) {
    scope += kind;
    scope += std::to_string(text.size());
    scope += ':';
    scope += text;
  };
  if (const auto* text = value.get_if<std::string>()) return write('s', *text);
  if (const auto* flag = value.get_if<bool>()) return write('b', *flag ? "1" : "0");
  if (const auto* number = value.get_if<int64_t>()) return write('i', std::to_string(*number));
  write('(', "");
  for (const api::Value& item : value.items()) write_scope(scope, item, false);
  for (const auto& [name, member] : value.entries()) {
    if (outermost && (name == "Marker" || name == "MaxItems")) continue;
    write('m', name);
    write_scope(scope, member, false);
  }
  write(')', "");
}

}  // namespace

Result<Page> Page::of(const Request& r) {
  Page page;
  page.scope_ = r.operation.call.operation + "/" + r.account() + "/";
  write_scope(page.scope_, r.input(), true);
  page.size_ =
      static_cast<size_t>(std::clamp<int64_t>(r.input().integer("MaxItems").value_or(kPageSizeDefault), 1, 1000));
  if (r.input().has("Marker")) {
    COFFER_TRY(page.after_, open_marker(r.setting.root, page.scope_, r.input().text("Marker")));
  }
  return page;
}

void Page::finish(const Request& r, api::Value& output, bool more, std::string_view last_key) const {
  output.set("IsTruncated", more);
  if (!more) return;
  COFFER_ASSERT(last_key.size() <= kKeySizeMax);
  output.set("Marker", make_marker(r.setting.root, scope_, last_key));
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
