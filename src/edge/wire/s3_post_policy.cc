#include "edge/wire/s3_post_policy.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

namespace json = boost::json;

Error broken(std::string_view why) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidPolicyDocument", "Invalid Policy: " + std::string(why));
}
Error refused(std::string why) {
  return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Invalid according to Policy: " + std::move(why));
}

/// Fields that no condition has to name.
bool needs_no_condition(std::string_view name) {
  static constexpr std::string_view kFree[] = {"awsaccesskeyid", "x-amz-signature", "signature", "file", "policy"};
  return std::find(std::begin(kFree), std::end(kFree), name) != std::end(kFree) || name.starts_with("x-ignore-");
}

class Checker {
 public:
  Checker(const S3Form& form, std::string_view bucket) : form_(form), bucket_(bucket) {}

  Status condition(const json::value& condition) {
    if (const json::object* exact = condition.if_object()) {
      if (exact->empty()) return broken("Invalid Simple-Condition: it names nothing.");
      for (const auto& [name, value] : *exact) {
        if (!value.is_string()) return broken("Invalid Simple-Condition: value must be a string.");
        COFFER_CHECK_OK(compare("eq", name, value.get_string()));
      }
      return ok_status();
    }
    const json::array* parts = condition.if_array();
    if (!parts || parts->size() != 3 || !(*parts)[0].is_string())
      return broken("Invalid Condition: it must be an object, or a list of three.");
    const std::string kind = lower_case(std::string_view((*parts)[0].get_string()));
    if (kind == "content-length-range") return length_range((*parts)[1], (*parts)[2]);
    const json::string* name = (*parts)[1].if_string();
    const json::string* value = (*parts)[2].if_string();
    if ((kind != "eq" && kind != "starts-with") || !name || !value || !name->starts_with('$'))
      return broken("Invalid Condition: " + kind);
    return compare(kind, std::string_view(*name).substr(1), *value);
  }

  Status no_other_fields() const {
    if (!named_.contains("bucket")) return refused("Extra input fields: bucket");
    for (const auto& [name, value] : form_.fields) {
      if (!needs_no_condition(name) && !named_.contains(name)) return refused("Extra input fields: " + name);
    }
    return ok_status();
  }

  PostLimits limits;

 private:
  Status compare(std::string_view kind, std::string_view field, std::string_view wanted) {
    const std::string name = lower_case(field);
    named_.insert(name);
    std::string_view found;
    if (name == "bucket") {
      found = bucket_;
    } else if (const std::string* value = form_.find(name)) {
      found = *value;
    }
    const bool fits = kind == "eq" ? found == wanted : starts_with(name, found, wanted);
    if (fits) return ok_status();
    return refused("Policy Condition failed: [\"" + std::string(kind) + "\", \"$" + std::string(field) + "\", \"" +
                   std::string(wanted) + "\"]");
  }

  /// Of Content-Type, each of several that are separated by commas.
  static bool starts_with(std::string_view name, std::string_view found, std::string_view wanted) {
    if (name != "content-type") return found.starts_with(wanted);
    for (;;) {
      const size_t comma = found.find(',');
      if (!trimmed(found.substr(0, comma)).starts_with(wanted)) return false;
      if (comma == std::string_view::npos) return true;
      found.remove_prefix(comma + 1);
    }
  }

  Status length_range(const json::value& low, const json::value& high) {
    const auto number = [](const json::value& value) -> std::optional<uint64_t> {
      if (const int64_t* whole = value.if_int64()) {
        return *whole < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(*whole));
      }
      if (const json::string* text = value.if_string()) {  // some libraries write them so
        uint64_t sum = 0;
        const bool digits = !text->empty() && text->size() <= 18 &&
                            std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits) return std::nullopt;
        for (char c : *text) sum = sum * 10 + static_cast<uint64_t>(c - '0');
        return sum;
      }
      return std::nullopt;
    };
    const auto least = number(low), most = number(high);
    if (!least || !most) return broken("Invalid content-length-range: its bounds must be numbers.");
    limits.size_min = std::max(limits.size_min, *least);
    limits.size_max = std::min(limits.size_max, *most);
    return ok_status();
  }

  const S3Form& form_;
  std::string_view bucket_;
  std::set<std::string> named_;
};

}  // namespace

Result<PostLimits> check_post_policy(std::string_view document, const S3Form& form, std::string_view bucket,
                                     WallTime now) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 8;
  const json::value parsed = json::parse(json::string_view(document.data(), document.size()), failed, {}, options);
  if (failed || !parsed.is_object()) return broken("Invalid JSON.");
  const json::object& root = parsed.get_object();
  const json::value* expiration = root.if_contains("expiration");
  const json::value* conditions = root.if_contains("conditions");
  if (!expiration || !expiration->is_string()) return broken("Policy missing expiration.");
  if (!conditions || !conditions->is_array()) return broken("Policy missing conditions.");
  const std::string_view until = expiration->get_string();
  const Result<WallTime> expires = parse_utc(until);
  if (!expires.ok() || until.find('T') == std::string_view::npos || !until.ends_with('Z'))
    return broken("Invalid 'expiration' value: it must be a date in ISO 8601.");
  if (now >= *expires) return refused("Policy expired.");
  Checker checker(form, bucket);
  for (const json::value& condition : conditions->get_array()) COFFER_CHECK_OK(checker.condition(condition));
  COFFER_CHECK_OK(checker.no_other_fields());
  return checker.limits;
}

}  // namespace coffer::wire
