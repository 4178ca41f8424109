#include "services/policy/reference_evaluator.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

namespace coffer::policy::testing {
namespace {

using nlohmann::json;
using Kinds = api::Caller::Kind;
using Texts = std::vector<std::string>;

// ---- text

std::string low(std::string s) {
  for (char& c : s) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return s;
}

Texts split(const std::string& text, char at) {
  Texts parts(1);
  for (char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Texts as_list(const json& value) {
  Texts list;
  const auto add = [&](const json& one) { list.push_back(one.is_string() ? one.get<std::string>() : one.dump()); };
  if (value.is_array()) {
    for (const json& one : value) add(one);
  } else {
    add(value);
  }
  return list;
}

// ---- wildcards: a symbol is a character, or one of these

constexpr char32_t kStar = 0x200000, kStarInPart = 0x200001, kAny = 0x200002, kAnyInPart = 0x200003;

std::u32string characters(std::string_view utf8) {
  std::u32string all;
  for (size_t i = 0; i < utf8.size();) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    const size_t size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    char32_t code = size == 1 ? c : c & (0xFFU >> (size + 1));
    for (size_t k = 1; k < size && i + k < utf8.size(); ++k) code = code << 6 | (utf8[i + k] & 0x3F);
    all += code;
    i += size;
  }
  return all;
}

bool glob(std::u32string_view pattern, std::u32string_view text) {
  if (pattern.empty()) return text.empty();
  const char32_t p = pattern[0];
  if (p == kStar || p == kStarInPart) {
    if (glob(pattern.substr(1), text)) return true;
    return !text.empty() && (p == kStar || text[0] != ':') && glob(pattern, text.substr(1));
  }
  if (text.empty()) return false;
  const bool takes = p == kAny || (p == kAnyInPart && text[0] != ':') || p == text[0];
  return takes && glob(pattern.substr(1), text.substr(1));
}

// ---- the question

struct Question {
  const Situation& s;
  std::map<std::string, Texts> context;

  [[nodiscard]] const Texts* find(const std::string& key) const {
    const auto found = context.find(low(key));
    return found == context.end() || found->second.empty() ? nullptr : &found->second;
  }
};

std::map<std::string, Texts> whole_context(const Situation& s) {
  std::map<std::string, Texts> context;
  const api::Caller& c = s.caller;
  const bool own = c.kind != Kinds::kAnonymous && c.kind != Kinds::kService;
  if (own) {
    context["aws:principalarn"] = {c.principal_arn};
    context["aws:principalaccount"] = {c.account};
    context["aws:userid"] = {c.user_id};
  }
  if (c.kind == Kinds::kAnonymous) context["aws:userid"] = {"anonymous"};
  if (c.kind == Kinds::kUser) context["aws:username"] = {c.user_name};
  if (c.kind != Kinds::kService) context["aws:sourceip"] = {"192.0.2.7"};
  context["aws:securetransport"] = {"true"};
  for (const auto& [key, value] : c.tags) context["aws:principaltag/" + low(key)] = {value};
  for (const auto& [key, values] : s.context) context[low(key)] = values;
  return context;
}

// ---- variables

/// The symbols of a pattern with variables replaced; nothing when one has no value.
std::optional<std::u32string> symbols(const std::string& pattern, bool variables, bool wildcards, const Question& q) {
  std::u32string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (variables && pattern.compare(i, 2, "${") == 0 && pattern.find('}', i) != std::string::npos) {
      const size_t end = pattern.find('}', i);
      const std::string name = pattern.substr(i + 2, end - i - 2);
      i = end;
      if (name == "*" || name == "?" || name == "$") {
        out += static_cast<unsigned char>(name[0]);
        continue;
      }
      const Texts parts = split(name, ',');
      const Texts* value = q.find(parts[0]);
      if (value && value->size() == 1) {
        out += characters((*value)[0]);
      } else if (parts.size() == 2) {
        out += characters(split(parts[1], '\'').at(1));
      } else {
        return std::nullopt;
      }
    } else if (wildcards && pattern[i] == '*') {
      out += kStar;
    } else if (wildcards && pattern[i] == '?') {
      out += kAny;
    } else {
      size_t size = 1;
      while (i + size < pattern.size() && (pattern[i + size] & 0xC0) == 0x80) ++size;
      out += characters(pattern.substr(i, size));
      i += size - 1;
    }
  }
  return out;
}

// ---- resources

enum class Is { kNo, kYes, kUnknown };

Is resource_matches(const std::string& pattern, bool variables, const Question& q) {
  if (pattern == "*") return Is::kYes;
  auto p = symbols(pattern, variables, true, q);
  if (!p) return Is::kUnknown;
  // Wildcards before the fifth colon stay in their part, except a star at its end.
  int colons = 0;
  bool runs_on = false;
  for (size_t i = 0; i < p->size() && colons < 5; ++i) {
    char32_t& c = (*p)[i];
    const bool at_end = i + 1 == p->size() || (*p)[i + 1] == ':';
    if (c == ':') ++colons;
    if (c == kStar && at_end) runs_on = true;
    if (c == kStar && !at_end) c = kStarInPart;
    if (c == kAny) c = kAnyInPart;
  }
  if (!runs_on) {
    for (; colons < 5; ++colons) (*p += U':') += kStar;
  }
  return glob(*p, characters(q.s.resource)) ? Is::kYes : Is::kNo;
}

// ---- conditions

std::optional<double> number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end) return std::nullopt;
  return value;
}

