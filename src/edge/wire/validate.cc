#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "edge/wire/pattern_matcher.h"
#include "edge/wire/protocol.h"

namespace coffer::wire {
namespace {

constexpr size_t kProblemsMax = 10;

/// Compiled at first use and kept: there are as many as the models have.
const PatternMatcher* matcher_of(const Shape& shape) {
  static std::mutex mutex;
  static std::unordered_map<const Shape*, std::unique_ptr<PatternMatcher>> compiled;
  std::lock_guard lock(mutex);
  auto [found, fresh] = compiled.try_emplace(&shape);
  if (fresh) found->second = PatternMatcher::compile(shape.pattern);
  return found->second.get();
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string number_text(double number) {
  return number == static_cast<double>(static_cast<int64_t>(number)) ? std::to_string(static_cast<int64_t>(number))
                                                                     : std::to_string(number);
}

/// AWS writes members with a small first letter: "keyId", "tags.1.member.tagKey".
std::string small(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

class Validator {
 public:
  void structure(const Shape& shape, const api::Value& value, const std::string& path) {
    for (const Member& member : shape.members) {
      const std::string at = path + small(member.name);
      const api::Value* found = value.find(member.name);
      if (!found) {
        if (member.required) add("null", at, "Member must not be null");
        continue;
      }
      one(*member.shape, *found, at);
    }
  }

  [[nodiscard]] Status result(std::string_view name) const {
    if (problems_.empty()) return ok_status();
    std::string text =
        std::to_string(problems_.size()) + " validation error" + (problems_.size() > 1 ? "s" : "") + " detected: ";
    for (size_t i = 0; i < problems_.size(); ++i) text += (i ? "; " : "") + problems_[i];
    return Error{ErrorCode::kInvalidArgument, std::move(text), {}, std::string(name)};
  }

 private:
  void add(const std::string& shown, const std::string& at, const std::string& constraint) {
    if (problems_.size() < kProblemsMax)
      problems_.push_back("Value " + shown + " at '" + at + "' failed to satisfy constraint: " + constraint);
  }

  static std::string shown(const Shape& shape, const api::Value& value) {
    if (shape.sensitive) return "at a sensitive member";
    if (const auto* text = value.get_if<std::string>()) return "'" + text->substr(0, 256) + "'";
    if (const auto* number = value.get_if<int64_t>()) return "'" + std::to_string(*number) + "'";
    return "'[...]'";
  }

  void length(const Shape& shape, const api::Value& value, const std::string& at, double size) {
    if (shape.has_min && size < shape.min)
      add(shown(shape, value), at, "Member must have length greater than or equal to " + number_text(shape.min));
    if (shape.has_max && size > shape.max)
      add(shown(shape, value), at, "Member must have length less than or equal to " + number_text(shape.max));
  }

  void one(const Shape& shape, const api::Value& value, const std::string& at) {
    switch (shape.type) {
      case ShapeType::kStructure: structure(shape, value, at + "."); break;
      case ShapeType::kList: {
        length(shape, value, at, static_cast<double>(value.items().size()));
        size_t number = 0;
        for (const api::Value& item : value.items()) {
          ++number;
          const std::string item_at = at + "." + std::to_string(number) + ".member";
          if (item.is_null()) {
            add("null", item_at, "Member must not be null");
          } else {
            one(*shape.members[0].shape, item, item_at);
          }
        }
        break;
      }
      case ShapeType::kMap:
        length(shape, value, at, static_cast<double>(value.entries().size()));
        for (const auto& [key, entry] : value.entries()) {
          one(*shape.members[0].shape, api::Value(key), at + ".key");
          if (!entry.is_null()) one(*shape.members[1].shape, entry, at + "." + key + ".value");
        }
        break;
      case ShapeType::kString: {
        const std::string& text = *value.get_if<std::string>();
        if (!shape.values.empty() && std::find(shape.values.begin(), shape.values.end(), text) == shape.values.end()) {
          std::string set;
          for (std::string_view known : shape.values) set.append(set.empty() ? "" : ", ").append(known);
          add(shown(shape, value), at, "Member must satisfy enum value set: [" + set + "]");
        }
        length(shape, value, at, static_cast<double>(characters(text)));
        if (!shape.pattern.empty() && (!shape.has_max || characters(text) <= static_cast<size_t>(shape.max))) {
          const PatternMatcher* matcher = matcher_of(shape);
          if (matcher && !matcher->matches(text))
            add(shown(shape, value), at,
                "Member must satisfy regular expression pattern: " + std::string(shape.pattern));
        }
        break;
      }
      case ShapeType::kBlob: length(shape, value, at, static_cast<double>(value.get_if<Bytes>()->size())); break;
      case ShapeType::kInteger:
      case ShapeType::kLong: {
        const auto number = static_cast<double>(*value.get_if<int64_t>());
        if (shape.has_min && number < shape.min)
          add(shown(shape, value), at, "Member must have value greater than or equal to " + number_text(shape.min));
        if (shape.has_max && number > shape.max)
          add(shown(shape, value), at, "Member must have value less than or equal to " + number_text(shape.max));
        break;
      }
      default: break;
    }
  }

  std::vector<std::string> problems_;
};

}  // namespace

Status validate(const ServiceModel& service, const OperationModel& operation, const api::Value& input) {
  if (!operation.input) return ok_status();
  Validator validator;
  validator.structure(*operation.input, input, "");
  std::string_view name = "ValidationException";
  if (service.protocol == ProtocolKind::kQuery)
    name = service.id == "rds" ? "InvalidParameterValue" : "ValidationError";
  if (service.id == "organizations") name = "InvalidInputException";
  if (service.protocol == ProtocolKind::kRestXml) name = "InvalidArgument";
  return validator.result(name);
}

}  // namespace coffer::wire
