#include "edge/wire/xml_tree.h"

#include "services/api/fault.h"

namespace coffer::wire {

Result<XmlElement> parse_xml(std::string_view text) {
  auto root = xml::parse(text);
  if (root.ok()) return root;
  return api::fault(ErrorCode::kInvalidArgument, "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema: " +
                        root.error().message + ".");
}

}  // namespace coffer::wire
