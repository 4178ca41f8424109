#include "engine/crypto/escrow.h"

#include <algorithm>
#include <map>

#include "engine/crypto/digest.h"
#include "engine/crypto/slot_wrap.h"

namespace coffer::crypto {
namespace {

constexpr std::string_view kType = "escrow";
constexpr std::string_view kSlotLabel = "coffer escrow slot v1";
constexpr std::string_view kCheckLabel = "coffer escrow share v1";
constexpr std::string_view kHumanPart = "coffer-share";
constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr uint32_t kBech32m = 0x2bc830a3;
constexpr size_t kChecksumSize = 6;
constexpr uint8_t kVersion = 1;
constexpr size_t kKeySize = 32, kSaltSize = 32;
constexpr size_t kPayloadSize = 1 + 8 + 3 + kKeySize;
constexpr size_t kTextSizeMax = 16 << 10;

Error bad_share(std::string what) {
  return {ErrorCode::kInvalidArgument, "not a share of an escrow: " + std::move(what),
          "look at the paper again: a share is one line that begins with coffer-share1"};
}

// ---- Bech32m (BIP 350): groups of 5 bits, a BCH code over them

uint32_t polymod(const std::vector<uint8_t>& values) {
  constexpr std::array<uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  uint32_t check = 1;
  for (uint8_t v : values) {
    const uint32_t top = check >> 25;
    check = (check & 0x1ffffff) << 5 ^ v;
    for (size_t i = 0; i < kGenerator.size(); ++i)
      if ((top >> i & 1) != 0) check ^= kGenerator[i];
  }
  return check;
}

std::vector<uint8_t> expanded_human_part() {
  std::vector<uint8_t> out;
  for (char c : kHumanPart) out.push_back(static_cast<uint8_t>(c >> 5));
  out.push_back(0);
  for (char c : kHumanPart) out.push_back(static_cast<uint8_t>(c & 31));
  return out;
}

std::vector<uint8_t> to_groups(ByteView bytes) {
  std::vector<uint8_t> groups;
  uint32_t bits = 0, count = 0;
  for (std::byte b : bytes) {
    bits = (bits << 8 | static_cast<uint32_t>(b)) & 0xfff;
    for (count += 8; count >= 5; count -= 5) groups.push_back(static_cast<uint8_t>(bits >> (count - 5) & 31));
  }
  if (count > 0) groups.push_back(static_cast<uint8_t>(bits << (5 - count) & 31));
  return groups;
}

/// Nothing when the last group has bits that no byte fills.
std::optional<Bytes> from_groups(const std::vector<uint8_t>& groups) {
  Bytes bytes;
  uint32_t bits = 0, count = 0;
  for (uint8_t g : groups) {
    bits = (bits << 5 | g) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>(bits >> count & 0xff));
  }
  if (count >= 5 || (bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

Result<Bytes> decode_line(std::string_view line) {
  if (!line.starts_with(kHumanPart) || line.size() <= kHumanPart.size() || line[kHumanPart.size()] != '1')
    return bad_share("it does not begin with coffer-share1");
  std::vector<uint8_t> values = expanded_human_part(), groups;
  for (char c : line.substr(kHumanPart.size() + 1)) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos)
      return bad_share("the letters b, i, o, the digit 1 and signs do not occur behind the beginning");
    groups.push_back(static_cast<uint8_t>(value));
  }
  const size_t expected = (kPayloadSize * 8 + 4) / 5 + kChecksumSize;
  if (groups.size() != expected)
    return bad_share("it has " + std::to_string(groups.size()) + " characters behind the beginning, not " +
                     std::to_string(expected));
  values.insert(values.end(), groups.begin(), groups.end());
  if (polymod(values) != kBech32m) return bad_share("its check does not hold: some character was mistaken");
  groups.resize(groups.size() - kChecksumSize);
  auto bytes = from_groups(groups);
  if (!bytes || bytes->size() != kPayloadSize) return bad_share("its length is wrong");
  return std::move(*bytes);
}

std::array<std::byte, 16> check_of(const EscrowShare& share) {
  Bytes text = to_bytes(kCheckLabel);
  text.push_back(std::byte{0});
  append(text, share.set);
  text.push_back(static_cast<std::byte>(share.index));
  append(text, share.value.view());
  const Digest256 digest = sha256(text);
  wipe(text);
  std::array<std::byte, 16> check{};
  std::copy_n(digest.begin(), check.size(), check.begin());
  return check;
}

std::string numbers(const std::vector<uint8_t>& indexes) {
  std::string out;
  for (uint8_t i : indexes) out += (out.empty() ? "" : ", ") + std::to_string(i);
  return out;
}

// ---- the slot

struct Parameters {
  EscrowSlotInfo info;
  std::array<std::byte, kSaltSize> salt{};
};

Result<Parameters> parse_parameters(const KeySlot& slot) {
  const Error bad{ErrorCode::kCorruption, "keyset: slot \"" + slot.name + "\" is no escrow slot that can be read", {}};
  ByteReader r(slot.parameters);
  if (slot.type != kType || r.u8() != kVersion) return bad;
  Parameters p;
  p.info.set = r.array<8>();
  p.info.threshold = r.u8();
  p.info.count = r.u8();
  p.salt = r.array<kSaltSize>();
  if (p.info.threshold < 2 || p.info.threshold > p.info.count || p.info.count > kEscrowSharesMax) return bad;
  for (int i = 0; i < p.info.count; ++i) p.info.checks.push_back(r.array<16>());
  if (!r.done()) return bad;
  return p;
}

class EscrowSlotKey final : public SlotKey {
 public:
  EscrowSlotKey(Secret key, std::vector<EscrowShare> shares) : key_(std::move(key)), shares_(std::move(shares)) {}
  [[nodiscard]] std::string type() const override { return std::string(kType); }

