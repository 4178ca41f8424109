#include "services/policy/document.h"

#include <algorithm>
#include <array>
#include <set>

#include "services/policy/statement.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

/// Above every quota of AWS for a policy; what is larger is not even read.
constexpr size_t kTextSizeMax = 128 << 10;

constexpr std::string_view kSyntax = "Syntax errors in policy.";
constexpr std::string_view kVendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
constexpr std::array<std::string_view, 6> kTrustActions{
    "sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
    "sts:setcontext", "sts:setsourceidentity",  "sts:tagsession"};

Error malformed(std::string_view message) {
  return Error{ErrorCode::kInvalidArgument, std::string(message), {}, "MalformedPolicyDocument"};
}
Error malformed(std::string_view message, const Place& place) {
  return malformed(std::string(message) + " (line " + std::to_string(place.line) + ", column " +
                   std::to_string(place.column) + ")");
}
Error syntax(std::string_view detail, const Place& place) {
  return malformed(std::string(kSyntax) + " " + std::string(detail), place);
}

/// What the place where a document hangs asks of it.
struct Rules {
  bool has_principal = false;  // required if true, forbidden if not
  bool has_resource = true;    // forbidden if not
  bool may_be_idle = false;    // Action or Resource may be missing
  bool strict_sids = true;     // letters and digits, unique
  bool may_have_id = true;
};
Rules rules_of(Kind kind) {
  switch (kind) {
    case Kind::kIdentity: return {.may_have_id = false};
    case Kind::kResource: return {.has_principal = true, .strict_sids = false};
    case Kind::kKey: return {.has_principal = true, .may_be_idle = true, .strict_sids = false};
    case Kind::kTrust: return {.has_principal = true, .has_resource = false};
    case Kind::kService: return {};
    case Kind::kResourceControl: return {.has_principal = true};
  }
  return {};
}

Status check_vendor(std::string_view vendor, const Place& place) {
  const bool plain =
      std::all_of(vendor.begin(), vendor.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
  if (!plain || vendor.empty()) return malformed("Vendor " + std::string(vendor) + " is not valid", place);
  return ok_status();
}

/// "s3:Get*", and "*" alone.
Status check_action(std::string_view action, const Place& place) {
  if (action == "*") return ok_status();
  const size_t colon = action.find(':');
  if (colon == std::string_view::npos) return malformed(kVendor, place);
  COFFER_CHECK_OK(check_vendor(action.substr(0, colon), place));
  const std::string_view name = action.substr(colon + 1);
  if (name.find(':') != std::string_view::npos)
    return malformed("Actions/Condition can contain only one colon.", place);
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter_or_digit(c) || c == '*' || c == '?' || c == '-' || c == '_';
  });
  if (name.empty() || !plain) return syntax("Invalid action: " + std::string(action), place);
  return ok_status();
}

/// An ARN, whole or its beginning, with a literal service; "*" alone.
Status check_resource(std::string_view resource, const Place& place) {
  if (resource == "*") return ok_status();
  const std::string name(resource);
  if (!resource.starts_with("arn:")) return malformed("Resource " + name + " must be in ARN format or \"*\".", place);
  resource.remove_prefix(4);
  const size_t end = resource.find(':');
  const std::string_view partition = resource.substr(0, end);
  if (!has_wildcard(partition) && partition != "aws" && partition != "aws-cn" && partition != "aws-us-gov")
    return malformed("Partition \"" + std::string(partition) + "\" is not valid for resource \"" + name + "\".", place);
  const std::string_view service = end == std::string_view::npos ? "" : resource.substr(end + 1);
  const std::string_view vendor = service.substr(0, service.find(':'));
  if (vendor.empty() || has_wildcard(vendor))
    return malformed("Resource vendor must be fully qualified and cannot contain regexes.", place);
  return ok_status();
}

class StatementParser {
 public:
  StatementParser(Kind kind, bool variables) : kind_(kind), rules_(rules_of(kind)), variables_(variables) {}

