#include "engine/store/store_checks.h"

namespace coffer::store {

Status check_prefix(std::string_view prefix) {
  if (prefix.empty()) return ok_status();
  if (!prefix.ends_with('/'))
    return Error{ErrorCode::kInvalidArgument, "the prefix of a listing is neither empty nor ends with '/'", {}};
  return check_key(prefix.substr(0, prefix.size() - 1));
}

Status check_put(std::string_view key, ByteView body) {
  COFFER_CHECK_OK(check_key(key));
  if (body.size() <= kObjectSizeMax) return ok_status();
  return Error{ErrorCode::kInvalidArgument,
               "the object " + std::string(key) + " would have " + std::to_string(body.size()) +
                   " bytes, more than the " + std::to_string(kObjectSizeMax) + " that one may have",
               {}};
}

Status check_range(std::string_view key, uint64_t size_bytes, uint64_t offset, uint64_t length) {
  if (offset <= size_bytes && length <= size_bytes - offset) return ok_status();
  return Error{ErrorCode::kCorruption,
               "the object " + std::string(key) + " is too short: it has " + std::to_string(size_bytes) +
                   " bytes, and " + std::to_string(length) + " from " + std::to_string(offset) + " on were asked for",
               {}};
}

Error no_such_object(std::string_view key) {
  return {ErrorCode::kNotFound, "there is no object " + std::string(key), {}};
}

Error object_exists(std::string_view key) {
  return {ErrorCode::kAlreadyExists, "the object " + std::string(key) + " exists already", {}};
}

Error key_is_folder(std::string_view key) {
  return {ErrorCode::kInvalidArgument, std::string(key) + " cannot be an object and a folder of objects at once", {}};
}

}  // namespace coffer::store
