#include "services/organizations/effective.h"

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "services/organizations/faults.h"

namespace coffer::organizations {
namespace {

namespace json = boost::json;

constexpr std::string_view kAssign = "@@assign", kAppend = "@@append", kRemove = "@@remove";
constexpr std::string_view kAllowed = "@@operators_allowed_for_child_policies";
constexpr unsigned kMayAssign = 1, kMayAppend = 2, kMayRemove = 4, kMayAll = 7;

Error malformed(std::string what) {
  return api::fault(
      ErrorCode::kInvalidArgument, "MalformedPolicyDocumentException",
      "The provided policy document does not meet the requirements of the specified policy type: " + std::move(what));
}

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

Result<json::object> parse_object(std::string_view content) {
  boost::system::error_code failed;
  json::value value = json::parse(json::string_view(content.data(), content.size()), failed);
  if (failed) return malformed("it is not JSON");
  if (!value.is_object()) return malformed("it is not a JSON object");
  return std::move(value.get_object());
}

bool is_scalar(const json::value& v) { return v.is_string() || v.is_number() || v.is_bool(); }

std::optional<unsigned> read_allowed(const json::value& value) {
  if (!value.is_array() || value.get_array().empty()) return std::nullopt;
  unsigned mask = 0;
  for (const json::value& item : value.get_array()) {
    if (!item.is_string()) return std::nullopt;
    const std::string_view name = view(item.get_string());
    if (name == "@@all") {
      mask |= kMayAll;
    } else if (name == kAssign) {
      mask |= kMayAssign;
    } else if (name == kAppend) {
      mask |= kMayAppend;
    } else if (name == kRemove) {
      mask |= kMayRemove;
    } else if (name != "@@none" || value.get_array().size() > 1) {
      return std::nullopt;
    }
  }
  return mask;
}

bool is_setting(const json::object& object) {
  return object.contains(kAssign.data()) || object.contains(kAppend.data()) || object.contains(kRemove.data());
}

Status check_operator(std::string_view name, const json::value& value, const std::string& where) {
  if (name == kAllowed) return read_allowed(value) ? ok_status() : Status(malformed("bad " + where));
  if (name != kAssign && name != kAppend && name != kRemove) return malformed("there is no operator " + where);
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) {
      if (!is_scalar(item)) return malformed(where + " may list strings only");
    }
    return ok_status();
  }
  if (name != kAssign) return malformed(where + " takes a list");
  return is_scalar(value) ? ok_status() : Status(malformed(where + " takes a value or a list"));
}

// The parser's depth is limited, so this recursion is.
Status check_object(const json::object& object, const std::string& where) {
  const bool setting = is_setting(object);
  for (const auto& [key, value] : object) {
    const std::string_view name = view(key);
    const std::string here = where + "/" + std::string(name);
    if (name.starts_with("@@")) {
      COFFER_CHECK_OK(check_operator(name, value, here));
    } else if (setting) {
      return malformed(where + " has both a value and members");
    } else if (!value.is_object()) {
      return malformed(here + " has a value without an operator");
    } else {
      COFFER_CHECK_OK(check_object(value.get_object(), here));
    }
  }
  return ok_status();
}

/// A place in the merged policy.
struct Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> members;  // in the order of their first mention
  std::optional<json::value> value;
  size_t assigned_on = SIZE_MAX;  // the level whose @@assign was taken

  Node& member(std::string_view name) {
    for (auto& [key, node] : members) {
      if (key == name) return *node;
    }
    members.emplace_back(std::string(name), std::make_unique<Node>());
    return *members.back().second;
  }
};

/// What one policy above says about the place we are at.
struct Control {
  const json::object* at = nullptr;  // null: it says nothing about this place or what is below it
  unsigned allowed = kMayAll;

  static Control of(const json::object* at, unsigned inherited) {
    if (at) {
      if (const json::value* own = at->if_contains(kAllowed.data())) return {at, read_allowed(*own).value_or(0)};
    }
    return {at, inherited};
  }
  [[nodiscard]] Control member(json::string_view name) const {
    const json::value* below = at ? at->if_contains(name) : nullptr;
    return of(below && below->is_object() ? &below->get_object() : nullptr, allowed);
  }
};
using Controls = std::vector<Control>;

