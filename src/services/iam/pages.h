// Pages of lists: Marker, MaxItems, IsTruncated. For the files of this folder.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "services/iam/operations.h"

namespace coffer::iam {

/// Where a list goes on. Keys ascend within a list and take at most 180 bytes, so that a marker stays within the 320
/// characters of the model.
class Page {
 public:
  /// From Marker and MaxItems. "ValidationError" for a marker that this installation did not give for this list: the
  /// operation, the account and all other input.
  static Result<Page> of(const Request& request);
  [[nodiscard]] const std::string& after() const { return after_; }  // empty: from the start
  [[nodiscard]] size_t size() const { return size_; }
  /// IsTruncated, and when there is `more`, the Marker that goes on behind `last_key`.
  void finish(const Request& request, api::Value& output, bool more, std::string_view last_key) const;

 private:
  std::string after_, scope_;
  size_t size_ = 0;
};

/// An item of a list that is in memory; made when it is shown.
struct PageItem {
  std::string key;
  std::function<Result<api::Value>()> make;
};
/// The page of `items`, in any order, that Marker and MaxItems ask for; the items' values into `member`.
Result<api::Value> page_of(const Request& request, std::string_view member, std::vector<PageItem> items);
/// The key of the `index`-th item of a short list that has no better one.
std::string index_key(size_t index);

}  // namespace coffer::iam
