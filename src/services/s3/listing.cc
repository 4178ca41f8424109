#include "services/s3/listing.h"

#include <algorithm>

#include "engine/sigv4/percent.h"
#include "engine/sigv4/time.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr int64_t kKeysMax = 1000;
/// How many rows are read at once behind a delimiter: few where each row stands for many, more where keys are shown.
constexpr int64_t kBatchMin = 2, kBatchStart = 16, kBatchMax = kKeysMax + 1;

std::optional<std::string> common_prefix(std::string_view key, std::string_view prefix, std::string_view delimiter) {
  if (delimiter.empty() || !key.starts_with(prefix)) return std::nullopt;
  const size_t at = key.find(delimiter, prefix.size());
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(key.substr(0, at + delimiter.size()));
}

void append_utf8(std::string& text, uint32_t c) {
  const auto put = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  if (c < 0x10000) return put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
}

/// Takes the last character off.
uint32_t pop_character(std::string& text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  const auto first = static_cast<unsigned char>(text[begin]);
  uint32_t c = first < 0x80 ? first : first < 0xe0 ? first & 0x1fu : first < 0xf0 ? first & 0x0fu : first & 0x07u;
  for (size_t i = begin + 1; i < text.size(); ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  text.resize(begin);
  return c;
}

}  // namespace

// Bytes of UTF-8 sort as its characters do, and what goes to the catalog must be text: so the last character grows, not
// the last byte.
std::optional<std::string> end_of_prefix(std::string_view prefix) {
  constexpr uint32_t kLast = 0x10ffff, kBeforeSurrogates = 0xd7ff, kAfterSurrogates = 0xe000;
  std::string end(prefix);
  while (!end.empty()) {
    const uint32_t c = pop_character(end);
    if (c >= kLast) continue;
    append_utf8(end, c == kBeforeSurrogates ? kAfterSurrogates : c + 1);
    return end;
  }
  return std::nullopt;
}

std::optional<ListPosition> behind(std::string_view marker, std::string_view prefix, std::string_view delimiter) {
  if (const auto group = common_prefix(marker, prefix, delimiter)) {
    auto end = end_of_prefix(*group);
    if (!end) return std::nullopt;
    return ListPosition{std::move(*end), ListPosition::kWholeKey};
  }
  return ListPosition{std::string(marker), 0};
}

Result<ListPage> walk(const ListFetch& fetch, std::string_view prefix, std::string_view delimiter, ListPosition from,
                      size_t count_max) {
  ListPage page;
  if (count_max == 0) return page;
  int64_t batch = delimiter.empty() ? kBatchMax : kBatchStart;
  for (;;) {
    const auto left = static_cast<int64_t>(count_max - page.count()) + 1;
    const int64_t wanted = std::min(batch, left);
    COFFER_TRY(auto rows, fetch(from, wanted));
    const size_t before = page.count();
    const bool is_last = static_cast<int64_t>(rows.size()) < wanted;
    const size_t read = rows.size();
    if (!rows.empty()) from = {rows.back().key, rows.back().sequence};
    for (rows::Listed& row : rows) {
      auto group = common_prefix(row.key, prefix, delimiter);
      if (group && !page.prefixes.empty() && page.prefixes.back() == *group) continue;
      if (page.count() == count_max) {
        page.truncated = true;
        return page;
      }
      page.ends_with_prefix = group.has_value();
      if (group) {
        page.prefixes.push_back(std::move(*group));
      } else {
        page.objects.push_back(std::move(row));
      }
    }
    if (is_last) return page;
    if (page.ends_with_prefix) {
      auto end = end_of_prefix(page.prefixes.back());
      if (!end) return page;
      from = {std::move(*end), ListPosition::kWholeKey};
    }
    const bool worked = 2 * (page.count() - before) >= read;
    batch = worked ? std::min(batch * 2, kBatchMax) : std::max(batch / 2, kBatchMin);
  }
}

std::string ListInput::shown(std::string_view text) const {
  return encoded ? sigv4::percent_encode(text, true) : std::string(text);
}

Result<ListInput> list_input(const Request& r) {
  ListInput input;
  input.prefix = r.text("Prefix");
  input.delimiter = r.text("Delimiter");
  const int64_t count = r.input().integer("MaxKeys").value_or(kKeysMax);
  if (count < 0)
    return invalid_argument(r, "maxKeys", std::to_string(count),
                            "Argument maxKeys must be an integer between 0 and 2147483647");
  input.count_max = static_cast<size_t>(std::min(count, kKeysMax));
  if (const auto encoding = r.input().text_if("EncodingType"); encoding && !encoding->empty()) {
    if (*encoding != "url")
      return invalid_argument(r, "encoding-type", *encoding, "Invalid Encoding Method specified in Request");
    input.encoded = true;
  }
  for (const std::string& attribute : r.input().texts("OptionalObjectAttributes")) {
    if (attribute != "RestoreStatus")
      return invalid_argument(r, "x-amz-optional-object-attributes", attribute, "Invalid attribute name specified");
    input.restore_status = true;
  }
  return input;
}

Value list_output(const Request& r, const ListInput& input, const ListPage& page) {
  Value output = Value::object({{"IsTruncated", page.truncated},
                                {"Name", r.text("Bucket")},
                                {"Prefix", input.shown(input.prefix)},
                                {"MaxKeys", static_cast<int64_t>(input.count_max)}});
  if (!input.delimiter.empty()) output.set("Delimiter", input.shown(input.delimiter));
  if (input.encoded) output.set("EncodingType", "url");
  api::List prefixes;
  for (const std::string& prefix : page.prefixes) prefixes.push_back(Value::object({{"Prefix", input.shown(prefix)}}));
  if (!prefixes.empty()) output.set("CommonPrefixes", std::move(prefixes));
  return output;
}

Value listed_value(const ListInput& input, const rows::Listed& listed) {
  Value value = Value::object({{"Key", input.shown(listed.key)},
                               {"LastModified", listed.modified},
                               {"ETag", '"' + listed.etag + '"'},
                               {"Size", listed.size_bytes},
                               {"StorageClass", listed.storage_class}});
  if (!listed.checksum_kind.empty()) {
    value.set("ChecksumAlgorithm", api::List{listed.checksum_kind});
    value.set("ChecksumType", listed.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  if (input.restore_status && !listed.restore.empty()) {
    const bool ongoing = listed.restore == "ongoing";
    Value status = Value::object({{"IsRestoreInProgress", ongoing}});
    if (const auto until = sigv4::parse_http_date(listed.restore); !ongoing && until)
      status.set("RestoreExpiryDate", *until);
    value.set("RestoreStatus", std::move(status));
  }
  return value;
}

}  // namespace coffer::s3
