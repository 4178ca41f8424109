#include "engine/sigv4/canonical.h"

#include <algorithm>
#include <utility>

namespace coffer::sigv4 {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// Dot segments and empty ones removed. A slash at the end stays unless nothing is left before it.
std::string normalised(std::string_view path) {
  std::vector<std::string_view> segments;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view segment = path.substr(at, end - at);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    at = end + 1;
  }
  std::string out;
  for (std::string_view segment : segments) out.append("/").append(segment);
  if (out.empty() || path.back() == '/') out += '/';
  return out;
}

bool append_path(std::string& out, std::string_view path, PathRule rule) {
  if (path.empty() || path == "/") {
    out += '/';
    return true;
  }
  const bool has_escape = path.find('%') != std::string_view::npos;
  std::optional<std::string> decoded;
  if (has_escape && !(decoded = percent_decode(path))) return false;
  if (rule == PathRule::kPlain) {
    out += percent_encode(decoded ? *decoded : path, true);
  } else {
    const bool is_clean = path.find("//") == std::string_view::npos && path.find("/.") == std::string_view::npos;
    out += is_clean ? percent_encode(path, true) : percent_encode(normalised(path), true);
  }
  return true;
}

bool append_query(std::string& out, std::string_view query) {
  if (query.empty()) return true;
  auto pairs = parse_query(query, false);
  if (!pairs) return false;
  std::erase_if(*pairs, [](const auto& pair) { return pair.first == "X-Amz-Signature"; });
  for (auto& [name, value] : *pairs) name = percent_encode(name), value = percent_encode(value);
  std::sort(pairs->begin(), pairs->end());
  bool first = true;
  for (const auto& [name, value] : *pairs) {
    if (!std::exchange(first, false)) out += '&';
    out.append(name).append("=").append(value);
  }
  return true;
}

/// Trimmed, each run of blanks inside as one space.
void append_header_value(std::string& out, std::string_view value) {
  value = trimmed(value);
  for (size_t i = 0; i < value.size(); ++i) {
    if (!is_blank(value[i]))
      out += value[i];
    else if (!is_blank(value[i - 1]))  // the first one is none: it was trimmed
      out += ' ';
  }
}

/// A header that is absent counts as empty: the signature then does not match.
void append_headers(std::string& out, const HeaderFields& headers, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    out.append(name).append(":");
    bool first = true;
    for (const auto& [field, value] : headers) {
      if (!same_name(field, name)) continue;
      if (!std::exchange(first, false)) out += ',';
      append_header_value(out, value);
    }
    out += '\n';
  }
  out += '\n';
  for (size_t i = 0; i < names.size(); ++i) out.append(i == 0 ? "" : ";").append(names[i]);
}

}  // namespace

PathRule path_rule(std::string_view service) { return service == "s3" ? PathRule::kPlain : PathRule::kNormalised; }

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::string> canonical_text(const CanonicalParts& parts) {
  if (has_control_character(parts.target)) return std::nullopt;
  const size_t mark = parts.target.find('?');
  const std::string_view path = parts.target.substr(0, mark);
  const std::string_view query = mark == std::string_view::npos ? std::string_view{} : parts.target.substr(mark + 1);
  std::string out;
  out.reserve(1024);
  out.append(parts.method).append("\n");
  if (!append_path(out, path, parts.path)) return std::nullopt;
  out += '\n';
  if (!append_query(out, query)) return std::nullopt;
  out += '\n';
  append_headers(out, parts.headers, parts.signed_headers);
  out.append("\n").append(parts.payload_hash);
  return out;
}

}  // namespace coffer::sigv4
