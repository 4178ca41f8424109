// The catalog rows of policies and of what they are attached to. AWS's own policies have no row in org_policy: they are
// the same everywhere; their attachments are rows like others.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "services/catalog/database.h"

namespace coffer::organizations::rows {

using catalog::Transaction;

struct Policy {
  std::string id, organization, type, name, description, content;  // organization empty: AWS's own
  WallTime updated;
};
/// One of AWS's or one of the organization's.
Result<std::optional<Policy>> policy(Transaction&, std::string_view organization, std::string_view id);
/// AWS's own policy of `type`, which every target has at first; null for management policies.
const Policy* default_policy(std::string_view type);

Result<std::optional<Policy>> policy_by_name(Transaction&, std::string_view organization, std::string_view type,
                                             std::string_view name);
/// The organization's own.
Result<std::vector<Policy>> policies(Transaction&, std::string_view organization, std::string_view type,
                                     std::string_view after, int64_t limit);
Result<int64_t> count_policies(Transaction&, std::string_view organization, std::string_view type);
Status insert(Transaction&, const Policy&);
Status update(Transaction&, const Policy&);
/// With its tags. It is attached nowhere.
Status remove_policy(Transaction&, std::string_view id);

struct Attachment {
  std::string policy, target;
  WallTime attached;
};
Result<bool> is_attached(Transaction&, std::string_view policy, std::string_view target);
Result<int64_t> count_attached(Transaction&, std::string_view target, std::string_view type);
/// In the order in which they were attached, which decides between management policies of one level.
Result<std::vector<Attachment>> attached_to(Transaction&, std::string_view target, std::string_view type);
/// By policy id.
Result<std::vector<std::string>> policies_of_target(Transaction&, std::string_view target, std::string_view type,
                                                    std::string_view after, int64_t limit);
/// By target id.
Result<std::vector<std::string>> targets_of_policy(Transaction&, std::string_view organization, std::string_view policy,
                                                   std::string_view after, int64_t limit);
Status attach(Transaction&, std::string_view organization, std::string_view policy, std::string_view type,
              std::string_view target, WallTime now);
Status detach(Transaction&, std::string_view policy, std::string_view target);
Status detach_all_of_target(Transaction&, std::string_view target);

Result<std::vector<std::string>> enabled_types(Transaction&, std::string_view organization);
/// AWS's own policy of the type is attached to root, units and accounts.
Status enable_type(Transaction&, std::string_view organization, std::string_view type, WallTime now);
/// Everything of the type is detached.
Status disable_type(Transaction&, std::string_view organization, std::string_view type);
/// What a new root, unit or account has from the beginning.
Status attach_defaults(Transaction&, std::string_view organization, std::string_view target, WallTime now);

}  // namespace coffer::organizations::rows
