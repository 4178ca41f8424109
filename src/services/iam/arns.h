// ARNs of IAM and STS, read. For the files of this folder.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/iam/rows.h"

namespace coffer::iam {

bool is_account_id(std::string_view text);
/// The account of an "arn:aws:iam::..." or "arn:aws:sts::..." ARN; empty when `arn` is no such ARN.
std::string account_of_arn(std::string_view arn);

/// "arn:aws:iam::123456789012:role/path/name", in its parts.
struct EntityArn {
  rows::Kind kind = rows::Kind::kUser;
  std::string account, path, name;
};
/// Of a user, group or role; nothing for any other text.
std::optional<EntityArn> parse_entity_arn(std::string_view arn);
/// The role of a session's ARN ("arn:aws:sts::123456789012:assumed-role/Role/session"), which does not tell its path.
std::optional<EntityArn> parse_session_arn(std::string_view arn);

/// The entity that exists under exactly this ARN (its path included).
Result<std::optional<rows::Entity>> entity_of_arn(catalog::Transaction& transaction, std::string_view arn);
Result<std::optional<rows::Entity>> role_of_arn(catalog::Transaction& transaction, std::string_view arn);

}  // namespace coffer::iam
