#include "engine/vault/chunk.h"

namespace coffer::vault {

std::string pack_key(const PackId& id) {
  const std::string hex = to_hex(id);
  return "packs/" + hex.substr(0, 2) + "/" + hex;
}

std::string index_key(const crypto::ObjectId& id) { return "index/" + to_hex(id); }

}  // namespace coffer::vault
