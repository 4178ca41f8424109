// Putting whole objects whose bytes are known, and being sure of it. For keysets, manifests and packs.
#pragma once
#include <string_view>

#include "base/context.h"
#include "base/result.h"
#include "engine/store/object_store.h"

namespace coffer::vault {

/// What the store gives for `key` is `expected`; kCorruption says that the storage cannot be trusted. Nothing is read
/// where put() has done so.
Status read_back(const Context& context, store::ObjectStore& store, std::string_view key, ByteView expected);

/// put() and read_back(); after an error that leaves open whether it happened, a look. The beginning of our own bytes,
/// which a backend without atomic put may leave, is removed again. kAlreadyExists when other bytes are there.
Status put_and_look(const Context& context, store::ObjectStore& store, std::string_view key, ByteView body);

}  // namespace coffer::vault
