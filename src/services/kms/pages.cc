// Markers between the pages of lists.
#include "services/api/fault.h"
#include "services/api/page_marker.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

Secret key_of_markers(const Request& r) { return api::page_marker_key(r.setting.root, "kms list markers v1"); }

std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.call().region, r.input(), {"Marker", "Limit"});
}

}  // namespace

std::string marker_behind(const Request& r, std::string_view after) {
  return api::make_page_marker(key_of_markers(r).view(), scope_of(r), after);
}

Result<std::string> begin_of_page(const Request& r) {
  if (!r.input().has("Marker")) return std::string();
  auto after = api::open_page_marker(key_of_markers(r).view(), scope_of(r), r.input().text("Marker"));
  if (after) return std::move(*after);
  return api::fault(ErrorCode::kInvalidArgument, "InvalidMarkerException", "The marker does not belong to this list.");
}

}  // namespace coffer::kms
