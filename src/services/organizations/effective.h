// Management policies (backup, tag and the like): their grammar with inheritance operators, and how the policies from
// the root to an account merge into the one that is in force. Organizations User Guide, "Inheritance operators".
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::organizations {

/// Every setting is an object with @@assign, @@append or @@remove; objects around it may carry
/// @@operators_allowed_for_child_policies. `top` is the one key on the top level; empty: any.
Status check_management_policy(std::string_view content, std::string_view top);

/// `levels` from root to account, each with its checked policies in the order in which they were attached. Nothing when
/// no setting remains. The result is compact JSON without operators.
///
/// On one level the first @@assign of a setting wins; then every @@append and @@remove of the level takes effect.
/// What a policy allows its children binds the levels below it: the nearest statement around a setting counts, and of
/// several policies what all of them allow.
Result<std::optional<std::string>> merge_management_policies(const std::vector<std::vector<std::string>>& levels);

}  // namespace coffer::organizations
