#include "services/logs/filter_pattern.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "services/logs/filter_expression.h"

namespace coffer::logs {

class FilterPattern::Form {
 public:
  virtual ~Form() = default;
  [[nodiscard]] virtual bool matches(std::string_view message) const = 0;
  [[nodiscard]] virtual std::map<std::string, std::string> extract(std::string_view) const { return {}; }
};

namespace {

namespace json = boost::json;

constexpr size_t kPatternMax = 1024;
constexpr size_t kJsonDepthMax = 32;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

class Terms final : public FilterPattern::Form {
 public:
  static Result<std::shared_ptr<const Form>> parse(std::string_view text) {
    auto terms = std::make_shared<Terms>();
    while (!(text = trimmed(text)).empty()) {
      std::vector<std::string>* into = &terms->required_;
      if (text.front() == '?') into = &terms->optional_;
      if (text.front() == '-') into = &terms->excluded_;
      if (into != &terms->required_) text.remove_prefix(1);
      COFFER_TRY(std::string term, read_term(text));
      into->push_back(std::move(term));
    }
    return std::shared_ptr<const Form>(std::move(terms));
  }

  // Optional terms decide only where they stand alone; beside others they say nothing, as at AWS.
  [[nodiscard]] bool matches(std::string_view message) const override {
    const auto has = [&](const std::string& term) { return message.find(term) != std::string_view::npos; };
    if (required_.empty() && excluded_.empty())
      return optional_.empty() || std::any_of(optional_.begin(), optional_.end(), has);
    return std::all_of(required_.begin(), required_.end(), has) &&
           std::none_of(excluded_.begin(), excluded_.end(), has);
  }

 private:
  static Result<std::string> read_term(std::string_view& text) {
    std::string term;
    if (text.starts_with('"')) {
      size_t at = 1;
      for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        term += text[at];
      }
      if (at == text.size()) return invalid_pattern("a quoted term is not closed");
      text.remove_prefix(at + 1);
      return term;
    }
    size_t size = 0;
    while (size < text.size() && !is_blank(text[size])) ++size;
    term = text.substr(0, size);
    text.remove_prefix(size);
    if (term.empty()) return invalid_pattern("a term is missing");
    if (term.find('"') != std::string::npos) return invalid_pattern("a quotation mark within a term");
    if (term.size() > 1 && term.front() == '%' && term.back() == '%')
      return invalid_pattern("regular expressions (%...%) are not supported");
    return term;
  }

  std::vector<std::string> required_, excluded_, optional_;
};

Scalar scalar_of(const json::value& value) {
  if (const auto* text = value.if_string()) return {Scalar::Kind::kText, std::string(*text), std::nullopt};
  if (const auto* flag = value.if_bool()) return {Scalar::Kind::kBool, *flag ? "true" : "false", std::nullopt};
  if (value.is_null()) return {Scalar::Kind::kNull, "null", std::nullopt};
  if (value.is_number()) return {Scalar::Kind::kNumber, json::serialize(value), value.to_number<double>()};
  return {Scalar::Kind::kComposite, json::serialize(value), std::nullopt};
}

/// What a selector that was parsed finds in a value.
void find(const json::value& value, std::string_view selector, std::vector<Scalar>& found) {
  if (selector.empty()) {
    found.push_back(scalar_of(value));
    return;
  }
  std::string_view name;
  if (selector.front() == '.') {
    const size_t end = selector.find_first_of(".[", 1);
    name = selector.substr(1, end == std::string_view::npos ? end : end - 1);
    selector.remove_prefix(name.size() + 1);
  } else if (selector.starts_with("['")) {
    name = selector.substr(2, selector.find("']") - 2);
    selector.remove_prefix(name.size() + 4);
  } else {
    const std::string_view index = selector.substr(1, selector.find(']') - 1);
    selector.remove_prefix(index.size() + 2);
    const auto* array = value.if_array();
    if (!array) return;
    if (index == "*") {
      for (const json::value& item : *array) find(item, selector, found);
    } else if (const auto at = static_cast<size_t>(number_of(index).value_or(0)); at < array->size()) {
      find((*array)[at], selector, found);
    }
    return;
  }
  const auto* object = value.if_object();
  if (!object) return;
  if (const auto* member = object->if_contains(name)) find(*member, selector, found);
}

class JsonForm final : public FilterPattern::Form {
 public:
  static Result<std::shared_ptr<const Form>> parse(std::string_view text) {
    auto form = std::make_shared<JsonForm>();
    ExpressionReader reader(text.substr(1, text.size() - 2), true);
    COFFER_TRY(form->expression_, reader.read());
    if (!reader.at_end()) return invalid_pattern("something stands behind the last condition");
    form->expression_.collect_selectors(form->selectors_);
    return std::shared_ptr<const Form>(std::move(form));
  }

