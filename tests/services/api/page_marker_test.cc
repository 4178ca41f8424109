#include "services/api/page_marker.h"

#include <gtest/gtest.h>

namespace coffer::api {
namespace {

const Bytes kRoot(64, std::byte{3});

class PageMarker : public testing::Test {
 protected:
  std::string scope(const Value& of, std::string_view operation = "List", std::string_view owner = "1") {
    return page_scope(operation, owner, of, {"Marker", "Limit"});
  }
  const Secret key = page_marker_key(kRoot, "list markers v1");
  const Value input = Value::object({{"KeyId", "a"}, {"Filter", text_list({"x", "y"})}, {"Only", true}});
  const std::string marker = make_page_marker(key.view(), scope(input), "last");
};

TEST_F(PageMarker, ContinuesItsListWhateverThePageIsLike) {
  EXPECT_EQ(open_page_marker(key.view(), scope(input), marker), "last");
  Value next = Value::object({{"Only", true}, {"Limit", 5}, {"KeyId", "a"}});
  next.set("Filter", text_list({"x", "y"}));
  next.set("Marker", marker);
  EXPECT_EQ(open_page_marker(key.view(), scope(next), marker), "last");
}

TEST_F(PageMarker, ContinuesNoOtherList) {
  Value other = input;
  other.set("KeyId", "b");
  EXPECT_FALSE(open_page_marker(key.view(), scope(other), marker));
  other = input;
  other.set("Filter", text_list({"xy"}));
  EXPECT_FALSE(open_page_marker(key.view(), scope(other), marker));
  other = input;
  other.set("Only", false);
  EXPECT_FALSE(open_page_marker(key.view(), scope(other), marker));
  other = input;
  other.set("More", "");
  EXPECT_FALSE(open_page_marker(key.view(), scope(other), marker));
  EXPECT_FALSE(open_page_marker(key.view(), scope(input, "Show"), marker));
  EXPECT_FALSE(open_page_marker(key.view(), scope(input, "List", "2"), marker));
  EXPECT_FALSE(open_page_marker(page_marker_key(kRoot, "others").view(), scope(input), marker));
}

TEST_F(PageMarker, ValuesOfDifferentKindsAreDifferentInputs) {
  const Value values[] = {"1",           1, true, 1.0, Value(WallTime{1}), Value(to_bytes("1")), Value(List{"1"}),
                          Value(List{1})};
  for (const Value& a : values) {
    for (const Value& b : values) {
      if (&a == &b) continue;
      EXPECT_NE(scope(Value::object({{"M", a}})), scope(Value::object({{"M", b}})));
    }
  }
}

TEST_F(PageMarker, EveryCutAndEveryChangeIsRefused) {
  for (size_t size = 0; size < marker.size(); ++size)
    EXPECT_FALSE(open_page_marker(key.view(), scope(input), std::string_view(marker).substr(0, size))) << size;
  for (size_t i = 0; i < marker.size(); ++i) {
    std::string changed = marker;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(open_page_marker(key.view(), scope(input), changed), "last") << i;
  }
  EXPECT_FALSE(open_page_marker(key.view(), scope(input), "no base64!"));
}

}  // namespace
}  // namespace coffer::api
