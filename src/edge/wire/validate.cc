// An input against its model, with AWS's words.
#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "edge/wire/error_names.h"
#include "edge/wire/pattern_matcher.h"
#include "edge/wire/protocol.h"

namespace coffer::wire {
namespace {

constexpr size_t kProblemsMax = 10;
constexpr size_t kShownMax = 256;  // characters of a refused value that are given back

/// Compiled at first use and kept: one for each different pattern of the models.
const PatternMatcher* matcher_of(const Shape& shape) {
  struct Slot {
    std::once_flag once;
    std::unique_ptr<PatternMatcher> matcher;
  };
  static const auto slots = std::make_unique<Slot[]>(pattern_count());
  Slot& slot = slots[static_cast<size_t>(shape.pattern_index)];
  std::call_once(slot.once, [&] { slot.matcher = PatternMatcher::compile(shape.pattern); });
  return slot.matcher.get();
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// At most kShownMax bytes, cut between characters.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kShownMax) return text;
  size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string number_text(double number) {
  const bool whole = std::abs(number) < 9e15 && number == std::floor(number);
  return whole ? std::to_string(static_cast<int64_t>(number)) : std::to_string(number);
}

/// AWS writes members with a small first letter: "keyId", "tags.1.member.tagKey".
std::string small(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

enum class Problem { kMissing, kEnum, kTooShort, kTooLong, kPattern, kTooSmall, kTooLarge };

/// The Reason of InvalidInputException (Organizations).
std::string_view reason_of(Problem problem) {
  switch (problem) {
    case Problem::kMissing: return "INPUT_REQUIRED";
    case Problem::kEnum: return "INVALID_ENUM";
    case Problem::kTooShort: return "MIN_LENGTH_EXCEEDED";
    case Problem::kTooLong: return "MAX_LENGTH_EXCEEDED";
    case Problem::kPattern: return "INVALID_PATTERN";
    case Problem::kTooSmall: return "MIN_VALUE_EXCEEDED";
    case Problem::kTooLarge: return "MAX_VALUE_EXCEEDED";
  }
  return "";
}

/// How AWS words each constraint of a shape.
std::string constraint_text(const Shape& shape, Problem problem) {
  switch (problem) {
    case Problem::kMissing: return "Member must not be null";
    case Problem::kEnum: {
      std::string set;
      for (std::string_view known : shape.values) set.append(set.empty() ? "" : ", ").append(known);
      return "Member must satisfy enum value set: [" + set + "]";
    }
    case Problem::kTooShort: return "Member must have length greater than or equal to " + number_text(shape.min);
    case Problem::kTooLong: return "Member must have length less than or equal to " + number_text(shape.max);
    case Problem::kPattern: return "Member must satisfy regular expression pattern: " + std::string(shape.pattern);
    case Problem::kTooSmall: return "Member must have value greater than or equal to " + number_text(shape.min);
    case Problem::kTooLarge: return "Member must have value less than or equal to " + number_text(shape.max);
  }
  return {};
}

/// All constraints of an element's shape, as AWS lists them for lists and maps of plain values.
std::string all_constraints(const Shape& shape) {
  const bool number = shape.type != ShapeType::kString && shape.type != ShapeType::kBlob;
  std::string all;
  const auto add = [&](bool has, Problem problem) {
    if (has) all.append(all.empty() ? "" : ", ").append(constraint_text(shape, problem));
  };
  add(shape.has_max, number ? Problem::kTooLarge : Problem::kTooLong);
  add(shape.has_min, number ? Problem::kTooSmall : Problem::kTooShort);
  add(!shape.pattern.empty(), Problem::kPattern);
  add(!shape.values.empty(), Problem::kEnum);
  return "[" + all + "]";
}

bool is_plain(const Shape& shape) {
  return shape.type != ShapeType::kStructure && shape.type != ShapeType::kList && shape.type != ShapeType::kMap;
}

/// What a plain value breaks.
std::vector<Problem> problems_of(const Shape& shape, const api::Value& value) {
  std::vector<Problem> found;
  const auto check = [&](double size, Problem low, Problem high) {
    if (shape.has_min && size < shape.min) found.push_back(low);
    if (shape.has_max && size > shape.max) found.push_back(high);
  };
  if (const auto* text = value.get_if<std::string>()) {
    const bool known =
        shape.values.empty() || std::find(shape.values.begin(), shape.values.end(), *text) != shape.values.end();
    if (!known) found.push_back(Problem::kEnum);
    if (shape.has_min || shape.has_max)
      check(static_cast<double>(characters(*text)), Problem::kTooShort, Problem::kTooLong);
    if (shape.pattern_index >= 0) {
      const PatternMatcher* matcher = matcher_of(shape);
      if (matcher && !matcher->matches(*text)) found.push_back(Problem::kPattern);
    }
  } else if (const auto* bytes = value.get_if<Bytes>()) {
    check(static_cast<double>(bytes->size()), Problem::kTooShort, Problem::kTooLong);
  } else if (const auto* number = value.get_if<int64_t>()) {
    check(static_cast<double>(*number), Problem::kTooSmall, Problem::kTooLarge);
  } else if (const auto* real = value.get_if<double>()) {
    check(*real, Problem::kTooSmall, Problem::kTooLarge);
    if (std::isnan(*real) && (shape.has_min || shape.has_max)) found.push_back(Problem::kTooSmall);
  }
  return found;
}

class Validator {
 public:
  void structure(const Shape& shape, const api::Value& value, const std::string& path) {
    for (const Member& member : shape.members) {
      const api::Value* found = value.find(member.name);
      // A stream is not in the input: who reads it learns whether it is there.
      if (!found && (!member.required || member.streaming || member.shape->streaming)) continue;
      if (!found) {
        add(Problem::kMissing, "null", path + small(member.name), constraint_text(shape, Problem::kMissing));
      } else if (needs_look(*member.shape)) {
        any(*member.shape, *found, path + small(member.name));
      }
    }
  }

  [[nodiscard]] Status result(const ServiceModel& service) const {
    if (count_ == 0) return ok_status();
    Error error{ErrorCode::kInvalidArgument,
                std::to_string(count_) + " validation error" + (count_ > 1 ? "s" : "") + " detected: " + text_,
                {},
                std::string(validation_error_name(service))};
    if (service.id == "organizations") error.next_step = reason_of(first_);
    return error;
  }

 private:
  /// Most members of most inputs are unconstrained text: their paths are not worth building.
  static bool needs_look(const Shape& shape) {
    return !is_plain(shape) || shape.has_min || shape.has_max || shape.pattern_index >= 0 || !shape.values.empty();
  }

  void add(Problem problem, const std::string& shown, const std::string& at, const std::string& constraint) {
    if (count_ >= kProblemsMax) return;
    if (count_++ == 0) first_ = problem;
    text_.append(text_.empty() ? "Value" : "; Value").append(shown.empty() ? "" : " ").append(shown);
    text_.append(" at '").append(at).append("' failed to satisfy constraint: ").append(constraint);
  }

  static std::string plain_text(const api::Value& value) {
    if (const auto* text = value.get_if<std::string>()) return std::string(shortened(*text));
    if (const auto* number = value.get_if<int64_t>()) return std::to_string(*number);
    if (const auto* real = value.get_if<double>()) return number_text(*real);
    if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
    if (const auto* bytes = value.get_if<Bytes>()) {
      const std::string size = std::to_string(bytes->size());
      return "java.nio.HeapByteBuffer[pos=0 lim=" + size + " cap=" + size + "]";
    }
    return "...";
  }

  /// Empty for what must not be repeated.
  static std::string shown(const Shape& shape, const api::Value& value) {
    if (shape.sensitive) return {};
    std::string text;
    const auto more = [&](const std::string& part) {
      if (text.size() < kShownMax) text.append(text.empty() ? "" : ", ").append(part);
    };
    if (shape.type == ShapeType::kList) {
      if (shape.members[0].shape->sensitive) return {};
      for (const api::Value& item : value.items()) more(plain_text(item));
      return "'[" + text + "]'";
    }
    if (shape.type == ShapeType::kMap) {
      if (shape.members[0].shape->sensitive || shape.members[1].shape->sensitive) return {};
      for (const auto& [key, entry] : value.entries()) more(std::string(shortened(key)) + "=" + plain_text(entry));
      return "'{" + text + "}'";
    }
    const std::string plain = plain_text(value);
    return value.get_if<Bytes>() ? plain : "'" + plain + "'";
  }

  void size_of(const Shape& shape, const api::Value& value, const std::string& at, size_t count) {
    const auto size = static_cast<double>(count);
    if (shape.has_min && size < shape.min)
      add(Problem::kTooShort, shown(shape, value), at, constraint_text(shape, Problem::kTooShort));
    if (shape.has_max && size > shape.max)
      add(Problem::kTooLong, shown(shape, value), at, constraint_text(shape, Problem::kTooLong));
  }

  void list(const Shape& shape, const api::Value& value, const std::string& at) {
    const Shape& of = *shape.members[0].shape;
    size_of(shape, value, at, value.items().size());
    if (!needs_look(of)) return;
    size_t number = 0;
    for (const api::Value& item : value.items()) {
      ++number;
      if (item.is_null()) {
        add(Problem::kMissing, "null", at + "." + std::to_string(number) + ".member",
            constraint_text(of, Problem::kMissing));
      } else if (!is_plain(of)) {
        any(of, item, at + "." + std::to_string(number) + ".member");
      } else if (const auto problems = problems_of(of, item); !problems.empty()) {
        // One for the whole list, with all that its members must satisfy.
        add(problems[0], shown(shape, value), at, "Member must satisfy constraint: " + all_constraints(of));
        return;
      }
    }
  }

  void map(const Shape& shape, const api::Value& value, const std::string& at) {
    const Shape &key_shape = *shape.members[0].shape, &of = *shape.members[1].shape;
    size_of(shape, value, at, value.entries().size());
    bool keys_told = !needs_look(key_shape), values_told = !needs_look(of);
    for (const auto& [key, entry] : value.entries()) {
      if (keys_told && values_told) return;
      if (!keys_told) {
        if (const auto problems = problems_of(key_shape, api::Value(key)); !problems.empty()) {
          keys_told = true;
          add(problems[0], shown(shape, value), at, "Map keys must satisfy constraint: " + all_constraints(key_shape));
        }
      }
      if (values_told || entry.is_null()) continue;
      if (!is_plain(of)) {
        any(of, entry, at + "." + std::string(shortened(key)) + ".value");
      } else if (const auto problems = problems_of(of, entry); !problems.empty()) {
        values_told = true;
        add(problems[0], shown(shape, value), at, "Map value must satisfy constraint: " + all_constraints(of));
      }
    }
  }

  void any(const Shape& shape, const api::Value& value, const std::string& at) {
    switch (shape.type) {
      case ShapeType::kStructure: structure(shape, value, at + "."); break;
      case ShapeType::kList: list(shape, value, at); break;
      case ShapeType::kMap: map(shape, value, at); break;
      default:
        for (Problem problem : problems_of(shape, value))
          add(problem, shown(shape, value), at, constraint_text(shape, problem));
    }
  }

  size_t count_ = 0;
  Problem first_ = Problem::kMissing;
  std::string text_;
};

}  // namespace

Status validate(const ServiceModel& service, const OperationModel& operation, const api::Value& input) {
  if (!operation.input) return ok_status();
  Validator validator;
  validator.structure(*operation.input, input, "");
  return validator.result(service);
}

}  // namespace coffer::wire