  Result<Statement> parse(const Node& node) {
    if (node.type != Node::Type::kObject) return syntax("A statement must be an object.", node.begin);
    Statement s;
    s.begin = node.begin;
    s.end = node.end;
    bool has_effect = false;
    for (const auto& [name, value] : node.members) {
      if (name == "Effect") has_effect = true;
      COFFER_CHECK_OK(element(name, value, s));
    }
    if (!has_effect) return malformed("Missing required field Effect", node.begin);
    if (s.actions.empty() && !rules_.may_be_idle)
      return malformed("Policy statement must contain actions.", node.begin);
    if (s.resources.empty() && rules_.has_resource && !rules_.may_be_idle)
      return malformed("Policy statement must contain resources.", node.begin);
    if (rules_.has_principal && !s.has_principal) return malformed("Missing required field Principal", node.begin);
    if (s.allows && s.principal_negated) return syntax("NotPrincipal is for Deny only.", node.begin);
    s.idle = s.actions.empty() || (rules_.has_resource && s.resources.empty());
    if (kind_ == Kind::kResourceControl) COFFER_CHECK_OK(check_resource_control(s, node));
    return s;
  }

 private:
  struct Text {
    std::string_view text;
    Place place;
  };

  Status element(std::string_view name, const Node& value, Statement& s) {
    if (name == "Sid") return sid(value);
    if (name == "Effect") return effect(value, s);
    if (name == "Principal" || name == "NotPrincipal") return principal(name, value, s);
    if (name == "Action" || name == "NotAction") return action(name, value, s);
    if (name == "Resource" || name == "NotResource") return resource(name, value, s);
    if (name == "Condition") return conditions(value, s);
    return syntax("Unknown element " + std::string(name) + ".", value.begin);
  }

  Status sid(const Node& value) {
    if (value.type != Node::Type::kString) return syntax("Sid must be a string.", value.begin);
    if (!rules_.strict_sids) return ok_status();
    if (!std::all_of(value.text.begin(), value.text.end(), is_letter_or_digit))
      return malformed(
          "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
          "[0-9A-Za-z]*",
          value.begin);
    // Editors write empty ones; they name nothing.
    if (!value.text.empty() && !sids_.insert(value.text).second)
      return malformed("Statement IDs (SID) in a single policy must be unique.", value.begin);
    return ok_status();
  }

  static Status effect(const Node& value, Statement& s) {
    if (value.type != Node::Type::kString || (value.text != "Allow" && value.text != "Deny"))
      return syntax("Invalid effect: " + value.text, value.begin);
    s.allows = value.text == "Allow";
    return ok_status();
  }

  /// A string or a list of strings. Nothing when it is neither.
  static std::optional<std::vector<Text>> texts(const Node& value) {
    std::vector<Text> list;
    if (value.type == Node::Type::kString) return std::vector<Text>{{value.text, value.begin}};
    if (value.type != Node::Type::kArray) return std::nullopt;
    for (const Node& item : value.items) {
      if (item.type != Node::Type::kString) return std::nullopt;
      list.push_back({item.text, item.begin});
    }
    return list;
  }

  Status principal(std::string_view name, const Node& value, Statement& s) {
    if (kind_ == Kind::kIdentity) return malformed("Policy document should not specify a principal.", value.begin);
    s.principal_negated = name == "NotPrincipal";
    const bool not_allowed = kind_ == Kind::kTrust || kind_ == Kind::kResourceControl;
    if (!rules_.has_principal || (s.principal_negated && not_allowed))
      return malformed("Has prohibited field " + std::string(name), value.begin);
    if (s.has_principal) return syntax("Principal and NotPrincipal exclude each other.", value.begin);
    s.has_principal = true;
    if (value.type == Node::Type::kString && value.text == "*") {
      s.principals.push_back(*parse_principal({PrincipalEntry::Type::kAnyone, "*"}));
    } else if (value.type == Node::Type::kObject && !value.members.empty()) {
      for (const auto& [type, entries] : value.members) COFFER_CHECK_OK(principals_of_type(type, entries, s));
    } else {
      return malformed("Invalid principal in policy: \"" + value.text + "\"", value.begin);
    }
    const bool anyone = std::any_of(s.principals.begin(), s.principals.end(),
                                    [](const Principal& p) { return p.form == Principal::Form::kAnyone; });
    if (s.principal_negated && anyone) return syntax("NotPrincipal \"*\" means nobody.", value.begin);
    return ok_status();
  }

