// Identifiers and ARNs of Organizations, and the policy types by name.
#pragma once
#include <string>
#include <string_view>

#include "base/entropy.h"

namespace coffer::organizations {

/// `prefix` and `length` random lower-case letters and digits.
std::string random_id(Entropy& entropy, std::string_view prefix, size_t length);
/// 12 digits, the first not zero.
std::string random_account(Entropy& entropy);
bool is_account_id(std::string_view text);

/// "arn:aws:organizations::<management>:<kind>/<organization>/<id>"
std::string arn_of(std::string_view management, std::string_view kind, std::string_view organization,
                   std::string_view id);
/// The organization's own ARN has no third part.
std::string organization_arn(std::string_view management, std::string_view organization);
/// `organization` empty: a policy of AWS.
std::string policy_arn(std::string_view management, std::string_view organization, std::string_view type,
                       std::string_view id);

std::string lower_case(std::string_view text);

inline constexpr std::string_view kServiceControl = "SERVICE_CONTROL_POLICY";
inline constexpr std::string_view kResourceControl = "RESOURCE_CONTROL_POLICY";
inline constexpr std::string_view kFullAccess = "p-FullAWSAccess";
inline constexpr std::string_view kResourceFullAccess = "p-RCPFullAWSAccess";

inline constexpr std::string_view kAllFeatures = "ALL";
inline constexpr std::string_view kConsolidatedBilling = "CONSOLIDATED_BILLING";

}  // namespace coffer::organizations