std::optional<double> date(const std::string& text) {
  std::tm t{};
  char z = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d%c", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min,
                  &t.tm_sec, &z) == 7 &&
      z == 'Z') {
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return static_cast<double>(timegm(&t));
  }
  return number(text);
}

std::optional<std::pair<uint32_t, int>> address(const std::string& text) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  int bits = 32;
  if (std::sscanf(text.c_str(), "%u.%u.%u.%u/%d", &a, &b, &c, &d, &bits) < 4) return std::nullopt;
  return std::pair{a << 24 | b << 16 | c << 8 | d, bits};
}

bool arn_matches(const std::string& pattern, bool variables, const std::string& text, const Question& q) {
  Texts t = split(text, ':');
  if (t.size() < 6 || t[0] != "arn") return false;
  if (pattern == "*") return true;
  // Colons within a variable's name separate nothing.
  Texts p(1);
  bool inside = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (variables && pattern.compare(i, 2, "${") == 0) inside = true;
    if (pattern[i] == '}') inside = false;
    if (pattern[i] == ':' && !inside && p.size() < 6) {
      p.emplace_back();
    } else {
      p.back() += pattern[i];
    }
  }
  if (p.size() != 6) return false;
  for (size_t i = 6; i < t.size(); ++i) t[5] += ":" + t[i];
  for (size_t i = 0; i < 6; ++i) {
    const auto part = symbols(p[i], variables, true, q);
    if (!part || !glob(*part, characters(t[i]))) return false;
  }
  return true;
}

template <class T>
bool compare(const std::string& op, T asked, T written) {
  if (op.ends_with("LessThan")) return asked < written;
  if (op.ends_with("LessThanEquals")) return asked <= written;
  if (op.ends_with("GreaterThan")) return asked > written;
  if (op.ends_with("GreaterThanEquals")) return asked >= written;
  return asked == written;
}

/// `op` without set, IfExists and Not.
bool value_matches(const std::string& op, const std::string& written, bool variables, const std::string& asked,
                   const Question& q) {
  if (op.starts_with("Arn")) return arn_matches(written, variables, asked, q);
  if (op.starts_with("String")) {
    const bool like = op == "StringLike";
    auto p = symbols(written, variables, like, q);
    if (!p) return false;
    std::u32string t = characters(asked);
    if (op == "StringEqualsIgnoreCase") {
      for (auto* s : {&*p, &t}) {
        for (char32_t& c : *s) c = c >= 'A' && c <= 'Z' ? c + 32 : c;
      }
    }
    return glob(*p, t);
  }
  if (op == "Bool") return low(asked) == low(written);
  if (op == "BinaryEquals") return asked == written;
  if (op == "IpAddress") {
    const auto block = address(written), one = address(asked);
    if (!block || !one) return false;
    const uint32_t mask = block->second == 0 ? 0 : ~uint32_t{0} << (32 - block->second);
    return (block->first & mask) == (one->first & mask);
  }
  const bool numeric = op.starts_with("Numeric");
  const auto a = numeric ? number(asked) : date(asked), b = numeric ? number(written) : date(written);
  return a && b && compare(op, *a, *b);
}

