// Entries of the commit log, and a fold over what decodes: never a crash, one encoding for each entry, and an entry
// that the state refuses changes nothing.

#include "engine/vault/commit_log.h"
#include "fuzz/require.h"

namespace {}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace coffer;
  using namespace coffer::vault;
  ByteReader input(std::as_bytes(std::span(data, size)));
  LogState state;
  // The input is a row of entries, each after its u16 length.
  while (input.ok() && input.left() > 0) {
    const ByteView bytes = input.bytes(input.u16());
    auto entry = decode_log_entry(bytes);
    if (!entry.ok()) {
      require(entry.code() == ErrorCode::kCorruption);
      continue;
    }
    require(equal(encode_log_entry(*entry), bytes));
    const size_t live = state.live.size(), ever = state.ever_committed.size(),
                 tombstones = state.open_tombstones.size();
    if (!state.apply(*entry).ok())
      require(state.live.size() == live && state.ever_committed.size() == ever &&
              state.open_tombstones.size() == tombstones);
    require(state.live.size() <= state.ever_committed.size());
  }
  return 0;
}
