// A small XML document as a tree. Expat reads it; documents with a DOCTYPE are refused, and with them every entity that
// a document could define.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace coffer::xml {

struct Element {
  std::string name;                                             // without prefix
  std::string text;                                             // its own, without that of its children
  std::vector<std::pair<std::string, std::string>> attributes;  // names with prefix
  std::vector<Element> children;

  /// The first child of this name; null when there is none.
  [[nodiscard]] const Element* child(std::string_view child_name) const;
  /// The text of the first child of this name; empty when there is none.
  [[nodiscard]] std::string_view text_of(std::string_view child_name) const;
};

/// The root element. kInvalidArgument, saying why, for what is no document, is nested too deeply or has too many
/// elements.
Result<Element> parse(std::string_view text);

}  // namespace coffer::xml
