// AWS's own managed policies, as far as users of backups meet them: arn:aws:iam::aws:policy/... They are the same in
// every account and nobody changes them. For the files of this folder.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "services/iam/rows.h"
#include "services/policy/evaluate.h"

namespace coffer::iam {

inline constexpr std::string_view kAwsPolicyPrefix = "arn:aws:iam::aws:policy/";

struct AwsPolicy {
  std::string_view name, path, description, text;
};
std::span<const AwsPolicy> aws_policies();
std::string arn_of(const AwsPolicy& policy);
/// As a row, of no account.
rows::ManagedPolicy row_of(const AwsPolicy& policy);

/// Null when there is none under this ARN.
const AwsPolicy* find_aws_policy(std::string_view arn);
/// Parsed once per process.
policy::DocumentPtr document_of(const AwsPolicy& policy);

}  // namespace coffer::iam
