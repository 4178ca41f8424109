#include "edge/wire/xml_tree.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::wire {
namespace {

std::string error_name(std::string_view text) {
  Result<XmlElement> parsed = parse_xml(text);
  return parsed.ok() ? "" : parsed.error().name;
}

std::string nested(size_t depth) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += "<a>";
  for (size_t i = 0; i < depth; ++i) text += "</a>";
  return text;
}

TEST(ParseXml, GivesElementsTextAndAttributes) {
  Result<XmlElement> root = parse_xml(
      "<?xml version=\"1.0\"?>\n<s:A xmlns:s=\"urn:x\" id='1'>x<b xsi:type=\"T\" "
      "xmlns:xsi=\"y\">&lt;&#228;<![CDATA[<]]></b>y<c/></s:A>\n");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->name, "A");
  EXPECT_EQ(root->text, "xy");
  ASSERT_EQ(root->children.size(), 2U);
  EXPECT_EQ(root->children[0].text, "<ä<");
  EXPECT_EQ(root->children[0].attributes[0].first, "xsi:type");
  EXPECT_EQ(root->children[1].name, "c");
}

TEST(ParseXml, RefusesEveryTruncation) {
  const std::string whole = "<?xml version=\"1.0\"?><a x=\"1\"><b>ä&amp;</b><c/></a>";
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(error_name(whole.substr(0, size)), "MalformedXML") << size;
  EXPECT_EQ(error_name(whole), "");
}

TEST(ParseXml, RefusesDocumentsThatDefineThings) {
  EXPECT_EQ(error_name("<!DOCTYPE a><a/>"), "MalformedXML");
  EXPECT_EQ(error_name("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"), "MalformedXML");
  std::string laughs = "<!DOCTYPE a [<!ENTITY l0 \"ha\">";
  for (int i = 1; i < 30; ++i) {
    laughs += "<!ENTITY l" + std::to_string(i) + " \"";
    for (int k = 0; k < 10; ++k) laughs += "&l" + std::to_string(i - 1) + ";";
    laughs += "\">";
  }
  EXPECT_EQ(error_name(laughs + "]><a>&l29;</a>"), "MalformedXML");
  EXPECT_EQ(error_name("<a>&unknown;</a>"), "MalformedXML");
}

TEST(ParseXml, HasLimits) {
  EXPECT_EQ(error_name(nested(64)), "");
  EXPECT_EQ(error_name(nested(65)), "MalformedXML");
  EXPECT_EQ(error_name(nested(100'000)), "MalformedXML");
  std::string many = "<a>";
  for (int i = 0; i < 200'000; ++i) many += "<b/>";
  EXPECT_EQ(error_name(many + "</a>"), "MalformedXML");
}

TEST(ParseXml, RefusesWhatIsNoDocument) {
  for (const char* text : {"", " ", "text", "<a></b>", "<a/><b/>", "<a", "<a>\x01</a>", "<a>\xff</a>", "<a b=1/>",
                           "<a b='1' b='2'/>", "{\"a\":1}"})
    EXPECT_EQ(error_name(text), "MalformedXML") << text;
}

TEST(ParseXml, SurvivesFlippedBytes) {
  const std::string whole = "<?xml version=\"1.0\"?><a x=\"1\"><b>ä&amp;</b><!-- c --><c/></a>";
  std::mt19937_64 random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    static_cast<void>(parse_xml(bytes));
  }
}

}  // namespace
}  // namespace coffer::wire
