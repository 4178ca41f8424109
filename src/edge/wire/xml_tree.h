// A small XML document as a tree. Expat reads it; documents with a DOCTYPE are refused, and with them every entity that
// a document could define.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace coffer::wire {

struct XmlElement {
  std::string name;                                             // without prefix
  std::string text;                                             // its own, without that of its children
  std::vector<std::pair<std::string, std::string>> attributes;  // names with prefix
  std::vector<XmlElement> children;
};

/// The root element. kInvalidArgument "MalformedXML" for what is no document, is nested too deeply or has too many
/// elements.
Result<XmlElement> parse_xml(std::string_view text);

}  // namespace coffer::wire
