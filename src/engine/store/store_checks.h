// What every backend checks and answers in the same way, so that the contract's errors are written once.
#pragma once
#include "engine/store/object_store.h"

namespace coffer::store {

/// Names that a backend gives to unfinished objects begin with this; check_key() refuses it in keys.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";

/// kInvalidArgument unless `prefix` is empty or a key followed by '/'.
Status check_prefix(std::string_view prefix);
/// kInvalidArgument for a bad key or a body larger than kObjectSizeMax.
Status check_put(std::string_view key, ByteView body);
/// kCorruption unless an object of `size_bytes` has the whole range.
Status check_range(std::string_view key, uint64_t size_bytes, uint64_t offset, uint64_t length);

Error no_such_object(std::string_view key);  // kNotFound
Error object_exists(std::string_view key);   // kAlreadyExists
/// kInvalidArgument: the key of one object cannot be a folder of another's, because a directory tree has no place for
/// it.
Error key_is_folder(std::string_view key);

}  // namespace coffer::store
