// Base64 (RFC 4648 section 4), with padding.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace coffer {

std::string base64_encode(ByteView bytes);
/// Nothing unless `text` is what base64_encode writes: other characters, missing padding and stray bits are refused.
std::optional<Bytes> base64_decode(std::string_view text);

}  // namespace coffer