  [[nodiscard]] bool matches(std::string_view message) const override {
    const auto document = parsed(message);
    return document && expression_.holds([&](const std::string& selector) { return values(*document, selector); });
  }

  [[nodiscard]] std::map<std::string, std::string> extract(std::string_view message) const override {
    std::map<std::string, std::string> extracted;
    const auto document = parsed(message);
    if (!document) return extracted;
    for (const std::string& selector : selectors_) {
      if (const auto found = values(*document, selector); !found.empty()) extracted[selector] = found.front().text;
    }
    return extracted;
  }

 private:
  static std::vector<Scalar> values(const json::value& document, const std::string& selector) {
    std::vector<Scalar> found;
    find(document, std::string_view(selector).substr(1), found);
    return found;
  }

  static std::optional<json::value> parsed(std::string_view message) {
    message = trimmed(message);
    if (message.empty() || (message.front() != '{' && message.front() != '[')) return std::nullopt;
    json::error_code error;
    json::parse_options options;
    options.max_depth = kJsonDepthMax;
    json::value value = json::parse(message, error, {}, options);
    return error ? std::nullopt : std::optional(std::move(value));
  }

  Expression expression_;
  std::vector<std::string> selectors_;
};

/// The words of a line; what stands in quotation marks or brackets is one.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = trimmed(line)).empty()) {
    const char close = line.front() == '"' ? '"' : line.front() == '[' ? ']' : ' ';
    const size_t end = close == ' ' ? std::string_view::npos : line.find(close, 1);
    if (end != std::string_view::npos) {
      words.push_back(line.substr(1, end - 1));
      line.remove_prefix(end + 1);
      continue;
    }
    size_t size = 0;
    while (size < line.size() && !is_blank(line[size])) ++size;
    words.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
  return words;
}

class FieldsForm final : public FilterPattern::Form {
 public:
  static Result<std::shared_ptr<const Form>> parse(std::string_view text) {
    auto form = std::make_shared<FieldsForm>();
    ExpressionReader reader(text.substr(1, text.size() - 2), false);
    do {
      if (reader.skip("...")) {
        if (form->gap_) return invalid_pattern("'...' may stand only once");
        form->gap_ = form->fields_.size();
        continue;
      }
      Field field;
      COFFER_TRY(field.expression, reader.read());
      std::vector<std::string> names;
      field.expression.collect_selectors(names);
      // Conditions that are joined are all about the field at whose place they stand.
      if (std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name != names.front(); }))
        return invalid_pattern("a field's conditions must all name the field");
      field.name = names.front();
      form->fields_.push_back(std::move(field));
    } while (reader.skip(","));
    if (!reader.at_end()) return invalid_pattern("fields are separated by commas");
    return std::shared_ptr<const Form>(std::move(form));
  }

  [[nodiscard]] bool matches(std::string_view message) const override {
    const auto words = words_of(message);
    if (gap_ ? words.size() < fields_.size() : words.size() != fields_.size()) return false;
    for (size_t i = 0; i < fields_.size(); ++i) {
      const std::string_view word = words[place(i, words.size())];
      const Scalar scalar{Scalar::Kind::kText, std::string(word), number_of(word)};
      if (!fields_[i].expression.holds([&](const std::string&) { return std::vector<Scalar>{scalar}; })) return false;
    }
    return true;
  }

  [[nodiscard]] std::map<std::string, std::string> extract(std::string_view message) const override {
    std::map<std::string, std::string> extracted;
    const auto words = words_of(message);
    for (size_t i = 0; i < fields_.size() && words.size() >= fields_.size(); ++i)
      extracted["$" + fields_[i].name] = words[place(i, words.size())];
    return extracted;
  }

 private:
  struct Field {
    std::string name;
    Expression expression;
  };
  /// Fields behind the gap count from the line's end.
  [[nodiscard]] size_t place(size_t field, size_t words) const {
    return gap_ && field >= *gap_ ? words - (fields_.size() - field) : field;
  }

  std::vector<Field> fields_;
  std::optional<size_t> gap_;  // before which field "..." stands
};

}  // namespace

Result<FilterPattern> FilterPattern::parse(std::string_view text) {
  if (text.size() > kPatternMax) return invalid_pattern("it has more than 1024 characters");
  text = trimmed(text);
  FilterPattern pattern;
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') {
    COFFER_TRY(pattern.form_, JsonForm::parse(text));
  } else if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    COFFER_TRY(pattern.form_, FieldsForm::parse(text));
  } else if (!text.empty() && (text.front() == '{' || text.front() == '[')) {
    return invalid_pattern("its first bracket is not closed at its end");
  } else {
    COFFER_TRY(pattern.form_, Terms::parse(text));
  }
  return pattern;
}

bool FilterPattern::matches(std::string_view message) const { return form_->matches(message); }

std::map<std::string, std::string> FilterPattern::extract(std::string_view message) const {
  return form_->extract(message);
}

}  // namespace coffer::logs
