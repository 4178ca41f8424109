// What must be allowed for an operation of IAM: action, resource ARN, condition keys. For the files of this folder.
#pragma once
#include "services/iam/operations.h"

namespace coffer::iam::access {

using Of = Result<std::vector<api::AccessRequest>> (*)(const Request&);

/// Actions that know no resource: lists, the account.
Result<std::vector<api::AccessRequest>> everything(const Request&);
/// The user that UserName names, or the caller.
Result<std::vector<api::AccessRequest>> user(const Request&);
Result<std::vector<api::AccessRequest>> group(const Request&);
Result<std::vector<api::AccessRequest>> role(const Request&);
/// The managed policy that PolicyArn names.
Result<std::vector<api::AccessRequest>> policy(const Request&);
/// The user to whom AccessKeyId belongs.
Result<std::vector<api::AccessRequest>> key_owner(const Request&);
/// The user, group or role that PolicySourceArn names.
Result<std::vector<api::AccessRequest>> policy_source(const Request&);
/// What is about to be created.
Result<std::vector<api::AccessRequest>> new_user(const Request&);
Result<std::vector<api::AccessRequest>> new_group(const Request&);
Result<std::vector<api::AccessRequest>> new_role(const Request&);
Result<std::vector<api::AccessRequest>> new_policy(const Request&);
Result<std::vector<api::AccessRequest>> new_service_linked_role(const Request&);
/// The user or group as it is and as it will be called.
Result<std::vector<api::AccessRequest>> renamed_user(const Request&);
Result<std::vector<api::AccessRequest>> renamed_group(const Request&);

/// Credentials of GetSessionToken and GetFederationToken do not reach IAM: whoever took them could otherwise make
/// himself lasting ones.
Status check_credentials(const api::Caller& caller);

}  // namespace coffer::iam::access
