// Tags as requests bring them.
#include <algorithm>

#include "engine/sigv4/percent.h"
#include "services/policy/text.h"
#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

constexpr size_t kKeySizeMax = 128, kValueSizeMax = 256;  // characters

Error invalid_tag(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidTag", std::move(message));
}

size_t character_count(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}
/// Letters, digits and spaces of any script, and a few signs.
bool is_tag_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || policy::is_letter_or_digit(c) ||
           std::string_view(" _.:/=+-@").find(c) != std::string_view::npos;
  });
}

Status add(std::map<std::string, std::string>& tags, std::string key, std::string value) {
  if (key.empty() || character_count(key) > kKeySizeMax || !is_tag_text(key))
    return invalid_tag("The TagKey you have provided is invalid");
  if (character_count(value) > kValueSizeMax || !is_tag_text(value))
    return invalid_tag("The TagValue you have provided is invalid");
  if (policy::lower_case(key).starts_with("aws:"))
    return invalid_tag("System tags cannot be added/updated by requester");
  if (!tags.emplace(std::move(key), std::move(value)).second)
    return invalid_tag("Cannot provide multiple Tags with the same key");
  return ok_status();
}

Error too_many(size_t count_max) {
  return api::fault(ErrorCode::kInvalidArgument, "BadRequest",
                    count_max == kObjectTagsMax
                        ? "Object tags cannot be greater than 10"
                        : "Bucket tag count cannot be greater than " + std::to_string(count_max));
}

}  // namespace

Result<std::map<std::string, std::string>> tags_of(const api::Value& tagging, size_t count_max) {
  const api::List& set = tagging.list("TagSet");
  if (set.size() > count_max) return too_many(count_max);
  std::map<std::string, std::string> tags;
  for (const api::Value& tag : set) {
    if (!tag.has("Key") || !tag.has("Value")) return malformed_xml();
    COFFER_CHECK_OK(add(tags, std::string(tag.text("Key")), std::string(tag.text("Value"))));
  }
  return tags;
}

Result<std::map<std::string, std::string>> tags_of_header(std::string_view header) {
  const Error invalid = api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                                   "parameters without tag name duplicates.");
  std::map<std::string, std::string> tags;
  if (header.empty()) return tags;
  auto pairs = sigv4::parse_query(header, true);
  if (!pairs) return invalid;
  if (pairs->size() > kObjectTagsMax) return too_many(kObjectTagsMax);
  for (auto& [key, value] : *pairs) {
    if (tags.contains(key)) return invalid;
    COFFER_CHECK_OK(add(tags, std::move(key), std::move(value)));
  }
  return tags;
}

api::Value tag_set_value(const std::map<std::string, std::string>& tags) {
  api::List set;
  for (const auto& [key, value] : tags) set.push_back(api::Value::object({{"Key", key}, {"Value", value}}));
  return set;
}

}  // namespace coffer::s3
