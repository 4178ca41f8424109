// Tags of users, roles and policies. Keys are unique without regard to case and keep the case they were last given.
// For the files of this folder.
#pragma once
#include <vector>

#include "services/iam/operations.h"

namespace coffer::iam {

/// The Tags of an input. "InvalidInput" for reserved and double keys, "LimitExceeded" for more than 50.
Result<std::vector<rows::Tag>> tags_of_input(const api::Value& input);
api::Value tag_list(const std::vector<rows::Tag>& tags);

/// What TagX, UntagX and ListXTags do for the owner with this unique id.
Status put_tags(const Request& request, std::string_view owner_id, const std::vector<rows::Tag>& tags);
Status remove_tags(const Request& request, std::string_view owner_id);
Result<api::Value> list_tags(const Request& request, std::string_view owner_id);

}  // namespace coffer::iam
