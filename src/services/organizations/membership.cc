// What the rest of the house asks: where an account stands and which policies bind it.
#include <algorithm>

#include "services/organizations/documents.h"
#include "services/organizations/effective.h"
#include "services/organizations/levels.h"
#include "services/organizations/names.h"
#include "services/organizations/rows.h"
#include "services/organizations/service.h"

namespace coffer::organizations {
namespace {

using Levels = std::vector<std::vector<policy::NamedDocument>>;

struct Place {
  rows::Account account;
  rows::Organization organization;
};
Result<std::optional<Place>> place_of(catalog::Transaction& transaction, std::string_view id) {
  COFFER_TRY(auto account, rows::account(transaction, id));
  if (!account) return std::optional<Place>();
  COFFER_TRY(auto organization, rows::organization(transaction, account->organization));
  COFFER_ASSERT(organization);
  return std::optional(Place{std::move(*account), std::move(*organization)});
}

/// Targets from the root to the account itself.
Result<std::vector<std::string>> targets_above(catalog::Transaction& transaction, const Place& place) {
  COFFER_TRY(auto chain, rows::chain_to(transaction, place.organization.root, place.account.parent));
  chain.push_back(place.account.id);
  return chain;
}

/// Authorization policies as documents. Without the type enabled nothing is attached, and no level is formed.
Result<Levels> document_levels(catalog::Transaction& transaction, const Place& place, std::string_view type,
                               policy::Kind kind, std::string_view shown_type) {
  Levels levels;
  COFFER_TRY(auto enabled, rows::enabled_types(transaction, place.organization.id));
  if (std::find(enabled.begin(), enabled.end(), type) == enabled.end()) return levels;
  COFFER_TRY(auto policies, policy_levels(transaction, place.account.id, type));
  for (const auto& level : policies) {
    auto& documents = levels.emplace_back();
    for (const rows::Policy& p : level) {
      COFFER_TRY(auto document, parsed_document(p.content, kind));
      documents.push_back({policy_arn(place.organization.management, p.organization, p.type, p.id),
                           std::string(shown_type), std::move(document)});
    }
  }
  return levels;
}

}  // namespace

Result<std::vector<std::vector<rows::Policy>>> policy_levels(catalog::Transaction& transaction,
                                                             std::string_view account, std::string_view type) {
  std::vector<std::vector<rows::Policy>> levels;
  COFFER_TRY(auto place, place_of(transaction, account));
  if (!place) return levels;
  COFFER_TRY(auto targets, targets_above(transaction, *place));
  for (const std::string& target : targets) {
    auto& level = levels.emplace_back();
    COFFER_TRY(auto attached, rows::attached_to(transaction, target, type));
    for (const rows::Attachment& attachment : attached) {
      COFFER_TRY(auto policy, rows::policy(transaction, place->organization.id, attachment.policy));
      COFFER_ASSERT(policy);
      policy->updated = std::max(policy->updated, attachment.attached);
      level.push_back(std::move(*policy));
    }
  }
  return levels;
}

Result<WallTime> last_change(catalog::Transaction& transaction, std::string_view account, std::string_view type) {
  WallTime last;
  COFFER_TRY(auto levels, policy_levels(transaction, account, type));
  for (const auto& level : levels) {
    for (const rows::Policy& p : level) last = std::max(last, p.updated);
  }
  return last;
}

Result<std::optional<Membership>> membership(catalog::Transaction& transaction, std::string_view account) {
  COFFER_TRY(auto place, place_of(transaction, account));
  if (!place) return std::optional<Membership>();
  COFFER_TRY(auto chain, rows::chain_to(transaction, place->organization.root, place->account.parent));
  Membership m{place->organization.id, place->organization.id + "/", place->organization.management};
  for (const std::string& id : chain) m.path += id + "/";
  return std::optional(std::move(m));
}

Result<Levels> service_control_levels(catalog::Transaction& transaction, std::string_view account) {
  COFFER_TRY(auto place, place_of(transaction, account));
  if (!place || place->organization.management == account) return Levels();
  if (place->account.closed) return Levels{{}};
  return document_levels(transaction, *place, kServiceControl, policy::Kind::kService, "Service Control Policy");
}

Result<Levels> resource_control_levels(catalog::Transaction& transaction, std::string_view account) {
  COFFER_TRY(auto place, place_of(transaction, account));
  if (!place || place->organization.management == account) return Levels();
  return document_levels(transaction, *place, kResourceControl, policy::Kind::kResourceControl,
                         "Resource Control Policy");
}

Result<std::optional<std::string>> effective_policy(catalog::Transaction& transaction, std::string_view account,
                                                    std::string_view type) {
  COFFER_TRY(auto levels, policy_levels(transaction, account, type));
  std::vector<std::vector<std::string>> contents;
  for (const auto& level : levels) {
    auto& texts = contents.emplace_back();
    for (const rows::Policy& p : level) texts.push_back(p.content);
  }
  return merge_management_policies(contents);
}

Result<bool> trusted_access(catalog::Transaction& transaction, std::string_view account,
                            std::string_view service_principal) {
  COFFER_TRY(auto place, place_of(transaction, account));
  if (!place) return false;
  return rows::service_enabled(transaction, place->organization.id, service_principal);
}

}  // namespace coffer::organizations
