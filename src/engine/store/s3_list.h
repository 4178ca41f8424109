// Reads one page of ListObjectsV2.
#pragma once
#include <string>
#include <vector>

#include "engine/store/object_store.h"

namespace coffer::store {

struct ListPage {
  std::vector<ObjectInfo> objects;  // whole names, ascending
  std::string next;                 // the continuation token; empty: this was the last page
};

/// Keys are percent-encoded (encoding-type=url was asked for and is confirmed in the page, else they are taken as they
/// are). kUnavailable for what is no whole page, is not ascending beyond `after`, has names without `prefix`, or
/// contradicts itself: half a listing is none.
Result<ListPage> parse_list_page(ByteView body, std::string_view prefix, std::string_view after);

}  // namespace coffer::store
