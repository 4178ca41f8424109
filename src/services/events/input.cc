#include "services/events/input.h"

#include <functional>
#include <optional>
#include <vector>

#include "services/events/operations.h"
#include "services/policy/text.h"

namespace coffer::events {
namespace {

using api::Value;

struct Step {
  std::string name;
  std::optional<size_t> index;
};

std::optional<std::vector<Step>> steps_of(std::string_view path) {
  if (!path.starts_with('$')) return std::nullopt;
  path.remove_prefix(1);
  std::vector<Step> steps;
  while (!path.empty()) {
    Step step;
    if (path[0] == '.') {
      path.remove_prefix(1);
      const size_t end = std::min(path.find_first_of(".["), path.size());
      if (end == 0) return std::nullopt;
      step.name = path.substr(0, end);
      path.remove_prefix(end);
    } else if (path[0] == '[') {
      const size_t end = path.find(']');
      if (end == std::string_view::npos) return std::nullopt;
      const std::string_view inner = path.substr(1, end - 1);
      if (inner.size() > 2 && (inner[0] == '\'' || inner[0] == '"') && inner.back() == inner[0]) {
        step.name = inner.substr(1, inner.size() - 2);
      } else if (policy::all_digits(inner) && inner.size() < 7) {
        step.index = std::stoul(std::string(inner));
      } else {
        return std::nullopt;
      }
      path.remove_prefix(end + 1);
    } else {
      return std::nullopt;
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

bool is_name_character(char c) { return policy::is_letter_or_digit(c) || c == '_' || c == '-' || c == '.'; }

/// Calls `text` with what stands between placeholders and `name` with each placeholder, and whether it stands within
/// quotes.
void scan(std::string_view input_template, const std::function<void(std::string_view)>& text,
          const std::function<void(std::string_view name, bool quoted)>& name) {
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < input_template.size(); ++i) {
    const char c = input_template[i];
    if (c == '\\' && quoted) {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '<') {
      size_t end = i + 1;
      while (end < input_template.size() && is_name_character(input_template[end])) ++end;
      if (end == i + 1 || end == input_template.size() || input_template[end] != '>') continue;
      text(input_template.substr(begin, i - begin));
      name(input_template.substr(i + 1, end - i - 1), quoted);
      i = end;
      begin = end + 1;
    }
  }
  text(input_template.substr(begin));
}

bool is_predefined(std::string_view name) {
  for (std::string_view known : {"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time",
                                 "aws.events.event", "aws.events.event.json"}) {
    if (name == known) return true;
  }
  return false;
}

Json predefined(std::string_view name, const Json& event, const InputFacts& facts) {
  if (name == "aws.events.rule-arn") return Json::string(facts.rule.arn());
  if (name == "aws.events.rule-name") return Json::string(facts.rule.name);
  if (name == "aws.events.event.ingestion-time") return Json::string(format_utc(facts.ingested));
  if (name == "aws.events.event.json") return event;
  Json without = Json::object();
  for (const auto& [member, value] : event.members) {
    if (member != "detail") without.set(member, value);
  }
  return without;
}

std::string without_quotes(std::string_view json) {
  std::string out;
  for (char c : json) {
    if (c != '"') out += c;
  }
  return out;
}

/// A value as it stands within quotes.
std::string as_quoted_text(const Json& value, bool string_template) {
  const std::string json = write_json(value);
  if (value.is_string()) return json.substr(1, json.size() - 2);
  // A JSON template takes an object as it is; its quotes then end the text around it, which makes the whole unusable.
  return string_template ? without_quotes(json) : json;
}

/// JSON, or lines that are JSON texts each.
bool is_usable(const std::string& body) {
  if (parse_json(body).ok()) return true;
  size_t lines = 0;
  for (size_t begin = 0; begin <= body.size();) {
    const size_t end = std::min(body.find('\n', begin), body.size());
    const std::string_view line = std::string_view(body).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto parsed = parse_json(line);
    if (!parsed.ok() || !parsed->is_string()) return false;
    ++lines;
  }
  return lines > 0;
}

Result<std::string> transform(const Value& transformer, const Json& event, const InputFacts& facts) {
  const auto paths = transformer.text_map("InputPathsMap");
  const std::string input_template(transformer.text("InputTemplate"));
  const size_t first = input_template.find_first_not_of(" \t\r\n");
  const bool string_template = first != std::string::npos && input_template[first] == '"';
  std::string out;
  scan(
      input_template, [&](std::string_view text) { out += text; },
      [&](std::string_view name, bool quoted) {
        Json made;
        const Json* value = nullptr;
        if (const auto path = paths.find(std::string(name)); path != paths.end()) {
          value = find_path(event, path->second);
        } else if (is_predefined(name)) {
          made = predefined(name, event, facts);
          value = &made;
        }
        if (!value) {
          if (!quoted) out += "\"\"";
        } else {
          out += quoted ? as_quoted_text(*value, string_template) : write_json(*value);
        }
      });
  if (is_usable(out)) return out;
  return Error{
      ErrorCode::kInvalidArgument, "the input template gives no JSON for this event: " + out.substr(0, 200), {}};
}

}  // namespace

bool is_path(std::string_view path) { return steps_of(path).has_value(); }

const Json* find_path(const Json& event, std::string_view path) {
  const auto steps = steps_of(path);
  if (!steps) return nullptr;
  const Json* at = &event;
  for (const Step& step : *steps) {
    if (step.index) {
      if (!at->is(Json::Type::kArray) || *step.index >= at->items.size()) return nullptr;
      at = &at->items[*step.index];
    } else {
      if (!at->is_object()) return nullptr;
      at = at->find(step.name);
      if (!at) return nullptr;
    }
  }
  return at;
}

Status check_input(const Value& target) {
  const std::string id(target.text("Id"));
  int given = 0;
  for (const char* member : {"Input", "InputPath", "InputTransformer"}) given += target.has(member) ? 1 : 0;
  if (given > 1)
    return validation("Only one of Input, InputPath, or InputTransformer must be provided for target " + id + ".");
  if (target.has("Input")) {
    if (!parse_json(target.text("Input")).ok()) return validation("JSON syntax error in input for target " + id + ".");
  }
  if (target.has("InputPath") && !is_path(target.text("InputPath")))
    return validation("Invalid InputPath for target " + id + ".");
  const Value* transformer = target.find("InputTransformer");
  if (!transformer) return ok_status();
  const auto paths = transformer->text_map("InputPathsMap");
  for (const auto& [name, path] : paths) {
    if (policy::lower_case(name).starts_with("aws"))
      return validation("InputPathsMap for target " + id + " contains the reserved name " + name + ".");
    if (!is_path(path)) return validation("Invalid InputPathsMap for target " + id + ": " + path + " is no path.");
  }
  std::string unknown;
  scan(
      transformer->text("InputTemplate"), [](std::string_view) {},
      [&](std::string_view name, bool) {
        if (unknown.empty() && !paths.contains(std::string(name)) && !is_predefined(name)) unknown = name;
      });
  if (unknown.empty()) return ok_status();
  return validation("InputTemplate for target " + id + " contains invalid placeholder " + unknown + ".");
}

Result<std::string> make_input(const Value& target, const Json& event, const InputFacts& facts) {
  if (target.has("Input")) return std::string(target.text("Input"));
  if (target.has("InputPath")) {
    const Json* part = find_path(event, target.text("InputPath"));
    return part ? write_json(*part) : std::string("null");
  }
  if (const Value* transformer = target.find("InputTransformer")) return transform(*transformer, event, facts);
  return write_json(event);
}

}  // namespace coffer::events
