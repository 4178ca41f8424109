// The operations of STS and what must be allowed for them. For the files of this folder.
#pragma once
#include "services/iam/operations.h"

namespace coffer::iam::sts {

using AccessOf = Result<std::vector<api::AccessRequest>> (*)(const Request&);

Result<std::vector<api::AccessRequest>> access_to_assume_role(const Request&);
Result<std::vector<api::AccessRequest>> access_to_get_session_token(const Request&);
Result<std::vector<api::AccessRequest>> access_to_get_federation_token(const Request&);

Result<api::Value> assume_role(const Request&);
Result<api::Value> get_caller_identity(const Request&);
Result<api::Value> get_session_token(const Request&);
Result<api::Value> get_federation_token(const Request&);
Result<api::Value> get_access_key_info(const Request&);
Result<api::Value> decode_authorization_message(const Request&);

}  // namespace coffer::iam::sts
