// Keysets and key files from anywhere: parsed or refused, never a crash, and what is parsed is encoded to the same
// bytes.

#include "engine/crypto/keyset.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::crypto;

constexpr size_t kMacSize = 32;

/// 00 01 ... : the seeds in the corpus hold the root of 64 such bytes, wrapped for the key file of 32 such bytes.
Bytes counting(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

void try_keyset(ByteView input) {
  static const Bytes root = counting(kRootSize);
  static const std::unique_ptr<SlotKey> key = key_file_slot(Secret(counting(32)));
  Result<Keyset> keyset = parse_keyset(input);
  Status checked = check_keyset(input, root);
  if (!keyset.ok()) {
    require(keyset.code() == ErrorCode::kCorruption);
    require(!checked.ok());
    return;
  }
  Bytes again = encode_keyset(*keyset, root);
  require(again.size() == input.size());
  require(equal(ByteView(again).first(again.size() - kMacSize), input.first(input.size() - kMacSize)));
  if (checked.ok()) require(equal(again, input));

  Result<Secret> unlocked = unlock_keyset(*keyset, input, *key);
  if (unlocked.ok()) require(check_keyset(input, unlocked->view()).ok());
}

void try_key_file(ByteView input) {
  Result<Secret> key = parse_key_file(input);
  if (key.ok()) require(equal(as_bytes(format_key_file(key->view())), input));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  try_keyset(input);
  try_key_file(input);
  return 0;
}
