// Markers (tokens) between the pages of a list: the key behind which the list goes on, in clear, and a code that only
// this installation can make. A marker continues the list that it was given for and no other.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "services/api/value.h"

namespace coffer::api {

/// Bytes that a marker has more than the key it carries, before base64.
inline constexpr size_t kPageMarkerOverhead = 16;

/// The key for the markers of one service, from the installation's root. `label`: "iam list markers v1".
Secret page_marker_key(ByteView root, std::string_view label);

/// Which list an operation shows to whom: operation, `owner` (account, Region where it matters) and all members of the
/// input but those that differ from page to page. No two inputs look the same; the order of members means nothing.
std::string page_scope(std::string_view operation, std::string_view owner, const Value& input,
                       std::initializer_list<std::string_view> paging_members);

/// `after`, and a code over it and the list's `scope`; base64.
std::string make_page_marker(ByteView key, std::string_view scope, std::string_view after);
/// What make_page_marker() was given as `after`; nothing for what it did not write with this key for this scope.
std::optional<std::string> open_page_marker(ByteView key, std::string_view scope, std::string_view marker);

}  // namespace coffer::api
