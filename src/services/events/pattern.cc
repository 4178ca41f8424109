#include "services/events/pattern.h"

#include <algorithm>
#include <array>
#include <map>

#include "services/api/fault.h"
#include "services/events/folding.h"
#include "services/events/numbers.h"
#include "services/policy/text.h"

namespace coffer::events {
namespace {

using Type = Json::Type;
using Kind = Test::Kind;
/// Fields by path of one alternative that is being gathered. Of two with the same path the later one stays.
using Gathered = std::map<std::string, std::shared_ptr<const std::vector<Test>>>;

constexpr std::array<std::string_view, 24> kReserved = {"exactly",
                                                        "prefix",
                                                        "suffix",
                                                        "equals-ignore-case",
                                                        "wildcard",
                                                        "anything-but",
                                                        "numeric",
                                                        "exists",
                                                        "cidr",
                                                        "=",
                                                        "<",
                                                        "<=",
                                                        ">",
                                                        ">=",
                                                        "regex",
                                                        "not-wildcard",
                                                        "not-equals-ignore-case",
                                                        "date-after",
                                                        "date-on-or-after",
                                                        "date-before",
                                                        "date-on-or-before",
                                                        "in-date-range",
                                                        "ip-address-in-range",
                                                        "ip-address-not-in-range"};

bool is_number(const Json& value) { return value.is(Type::kNumber); }

class Compiler {
 public:
  explicit Compiler(std::string_view text) : text_(text) {}

  Result<Pattern> compile() {
    auto root = parse_json(text_, Duplicates::kKeepAll);
    if (!root.ok()) return invalid(root.error().message);
    if (!root->is_object()) return wrong(*root, "Filter is not an object");
    std::vector<Gathered> all;
    COFFER_CHECK_OK(add_object(all, "", *root, false));
    Pattern pattern;
    for (Gathered& one : all) {
      Alternative& alternative = pattern.alternatives.emplace_back();
      for (auto& [path, tests] : one) alternative.push_back({path, std::move(tests)});
    }
    return pattern;
  }

 private:
  static Error invalid(const std::string& reason) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidEventPatternException",
                      "Event pattern is not valid. Reason: " + reason);
  }
  /// With the place as EventBridge's parser tells it.
  [[nodiscard]] Error wrong(const Json& where, const std::string& reason) const {
    size_t line = 1, column = 1;
    for (char c : text_.substr(0, where.at)) {
      if (c == '\n') {
        ++line;
        column = 1;
      } else {
        ++column;
      }
    }
    return invalid(reason + "\n at [Source: (String)\"" + std::string(text_) + "\"; line: " + std::to_string(line) +
                   ", column: " + std::to_string(column) + "]");
  }

