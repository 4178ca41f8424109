#include "services/policy/pattern.h"

#include <algorithm>
#include <cstring>

#include "services/policy/document.h"
#include "services/policy/evaluate.h"

namespace coffer::policy {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool one_matches(char p, char c, bool ignore_case) {
  if (p == kAnyOne) return true;
  if (p == kOneInPart) return c != ':';
  return p == c || (ignore_case && lower(p) == lower(c));
}

/// With runs that may not pass a ':' going back to the last run is not enough: all positions that a pattern may have
/// reached are kept.
bool match_in_parts(std::string_view pattern, std::string_view text, bool ignore_case) {
  std::vector<char> now(pattern.size() + 1, 0), next(pattern.size() + 1, 0);
  const auto is_run = [&](size_t i) { return pattern[i] == kAnyRun || pattern[i] == kRunInPart; };
  const auto close = [&](std::vector<char>& set) {
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (set[i] && is_run(i)) set[i + 1] = 1;
    }
  };
  now[0] = 1;
  close(now);
  for (char c : text) {
    std::fill(next.begin(), next.end(), 0);
    bool any = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (!now[i]) continue;
      if (is_run(i)) {
        if (pattern[i] == kAnyRun || c != ':') next[i] = 1, any = true;
      } else if (one_matches(pattern[i], c, ignore_case)) {
        next[i + 1] = 1, any = true;
      }
    }
    if (!any) return false;
    close(next);
    now.swap(next);
  }
  return now[pattern.size()];
}

/// The first place in text, from `from`, where `part` (without runs) matches.
size_t find_part(std::string_view part, std::string_view text, size_t from, bool ignore_case) {
  if (part.size() > text.size() - from) return std::string_view::npos;
  if (!ignore_case && part.find(kAnyOne) == std::string_view::npos) {
    const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
  }
  for (size_t at = from; at + part.size() <= text.size(); ++at) {
    size_t i = 0;
    while (i < part.size() && one_matches(part[i], text[at + i], ignore_case)) ++i;
    if (i == part.size()) return at;
  }
  return std::string_view::npos;
}

bool starts(std::string_view part, std::string_view text, bool ignore_case) {
  if (part.size() > text.size()) return false;
  for (size_t i = 0; i < part.size(); ++i) {
    if (!one_matches(part[i], text[i], ignore_case)) return false;
  }
  return true;
}

}  // namespace

bool match_prepared(std::string_view pattern, std::string_view text, bool ignore_case) {
  if (pattern.find(kRunInPart) != std::string_view::npos || pattern.find(kOneInPart) != std::string_view::npos)
    return match_in_parts(pattern, text, ignore_case);
  size_t run = pattern.find(kAnyRun);
  if (run == std::string_view::npos) return pattern.size() == text.size() && starts(pattern, text, ignore_case);
  // What stands before the first run begins the text, what stands after the last ends it, and the parts between follow
  // each other at the first place where each fits.
  if (!starts(pattern.substr(0, run), text, ignore_case)) return false;
  size_t at = run;
  const size_t last = pattern.rfind(kAnyRun);
  const std::string_view tail = pattern.substr(last + 1);
  if (text.size() < at + tail.size()) return false;
  const std::string_view middle = text.substr(0, text.size() - tail.size());
  if (!starts(tail, text.substr(middle.size()), ignore_case)) return false;
  while (run < last) {
    const size_t end = pattern.find(kAnyRun, run + 1);
    const std::string_view part = pattern.substr(run + 1, end - run - 1);
    if (!part.empty()) {
      const size_t found = find_part(part, middle, at, ignore_case);
      if (found == std::string_view::npos) return false;
      at = found + part.size();
    }
    run = end;
  }
  return true;
}

Pattern::Pattern(std::string_view text, Use use, bool variables) : written_(text), use_(use) {
  const bool wild = use != Use::kText;
  std::string piece;
  const auto flush = [&] {
    if (!piece.empty()) pieces_.push_back({std::move(piece), {}, false, false});
    piece.clear();
  };
  int colons = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (variables && use != Use::kAction && c == '$' && i + 1 < text.size() && text[i + 1] == '{') {
      const size_t end = text.find('}', i);
      if (end != std::string_view::npos) {
        std::string_view name = text.substr(i + 2, end - i - 2);
        i = end;
        if (name == "*" || name == "?" || name == "$") {
          piece += name;
          continue;
        }
        flush();
        Piece variable{std::string(name), {}, true, false};
        if (const size_t comma = name.find(','); comma != std::string_view::npos) {
          std::string_view otherwise = name.substr(comma + 1);
          while (!otherwise.empty() && otherwise.front() == ' ') otherwise.remove_prefix(1);
          if (otherwise.size() >= 2 && otherwise.front() == '\'' && otherwise.back() == '\'')
            otherwise = otherwise.substr(1, otherwise.size() - 2);
          variable = {std::string(name.substr(0, comma)), std::string(otherwise), true, true};
          while (!variable.text.empty() && variable.text.back() == ' ') variable.text.pop_back();
        }
        pieces_.push_back(std::move(variable));
        continue;
      }
    }
    if (c == ':') ++colons;
    const bool in_part = use == Use::kArn ? colons < 5 : use == Use::kResource && colons < 5;
    if (wild && c == '*') {
      // In the Resource element a run that ends its part may go on past the colon.
      const bool ends_part = i + 1 == text.size() || text[i + 1] == ':';
      piece += in_part && !(use == Use::kResource && ends_part) ? kRunInPart : kAnyRun;
    } else if (wild && c == '?') {
      piece += in_part ? kOneInPart : kAnyOne;
    } else {
      piece += c;
    }
  }
  flush();
  // An ARN pattern with fewer than six parts is completed.
  if (use == Use::kResource && text.starts_with("arn:") && colons < 5 && !text.ends_with("*")) {
    for (; colons < 5; ++colons) pieces_.push_back({std::string(":") + kAnyRun, {}, false, false});
  }
  const bool plain = std::none_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.is_variable; });
  if (!plain) return;
  for (const Piece& p : pieces_) prepared_ += p.text;
  pieces_.clear();
}

bool Pattern::match_text(std::string_view prepared, std::string_view text, bool ignore_case) const {
  if (use_ == Use::kArn && (std::count(text.begin(), text.end(), ':') < 5 || !text.starts_with("arn:"))) return false;
  return match_prepared(prepared, text, ignore_case || use_ == Use::kAction);
}

std::optional<bool> Pattern::match(std::string_view text, const RequestContext& context, bool ignore_case) const {
  if (pieces_.empty()) return match_text(prepared_, text, ignore_case);
  std::string expanded;
  for (const Piece& piece : pieces_) {
    if (!piece.is_variable) {
      expanded += piece.text;
      continue;
    }
    const std::vector<std::string>* values = context.find(piece.text);
    if (values && values->size() == 1) {
      expanded += values->front();
    } else if (piece.has_default) {
      expanded += piece.otherwise;
    } else {
      return std::nullopt;
    }
  }
  return match_text(expanded, text, ignore_case);
}

std::vector<std::string> Pattern::variables() const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.is_variable) names.push_back(piece.text);
  }
  return names;
}

bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  std::string prepared(pattern);
  std::replace(prepared.begin(), prepared.end(), '*', kAnyRun);
  std::replace(prepared.begin(), prepared.end(), '?', kAnyOne);
  return match_prepared(prepared, text, ignore_case);
}

}  // namespace coffer::policy
