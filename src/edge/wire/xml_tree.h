// A small XML document as a tree, with the failure that S3 has a name for.
#pragma once
#include <string_view>

#include "engine/xml/tree.h"

namespace coffer::wire {

using XmlElement = xml::Element;

/// The root element. kInvalidArgument "MalformedXML" for what is no document, is nested too deeply or has too many
/// elements.
Result<XmlElement> parse_xml(std::string_view text);

}  // namespace coffer::wire
