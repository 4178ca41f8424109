#include <algorithm>
#include <charconv>
#include <set>

#include "edge/wire/codec.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

Error malformed(const std::string& name, std::string_view why) {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedInput",
                    "The value of the parameter " + name + " " + std::string(why) + ".");
}

/// One more than this would not fit into a query of the size that the server takes.
constexpr int kNumberMax = 1'000'000;

class Decoder {
 public:
  explicit Decoder(const Parameters& parameters) : parameters_(parameters) {}

  Result<api::Value> structure(const Shape& shape, const std::string& prefix, int depth) const {
    api::Members members;
    for (const Member& member : shape.members) {
      COFFER_TRY(api::Value one, value(member, prefix + std::string(wire_name_of(member)), depth + 1));
      if (!one.is_null()) members.emplace_back(std::string(member.name), std::move(one));
    }
    return api::Value(std::move(members));
  }

 private:
  /// Null when nothing of `name` was sent.
  Result<api::Value> value(const Member& member, const std::string& name, int depth) const {
    const Shape& shape = *member.shape;
    if (depth > kDepthMax) return malformed(name, "is nested too deeply");
    const bool flattened = member.flattened || shape.flattened;
    switch (shape.type) {
      case ShapeType::kStructure: return present(name) ? structure(shape, name + ".", depth) : api::Value();
      case ShapeType::kList: return list(shape, name, flattened, depth);
      case ShapeType::kMap: return present(name) ? map(shape, name, flattened, depth) : api::Value();
      default: break;
    }
    const auto found = parameters_.find(name);
    if (found == parameters_.end()) return api::Value();
    std::optional<api::Value> scalar = scalar_of(shape, found->second);
    if (!scalar) return malformed(name, "cannot be read");
    return std::move(*scalar);
  }

  [[nodiscard]] bool present(const std::string& name) const {
    if (parameters_.contains(name)) return true;
    const auto beneath = parameters_.lower_bound(name + ".");
    return beneath != parameters_.end() && beneath->first.starts_with(name + ".");
  }

  /// The numbers N for which prefix + N (+ "." ...) was sent, ascending; gaps are allowed.
  [[nodiscard]] std::set<int> numbers(const std::string& prefix) const {
    std::set<int> found;
    for (auto it = parameters_.lower_bound(prefix); it != parameters_.end() && it->first.starts_with(prefix); ++it) {
      int number = 0;
      const char* begin = it->first.data() + prefix.size();
      const char* end = it->first.data() + it->first.size();
      const auto [stop, failed] = std::from_chars(begin, end, number);
      const bool plain = failed == std::errc() && *begin != '0' && number > 0 && number <= kNumberMax;
      if (plain && (stop == end || *stop == '.')) found.insert(number);
    }
    return found;
  }

  Result<api::Value> list(const Shape& shape, const std::string& name, bool flattened, int depth) const {
    const Member& item = shape.members[0];
    // By the name that the model gives to its items (RDS), and by the one that IAM and STS have; a flattened list's
    // items replace the list's own name.
    std::string own = name + "." + std::string(item.wire_name) + ".";
    if (flattened) {
      own =
          item.wire_name.empty() ? name + "." : name.substr(0, name.rfind('.') + 1) + std::string(item.wire_name) + ".";
    }
    api::List items;
    for (const std::string& prefix : {own, name + ".member."}) {
      for (int number : numbers(prefix)) {
        COFFER_TRY(api::Value one, value(item, prefix + std::to_string(number), depth + 1));
        if (!one.is_null()) items.push_back(std::move(one));
      }
      if (!items.empty()) break;
    }
    if (items.empty() && !present(name)) return api::Value();
    return api::Value(std::move(items));
  }

  Result<api::Value> map(const Shape& shape, const std::string& name, bool flattened, int depth) const {
    const Member &key_member = shape.members[0], &value_member = shape.members[1];
    const std::string prefix = flattened ? name + "." : name + ".entry.";
    api::Members members;
    for (int number : numbers(prefix)) {
      const std::string entry = prefix + std::to_string(number) + ".";
      const auto key = parameters_.find(entry + std::string(wire_name_of(key_member)));
      if (key == parameters_.end()) return malformed(entry + std::string(wire_name_of(key_member)), "is missing");
      if (!is_utf8(key->second)) return malformed(key->first, "cannot be read");
      COFFER_TRY(api::Value one, value(value_member, entry + std::string(wire_name_of(value_member)), depth + 1));
      const auto same =
          std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == key->second; });
      if (same != members.end()) return malformed(key->first, "is there twice");
      if (!one.is_null()) members.emplace_back(key->second, std::move(one));
    }
    return api::Value(std::move(members));
  }

  const Parameters& parameters_;
};

}  // namespace

Result<Parameters> parameters_of(const Request& request) {
  Parameters parameters;
  for (const std::string_view text : {request.query(), std::string_view(request.body)}) {
    auto pairs = parse_query(text, true);
    if (!pairs) {
      return api::fault(ErrorCode::kInvalidArgument, "MalformedQueryString",
                        "The query string has an escape that is none.");
    }
    for (auto& [name, value] : *pairs) parameters.insert_or_assign(std::move(name), std::move(value));
  }
  return parameters;
}

Result<api::Value> decode_query(const Shape& shape, const Parameters& parameters) {
  return Decoder(parameters).structure(shape, "", 0);
}

}  // namespace coffer::wire
