// When a bucket policy counts as public: S3 User Guide, "The meaning of public".
#include <algorithm>

#include "services/policy/statement.h"
#include "services/policy/text.h"
#include "services/s3/operations.h"

namespace coffer::s3 {
namespace {

using policy::Condition;
using Family = policy::Operator::Family;

constexpr int kWidestV4Bits = 8, kWidestV6Bits = 32;

/// Keys whose fixed value says who may come.
bool narrows(std::string_view key) {
  static constexpr std::string_view kKeys[] = {"aws:sourcearn",
                                               "aws:sourcevpc",
                                               "aws:sourcevpce",
                                               "aws:sourceowner",
                                               "aws:sourceaccount",
                                               "aws:sourceorgid",
                                               "aws:sourceorgpaths",
                                               "aws:principalorgid",
                                               "aws:principalorgpaths",
                                               "aws:principalaccount",
                                               "aws:principalarn",
                                               "aws:principalservicename",
                                               "aws:userid",
                                               "s3:x-amz-server-side-encryption-aws-kms-key-id",
                                               "s3:dataaccesspointarn",
                                               "s3:dataaccesspointaccount"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

bool is_narrow(const policy::AddressBlock& block) {
  // Private networks are nobody's from outside, however wide.
  static const auto kPrivate = {policy::parse_address_block("10.0.0.0/8"), policy::parse_address_block("172.16.0.0/12"),
                                policy::parse_address_block("192.168.0.0/16")};
  for (const auto& network : kPrivate) {
    if (network->contains(block)) return true;
  }
  return block.prefix_bits >= (block.size_bytes == 4 ? kWidestV4Bits : kWidestV6Bits);
}

/// Holds only for callers that somebody chose.
bool is_fixed(const Condition& condition) {
  const policy::Operator& op = condition.op;
  // These hold for whoever lacks the key, or for all but some.
  if (op.negated || op.if_exists || op.set == policy::Operator::Set::kForAllValues) return false;
  const std::string key = policy::lower_case(condition.key);
  if (op.family == Family::kIp && key == "aws:sourceip")
    return !condition.blocks.empty() && std::all_of(condition.blocks.begin(), condition.blocks.end(), is_narrow);
  if ((op.family != Family::kString && op.family != Family::kArn) || !narrows(key)) return false;
  return !condition.patterns.empty() && std::all_of(condition.patterns.begin(), condition.patterns.end(),
                                                    [](const policy::Pattern& p) { return p.is_fixed(); });
}

bool is_public(const policy::Statement& statement) {
  if (!statement.allows || statement.idle) return false;
  const bool anyone = statement.principal_negated ||
                      std::any_of(statement.principals.begin(), statement.principals.end(),
                                  [](const auto& p) { return p.form == policy::Principal::Form::kAnyone; });
  return anyone && std::none_of(statement.conditions.begin(), statement.conditions.end(), is_fixed);
}

}  // namespace

bool is_public(const policy::Document& document) {
  const auto& statements = document.statements();
  return std::any_of(statements.begin(), statements.end(), [](const auto& s) { return is_public(s); });
}

}  // namespace coffer::s3