  /// Only the maker of a set has all its shares.
  Result<KeySlot> wrap(std::string_view slot_name, ByteView root, ByteView binding, Entropy& entropy) override {
    const EscrowShare& any = shares_.front();
    if (shares_.size() != any.count)
      return Error{ErrorCode::kFailedPrecondition,
                   "an escrow slot is made together with its shares, not from a part of them",
                   "make a new set with: coffer escrow create NAME"};
    const auto salt = entropy.array<kSaltSize>();
    Bytes parameters;
    ByteWriter w(parameters);
    w.u8(kVersion);
    w.bytes(any.set);
    w.u8(any.threshold);
    w.u8(any.count);
    w.bytes(salt);
    for (const EscrowShare& share : shares_) w.bytes(check_of(share));
    return KeySlot{.type = type(),
                   .name = std::string(slot_name),
                   .parameters = std::move(parameters),
                   .wrapped = wrap_root_with(key_.view(), kSlotLabel, salt, binding, root)};
  }

  Result<Secret> unwrap(const KeySlot& slot, ByteView binding) override {
    COFFER_TRY(const Parameters p, parse_parameters(slot));
    if (p.info.set != shares_.front().set)
      return Error{ErrorCode::kUnauthenticated, "the shares are of another set than the slot", {}};
    std::vector<uint8_t> wrong;
    for (const EscrowShare& share : shares_)
      if (!is_share_of(p.info, share)) wrong.push_back(share.index);
    if (!wrong.empty())
      return Error{ErrorCode::kInvalidArgument,
                   (wrong.size() == 1 ? "share " : "shares ") + numbers(wrong) + " of set " + to_hex(p.info.set) +
                       (wrong.size() == 1 ? " is not what was" : " are not what was") + " handed out",
                   "ask another holder; whoever gave the wrong share has some explaining to do"};
    return unwrap_root_with(key_.view(), kSlotLabel, p.salt, binding, slot);
  }

