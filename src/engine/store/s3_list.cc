#include "engine/store/s3_list.h"

#include <charconv>

#include "engine/sigv4/percent.h"
#include "engine/xml/tree.h"

namespace coffer::store {
namespace {

Error no_page(std::string_view why) {
  return {ErrorCode::kUnavailable, "a listing cannot be used: " + std::string(why), {}};
}

bool parse_number(std::string_view text, uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Result<ListPage> parse_list_page(ByteView body, std::string_view prefix, std::string_view after) {
  auto root = xml::parse(as_text(body));
  if (!root.ok()) return no_page(root.error().message);
  if (root->name != "ListBucketResult") return no_page("it is a " + root->name.substr(0, 40));
  const std::string_view truncated = root->text_of("IsTruncated");
  if (truncated != "true" && truncated != "false") return no_page("it does not say whether it is the end");
  const bool encoded = root->text_of("EncodingType") == "url";
  ListPage page;
  std::string last(after);
  for (const xml::Element& entry : root->children) {
    if (entry.name != "Contents") continue;
    ObjectInfo info;
    info.key = entry.text_of("Key");
    if (encoded) {
      auto decoded = sigv4::percent_decode(info.key, true);
      if (!decoded) return no_page("a name in it is not encoded well");
      info.key = std::move(*decoded);
    }
    if (info.key.empty() || !parse_number(entry.text_of("Size"), info.size_bytes))
      return no_page("an entry lacks name or size");
    if (!info.key.starts_with(prefix)) return no_page("it has names that were not asked for");
    if (info.key <= last) return no_page("it is not in order");
    last = info.key;
    page.objects.push_back(std::move(info));
  }
  if (const std::string_view count = root->text_of("KeyCount"); !count.empty()) {
    uint64_t number = 0;
    if (!parse_number(count, number) || number != page.objects.size()) return no_page("it is not whole");
  }
  if (truncated == "true") {
    page.next = root->text_of("NextContinuationToken");
    if (page.next.empty()) return no_page("it goes on, but does not say where");
  }
  return page;
}

}  // namespace coffer::store
