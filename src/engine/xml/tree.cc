#include "engine/xml/tree.h"

#include <expat.h>

#include <memory>
#include <new>
#include <type_traits>

namespace coffer::xml {
namespace {

constexpr size_t kDepthMax = 64;
constexpr size_t kElementsMax = 200'000;  // 10 000 parts of an upload with six members each are the most that is meant
constexpr size_t kSizeMaxBytes = size_t{64} << 20;

std::string_view local_name(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

struct Reader {
  XML_Parser parser = nullptr;
  Element document;            // its only child is the root
  std::vector<Element*> open;  // a child is added to the last one only, so these stay where they are
  size_t elements = 0;
  std::string_view refused;

  void refuse(std::string_view why) {
    if (refused.empty()) refused = why;
    XML_StopParser(parser, XML_FALSE);
  }

  static void begin(void* data, const XML_Char* name, const XML_Char** attributes) {
    auto& self = *static_cast<Reader*>(data);
    if (self.open.size() > kDepthMax) return self.refuse("it is nested too deeply");
    if (++self.elements > kElementsMax) return self.refuse("it has too many elements");
    Element& element = self.open.back()->children.emplace_back();
    element.name = local_name(name);
    for (; *attributes; attributes += 2) element.attributes.emplace_back(attributes[0], attributes[1]);
    self.open.push_back(&element);
  }
  static void end(void* data, const XML_Char*) { static_cast<Reader*>(data)->open.pop_back(); }
  static void characters(void* data, const XML_Char* text, int size) {
    static_cast<Reader*>(data)->open.back()->text.append(text, static_cast<size_t>(size));
  }
  static void doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Reader*>(data)->refuse("it has a DOCTYPE");
  }
};

struct ParserFree {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};

}  // namespace

const Element* Element::child(std::string_view child_name) const {
  for (const Element& one : children)
    if (one.name == child_name) return &one;
  return nullptr;
}

std::string_view Element::text_of(std::string_view child_name) const {
  const Element* found = child(child_name);
  return found ? std::string_view(found->text) : std::string_view();
}

Result<Element> parse(std::string_view text) {
  const auto malformed = [](std::string_view why) { return Error{ErrorCode::kInvalidArgument, std::string(why), {}}; };
  if (text.size() > kSizeMaxBytes) return malformed("it is too large");
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, ParserFree> parser(XML_ParserCreate("UTF-8"));
  if (!parser) throw std::bad_alloc();
  Reader reader;
  reader.parser = parser.get();
  reader.open.push_back(&reader.document);
  XML_SetUserData(parser.get(), &reader);
  XML_SetElementHandler(parser.get(), Reader::begin, Reader::end);
  XML_SetCharacterDataHandler(parser.get(), Reader::characters);
  XML_SetStartDoctypeDeclHandler(parser.get(), Reader::doctype);
  if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) != XML_STATUS_OK) {
    if (!reader.refused.empty()) return malformed(reader.refused);
    return malformed(XML_ErrorString(XML_GetErrorCode(parser.get())));
  }
  return std::move(reader.document.children.front());
}

}  // namespace coffer::xml