  static Status principals_of_type(std::string_view name, const Node& entries, Statement& s) {
    using Type = PrincipalEntry::Type;
    static constexpr std::pair<std::string_view, Type> kTypes[] = {{"AWS", Type::kAws},
                                                                   {"Service", Type::kService},
                                                                   {"Federated", Type::kFederated},
                                                                   {"CanonicalUser", Type::kCanonicalUser}};
    const auto known =
        std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& t) { return t.first == name; });
    const auto list = texts(entries);
    if (known == std::end(kTypes) || !list || list->empty())
      return malformed("Invalid principal in policy: \"" + std::string(name) + "\"", entries.begin);
    for (const Text& item : *list) {
      std::optional<Principal> one = parse_principal({known->second, std::string(item.text)});
      if (!one)
        return malformed(
            "Invalid principal in policy: \"" + std::string(name) + "\":\"" + std::string(item.text) + "\"",
            item.place);
      s.principals.push_back(std::move(*one));
    }
    return ok_status();
  }

  Status action(std::string_view name, const Node& value, Statement& s) {
    if (!s.actions.empty()) return syntax("Action and NotAction exclude each other.", value.begin);
    const auto list = texts(value);
    if (!list) return syntax(std::string(name) + " must be a string or a list of strings.", value.begin);
    if (list->empty()) return malformed("Policy statement must contain actions.", value.begin);
    s.action_negated = name == "NotAction";
    for (const Text& item : *list) {
      COFFER_CHECK_OK(check_action(item.text, item.place));
      if (kind_ == Kind::kTrust && !names_trust_action(item.text))
        return malformed("AssumeRole policy may only specify STS AssumeRole actions.", item.place);
      s.actions.emplace_back(item.text, Pattern::Use::kAction, false);
    }
    return ok_status();
  }

  static bool names_trust_action(std::string_view pattern) {
    return lower_case(pattern).starts_with("sts:") &&
           std::any_of(kTrustActions.begin(), kTrustActions.end(),
                       [&](std::string_view known) { return glob_match(pattern, known, true); });
  }

  Status resource(std::string_view name, const Node& value, Statement& s) {
    if (!rules_.has_resource) return malformed("Has prohibited field " + std::string(name), value.begin);
    if (!s.resources.empty()) return syntax("Resource and NotResource exclude each other.", value.begin);
    const auto list = texts(value);
    if (!list) return syntax(std::string(name) + " must be a string or a list of strings.", value.begin);
    if (list->empty()) return malformed("Policy statement must contain resources.", value.begin);
    s.resource_negated = name == "NotResource";
    for (const Text& item : *list) {
      COFFER_CHECK_OK(check_resource(item.text, item.place));
      Pattern pattern(item.text, Pattern::Use::kResource, variables_);
      // AWS takes such a statement and never applies it; a Deny that never denies is worse than a refusal.
      if (pattern.has_early_variable())
        return syntax("Policy variables may only stand after the fifth colon of a resource.", item.place);
      s.resources.push_back(std::move(pattern));
    }
    return ok_status();
  }

  Status conditions(const Node& value, Statement& s) const {
    if (value.type != Node::Type::kObject) return syntax("Condition must be an object.", value.begin);
    for (const auto& [name, keys] : value.members) {
      const std::optional<Operator> op = parse_operator(name);
      if (!op) return syntax("Invalid Condition type : " + name + ".", keys.begin);
      if (keys.type != Node::Type::kObject) return syntax("A condition operator must hold keys.", keys.begin);
      for (const auto& [key, values] : keys.members) {
        COFFER_TRY(Condition one, condition(name, *op, key, values));
        s.conditions.push_back(std::move(one));
      }
    }
    return ok_status();
  }

  Result<Condition> condition(std::string_view name, const Operator& op, const std::string& key,
                              const Node& values) const {
    const size_t colon = key.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == key.size()) return malformed(kVendor, values.begin);
    const std::string lowered = lower_case(key);
    if (kind_ == Kind::kKey && op.set == Operator::Set::kForAllValues &&
        (lowered.starts_with("kms:encryptioncontext:") || lowered.starts_with("aws:requesttag/")))
      return syntax("ForAllValues with the single-valued key " + key + " is overly permissive.", values.begin);
    Condition condition;
    condition.op = op;
    condition.key = key;
    const auto add = [&](const Node& value) -> Status {
      if (!value.is_scalar()) return syntax("A condition value must be a string.", value.begin);
      if (!add_value(condition, value.text, variables_))
        return syntax("Invalid value for " + std::string(name) + ": " + value.text, value.begin);
      return ok_status();
    };
    if (values.type != Node::Type::kArray) {
      COFFER_CHECK_OK(add(values));
      return condition;
    }
    for (const Node& value : values.items) COFFER_CHECK_OK(add(value));
    return condition;
  }

  /// Denies for everyone. The only Allow is the policy that AWS attaches everywhere, which allows everything.
  static Status check_resource_control(const Statement& s, const Node& node) {
    const auto is_star = [&](std::string_view name) {
      const auto member =
          std::find_if(node.members.begin(), node.members.end(), [&](const Member& m) { return m.name == name; });
      if (member == node.members.end()) return false;
      const Node& value = member->value;
      if (value.type == Node::Type::kArray) return value.items.size() == 1 && value.items[0].text == "*";
      return value.type == Node::Type::kString && value.text == "*";
    };
    if (!is_star("Principal")) return syntax("The principal of a resource control policy must be \"*\".", node.begin);
    if (s.allows && is_star("Action") && is_star("Resource") && s.conditions.empty()) return ok_status();
    if (s.allows) return syntax("A resource control policy may only deny.", node.begin);
    if (s.action_negated) return malformed("Has prohibited field NotAction", node.begin);
    if (is_star("Action")) return syntax("Actions of a resource control policy must name a service.", node.begin);
    return ok_status();
  }

  Kind kind_;
  Rules rules_;
  bool variables_;
  std::set<std::string> sids_;
};

}  // namespace

