#include "services/organizations/page.h"

#include <algorithm>

#include "base/base64.h"
#include "engine/crypto/digest.h"
#include "services/organizations/faults.h"
#include "services/organizations/rows.h"

namespace coffer::organizations {
namespace {

constexpr size_t kMacSize = 16;

/// Everything that decides which list this is, in one unambiguous text.
void describe(ByteWriter& out, const api::Value& value) {
  if (const auto* text = value.get_if<std::string>()) {
    out.u8('s');
    out.u32(static_cast<uint32_t>(text->size()));
    out.bytes(as_bytes(*text));
  } else if (const auto* number = value.get_if<int64_t>()) {
    out.u8('n');
    out.u64(static_cast<uint64_t>(*number));
  } else if (value.is_list()) {
    out.u8('l');
    out.u32(static_cast<uint32_t>(value.items().size()));
    for (const api::Value& item : value.items()) describe(out, item);
  } else if (value.is_object()) {
    // Members by name: another order is the same request.
    std::vector<const api::Members::value_type*> members;
    for (const auto& member : value.entries()) {
      if (member.first != "NextToken" && member.first != "MaxResults") members.push_back(&member);
    }
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    out.u8('o');
    out.u32(static_cast<uint32_t>(members.size()));
    for (const auto* member : members) {
      out.string16(member->first);
      describe(out, member->second);
    }
  } else {
    out.u8('-');
  }
}

crypto::Digest256 mac_of(const api::Operation& operation, ByteView key, std::string_view id) {
  Bytes message;
  ByteWriter out(message);
  out.string16(operation.call.operation);
  out.string16(operation.call.caller.account);
  out.string16(id);
  describe(out, operation.input);
  return crypto::HmacSha256(key).of(message);
}

Error bad_token() { return invalid_input("INVALID_NEXT_TOKEN", "You provided an invalid value for NextToken."); }

}  // namespace

Result<Page> Page::open(const api::Operation& operation, int64_t size_max) {
  const int64_t size = std::clamp<int64_t>(operation.input.integer("MaxResults").value_or(size_max), 1, size_max);
  Page page(operation, size);
  const std::string_view token = operation.input.text("NextToken");
  if (token.empty()) return page;
  const std::optional<Bytes> bytes = base64_decode(token);
  if (!bytes || bytes->size() <= kMacSize || bytes->size() > 1024) return bad_token();
  COFFER_TRY(std::optional<Bytes> key, rows::page_key(operation.transaction));
  if (!key) return bad_token();
  const ByteView view(*bytes);
  std::string id = to_text(view.subspan(kMacSize));
  const crypto::Digest256 mac = mac_of(operation, *key, id);
  if (!crypto::equal_constant_time(view.first(kMacSize), ByteView(mac).first(kMacSize))) return bad_token();
  page.after_ = std::move(id);
  return page;
}

Result<std::string> Page::token_for(std::string_view id) const {
  COFFER_TRY(std::optional<Bytes> key, rows::page_key(operation_.transaction));
  COFFER_ASSERT(key);  // made with the first organization, without which no list has an entry
  const crypto::Digest256 mac = mac_of(operation_, *key, id);
  Bytes token = to_bytes(ByteView(mac).first(kMacSize));
  append(token, as_bytes(id));
  return base64_encode(token);
}

Result<api::Value> Page::output(std::string_view member, std::vector<Item> items) const {
  api::Value out = api::Value::object();
  const bool more = std::cmp_greater(items.size(), size_);
  if (more) items.resize(static_cast<size_t>(size_));
  api::List list;
  for (Item& item : items) list.push_back(std::move(item.value));
  out.set(member, std::move(list));
  if (more) {
    COFFER_TRY(std::string token, token_for(items.back().id));
    out.set("NextToken", std::move(token));
  }
  return out;
}

}  // namespace coffer::organizations
