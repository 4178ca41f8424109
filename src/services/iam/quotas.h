// AWS's default quotas, which GetAccountSummary tells. For the files of this folder.
#pragma once
#include <cstdint>

#include "services/iam/rows.h"

namespace coffer::iam::quotas {

inline constexpr int64_t kUsers = 5000, kGroups = 300, kRoles = 1000, kPolicies = 1500;
inline constexpr int64_t kGroupsPerUser = 10, kAccessKeysPerUser = 2, kAttachedPolicies = 10, kVersionsPerPolicy = 5;
// Characters without whitespace.
inline constexpr int64_t kManagedPolicySize = 6144, kTrustPolicySize = 4096;
inline constexpr int64_t kInlineOfUser = 2048, kInlineOfGroup = 5120, kInlineOfRole = 10240;

constexpr int64_t entities(rows::Kind kind) {
  return kind == rows::Kind::kUser ? kUsers : kind == rows::Kind::kGroup ? kGroups : kRoles;
}
constexpr int64_t inline_size(rows::Kind kind) {
  return kind == rows::Kind::kUser ? kInlineOfUser : kind == rows::Kind::kGroup ? kInlineOfGroup : kInlineOfRole;
}

}  // namespace coffer::iam::quotas
