// The policies of one type on the way from the root to an account.
#pragma once
#include <string_view>
#include <vector>

#include "services/organizations/policy_rows.h"

namespace coffer::organizations {

/// A level from root to account, each in the order of attachment. Empty outside an organization.
Result<std::vector<std::vector<rows::Policy>>> policy_levels(catalog::Transaction& transaction,
                                                             std::string_view account, std::string_view type);
/// When a policy on the way was last attached or changed; the epoch when there is none.
Result<WallTime> last_change(catalog::Transaction& transaction, std::string_view account, std::string_view type);

}  // namespace coffer::organizations
