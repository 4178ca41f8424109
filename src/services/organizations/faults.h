// The failures of Organizations by their model names, with AWS's wording.
#pragma once
#include <string>
#include <string_view>

#include "services/api/fault.h"

namespace coffer::organizations {

inline Error not_found(std::string_view name, std::string message) {
  return api::fault(ErrorCode::kNotFound, name, std::move(message));
}
inline Error account_not_found() {
  return not_found("AccountNotFoundException", "You specified an account that doesn't exist.");
}
inline Error target_not_found() {
  return not_found("TargetNotFoundException", "You specified a target that doesn't exist.");
}
inline Error parent_not_found() {
  return not_found("ParentNotFoundException", "You specified a parent that doesn't exist.");
}
inline Error policy_not_found() {
  return not_found("PolicyNotFoundException", "You specified a policy that doesn't exist.");
}
inline Error not_in_use() {
  return api::fault(ErrorCode::kFailedPrecondition, "AWSOrganizationsNotInUseException",
                    "Your account is not a member of an organization.");
}
inline Error access_denied() {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDeniedException",
                    "You don't have permissions to access this resource.");
}
inline Error constraint(std::string_view reason, std::string message) {
  return api::fault(ErrorCode::kResourceExhausted, "ConstraintViolationException", std::move(message), reason);
}
inline Error invalid_input(std::string_view reason, std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidInputException", std::move(message), reason);
}
inline Error handshake_constraint(std::string_view reason, std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "HandshakeConstraintViolationException", std::move(message),
                    reason);
}
inline Error failed_precondition(std::string_view name, std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, name, std::move(message));
}
inline Error already_exists(std::string_view name, std::string message) {
  return api::fault(ErrorCode::kAlreadyExists, name, std::move(message));
}

}  // namespace coffer::organizations
