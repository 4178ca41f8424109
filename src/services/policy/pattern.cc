#include "services/policy/pattern.h"

#include <algorithm>

#include "services/policy/evaluate.h"
#include "services/policy/text.h"

namespace coffer::policy {
namespace {

constexpr int kArnColons = 5;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// What stands between "${" and "}".
Variable parse_variable(std::string_view inside) {
  const size_t comma = inside.find(',');
  if (comma == std::string_view::npos) return {std::string(trimmed(inside)), std::nullopt};
  std::string_view otherwise = trimmed(inside.substr(comma + 1));
  if (otherwise.size() >= 2 && otherwise.front() == '\'' && otherwise.back() == '\'')
    otherwise = otherwise.substr(1, otherwise.size() - 2);
  return {std::string(trimmed(inside.substr(0, comma))), std::string(otherwise)};
}

}  // namespace

void Pattern::add_literal(char c) {
  std::vector<Piece>& pieces = sections_.back().pieces;
  if (pieces.empty() || pieces.back().wildcard || pieces.back().variable) pieces.emplace_back();
  pieces.back().literal += c;
}

void Pattern::add_wildcard(Wildcard wildcard) { sections_.back().pieces.push_back({{}, wildcard, {}}); }

Pattern::Pattern(std::string_view text, Use use, bool variables) : use_(use), sections_(1) {
  const bool wild = use != Use::kText && use != Use::kIgnoreCase;
  const bool lowered = use == Use::kAction || use == Use::kIgnoreCase;
  matches_all_ = wild && text == "*";
  int colons = 0;
  bool runs_on = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool in_part = use == Use::kResource && colons < kArnColons;
    const size_t end = variables && text.substr(i).starts_with("${") ? text.find('}', i) : std::string_view::npos;
    if (end != std::string_view::npos) {
      const std::string_view inside = text.substr(i + 2, end - i - 2);
      i = end;
      if (inside == "*" || inside == "?" || inside == "$") {
        add_literal(inside[0]);
      } else {
        early_variable_ |= colons < kArnColons;
        sections_.back().pieces.push_back({{}, {}, parse_variable(inside)});
      }
    } else if (wild && c == '*') {
      // In the Resource element a run that ends its part may go on past the colon.
      const bool ends_part = i + 1 == text.size() || text[i + 1] == ':';
      runs_on |= in_part && ends_part;
      add_wildcard(in_part && !ends_part ? Wildcard::kRunInPart : Wildcard::kAnyRun);
    } else if (wild && c == '?') {
      add_wildcard(in_part ? Wildcard::kOneInPart : Wildcard::kAnyOne);
    } else if (c == ':' && use == Use::kArn && colons < kArnColons) {
      ++colons;
      sections_.emplace_back();
    } else {
      colons += c == ':';
      add_literal(lowered ? lower(c) : c);
    }
  }
  // A shorter ARN stands for all that begin like it, unless one of its runs covers the parts that are not written.
  if (use == Use::kResource && text.starts_with("arn:") && !runs_on) {
    for (; colons < kArnColons; ++colons) {
      add_literal(':');
      add_wildcard(Wildcard::kAnyRun);
    }
  }
  for (Section& section : sections_) {
    section.fixed = std::none_of(section.pieces.begin(), section.pieces.end(),
                                 [](const Piece& piece) { return piece.variable.has_value(); });
    if (!section.fixed) continue;
    for (const Piece& piece : section.pieces) {
      if (piece.wildcard) {
        section.glob.add(*piece.wildcard);
      } else {
        section.glob.add(piece.literal);
      }
    }
    section.pieces.clear();
  }
}

std::optional<Glob> Pattern::expand(const Section& section, const RequestContext& context, bool ignore_case) {
  Glob glob;
  const auto add = [&](std::string_view value) { glob.add(ignore_case ? lower_case(value) : std::string(value)); };
  for (const Piece& piece : section.pieces) {
    if (piece.wildcard) {
      glob.add(*piece.wildcard);
    } else if (!piece.variable) {
      glob.add(piece.literal);
    } else if (const auto* values = context.find(piece.variable->key); values && values->size() == 1) {
      // Whatever the value holds is literal: a '*' in a tag opens nothing.
      add(values->front());
    } else if (piece.variable->otherwise) {
      add(*piece.variable->otherwise);
    } else {
      return std::nullopt;
    }
  }
  return glob;
}

Pattern::Answer Pattern::match_section(const Section& section, std::string_view text,
                                       const RequestContext& context) const {
  if (section.fixed) return section.glob.match(text) ? Answer::kYes : Answer::kNo;
  const std::optional<Glob> glob = expand(section, context, use_ == Use::kIgnoreCase);
  if (!glob) return Answer::kUnresolved;
  return glob->match(text) ? Answer::kYes : Answer::kNo;
}

Pattern::Answer Pattern::match_arn(std::string_view text, const RequestContext& context) const {
  if (!text.starts_with("arn:") || std::count(text.begin(), text.end(), ':') < kArnColons) return Answer::kNo;
  if (matches_all_) return Answer::kYes;
  if (sections_.size() != kArnColons + 1) return Answer::kNo;
  Answer answer = Answer::kYes;
  for (size_t i = 0; i < sections_.size(); ++i) {
    const size_t end = i < kArnColons ? text.find(':') : text.size();
    const Answer one = match_section(sections_[i], text.substr(0, end), context);
    if (one == Answer::kNo) return one;
    if (one == Answer::kUnresolved) answer = one;
    if (i < kArnColons) text.remove_prefix(end + 1);
  }
  return answer;
}

Pattern::Answer Pattern::match(std::string_view text, const RequestContext& context) const {
  if (use_ == Use::kArn) return match_arn(text, context);
  if (matches_all_) return Answer::kYes;
  if (use_ == Use::kIgnoreCase) return match_section(sections_[0], lower_case(text), context);
  return match_section(sections_[0], text, context);
}

bool Pattern::is_fixed() const {
  if (matches_all_) return false;
  for (const Section& section : sections_) {
    for (const Piece& piece : section.pieces) {
      if (piece.wildcard || piece.variable) return false;
    }
  }
  return true;
}

std::vector<Variable> Pattern::variables() const {
  std::vector<Variable> all;
  for (const Section& section : sections_) {
    for (const Piece& piece : section.pieces) {
      if (piece.variable) all.push_back(*piece.variable);
    }
  }
  return all;
}

}  // namespace coffer::policy