  Status add_object(std::vector<Gathered>& all, const std::string& path, const Json& object, bool in_or) {
    if (object.members.empty()) return wrong(object, "Empty objects are not allowed");
    for (const auto& [name, value] : object.members) {
      if (name == "$or") {
        COFFER_CHECK_OK(add_or(all, path, value));
        continue;
      }
      if (in_or && std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
        return wrong(value, name + " is Ruler reserved fieldName which cannot be used inside $or.");
      const std::string inner = path.empty() ? name : path + "." + name;
      if (value.is_object()) {
        COFFER_CHECK_OK(add_object(all, inner, value, in_or));
      } else if (value.is(Type::kArray)) {
        COFFER_TRY(auto tests, tests_of(value));
        if (all.empty()) all.emplace_back();
        for (Gathered& one : all) one[inner] = tests;
      } else {
        return wrong(value, "\"" + name + "\" must be an object or an array");
      }
    }
    return ok_status();
  }

  Status add_or(std::vector<Gathered>& all, const std::string& path, const Json& list) {
    if (!list.is(Type::kArray)) return wrong(list, "It must be an Array followed with $or.");
    const std::vector<Gathered> before = std::move(all);
    all.clear();
    for (const Json& item : list.items) {
      if (!item.is_object()) return wrong(item, "Only JSON object is allowed in array of $or relationship.");
      std::vector<Gathered> branch = before;
      if (branch.empty()) branch.emplace_back();
      COFFER_CHECK_OK(add_object(branch, path, item, true));
      all.insert(all.end(), std::make_move_iterator(branch.begin()), std::make_move_iterator(branch.end()));
      if (all.size() > kAlternativesMax)
        return wrong(list, "More than " + std::to_string(kAlternativesMax) + " combinations of $or.");
    }
    if (list.items.size() < 2) return wrong(list, "There must have at least 2 Objects in $or relationship.");
    return ok_status();
  }

  Result<std::shared_ptr<const std::vector<Test>>> tests_of(const Json& array) {
    if (array.items.empty()) return wrong(array, "Empty arrays are not allowed");
    auto tests = std::make_shared<std::vector<Test>>();
    for (const Json& item : array.items) {
      COFFER_TRY(Test test, test_of(item));
      tests->push_back(std::move(test));
    }
    return std::shared_ptr<const std::vector<Test>>(std::move(tests));
  }

  static Test number_test(const Json& value) {
    Test test{.kind = Kind::kNumber, .text = value.text};
    test.number = exact_number(value.text);
    return test;
  }

  Result<Test> test_of(const Json& value) {
    switch (value.type) {
      case Type::kNull: return Test{.kind = Kind::kNull};
      case Type::kFalse: return Test{.kind = Kind::kFalse};
      case Type::kTrue: return Test{.kind = Kind::kTrue};
      case Type::kNumber: return number_test(value);
      case Type::kString: {
        Test test{.kind = Kind::kText, .text = value.text};
        if (const auto address = parse_address(value.text)) {
          test.kind = Kind::kAddress;
          test.block = *address;
        }
        return test;
      }
      case Type::kArray: return wrong(value, "Match value must be String, number, true, false, or null");
      case Type::kObject: break;
    }
    if (value.members.empty()) return wrong(value, "Match expression name not found");
    const auto& [name, operand] = value.members.front();
    COFFER_TRY(Test test, operator_of(name, operand));
    if (value.members.size() > 1) return wrong(value.members[1].value, "Only one key allowed in match expression");
    return test;
  }

  Result<Test> operator_of(const std::string& name, const Json& operand) {
    if (name == "exactly") {
      if (!operand.is_string()) return wrong(operand, "exact match pattern must be a string");
      return Test{.kind = Kind::kText, .text = operand.text};
    }
    if (name == "prefix") return affix("prefix", operand, Kind::kPrefix, Kind::kFoldedPrefix);
    if (name == "suffix") return affix("suffix", operand, Kind::kSuffix, Kind::kFoldedSuffix);
    if (name == "equals-ignore-case") {
      if (!operand.is_string()) return wrong(operand, "equals-ignore-case match pattern must be a string");
      return Test{.kind = Kind::kFoldedText, .text = fold_case(operand.text)};
    }
    if (name == "wildcard") {
      if (!operand.is_string()) return wrong(operand, "wildcard match pattern must be a string");
      return wildcard(operand);
    }
    if (name == "anything-but") return anything_but(operand);
    if (name == "numeric") return numeric(operand);
    if (name == "exists") {
      if (!operand.is(Type::kTrue) && !operand.is(Type::kFalse))
        return wrong(operand, "exists match pattern must be either true or false.");
      return Test{.kind = operand.is(Type::kTrue) ? Kind::kExists : Kind::kAbsent};
    }
    if (name == "cidr") return block(operand);
    return wrong(operand, "Unrecognized match type " + name);
  }

  Result<Test> affix(const std::string& name, const Json& operand, Kind kind, Kind folded) {
    if (operand.is_string()) return Test{.kind = kind, .text = operand.text};
    const std::string expected = name + " match pattern must be a string";
    if (!operand.is_object() || operand.members.empty()) return wrong(operand, expected);
    const auto& [inner, value] = operand.members.front();
    if (inner != "equals-ignore-case") return wrong(value, "Unsupported " + name + " pattern: " + inner);
    if (!value.is_string()) return wrong(value, "equals-ignore-case match pattern must be a string");
    if (operand.members.size() > 1) return wrong(operand.members[1].value, "Only one key allowed in match expression");
    return Test{.kind = folded, .text = fold_case(value.text)};
  }

  Result<Test> wildcard(const Json& operand) {
    std::vector<std::string> pieces{""};
    const std::string& text = operand.text;
    for (size_t i = 0; i < text.size(); ++i) {
      // Positions are told with the quote before the text counted.
      if (text[i] == '*') {
        if (text.substr(i + 1, 1) == "*")
          return wrong(operand, "Consecutive wildcard characters at pos " + std::to_string(i + 1));
        pieces.emplace_back();
      } else if (text[i] == '\\') {
        if (i + 1 == text.size() || (text[i + 1] != '*' && text[i + 1] != '\\'))
          return wrong(operand, "Invalid escape character at pos " + std::to_string(i + 1));
        pieces.back() += text[++i];
      } else {
        pieces.back() += text[i];
      }
    }
    if (pieces.size() == 1) return Test{.kind = Kind::kText, .text = pieces[0]};
    if (pieces.size() == 2 && pieces[1].empty()) return Test{.kind = Kind::kPrefix, .text = pieces[0]};
    if (pieces.size() == 2 && pieces[0].empty()) return Test{.kind = Kind::kSuffix, .text = pieces[1]};
    return Test{.kind = Kind::kWildcard, .pieces = std::move(pieces)};
  }

  Result<Test> anything_but(const Json& operand) {
    Test test{.kind = Kind::kAnythingBut};
    if (operand.is_object()) {
      COFFER_TRY(test.excluded, excluded_by(operand));
      return test;
    }
    if (operand.is_string()) {
      test.excluded.push_back({.kind = Kind::kText, .text = operand.text});
      return test;
    }
    if (is_number(operand)) {
      test.excluded.push_back(number_test(operand));
      return test;
    }
    if (!operand.is(Type::kArray))
      return wrong(operand, "Value of anything-but must be an array or single string/number value.");
    for (const Json& item : operand.items) {
      if (item.is_string()) {
        test.excluded.push_back({.kind = Kind::kText, .text = item.text});
      } else if (is_number(item)) {
        test.excluded.push_back(number_test(item));
      } else {
        return wrong(item, "Inside anything but list, start|null|boolean is not supported.");
      }
    }
    const bool mixed = std::any_of(operand.items.begin(), operand.items.end(),
                                   [&](const Json& item) { return item.type != operand.items.front().type; });
    if (mixed || operand.items.empty())
      return wrong(operand,
                   "Inside anything but list, either all values are number or string, mixed type is not supported");
    return test;
  }

  /// `anything-but: {"prefix": ...}` and the like: a text or a list of them.
  Result<std::vector<Test>> excluded_by(const Json& operand) {
    if (operand.members.empty())
      return wrong(operand, "Value of anything-but must be an array or single string/number value.");
    const auto& [name, value] = operand.members.front();
    const bool folded = name == "equals-ignore-case";
    if (name != "prefix" && name != "suffix" && name != "wildcard" && !folded)
      return wrong(value, "Unsupported anything-but pattern: " + name);
    std::vector<const Json*> items;
    if (value.is(Type::kArray)) {
      for (const Json& item : value.items) items.push_back(&item);
    } else {
      items.push_back(&value);
    }
    if (items.empty()) return wrong(value, "Empty arrays are not allowed");
    std::vector<Test> excluded;
    for (const Json* item : items) {
      if (folded && !item->is_string())
        return wrong(*item, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.");
      if (!item->is_string()) return wrong(*item, name + " match pattern must be a string");
      if (name == "wildcard") {
        COFFER_TRY(Test one, wildcard(*item));
        excluded.push_back(std::move(one));
      } else if (folded) {
        excluded.push_back({.kind = Kind::kFoldedText, .text = fold_case(item->text)});
      } else {
        if (item->text.empty()) return wrong(*item, "Null prefix/suffix not allowed");
        excluded.push_back({.kind = name == "prefix" ? Kind::kPrefix : Kind::kSuffix, .text = item->text});
      }
    }
    if (operand.members.size() > 1) return wrong(operand.members[1].value, "Only one key allowed in match expression");
    return excluded;
  }

  Result<Test> numeric(const Json& operand) {
    if (!operand.is(Type::kArray)) return wrong(operand, "Value of numeric must be an array.");
    Test test{.kind = Kind::kRange};
    const auto& items = operand.items;
    const auto bound = [&](size_t i, const std::string& op) -> Result<double> {
      if (i >= items.size() || !is_number(items[i]))
        return wrong(i < items.size() ? items[i] : operand, "Value of " + op + " must be numeric");
      const auto number = exact_number(items[i].text);
      if (!number) return wrong(items[i], "Bad value in numeric range: " + items[i].text);
      return *number;
    };
    if (items.empty() || !items[0].is_string())
      return wrong(items.empty() ? operand : items[0],
                   "Invalid member in numeric match: " + (items.empty() ? "]" : write_json(items[0])));
    const std::string& first = items[0].text;
    if (first == "=") {
      COFFER_TRY(const double value, bound(1, first));
      if (items.size() > 2) return wrong(items[2], "Too many elements in numeric expression");
      test.low = test.high = value;
      test.low_included = test.high_included = true;
      return test;
    }
    if (first == "<" || first == "<=") {
      COFFER_TRY(test.high, bound(1, first));
      test.high_included = first == "<=";
      if (items.size() > 2) return wrong(items[2], "Too many elements in numeric expression");
      return test;
    }
    if (first != ">" && first != ">=") return wrong(items[0], "Unrecognized numeric range operator: " + first);
    COFFER_TRY(test.low, bound(1, first));
    test.low_included = first == ">=";
    if (items.size() == 2) return test;
    if (!items[2].is_string()) return wrong(items[2], "Bad value in numeric range: " + write_json(items[2]));
    const std::string& second = items[2].text;
    if (second != "<" && second != "<=") return wrong(items[2], "Bad numeric range operator: " + second);
    COFFER_TRY(test.high, bound(3, second));
    test.high_included = second == "<=";
    if (items.size() > 4) return wrong(items[4], "Too many terms in numeric range expression");
    if (*test.low >= *test.high) return wrong(items[3], "Bottom must be less than top");
    return test;
  }

  Result<Test> block(const Json& operand) {
    if (!operand.is_string()) return wrong(operand, "prefix match pattern must be a string");
    const std::string& text = operand.text;
    const size_t slash = text.find('/');
    if (slash == std::string::npos || text.find('/', slash + 1) != std::string::npos)
      return wrong(operand, "Malformed CIDR, one '/' required");
    const std::string mask = text.substr(slash + 1);
    if (mask.size() > 1 && mask[0] == '-' && policy::all_digits(std::string_view(mask).substr(1)))
      return wrong(operand, "Malformed CIDR, mask bits must not be negative");
    if (!policy::all_digits(mask) || mask.size() > 6)
      return wrong(operand, "Malformed CIDR, mask bits must be an integer");
    const std::string address = text.substr(0, slash);
    const auto parsed = parse_address(address);
    if (!parsed) {
      const bool looks_like_one = address.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
      return wrong(operand, (looks_like_one ? "Invalid IP address: " : "Nonstandard IP address: ") + address);
    }
    const int bits = std::stoi(mask);
    if (parsed->size_bytes == 4 && bits >= 32) return wrong(operand, "IPv4 mask bits must be < 32");
    if (bits >= 128) return wrong(operand, "IPv6 mask bits must be < 128");
    Test test{.kind = Kind::kBlock};
    test.block = *parsed;
    test.block.prefix_bits = bits;
    return test;
  }

  std::string_view text_;
};

}  // namespace

Result<Pattern> parse_pattern(std::string_view text) { return Compiler(text).compile(); }

std::optional<policy::AddressBlock> parse_address(std::string_view text) {
  if (text.size() < 2 || text.size() > 45 || text.find('/') != std::string_view::npos ||
      text.find_first_of(".:") == std::string_view::npos)
    return std::nullopt;
  return policy::parse_address_block(text);
}

}  // namespace coffer::events