unsigned allowed_by(const Controls& controls) {
  unsigned mask = kMayAll;
  for (const Control& c : controls) mask &= c.allowed;
  return mask;
}

enum class Pass { kAssigning, kAdjusting };

void adjust(Node& node, const json::object& setting, unsigned allowed) {
  const json::value* more = setting.if_contains(kAppend.data());
  if (more && allowed & kMayAppend && (!node.value || node.value->is_array())) {
    if (!node.value) node.value = json::array();
    json::array& list = node.value->get_array();
    for (const json::value& item : more->get_array()) {
      if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
    }
  }
  const json::value* less = setting.if_contains(kRemove.data());
  if (less && allowed & kMayRemove && node.value && node.value->is_array()) {
    json::array& list = node.value->get_array();
    for (const json::value& item : less->get_array()) {
      const auto found = std::find(list.begin(), list.end(), item);
      if (found != list.end()) list.erase(found);
    }
  }
}

void apply(Node& node, const json::object& policy, const Controls& controls, size_t level, Pass pass) {
  if (is_setting(policy)) {
    const unsigned allowed = allowed_by(controls);
    const json::value* assigned = policy.if_contains(kAssign.data());
    if (pass == Pass::kAdjusting) {
      adjust(node, policy, allowed);
    } else if (assigned && allowed & kMayAssign && node.assigned_on != level) {
      node.value = *assigned;
      node.assigned_on = level;
    }
    return;
  }
  for (const auto& [key, value] : policy) {
    if (view(key).starts_with("@@")) continue;
    Controls below;
    below.reserve(controls.size());
    for (const Control& c : controls) below.push_back(c.member(key));
    apply(node.member(view(key)), value.get_object(), below, level, pass);
  }
}

/// Null for a place where nothing remained.
json::value shown(const Node& node) {
  if (node.value) return node.value->is_array() && node.value->get_array().empty() ? json::value() : *node.value;
  json::object object;
  for (const auto& [name, member] : node.members) {
    json::value below = shown(*member);
    if (!below.is_null()) object.emplace(name, std::move(below));
  }
  return object.empty() ? json::value() : json::value(std::move(object));
}

}  // namespace

Status check_management_policy(std::string_view content, std::string_view top) {
  COFFER_TRY(json::object policy, parse_object(content));
  if (is_setting(policy)) return malformed("an operator stands on the top level");
  for (const auto& [key, value] : policy) {
    if (!top.empty() && view(key) != top && view(key) != kAllowed)
      return malformed("the only top-level key is \"" + std::string(top) + "\"");
  }
  if (!top.empty() && !policy.contains(json::string_view(top.data(), top.size())))
    return malformed("the top-level key \"" + std::string(top) + "\" is missing");
  return check_object(policy, "");
}

Result<std::optional<std::string>> merge_management_policies(const std::vector<std::vector<std::string>>& levels) {
  Node root;
  std::vector<std::unique_ptr<json::object>> above;  // Controls point into them
  for (size_t level = 0; level < levels.size(); ++level) {
    std::vector<std::unique_ptr<json::object>> here;
    for (const std::string& content : levels[level]) {
      COFFER_TRY(json::object policy, parse_object(content));
      here.push_back(std::make_unique<json::object>(std::move(policy)));
    }
    Controls controls;
    for (const auto& policy : above) controls.push_back(Control::of(policy.get(), kMayAll));
    for (Pass pass : {Pass::kAssigning, Pass::kAdjusting}) {
      for (const auto& policy : here) apply(root, *policy, controls, level, pass);
    }
    std::move(here.begin(), here.end(), std::back_inserter(above));
  }
  json::value merged = shown(root);
  if (merged.is_null()) return std::optional<std::string>();
  return std::optional(std::string(json::serialize(merged)));
}

}  // namespace coffer::organizations
