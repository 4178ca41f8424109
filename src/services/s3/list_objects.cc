// ListObjectsV2, ListObjects and ListObjectVersions.
#include <algorithm>

#include "services/s3/bucket_operations.h"
#include "services/s3/listing.h"

namespace coffer::s3 {
namespace {

using api::Value;

/// A page of the latest versions behind `marker`.
Result<ListPage> current_page(const Request& r, const BucketView& bucket, const ListInput& input,
                              std::string_view marker) {
  ListPosition from{input.prefix, ListPosition::kWholeKey};
  if (!marker.empty()) {
    auto start = behind(marker, input.prefix, input.delimiter);
    if (!start) return ListPage();
    from = std::move(*start);
  }
  const auto fetch = [&](const ListPosition& at, int64_t limit) {
    const bool exclusive = at.below_sequence != ListPosition::kWholeKey;
    return rows::list_current(r.t(), bucket.bucket.id, input.prefix, at.key, exclusive, limit);
  };
  return walk(fetch, input.prefix, input.delimiter, std::move(from), input.count_max);
}

api::List contents(const ListInput& input, const ListPage& page, bool with_owner) {
  api::List list;
  for (const rows::Listed& listed : page.objects) {
    Value value = listed_value(input, listed);
    if (with_owner) value.set("Owner", owner_value(listed.owner));
    list.push_back(std::move(value));
  }
  return list;
}

/// Where ListObjectVersions goes on.
Result<std::optional<ListPosition>> versions_start(const Request& r, const BucketView& bucket, const ListInput& input) {
  const std::string key = r.text("KeyMarker"), version_id = r.text("VersionIdMarker");
  if (key.empty() && !version_id.empty())
    return invalid_argument(r, "version-id-marker", version_id,
                            "A version-id marker cannot be specified without a key marker.");
  if (key.empty()) return std::optional(ListPosition{input.prefix, ListPosition::kWholeKey});
  auto start = behind(key, input.prefix, input.delimiter);
  if (!start || version_id.empty() || start->key != key) return start;
  COFFER_TRY(const auto version, rows::find_version(r.t(), bucket.bucket.id, key, version_id));
  // Who removes what a page shows asks for the next one by a version that is gone: what is left of its key is shown
  // again rather than passed over.
  start->below_sequence = version ? version->sequence : ListPosition::kWholeKey;
  return start;
}

/// Can the text stand in a document without any encoding?
bool fits_xml(std::string_view text) {
  const bool has_others = text.find("\xEF\xBF") != std::string_view::npos;  // U+FFFE and U+FFFF begin so
  return !has_others && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t';
  });
}

}  // namespace

Result<api::Value> list_objects_v2(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const ListInput input, list_input(r));
  const std::string list = "objects/" + std::to_string(bucket->bucket.id);
  COFFER_TRY(std::string marker, open_token(r, list));
  if (marker.empty()) marker = r.text("StartAfter");
  COFFER_TRY(const ListPage page, current_page(r, *bucket, input, marker));
  Value output = list_output(r, input, page);
  if (!page.objects.empty()) output.set("Contents", contents(input, page, r.input().flag("FetchOwner")));
  output.set("KeyCount", static_cast<int64_t>(page.count()));
  if (r.input().has("StartAfter")) output.set("StartAfter", input.shown(r.text("StartAfter")));
  if (r.input().has("ContinuationToken")) output.set("ContinuationToken", r.text("ContinuationToken"));
  if (page.truncated) output.set("NextContinuationToken", make_token(r, list, page.last()));
  return output;
}

Result<api::Value> list_objects(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const ListInput input, list_input(r));
  COFFER_TRY(const ListPage page, current_page(r, *bucket, input, r.input().text("Marker")));
  Value output = list_output(r, input, page);
  // Clients decode all of this answer but the prefix.
  if (fits_xml(input.prefix)) output.set("Prefix", input.prefix);
  output.set("Marker", input.shown(r.text("Marker")));
  if (!page.objects.empty()) output.set("Contents", contents(input, page, true));
  // Without a delimiter the last key is the next marker, and S3 does not say it again.
  if (page.truncated && !input.delimiter.empty()) output.set("NextMarker", input.shown(page.last()));
  return output;
}

Result<api::Value> list_object_versions(const Request& r) {
  COFFER_TRY(const auto bucket, bucket_of(r));
  COFFER_TRY(const ListInput input, list_input(r));
  COFFER_TRY(auto start, versions_start(r, *bucket, input));
  ListPage page;
  if (start) {
    const auto fetch = [&](const ListPosition& at, int64_t limit) {
      return rows::list_versions(r.t(), bucket->bucket.id, input.prefix, at.key, at.below_sequence, limit);
    };
    COFFER_TRY(page, walk(fetch, input.prefix, input.delimiter, std::move(*start), input.count_max));
  }
  Value output = list_output(r, input, page);
  output.set("KeyMarker", input.shown(r.text("KeyMarker"))).set("VersionIdMarker", r.text("VersionIdMarker"));
  api::List versions, markers;
  for (const rows::Listed& listed : page.objects) {
    Value value = listed.marker ? Value::object({{"Key", input.shown(listed.key)}, {"LastModified", listed.modified}})
                                : listed_value(input, listed);
    value.set("VersionId", listed.version_id).set("IsLatest", listed.latest).set("Owner", owner_value(listed.owner));
    (listed.marker ? markers : versions).push_back(std::move(value));
  }
  if (!versions.empty()) output.set("Versions", std::move(versions));
  if (!markers.empty()) output.set("DeleteMarkers", std::move(markers));
  if (page.truncated) {
    output.set("NextKeyMarker", input.shown(page.last()));
    if (!page.ends_with_prefix) output.set("NextVersionIdMarker", page.objects.back().version_id);
  }
  return output;
}

}  // namespace coffer::s3
