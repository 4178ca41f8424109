#include "edge/wire/address_guard.h"

#include <algorithm>

namespace coffer::wire {
namespace {

// Special-purpose addresses (RFC 6890 and its registries): this network, private, shared, loopback, link-local (where
// clouds answer with credentials), documentation, benchmarks, multicast, reserved; and the forms of IPv6 that carry an
// IPv4 address inside.
constexpr std::string_view kPrivate[] = {
    "0.0.0.0/8",      "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",   "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",  "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",  "240.0.0.0/4",    "::/96",          "64:ff9b::/96",   "64:ff9b:1::/48",
    "100::/64",       "2001::/23",    "2001:db8::/32",  "2002::/16",      "fc00::/7",       "fe80::/9",
    "ff00::/8",       "5f00::/16",
};

const std::vector<policy::AddressBlock>& private_blocks() {
  static const std::vector<policy::AddressBlock> blocks = [] {
    std::vector<policy::AddressBlock> all;
    for (std::string_view text : kPrivate) {
      const auto block = policy::parse_address_block(text);
      COFFER_ASSERT(block);
      all.push_back(*block);
    }
    return all;
  }();
  return blocks;
}

bool is_in(const std::vector<policy::AddressBlock>& blocks, const policy::AddressBlock& address) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const auto& block) { return block.contains(address); });
}

}  // namespace

Result<AddressGuard> AddressGuard::create(const std::vector<std::string>& allowed) {
  AddressGuard guard;
  for (const std::string& text : allowed) {
    const auto block = policy::parse_address_block(text);
    if (!block)
      return Error{ErrorCode::kInvalidArgument, "\"" + text + "\" is no block of addresses",
                   "write it like 10.1.0.0/16 or 127.0.0.1"};
    guard.allowed_.push_back(*block);
  }
  return guard;
}

bool AddressGuard::allows(std::string_view text) const {
  if (text.find('/') != std::string_view::npos) return false;
  const auto address = policy::parse_address_block(text);
  if (!address) return false;
  return is_in(allowed_, *address) || !is_in(private_blocks(), *address);
}

}  // namespace coffer::wire
