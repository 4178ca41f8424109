// Walking over the keys of a bucket: one page of objects or versions, and the common prefixes that stand for the keys
// behind a delimiter. For the files of this folder.
#pragma once
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/s3/operations.h"

namespace coffer::s3 {

/// Where a listing goes on: at `key`, with its versions of a sequence below `below_sequence`.
struct ListPosition {
  static constexpr int64_t kWholeKey = std::numeric_limits<int64_t>::max();
  std::string key;
  int64_t below_sequence = kWholeKey;  // 0: behind the key
};

struct ListPage {
  std::vector<rows::Listed> objects;
  std::vector<std::string> prefixes;
  bool truncated = false;
  /// The last thing shown: of `objects`, or of `prefixes`.
  bool ends_with_prefix = false;
  [[nodiscard]] const std::string& last() const { return ends_with_prefix ? prefixes.back() : objects.back().key; }
  [[nodiscard]] size_t count() const { return objects.size() + prefixes.size(); }
};

/// Reads up to `limit` rows from a position on.
using ListFetch = std::function<Result<std::vector<rows::Listed>>(const ListPosition& from, int64_t limit)>;

/// At most `count_max` objects and prefixes from `from` on. What lies behind a common prefix is skipped by a search,
/// not by reading it.
Result<ListPage> walk(const ListFetch& fetch, std::string_view prefix, std::string_view delimiter, ListPosition from,
                      size_t count_max);

/// Where a listing begins that is to show what comes behind `marker`: a key, or a common prefix with all its keys.
/// Nothing when nothing can come behind it.
std::optional<ListPosition> behind(std::string_view marker, std::string_view prefix, std::string_view delimiter);

/// The least text above all that begin with `prefix`; nothing when there is none.
std::optional<std::string> end_of_prefix(std::string_view prefix);

/// What the listings' inputs have in common, checked.
struct ListInput {
  std::string prefix, delimiter;
  size_t count_max = 1000;
  bool encoded = false;  // keys go out percent-encoded
  bool restore_status = false;
  [[nodiscard]] std::string shown(std::string_view text) const;
};
Result<ListInput> list_input(const Request& r);
/// Name, Prefix, Delimiter, MaxKeys, EncodingType, IsTruncated and CommonPrefixes.
api::Value list_output(const Request& r, const ListInput& input, const ListPage& page);
/// Key, LastModified, ETag, Size, StorageClass, checksum and, when asked for, RestoreStatus.
api::Value listed_value(const ListInput& input, const rows::Listed& listed);

}  // namespace coffer::s3
