#include "engine/vault/put_checked.h"

#include <string>

namespace coffer::vault {

namespace {

Error cannot_trust(const store::ObjectStore& store, std::string_view key) {
  return {ErrorCode::kCorruption, "reading back " + std::string(key) + " gave other bytes than were stored",
          "the storage at " + store.describe() + " cannot be trusted: check the disk and its logs"};
}

}  // namespace

Status read_back(const Context& context, store::ObjectStore& store, std::string_view key, ByteView expected) {
  if (store.capabilities().reads_back) return ok_status();
  auto view = store.view(context, key);
  if (!view.ok()) return std::move(view).error().in("reading back " + std::string(key));
  if (!equal((*view)->bytes(), expected)) return cannot_trust(store, key);
  return ok_status();
}

Status put_and_look(const Context& context, store::ObjectStore& store, std::string_view key, ByteView body) {
  auto put = store.put(context, key, body);
  if (put.ok()) return read_back(context, store, key, body);
  auto there = store.view(Context(), key);
  if (!there.ok()) return std::move(put).error().in("storing " + std::string(key));
  ByteView bytes = (*there)->bytes();
  if (equal(bytes, body)) return ok_status();
  // The beginning of our own bytes is what a backend without atomic put leaves; it would stand in everybody's way.
  if (put.code() != ErrorCode::kAlreadyExists && bytes.size() < body.size() && equal(bytes, body.first(bytes.size()))) {
    there->reset();
    COFFER_CHECK_OK(store.remove(Context(), key));
    return std::move(put).error().in("storing " + std::string(key));
  }
  return Error{ErrorCode::kAlreadyExists, "object " + std::string(key) + " exists already", {}};
}

}  // namespace coffer::vault
