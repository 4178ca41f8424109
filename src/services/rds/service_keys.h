// KMS keys as this service and services/backup use them: named by a user, used later by the service itself.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/action.h"
#include "services/kms/service.h"

namespace coffer::rds {

/// The ARN of the key that `name` (id, ARN, alias) means in the call's Region, asked of KMS as the caller; of the
/// account's AWS managed key `alias/aws/<service>` when `name` is empty, which is made when it is missing. For
/// prepare() of an action: KMS may write. Failures are KMS's own.
Result<std::string> find_key(const api::Invoke& invoke, const api::Operation& operation, std::string_view name,
                             std::string_view service, Entropy& entropy);

/// As the caller, a grant by which `principal` ("backup.amazonaws.com") may encrypt, decrypt and describe by itself
/// from now on. The same grant is there once, however often this is asked for. Unneeded for AWS managed keys, which
/// their service may use. For prepare() of an action.
Status let_service_use_key(const api::Invoke& invoke, const api::Operation& operation, const std::string& key_arn,
                           std::string_view principal);

/// Whom a service is when nobody's request is being answered.
struct ServiceIdentity {
  std::string principal;   // "rds.amazonaws.com"
  std::string account;     // for which it acts
  std::string source_arn;  // for what: a vault, a database
};
/// Encrypt and Decrypt as the service by itself. In the key's own Region.
std::unique_ptr<kms::KeyClient> service_key_client(api::Invoke invoke, Clock& clock, Entropy& entropy,
                                                   ServiceIdentity identity);
/// A call of `identity` to KMS.
api::Call service_call(const ServiceIdentity& identity, std::string_view service, std::string_view operation,
                       std::string_view region, WallTime now, Entropy& entropy);

}  // namespace coffer::rds