 private:
  Secret key_;
  std::vector<EscrowShare> shares_;  // at least one
};

EscrowShare copy_of(const EscrowShare& share) {
  return {share.set, share.threshold, share.count, share.index, share.value.clone()};
}

std::vector<ShamirShare> plain_shares(const std::vector<EscrowShare>& shares, size_t count) {
  std::vector<ShamirShare> out;
  for (size_t i = 0; i < count; ++i) out.push_back({shares[i].index, shares[i].value.clone()});
  return out;
}

}  // namespace

std::string format_share(const EscrowShare& share) {
  COFFER_ASSERT(share.value.size() == kKeySize);
  Bytes payload;
  payload.reserve(kPayloadSize);  // so that no copy of the value stays behind
  ByteWriter w(payload);
  w.u8(kVersion);
  w.bytes(share.set);
  w.u8(share.threshold);
  w.u8(share.count);
  w.u8(share.index);
  w.bytes(share.value.view());
  std::vector<uint8_t> groups = to_groups(payload), values = expanded_human_part();
  wipe(payload);
  values.insert(values.end(), groups.begin(), groups.end());
  values.insert(values.end(), kChecksumSize, 0);
  const uint32_t check = polymod(values) ^ kBech32m;
  for (size_t i = 0; i < kChecksumSize; ++i)
    groups.push_back(static_cast<uint8_t>(check >> (5 * (kChecksumSize - 1 - i)) & 31));
  std::string text = std::string(kHumanPart) + "1";
  for (uint8_t g : groups) text += kAlphabet[g];
  return text;
}

Result<EscrowShare> parse_share(std::string_view text) {
  if (text.size() > kTextSizeMax) return bad_share("it is far too long");
  // A share is often written in groups or broken over lines; notes about it begin with '#'.
  std::string line;
  bool note = false, at_line_start = true, lower = false, upper = false;
  for (char c : text) {
    if (c == '\n' || c == '\r') {
      note = false;
      at_line_start = true;
      continue;
    }
    if (at_line_start && c == '#') note = true;
    if (c != ' ' && c != '\t') at_line_start = false;
    if (note || c == ' ' || c == '\t') continue;
    lower = lower || (c >= 'a' && c <= 'z');
    upper = upper || (c >= 'A' && c <= 'Z');
    line += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (line.empty()) return bad_share("there is nothing");
  if (lower && upper) return bad_share("it is neither all capitals nor all small letters");
  COFFER_TRY(Bytes payload, decode_line(line));
  wipe({reinterpret_cast<std::byte*>(line.data()), line.size()});
  ByteReader r(payload);
  if (r.u8() != kVersion) {
    wipe(payload);
    return Error{ErrorCode::kInvalidArgument, "the share is of a newer form", "use a newer version of coffer"};
  }
  EscrowShare share;
  share.set = r.array<8>();
  share.threshold = r.u8();
  share.count = r.u8();
  share.index = r.u8();
  share.value = Secret::copy_of(r.bytes(kKeySize));
  const bool done = r.done();
  wipe(payload);
  if (!done || share.threshold < 2 || share.threshold > share.count || share.count > kEscrowSharesMax ||
      share.index == 0 || share.index > share.count)
    return bad_share("its numbers are impossible");
  return share;
}

Result<EscrowSet> make_escrow(uint8_t threshold, uint8_t count, Entropy& entropy) {
  if (threshold < 2 || threshold > count || count > kEscrowSharesMax)
    return Error{ErrorCode::kInvalidArgument,
                 "an escrow needs 2 to " + std::to_string(kEscrowSharesMax) + " shares, and of these 2 or more to open",
                 "3 of 5 is a good beginning"};
  const auto set = entropy.array<8>();
  Bytes random(kKeySize);
  entropy.fill(random);
  Secret key(std::move(random));
  EscrowSet made;
  std::vector<EscrowShare> own;
  for (ShamirShare& share : shamir_split(key.view(), threshold, count, entropy)) {
    own.push_back({set, threshold, count, share.index, share.value.clone()});
    made.shares.push_back({set, threshold, count, share.index, std::move(share.value)});
  }
  made.key = std::make_unique<EscrowSlotKey>(std::move(key), std::move(own));
  return made;
}

Result<std::unique_ptr<SlotKey>> combine_escrow(std::vector<EscrowShare> shares) {
  if (shares.empty()) return Error{ErrorCode::kInvalidArgument, "no share was given", {}};
  std::map<EscrowSetId, std::vector<uint8_t>> by_set;
  for (const EscrowShare& share : shares) by_set[share.set].push_back(share.index);
  if (by_set.size() > 1) {
    std::string sets;
    for (const auto& [set, indexes] : by_set)
      sets += (sets.empty() ? "" : "; ") + ("set " + to_hex(set)) + ": " + numbers(indexes);
    return Error{ErrorCode::kInvalidArgument, "these are shares of different sets (" + sets + ")",
                 "bring shares of one set together"};
  }
  std::vector<EscrowShare> distinct;
  for (const EscrowShare& share : shares) {
    const EscrowShare& first = shares.front();
    if (share.threshold != first.threshold || share.count != first.count)
      return Error{ErrorCode::kInvalidArgument,
                   "shares " + numbers({first.index, share.index}) + " say of one set that it is " +
                       std::to_string(first.threshold) + " of " + std::to_string(first.count) + " and " +
                       std::to_string(share.threshold) + " of " + std::to_string(share.count),
                   "one of them is forged"};
    const auto same = std::find_if(distinct.begin(), distinct.end(),
                                   [&](const EscrowShare& other) { return other.index == share.index; });
    if (same == distinct.end())
      distinct.push_back(copy_of(share));
    else if (!equal_constant_time(same->value.view(), share.value.view()))
      return Error{ErrorCode::kInvalidArgument,
                   "share " + std::to_string(share.index) + " was given twice, with different values", "one is forged"};
  }
  const uint8_t threshold = distinct.front().threshold;
  if (distinct.size() < threshold) {
    std::vector<uint8_t> there, missing;
    for (const EscrowShare& share : distinct) there.push_back(share.index);
    for (uint8_t i = 1; i <= distinct.front().count; ++i)
      if (std::find(there.begin(), there.end(), i) == there.end()) missing.push_back(i);
    return Error{
        ErrorCode::kInvalidArgument,
        std::to_string(threshold) + " shares of set " + to_hex(distinct.front().set) + " are needed, " +
            (there.size() == 1 ? "only share " + numbers(there) + " is" : "only shares " + numbers(there) + " are") +
            " here",
        "ask the holders of " + numbers(missing)};
  }
  Secret key = shamir_combine(plain_shares(distinct, threshold));
  return std::unique_ptr<SlotKey>(std::make_unique<EscrowSlotKey>(std::move(key), std::move(distinct)));
}

Result<EscrowSlotInfo> escrow_slot_info(const KeySlot& slot) {
  COFFER_TRY(Parameters parameters, parse_parameters(slot));
  return std::move(parameters.info);
}

bool is_share_of(const EscrowSlotInfo& slot, const EscrowShare& share) {
  return share.set == slot.set && share.threshold == slot.threshold && share.count == slot.count && share.index >= 1 &&
         share.index <= slot.count && equal_constant_time(check_of(share), slot.checks[share.index - 1U]);
}

}  // namespace coffer::crypto