Document::Document() = default;
Document::~Document() = default;

Result<std::shared_ptr<const Document>> Document::parse(std::string_view text, Kind kind) {
  if (text.size() > kTextSizeMax) return malformed(std::string(kSyntax) + " The document is too large.");
  Result<Node> root = parse_json(text);
  if (!root.ok()) return malformed(std::string(kSyntax) + " " + root.error().message);
  if (root->type != Node::Type::kObject) return syntax("A policy must be an object.", root->begin);
  // Without a Version the older language holds, which knows no variables.
  bool variables = false;
  const Node* statements = nullptr;
  for (const auto& [name, value] : root->members) {
    const bool is_string = value.type == Node::Type::kString;
    if (name == "Version") {
      if (!is_string || (value.text != "2012-10-17" && value.text != "2008-10-17"))
        return malformed("Policy document must be version 2012-10-17 or greater.", value.begin);
      variables = value.text == "2012-10-17";
    } else if (name == "Id") {
      if (!rules_of(kind).may_have_id) return malformed("Has prohibited field Id", value.begin);
      if (!is_string) return syntax("Id must be a string.", value.begin);
    } else if (name == "Statement") {
      statements = &value;
    } else {
      return syntax("Unknown element " + name + ".", value.begin);
    }
  }
  if (!statements) return malformed("Missing required field Statement", root->begin);
  const bool is_list = statements->type == Node::Type::kArray;
  if (is_list && statements->items.empty()) return syntax("There must be a statement.", statements->begin);

  std::shared_ptr<Document> document(new Document);
  document->text_ = text;
  document->kind_ = kind;
  StatementParser parser(kind, variables);
  for (size_t i = 0; i < (is_list ? statements->items.size() : 1); ++i) {
    COFFER_TRY(Statement statement, parser.parse(is_list ? statements->items[i] : *statements));
    document->statements_.push_back(std::move(statement));
  }
  return std::shared_ptr<const Document>(std::move(document));
}

std::vector<PrincipalEntry> Document::principals() const {
  std::vector<PrincipalEntry> all;
  for (const Statement& statement : statements_) {
    for (const Principal& principal : statement.principals) all.push_back(principal.written);
  }
  return all;
}

std::vector<std::string> Document::context_keys() const {
  std::set<std::string> keys;
  const auto add_variables = [&](const Pattern& pattern) {
    for (Variable& variable : pattern.variables()) keys.insert(std::move(variable.key));
  };
  for (const Statement& statement : statements_) {
    for (const Pattern& resource : statement.resources) add_variables(resource);
    for (const Condition& condition : statement.conditions) {
      keys.insert(condition.key);
      for (const Pattern& pattern : condition.patterns) add_variables(pattern);
    }
  }
  return {keys.begin(), keys.end()};
}

size_t size_without_whitespace(std::string_view text) {
  size_t size = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    const bool is_continuation = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (in_string && c == '\\' && i + 1 < text.size()) {
      size += 2;
      ++i;
      continue;
    }
    if (c == '"') in_string = !in_string;
    size += !is_continuation && (in_string || !is_space);
  }
  return size;
}

}  // namespace coffer::policy
