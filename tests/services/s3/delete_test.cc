#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

class Deleting : public World {
 protected:
  static Value keys(std::initializer_list<Value> objects, const Value& more = {}) {
    Value wanted = with(object({{"Objects", api::List(objects)}}), more);
    return object({{"Bucket", kBucket}, {"Delete", std::move(wanted)}});
  }
  static Value key(const std::string& name, const std::string& version = "") {
    Value one = object({{"Key", name}});
    if (!version.empty()) one.set("VersionId", version);
    return one;
  }
};

TEST_F(Deleting, WithoutVersionsAnObjectGoesForGood) {
  make_bucket();
  put("k", noise(2'000'000));
  const Answer answer = remove("k");
  EXPECT_EQ(answer.value(), Value::object());
  EXPECT_EQ(got("k"), "NoSuchKey");
  EXPECT_EQ(remove("k").error(), "") << "what is not there is gone";
  collect();
  EXPECT_EQ(blocks(), 0U);
  EXPECT_EQ(rows_in("s3_versions"), 0);
}

TEST_F(Deleting, WithVersionsAMarkerHidesThem) {
  make_bucket(kBucket, "Enabled");
  const std::string version = put("k", "x").text("VersionId");
  const Answer hidden = remove("k");
  EXPECT_TRUE(hidden.value().flag("DeleteMarker"));
  const std::string marker = hidden.text("VersionId");
  EXPECT_EQ(got("k", object({{"VersionId", version}})), "x");
  const Answer back = remove("k", object({{"VersionId", marker}}));
  EXPECT_TRUE(back.value().flag("DeleteMarker"));
  EXPECT_EQ(back.text("VersionId"), marker);
  EXPECT_EQ(got("k"), "x");
  const Answer gone = remove("k", object({{"VersionId", version}}));
  EXPECT_FALSE(gone.value().has("DeleteMarker"));
  EXPECT_EQ(rows_in("s3_versions"), 0);
  EXPECT_TRUE(remove("never").value().flag("DeleteMarker"));
  EXPECT_EQ(rows_in("s3_versions"), 1);
}

TEST_F(Deleting, WhileSuspendedTheNullVersionIsReplacedByAMarker) {
  make_bucket();
  put("k", "null");
  set_versioning("Enabled");
  const std::string version = put("k", "kept").text("VersionId");
  set_versioning("Suspended");
  const Answer hidden = remove("k");
  EXPECT_EQ(hidden.text("VersionId"), "null");
  EXPECT_EQ(rows_in("s3_versions"), 2) << "the null version is gone";
  EXPECT_EQ(got("k", object({{"VersionId", version}})), "kept");
  put("k", "new null");
  EXPECT_EQ(rows_in("s3_versions"), 2);
  EXPECT_EQ(got("k", object({{"VersionId", "null"}})), "new null");
  remove("k", object({{"VersionId", "null"}}));
  EXPECT_EQ(got("k"), "kept");
}

TEST_F(Deleting, AConditionOnTheEtagHoldsOrThereIsNothing) {
  make_bucket();
  const std::string etag = put("k", "x").text("ETag");
  EXPECT_EQ(remove("k", object({{"IfMatch", "\"other\""}})).error(), "PreconditionFailed");
  EXPECT_EQ(remove("none", object({{"IfMatch", etag}})).error(), "");
  EXPECT_EQ(remove("k", object({{"IfMatchSize", 1}})).error(), "NotImplemented");
  EXPECT_EQ(got("k"), "x");
  EXPECT_EQ(remove("k", object({{"IfMatch", etag}})).error(), "");
  EXPECT_EQ(got("k"), "NoSuchKey");
}

TEST_F(Deleting, ManyKeysAreDecidedOneByOne) {
  make_bucket(kBucket, "Enabled");
  const std::string version = put("a", "1").text("VersionId");
  put("b", "2");
  const Answer answer = s3(
      "DeleteObjects", keys({key("a", version), key("b"), key("none"), with(key("b"), object({{"ETag", "\"0\""}}))}));
  ASSERT_EQ(answer.error(), "");
  const api::List& deleted = answer.value().list("Deleted");
  ASSERT_EQ(deleted.size(), 4U) << "a marker has no ETag to differ";
  EXPECT_EQ(deleted[0].text("VersionId"), version);
  EXPECT_FALSE(deleted[0].has("DeleteMarker"));
  EXPECT_TRUE(deleted[1].flag("DeleteMarker"));
  EXPECT_TRUE(deleted[1].has("DeleteMarkerVersionId"));
  EXPECT_TRUE(deleted[2].flag("DeleteMarker"));
  put("c", "3");
  const Answer quiet =
      s3("DeleteObjects", keys({with(key("c"), object({{"ETag", "\"0\""}})), key("b")}, object({{"Quiet", true}})));
  EXPECT_FALSE(quiet.value().has("Deleted"));
  ASSERT_EQ(quiet.value().list("Errors").size(), 1U);
  EXPECT_EQ(quiet.value().list("Errors")[0].text("Code"), "PreconditionFailed");
  EXPECT_EQ(quiet.value().list("Errors")[0].text("Key"), "c");
  EXPECT_EQ(got("c"), "3");
}

TEST_F(Deleting, WhatIsNotAllowedIsAnErrorOfItsKey) {
  make_bucket();
  put("mine/a", "1");
  put("other", "2");
  const Keys some = user("some", allow("s3:DeleteObject", "arn:aws:s3:::bucket/mine/*"));
  const Answer answer = s3(some, "DeleteObjects", keys({key("mine/a"), key("other"), key("mine/b", "null")}));
  ASSERT_EQ(answer.error(), "");
  EXPECT_EQ(answer.value().list("Deleted").size(), 1U);
  ASSERT_EQ(answer.value().list("Errors").size(), 2U);
  EXPECT_EQ(answer.value().list("Errors")[0].text("Code"), "AccessDenied");
  EXPECT_EQ(got("other"), "2");
  EXPECT_EQ(got("mine/a"), "NoSuchKey");
}

TEST_F(Deleting, AListOfKeysHasBetweenOneAndAThousand) {
  make_bucket();
  EXPECT_EQ(s3("DeleteObjects", keys({})).error(), "MalformedXML");
  api::List many(1001, key("k"));
  EXPECT_EQ(
      s3("DeleteObjects", object({{"Bucket", kBucket}, {"Delete", object({{"Objects", std::move(many)}})}})).error(),
      "MalformedXML");
}

}  // namespace
}  // namespace coffer::s3
