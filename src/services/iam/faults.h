// IAM's failures by the names its model gives them. For the files of this folder.
#pragma once
#include <string>
#include <string_view>

#include "services/api/fault.h"

namespace coffer::iam {

inline Error no_such_entity(std::string message) {
  return api::fault(ErrorCode::kNotFound, "NoSuchEntity", std::move(message));
}
inline Error already_exists(std::string message) {
  return api::fault(ErrorCode::kAlreadyExists, "EntityAlreadyExists", std::move(message));
}
inline Error limit_exceeded(std::string message) {
  return api::fault(ErrorCode::kResourceExhausted, "LimitExceeded", std::move(message));
}
/// `quota`: "UsersPerAccount".
inline Error quota_exceeded(std::string_view quota, int64_t most) {
  return limit_exceeded("Cannot exceed quota for " + std::string(quota) + ": " + std::to_string(most));
}
inline Error delete_conflict(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "DeleteConflict", std::move(message));
}
inline Error invalid_input(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidInput", std::move(message));
}
inline Error validation_error(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationError", std::move(message));
}
inline Error malformed_policy(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedPolicyDocument", std::move(message));
}
inline Error unmodifiable(std::string message) {
  return api::fault(ErrorCode::kFailedPrecondition, "UnmodifiableEntity", std::move(message));
}
inline Error not_attachable(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "PolicyNotAttachable", std::move(message));
}
/// Whoever gets it learns nothing about what the token or key was.
inline Error invalid_token() {
  return api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId",
                    "The security token included in the request is invalid.");
}
inline Error expired_token() {
  return api::fault(ErrorCode::kUnauthenticated, "ExpiredToken",
                    "The security token included in the request is expired");
}

}  // namespace coffer::iam