bool condition_holds(std::string op, const std::string& key, const Texts& written, bool variables, const Question& q) {
  const Texts* asked = q.find(key);
  if (op == "Null") {
    for (const std::string& value : written) {
      if ((low(value) == "true") == (asked == nullptr)) return true;
    }
    return false;
  }
  const bool all = op.starts_with("ForAllValues:"), any = op.starts_with("ForAnyValue:");
  if (all || any) op = op.substr(op.find(':') + 1);
  const bool if_exists = op.ends_with("IfExists");
  if (if_exists) op.resize(op.size() - 8);
  const size_t not_at = op.find("Not");
  const bool negated = not_at != std::string::npos;
  if (negated) op.erase(not_at, 3);
  if (!asked) return if_exists || all || (!any && negated);
  size_t good = 0, hits = 0;
  for (const std::string& value : *asked) {
    bool hit = false;
    for (const std::string& w : written) hit = hit || value_matches(op, w, variables, value, q);
    hits += hit;
    good += hit != negated;
  }
  if (all) return good == asked->size();
  if (any) return good > 0;
  return negated ? hits == 0 : hits > 0;
}

// ---- principals

enum Named { kNot, kAccount, kLoosely, kExactly };

bool is_account(const std::string& value, const std::string& account) {
  return !account.empty() && (value == account || value == "arn:aws:iam::" + account + ":root");
}

Named names(const json& principal, const api::Caller& c) {
  if (principal == "*") return kLoosely;
  Named best = kNot;
  const bool own = c.kind != Kinds::kAnonymous && c.kind != Kinds::kService;
  for (const auto& [type, values] : principal.items()) {
    for (const std::string& value : as_list(values)) {
      Named one = kNot;
      if (type == "AWS" && value == "*") one = kLoosely;
      if (type == "Service" && c.kind == Kinds::kService && value == c.arn) one = kExactly;
      if (type == "AWS" && own) {
        if (is_account(value, c.account)) one = c.kind == Kinds::kRoot ? kExactly : kAccount;
        if (c.kind == Kinds::kRoleSession && value == c.principal_arn) one = kLoosely;
        if (value == c.arn && c.kind != Kinds::kRoot) one = kExactly;
        if (value == c.principal_id && c.kind != Kinds::kRoot) one = c.kind == Kinds::kUser ? kExactly : kLoosely;
      }
      best = std::max(best, one);
    }
  }
  return best;
}

bool exempt(const json& principal, const api::Caller& c) {
  bool account = false, role = false, self = false;
  for (const auto& [type, values] : principal.items()) {
    for (const std::string& value : as_list(values)) {
      if (type == "Service" && c.kind == Kinds::kService && value == c.arn) self = true;
      if (type != "AWS" || c.kind == Kinds::kService) continue;
      if (is_account(value, c.account)) account = true;
      if (c.kind == Kinds::kRoleSession && (value == c.principal_arn || value == c.principal_id)) role = true;
      if (value == c.arn || (c.kind == Kinds::kUser && value == c.principal_id)) self = true;
    }
  }
  if (c.kind == Kinds::kAnonymous) return false;
  if (c.kind == Kinds::kService) return self;
  if (c.kind == Kinds::kRoot) return account;
  if (c.kind == Kinds::kRoleSession) return account && role && self;
  return account && self;
}

// ---- statements and documents

bool matches(const json& statement, bool variables, const Question& q) {
  const bool not_action = statement.contains("NotAction"), not_resource = statement.contains("NotResource");
  if (!not_action && !statement.contains("Action")) return false;
  bool action = false;
  for (const std::string& pattern : as_list(statement.at(not_action ? "NotAction" : "Action")))
    action = action || reference_glob(low(pattern), low(q.s.action));
  if (action == not_action) return false;
  if (not_resource || statement.contains("Resource")) {
    bool yes = false, unknown = false;
    for (const std::string& pattern : as_list(statement.at(not_resource ? "NotResource" : "Resource"))) {
      const Is is = resource_matches(pattern, variables, q);
      yes = yes || is == Is::kYes;
      unknown = unknown || is == Is::kUnknown;
    }
    if (yes == not_resource) return false;
    if (not_resource && unknown && statement.at("Effect") == "Allow") return false;
  } else if (q.s.resource_kind != Kind::kTrust) {
    return false;
  }
  if (!statement.contains("Condition")) return true;
  for (const auto& [op, keys] : statement.at("Condition").items()) {
    for (const auto& [key, values] : keys.items()) {
      if (!condition_holds(op, key, as_list(values), variables, q)) return false;
    }
  }
  return true;
}

