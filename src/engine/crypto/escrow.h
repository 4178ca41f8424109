// Escrow: a slot that opens when several people bring their shares together, and none of them alone.
//
// Vocabulary. set: one splitting of one key of 32 random bytes; it has an id, so that shares of two sets are told
// apart. share: what one holder keeps, a line of text that detects typing errors. check: what the slot keeps of each
// share, so that a wrong one is named; 16 bytes of a hash over 32 random bytes tell nothing of them.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/keyset.h"
#include "engine/crypto/shamir.h"

namespace coffer::crypto {

using EscrowSetId = std::array<std::byte, 8>;

struct EscrowShare {
  EscrowSetId set{};
  uint8_t threshold = 0, count = 0;  // any `threshold` of `count`
  uint8_t index = 0;                 // 1 to count
  Secret value;                      // 32 bytes
};

inline constexpr uint8_t kEscrowSharesMax = 32;

/// "coffer-share1" and 77 more letters and digits: Bech32m, which finds every error of up to four characters.
std::string format_share(const EscrowShare& share);
/// The share in `text`: lines that begin with '#' and blanks are passed over, capitals are allowed. kInvalidArgument
/// says what is wrong.
Result<EscrowShare> parse_share(std::string_view text);

/// A new set: its shares, and the key that makes its slot. 2 <= threshold <= count <= kEscrowSharesMax.
struct EscrowSet {
  std::vector<EscrowShare> shares;
  std::unique_ptr<SlotKey> key;
};
Result<EscrowSet> make_escrow(uint8_t threshold, uint8_t count, Entropy& entropy);

/// The key of a set, from its shares. kInvalidArgument names what is wrong: too few, two of one index with other
/// values, of two sets. A share twice is one. Whether the shares are the right ones shows at the slot: unwrap() gives
/// kInvalidArgument naming the wrong ones.
Result<std::unique_ptr<SlotKey>> combine_escrow(std::vector<EscrowShare> shares);

/// What a slot of type "escrow" says in clear. kCorruption when it is none.
struct EscrowSlotInfo {
  EscrowSetId set{};
  uint8_t threshold = 0, count = 0;
  std::vector<std::array<std::byte, 16>> checks;  // of the shares 1 to count
};
Result<EscrowSlotInfo> escrow_slot_info(const KeySlot& slot);
/// Is this the share that was made for this slot?
bool is_share_of(const EscrowSlotInfo& slot, const EscrowShare& share);

}  // namespace coffer::crypto
