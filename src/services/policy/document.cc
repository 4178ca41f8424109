#include "services/policy/document.h"

#include <algorithm>
#include <set>

#include "services/policy/statement.h"

namespace coffer::policy {
namespace {

Error malformed(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), {}, "MalformedPolicyDocument"};
}

std::string at(const Place& place) {
  return " (line " + std::to_string(place.line) + ", column " + std::to_string(place.column) + ")";
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool hangs_on_a_resource(Kind kind) {
  return kind == Kind::kResource || kind == Kind::kKey || kind == Kind::kTrust || kind == Kind::kResourceControl;
}

class Builder {
 public:
  Builder(Kind kind, bool variables) : kind_(kind), variables_(variables) {}

  Result<Statement> statement(const Node& node) {
    if (node.type != Node::Type::kObject) return malformed("Syntax errors in policy." + at(node.begin));
    Statement s;
    s.begin = node.begin;
    s.end = node.end;
    bool has_effect = false;
    int actions = 0, resources = 0, principals = 0;
    for (const auto& [name, value] : node.members) {
      if (name == "Sid") {
        COFFER_CHECK_OK(sid(value, s));
      } else if (name == "Effect") {
        if (value.type != Node::Type::kString || (value.text != "Allow" && value.text != "Deny"))
          return malformed("Invalid effect: " + value.text + at(value.begin));
        s.allows = value.text == "Allow";
        has_effect = true;
      } else if (name == "Principal" || name == "NotPrincipal") {
        ++principals;
        COFFER_CHECK_OK(principal(name, value, s));
      } else if (name == "Action" || name == "NotAction") {
        ++actions;
        s.action_negated = name == "NotAction";
        COFFER_CHECK_OK(action(value, s));
      } else if (name == "Resource" || name == "NotResource") {
        ++resources;
        s.resource_negated = name == "NotResource";
        COFFER_CHECK_OK(resource(name, value, s));
      } else if (name == "Condition") {
        COFFER_CHECK_OK(conditions(value, s));
      } else {
        return malformed("Syntax errors in policy: unknown element " + name + at(value.begin));
      }
    }
    if (!has_effect) return malformed("Missing required field Effect" + at(node.begin));
    if (actions > 1 || resources > 1 || principals > 1)
      return malformed("Syntax errors in policy: an element and its Not form exclude each other" + at(node.begin));
    // Key policies are taken without them; such a statement has no effect.
    if (actions == 0 && kind_ != Kind::kKey)
      return malformed("Policy statement must contain actions." + at(node.begin));
    if (resources == 0 && kind_ != Kind::kTrust && kind_ != Kind::kKey)
      return malformed("Policy statement must contain resources." + at(node.begin));
    if (principals == 0 && hangs_on_a_resource(kind_))
      return malformed("Missing required field Principal" + at(node.begin));
    if (s.principal_negated && s.allows) return malformed("Allow with NotPrincipal is not allowed." + at(node.begin));
    if (kind_ == Kind::kResourceControl && (s.allows || s.principal_negated || s.principals.size() != 1 ||
                                            s.principals[0].type != PrincipalEntry::Type::kAnyone))
      return malformed("A resource control policy may only deny, and its Principal must be \"*\"." + at(node.begin));
    return s;
  }

 private:
  Status sid(const Node& value, Statement& s) {
    if (value.type != Node::Type::kString) return malformed("Sid must be a string" + at(value.begin));
    s.sid = value.text;
    const bool plain = std::all_of(s.sid.begin(), s.sid.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
    if (kind_ == Kind::kIdentity && !plain)
      return malformed(
          "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
          "[0-9A-Za-z]*" +
          at(value.begin));
    if (!s.sid.empty() && kind_ == Kind::kIdentity && !sids_.insert(s.sid).second)
      return malformed("Statement IDs (SID) in a single policy must be unique." + at(value.begin));
    return ok_status();
  }

  static Result<std::vector<std::string>> texts(const Node& value, std::string_view element) {
    std::vector<std::string> list;
    const auto take = [&](const Node& node) {
      if (node.type != Node::Type::kString) return false;
      list.push_back(node.text);
      return true;
    };
    bool good = true;
    if (value.type == Node::Type::kArray) {
      for (const Node& item : value.items) good = good && take(item);
    } else {
      good = take(value);
    }
    if (!good || list.empty())
      return malformed("Syntax errors in policy: " + std::string(element) + " must be a string or a list of strings" +
                       at(value.begin));
    return list;
  }

  Status principal(const std::string& name, const Node& value, Statement& s) {
    if (!hangs_on_a_resource(kind_))
      return malformed("Policy document should not specify a principal." + at(value.begin));
    if (name == "NotPrincipal" && kind_ == Kind::kTrust)
      return malformed("Has prohibited field NotPrincipal" + at(value.begin));
    s.has_principal = true;
    s.principal_negated = name == "NotPrincipal";
    if (value.type == Node::Type::kString) {
      if (value.text != "*") return malformed("Invalid principal in policy: \"" + value.text + "\"" + at(value.begin));
      s.principals.push_back({PrincipalEntry::Type::kAnyone, "*"});
      return ok_status();
    }
    if (value.type != Node::Type::kObject || value.members.empty())
      return malformed("Invalid principal in policy." + at(value.begin));
    for (const auto& [type, entries] : value.members) {
      PrincipalEntry entry;
      if (type == "AWS") {
        entry.type = PrincipalEntry::Type::kAws;
      } else if (type == "Service") {
        entry.type = PrincipalEntry::Type::kService;
      } else if (type == "Federated") {
        entry.type = PrincipalEntry::Type::kFederated;
      } else if (type == "CanonicalUser") {
        entry.type = PrincipalEntry::Type::kCanonicalUser;
      } else {
        return malformed("Invalid principal in policy: unknown type " + type + at(entries.begin));
      }
      COFFER_TRY(std::vector<std::string> values, texts(entries, "Principal"));
      for (std::string& text : values) {
        entry.value = std::move(text);
        PrincipalEntry one = entry;
        if (one.type == PrincipalEntry::Type::kAws) {
          if (one.value == "*") {
            one.type = PrincipalEntry::Type::kAnyone;
          } else if (!is_aws_principal(one.value)) {
            return malformed("Invalid principal in policy: \"AWS\":\"" + one.value + "\"" + at(entries.begin));
          }
        } else if (one.value.empty() || one.value.find_first_of("*?") != std::string::npos) {
          return malformed("Invalid principal in policy: \"" + type + "\":\"" + one.value + "\"" + at(entries.begin));
        }
        s.principals.push_back(std::move(one));
      }
    }
    return ok_status();
  }

  /// An account, a unique id, or the ARN of an account, user, role or session. No wildcards.
  static bool is_aws_principal(std::string_view value) {
    if (is_account_id(value)) return true;
    if (value.size() >= 16 && (value.starts_with("AIDA") || value.starts_with("AROA")) &&
        value.find_first_of("*?:") == std::string_view::npos)
      return true;
    if (!value.starts_with("arn:aws:iam::") && !value.starts_with("arn:aws:sts::")) return false;
    if (value.find_first_of("*?") != std::string_view::npos) return false;
    const std::string_view rest = value.substr(13);
    return rest.size() > 13 && is_account_id(rest.substr(0, 12)) && rest[12] == ':';
  }

  Status action(const Node& value, Statement& s) {
    COFFER_TRY(std::vector<std::string> values, texts(value, s.action_negated ? "NotAction" : "Action"));
    for (const std::string& text : values) {
      if (text != "*") {
        const size_t colon = text.find(':');
        if (colon == std::string::npos || colon == 0)
          return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc." +
                           at(value.begin));
        const std::string_view vendor = std::string_view(text).substr(0, colon);
        const bool plain = std::all_of(vendor.begin(), vendor.end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
        });
        if (!plain) return malformed("Vendor " + std::string(vendor) + " is not valid" + at(value.begin));
        if (colon + 1 == text.size()) return malformed("Invalid action: " + text + at(value.begin));
        if (kind_ == Kind::kTrust && vendor != "sts")
          return malformed("AssumeRole policy may only specify STS AssumeRole actions." + at(value.begin));
      }
      s.actions.emplace_back(text, Pattern::Use::kAction, false);
    }
    return ok_status();
  }

  Status resource(const std::string& name, const Node& value, Statement& s) {
    if (kind_ == Kind::kTrust) return malformed("Has prohibited field " + name + at(value.begin));
    COFFER_TRY(std::vector<std::string> values, texts(value, name));
    s.has_resource = true;
    for (const std::string& text : values) {
      if (text != "*" && (kind_ == Kind::kIdentity || kind_ == Kind::kService)) {
        if (!text.starts_with("arn:") && !text.starts_with("*"))
          return malformed("Resource " + text + " must be in ARN format or \"*\"." + at(value.begin));
        const size_t partition = text.find(':', 4);
        if (text.starts_with("arn:") && partition == std::string::npos && text.find('*') == std::string::npos)
          return malformed("Resource " + text + " must be in ARN format or \"*\"." + at(value.begin));
      }
      s.resources.emplace_back(text, Pattern::Use::kResource, variables_);
    }
    return ok_status();
  }

  Status conditions(const Node& value, Statement& s) {
    if (value.type != Node::Type::kObject)
      return malformed("Syntax errors in policy: Condition must be an object" + at(value.begin));
    for (const auto& [op, keys] : value.members) {
      const std::optional<Condition> form = parse_operator(op);
      if (!form) return malformed("Invalid Condition type : " + op + "." + at(keys.begin));
      if (keys.type != Node::Type::kObject)
        return malformed("Syntax errors in policy: " + op + " must hold keys" + at(keys.begin));
      for (const auto& [key, values] : keys.members) {
        Condition condition = *form;
        condition.key = key;
        if (key.empty() || key.find(':') == std::string::npos)
          return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc." +
                           at(values.begin));
        const auto add = [&](const Node& node) -> Status {
          if (!node.is_scalar())
            return malformed("Syntax errors in policy: a condition value must be a string" + at(node.begin));
          COFFER_TRY(ConditionValue prepared, condition_value(condition, node));
          condition.values.push_back(std::move(prepared));
          return ok_status();
        };
        if (values.type == Node::Type::kArray) {
          for (const Node& item : values.items) COFFER_CHECK_OK(add(item));
        } else {
          COFFER_CHECK_OK(add(values));
        }
        s.conditions.push_back(std::move(condition));
      }
    }
    return ok_status();
  }

  Result<ConditionValue> condition_value(const Condition& condition, const Node& node) const {
    ConditionValue value;
    const std::string& text = node.text;
    const auto use = condition.op == Operator::kStringLike ? Pattern::Use::kLike
                     : condition.op == Operator::kArn      ? Pattern::Use::kArn
                                                           : Pattern::Use::kText;
    const bool is_text = use != Pattern::Use::kText || condition.op == Operator::kStringEquals ||
                         condition.op == Operator::kStringEqualsIgnoreCase;
    value.pattern = Pattern(text, use, variables_ && is_text);
    switch (condition.op) {
      case Operator::kNumericEquals:
      case Operator::kNumericLess:
      case Operator::kNumericLessEquals:
      case Operator::kNumericGreater:
      case Operator::kNumericGreaterEquals:
        value.number = parse_number(text);
        if (!value.number) return malformed("The value '" + text + "' is no number" + at(node.begin));
        break;
      case Operator::kDateEquals:
      case Operator::kDateLess:
      case Operator::kDateLessEquals:
      case Operator::kDateGreater:
      case Operator::kDateGreaterEquals:
        value.date_micros = parse_date_micros(text);
        if (!value.date_micros) return malformed("The value '" + text + "' is no date" + at(node.begin));
        break;
      case Operator::kBool:
      case Operator::kNull:
        if (text != "true" && text != "false" && text != "True" && text != "False")
          return malformed("The value '" + text + "' is neither true nor false" + at(node.begin));
        value.truth = text == "true" || text == "True";
        break;
      case Operator::kIp:
        value.block = parse_address_block(text);
        if (!value.block)
          return malformed("The value '" + text + "' is no address or block of addresses" + at(node.begin));
        break;
      default: break;
    }
    return value;
  }

  Kind kind_;
  bool variables_;
  std::set<std::string> sids_;
};

}  // namespace

