#include "services/api/page_marker.h"

#include <algorithm>
#include <vector>

#include "base/base64.h"
#include "engine/crypto/digest.h"

namespace coffer::api {
namespace {

void write_text(ByteWriter& out, char kind, std::string_view text) {
  out.u8(static_cast<uint8_t>(kind));
  out.u32(static_cast<uint32_t>(text.size()));
  out.bytes(as_bytes(text));
}

void write_value(ByteWriter& out, const Value& value, std::initializer_list<std::string_view> left_out) {
  if (const auto* text = value.get_if<std::string>()) return write_text(out, 's', *text);
  if (const auto* bytes = value.get_if<Bytes>()) return write_text(out, 'y', as_text(*bytes));
  if (const auto* flag = value.get_if<bool>()) return write_text(out, 'b', *flag ? "1" : "0");
  if (const auto* number = value.get_if<int64_t>()) return write_text(out, 'n', std::to_string(*number));
  if (const auto* number = value.get_if<double>()) return write_text(out, 'd', std::to_string(*number));
  if (const auto* time = value.get_if<WallTime>()) return write_text(out, 't', std::to_string(time->micros));
  if (value.is_list()) {
    write_text(out, 'l', std::to_string(value.items().size()));
    for (const Value& item : value.items()) write_value(out, item, {});
    return;
  }
  std::vector<const Members::value_type*> members;
  for (const auto& member : value.entries()) {
    if (std::find(left_out.begin(), left_out.end(), member.first) == left_out.end()) members.push_back(&member);
  }
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  write_text(out, 'o', std::to_string(members.size()));
  for (const auto* member : members) {
    write_text(out, 'm', member->first);
    write_value(out, member->second, {});
  }
}

Bytes code_of(ByteView key, std::string_view scope, std::string_view after) {
  Bytes message;
  ByteWriter out(message);
  write_text(out, 'l', scope);
  write_text(out, 'a', after);
  const crypto::Digest256 code = crypto::HmacSha256(key).of(message);
  return to_bytes(ByteView(code).first(kPageMarkerOverhead));
}

}  // namespace

Secret page_marker_key(ByteView root, std::string_view label) {
  return Secret(crypto::hkdf_expand_sha512(root, as_bytes(label), 32));
}

std::string page_scope(std::string_view operation, std::string_view owner, const Value& input,
                       std::initializer_list<std::string_view> paging_members) {
  Bytes scope;
  ByteWriter out(scope);
  write_text(out, 'x', operation);
  write_text(out, 'w', owner);
  write_value(out, input, paging_members);
  return to_text(scope);
}

std::string make_page_marker(ByteView key, std::string_view scope, std::string_view after) {
  Bytes marker = code_of(key, scope, after);
  append(marker, as_bytes(after));
  return base64_encode(marker);
}

std::optional<std::string> open_page_marker(ByteView key, std::string_view scope, std::string_view marker) {
  const std::optional<Bytes> bytes = base64_decode(marker);
  if (!bytes || bytes->size() <= kPageMarkerOverhead) return std::nullopt;
  const ByteView view(*bytes);
  std::string after = to_text(view.subspan(kPageMarkerOverhead));
  if (!crypto::equal_constant_time(view.first(kPageMarkerOverhead), code_of(key, scope, after))) return std::nullopt;
  return after;
}

}  // namespace coffer::api