struct Says {
  bool denies = false;
  Named allows = kNot;
};

Says says(const std::string& text, const Question& q) {
  const json document = json::parse(text);
  const bool variables = document.value("Version", "") == "2012-10-17";
  json statements = document.at("Statement");
  if (!statements.is_array()) statements = json::array({statements});
  Says all;
  for (const json& statement : statements) {
    Named named = kExactly;
    if (statement.contains("Principal")) named = names(statement.at("Principal"), q.s.caller);
    if (statement.contains("NotPrincipal")) named = exempt(statement.at("NotPrincipal"), q.s.caller) ? kNot : kLoosely;
    if (named == kNot || !matches(statement, variables, q)) continue;
    if (statement.at("Effect") == "Deny") all.denies = true;
    if (statement.at("Effect") == "Allow") all.allows = std::max(all.allows, named);
  }
  return all;
}

Says says(const std::vector<std::string>& texts, const Question& q) {
  Says all;
  for (const std::string& text : texts) {
    const Says one = says(text, q);
    all.denies = all.denies || one.denies;
    all.allows = std::max(all.allows, one.allows);
  }
  return all;
}

}  // namespace

bool reference_glob(std::string_view pattern, std::string_view text) {
  std::u32string p = characters(pattern);
  for (char32_t& c : p) c = c == '*' ? kStar : c == '?' ? kAny : c;
  return glob(p, characters(text));
}

std::string reference_decision(const Situation& s) {
  const Question q{s, whole_context(s)};
  const api::Caller& c = s.caller;
  const bool outside = c.kind == Kinds::kAnonymous || c.kind == Kinds::kService;
  const bool root = c.kind == Kinds::kRoot;
  const bool bound = !outside && !root;  // has policies of its own

  const Says nothing;
  const Says resource = s.resource_policy ? says(*s.resource_policy, q) : nothing;
  const Says identity = bound ? says(s.identity, q) : nothing;
  const Says boundary = bound && s.boundary ? says(*s.boundary, q) : nothing;
  const Says session = bound && s.session ? says(*s.session, q) : nothing;
  bool scp_denies = false, scp_allows = true, rcp_denies = false, rcp_allows = true;
  if (!outside && !c.service_linked) {
    for (const Level& level : s.service_control) {
      const Says one = says(level, q);
      scp_denies = scp_denies || one.denies;
      scp_allows = scp_allows && one.allows != kNot;
    }
  }
  if (!c.service_linked && low(s.action) != "kms:retiregrant") {
    for (const Level& level : s.resource_control) {
      const Says one = says(level, q);
      rcp_denies = rcp_denies || one.denies;
      rcp_allows = rcp_allows && one.allows != kNot;
    }
  }

  if (scp_denies) return "deny:scp";
  if (rcp_denies) return "deny:rcp";
  if (resource.denies) return "deny:resource";
  if (identity.denies) return "deny:identity";
  if (boundary.denies) return "deny:boundary";
  if (session.denies) return "deny:session";
  if (!rcp_allows) return "none:rcp";
  if (!scp_allows) return "none:scp";

  const bool from_resource = resource.allows != kNot || s.granted;
  if (outside) return from_resource ? "allow" : "none:resource";
  const bool federated = c.kind == Kinds::kFederatedUser;
  const bool identity_allows = identity.allows != kNot || root || (federated && c.principal_id == c.account);
  const bool boundary_allows = !bound || !s.boundary || boundary.allows != kNot;
  const bool session_allows = !bound || (s.session ? session.allows != kNot : !federated);
  const std::string limits = !boundary_allows ? "none:boundary" : !session_allows ? "none:session" : "allow";

  if (!s.resource_account.empty() && s.resource_account != c.account) {
    if (!from_resource) return "none:resource";
    return identity_allows ? limits : "none:identity";
  }
  if (resource.allows == kExactly) return "allow";
  if (resource.allows == kLoosely || s.granted) return limits;
  const bool required = s.resource_kind == Kind::kKey || s.resource_kind == Kind::kTrust;
  if (required && resource.allows == kNot) return "none:resource";
  return identity_allows ? limits : "none:identity";
}

}  // namespace coffer::policy::testing