Document::Document() = default;
Document::~Document() = default;

Result<std::shared_ptr<const Document>> Document::parse(std::string_view text, Kind kind) {
  Result<Node> root = parse_json(text);
  if (!root.ok()) return malformed("Syntax errors in policy: " + root.error().message);
  if (root->type != Node::Type::kObject) return malformed("Syntax errors in policy." + at(root->begin));
  bool newest = false;
  const Node* statements = nullptr;
  for (const auto& [name, value] : root->members) {
    if (name == "Version") {
      if (value.type != Node::Type::kString || (value.text != "2012-10-17" && value.text != "2008-10-17"))
        return malformed("Policy document must be version 2012-10-17 or greater." + at(value.begin));
      newest = value.text == "2012-10-17";
    } else if (name == "Id") {
      if (value.type != Node::Type::kString)
        return malformed("Syntax errors in policy: Id must be a string" + at(value.begin));
    } else if (name == "Statement") {
      statements = &value;
    } else {
      return malformed("Syntax errors in policy: unknown element " + name + at(value.begin));
    }
  }
  if (!statements) return malformed("Missing required field Statement");
  std::shared_ptr<Document> document(new Document);
  document->text_ = text;
  document->kind_ = kind;
  Builder builder(kind, newest);
  if (statements->type == Node::Type::kArray) {
    if (statements->items.empty()) return malformed("Policy document must contain at least one statement");
    for (const Node& node : statements->items) {
      COFFER_TRY(Statement statement, builder.statement(node));
      document->statements_.push_back(std::move(statement));
    }
  } else {
    COFFER_TRY(Statement statement, builder.statement(*statements));
    document->statements_.push_back(std::move(statement));
  }
  return std::shared_ptr<const Document>(std::move(document));
}

std::vector<PrincipalEntry> Document::principals() const {
  std::vector<PrincipalEntry> all;
  for (const Statement& statement : statements_)
    all.insert(all.end(), statement.principals.begin(), statement.principals.end());
  return all;
}

std::vector<std::string> Document::context_keys() const {
  std::set<std::string> keys;
  for (const Statement& statement : statements_) {
    for (const Condition& condition : statement.conditions) {
      keys.insert(condition.key);
      for (const ConditionValue& value : condition.values) {
        for (std::string& name : value.pattern.variables()) keys.insert(std::move(name));
      }
    }
    for (const Pattern& resource : statement.resources) {
      for (std::string& name : resource.variables()) keys.insert(std::move(name));
    }
  }
  return {keys.begin(), keys.end()};
}

size_t size_without_whitespace(std::string_view text) {
  size_t size = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      size += 2;
      ++i;
      continue;
    }
    if (c == '"') in_string = !in_string;
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    const bool continuation = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    size += in_string ? !continuation : !space && !continuation;
  }
  return size;
}

}  // namespace coffer::policy
