// Listings beside a model that looks at all keys: the same things on the same pages, whatever the keys, the delimiter
// and the page size.
#include "services/s3/listing.h"

#include <rapidcheck.h>

#include <set>

#include "services/s3/bucket_world.h"

namespace coffer::s3 {
namespace {

/// What a listing shows, in order: keys (with a version), or common prefixes.
struct Shown {
  std::string text, version_id;
  bool is_prefix = false;
  friend bool operator==(const Shown&, const Shown&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Shown& s) {
    return out << (s.is_prefix ? "prefix " : "key ") << s.text << " " << s.version_id;
  }
};

/// Keys that are prefixes of each other, with delimiters of several bytes, at the ends of ranges of characters.
rc::Gen<std::string> some_text(size_t parts_max) {
  const auto part =
      rc::gen::elementOf(std::vector<std::string>{"a", "b", "/", "//", "--", "-", "ab", "\xc3\xa9", "\xed\x9f\xbf",
                                                  "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", " ", "+", "%", "\x01", "~", "Z"});
  return rc::gen::map(rc::gen::scale(0.2, rc::gen::container<std::vector<std::string>>(part)),
                      [parts_max](const std::vector<std::string>& parts) {
                        std::string text;
                        for (size_t i = 0; i < parts.size() && i < parts_max; ++i) text += parts[i];
                        return text;
                      });
}

std::vector<Shown> model(const std::vector<Shown>& all, const std::string& prefix, const std::string& delimiter,
                         const std::string& after) {
  std::vector<Shown> shown;
  for (const Shown& one : all) {
    if (!one.text.starts_with(prefix)) continue;
    Shown show = one;
    const size_t at = delimiter.empty() ? std::string::npos : one.text.find(delimiter, prefix.size());
    if (at != std::string::npos) show = {one.text.substr(0, at + delimiter.size()), "", true};
    if (!after.empty() && show.text <= after) continue;
    // The marker itself lies behind a common prefix that was shown before it.
    if (shown.empty() || shown.back() != show || !show.is_prefix) shown.push_back(show);
  }
  return shown;
}

class ListingTest : public BucketWorld {
 protected:
  ListingTest() { make_bucket(kBucket, "Enabled"); }

  int64_t bucket_id(const std::string& name = kBucket) { return must(rows::find_bucket(*read(), name))->id; }
  /// Rows alone: a listing looks at nothing else.
  std::string add(catalog::Transaction& t, int64_t bucket, const std::string& key, bool marker = false) {
    if (auto before = must(rows::latest_version(t, bucket, key)))
      must(rows::set_latest(t, *before, false, clock_.wall()));
    rows::Version version;
    version.bucket_id = bucket;
    version.key = key;
    version.version_id = "v" + std::to_string(++made_);
    version.marker = marker;
    version.etag = marker ? "" : "e";
    version.owner = kHome;
    version.modified = clock_.wall();
    must(rows::insert_version(t, version));
    return version.version_id;
  }
  void add_keys(const std::vector<std::string>& keys) {
    change([&](catalog::Transaction& t) -> Status {
      for (const std::string& key : keys) add(t, bucket_id_in(t), key);
      return ok_status();
    });
  }
  static int64_t bucket_id_in(catalog::Transaction& t) { return must(rows::find_bucket(t, kBucket))->id; }

  static void add_prefixes(const Value& page, std::vector<Shown>& shown) {
    for (const Value& prefix : page.list("CommonPrefixes"))
      shown.push_back({std::string(prefix.text("Prefix")), "", true});
  }
  static void in_order(std::vector<Shown>& page) {
    std::stable_sort(page.begin(), page.end(), [](const Shown& a, const Shown& b) { return a.text < b.text; });
  }
  /// All pages of ListObjectsV2.
  std::vector<Shown> pages_v2(Value input, int page_size) {
    std::vector<Shown> all;
    input.set("MaxKeys", page_size);
    for (;;) {
      const Value page = did("ListObjectsV2", on_bucket(input));
      std::vector<Shown> shown;
      for (const Value& one : page.list("Contents")) shown.push_back({std::string(one.text("Key")), "", false});
      add_prefixes(page, shown);
      in_order(shown);
      RC_ASSERT(page.integer("KeyCount") == static_cast<int64_t>(shown.size()));
      RC_ASSERT(shown.size() <= static_cast<size_t>(page_size));
      all.insert(all.end(), shown.begin(), shown.end());
      RC_ASSERT(page.flag("IsTruncated") == page.has("NextContinuationToken"));
      if (!page.flag("IsTruncated")) return all;
      RC_ASSERT(shown.size() == static_cast<size_t>(page_size));
      input.set("ContinuationToken", page.text("NextContinuationToken"));
    }
  }
  std::vector<Shown> pages_v1(Value input, int page_size) {
    std::vector<Shown> all;
    input.set("MaxKeys", page_size);
    for (;;) {
      const Value page = did("ListObjects", on_bucket(input));
      std::vector<Shown> shown;
      for (const Value& one : page.list("Contents")) shown.push_back({std::string(one.text("Key")), "", false});
      add_prefixes(page, shown);
      in_order(shown);
      all.insert(all.end(), shown.begin(), shown.end());
      if (!page.flag("IsTruncated")) return all;
      input.set("Marker", page.has("NextMarker") ? std::string(page.text("NextMarker")) : shown.back().text);
    }
  }
  std::vector<Shown> pages_of_versions(Value input, int page_size) {
    std::vector<Shown> all;
    input.set("MaxKeys", page_size);
    for (;;) {
      const Value page = did("ListObjectVersions", on_bucket(input));
      std::vector<Shown> shown;
      // Versions and markers of a key are told apart by their kind, so their order is put together by number.
      for (const char* member : {"Versions", "DeleteMarkers"}) {
        for (const Value& one : page.list(member))
          shown.push_back({std::string(one.text("Key")), std::string(one.text("VersionId")), false});
      }
      add_prefixes(page, shown);
      std::sort(shown.begin(), shown.end(), newest_first);
      all.insert(all.end(), shown.begin(), shown.end());
      if (!page.flag("IsTruncated")) return all;
      RC_ASSERT(shown.size() == static_cast<size_t>(page_size));
      input.set("KeyMarker", page.text("NextKeyMarker"));
      input.set("VersionIdMarker", page.has("NextVersionIdMarker") ? Value(page.text("NextVersionIdMarker")) : Value());
    }
  }
  static bool newest_first(const Shown& a, const Shown& b) {
    if (a.text != b.text) return a.text < b.text;
    const auto number = [](const Shown& s) { return s.version_id.empty() ? 0 : std::stoi(s.version_id.substr(1)); };
    return number(a) > number(b);
  }
  void clear() {
    change([&](catalog::Transaction& t) -> Status {
      COFFER_CHECK_OK(t.run("DELETE FROM s3_versions"));
      return ok_status();
    });
  }

  int made_ = 0;
};

TEST_F(ListingTest, EveryPageIsTheModels) {
  rc::check("listings", [&] {
    clear();
    const auto keys = *rc::gen::container<std::set<std::string>>(rc::gen::nonEmpty(some_text(6)));
    std::vector<Shown> all;
    for (const std::string& key : keys) all.push_back({key, "", false});
    add_keys({keys.begin(), keys.end()});
    const std::string prefix = *some_text(2), after = *some_text(4);
    const std::string delimiter =
        *rc::gen::elementOf(std::vector<std::string>{"", "/", "--", "\xc3\xa9", "a", "//", "\xf4\x8f\xbf\xbf"});
    const int page_size = *rc::gen::inRange(1, 8);
    Value input = object({{"Prefix", prefix}});
    if (!delimiter.empty()) input.set("Delimiter", delimiter);
    RC_ASSERT(pages_v2(input, page_size) == model(all, prefix, delimiter, ""));
    RC_ASSERT(pages_v1(input, page_size) == model(all, prefix, delimiter, ""));
    if (after.empty()) return;
    RC_ASSERT(pages_v2(with(input, object({{"StartAfter", after}})), page_size) ==
              model(all, prefix, delimiter, after));
    RC_ASSERT(pages_v1(with(input, object({{"Marker", after}})), page_size) == model(all, prefix, delimiter, after));
  });
}

TEST_F(ListingTest, EveryPageOfVersionsIsTheModels) {
  rc::check("versions", [&] {
    clear();
    const auto keys = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(some_text(4)));
    std::vector<Shown> all;
    change([&](catalog::Transaction& t) -> Status {
      const int64_t id = bucket_id_in(t);
      for (const std::string& key : keys) {
        for (int count = *rc::gen::inRange(1, 4); count > 0; --count)
          all.push_back({key, add(t, id, key, *rc::gen::arbitrary<bool>()), false});
      }
      return ok_status();
    });
    std::sort(all.begin(), all.end(), newest_first);
    const std::string prefix = *some_text(2);
    const std::string delimiter = *rc::gen::elementOf(std::vector<std::string>{"", "/", "--", "\xc3\xa9"});
    Value input = object({{"Prefix", prefix}});
    if (!delimiter.empty()) input.set("Delimiter", delimiter);
    RC_ASSERT(pages_of_versions(input, *rc::gen::inRange(1, 8)) == model(all, prefix, delimiter, ""));
  });
}

TEST_F(ListingTest, ACommonPrefixIsSkippedAndNotRead) {
  std::vector<std::string> keys;
  for (int group = 0; group < 3; ++group) {
    for (int i = 0; i < 2000; ++i) keys.push_back("g" + std::to_string(group) + "/" + std::to_string(i));
  }
  std::sort(keys.begin(), keys.end());
  int64_t read = 0;
  const ListFetch fetch = [&](const ListPosition& from, int64_t limit) -> Result<std::vector<rows::Listed>> {
    std::vector<rows::Listed> page;
    for (auto it = std::lower_bound(keys.begin(), keys.end(), from.key);
         it != keys.end() && static_cast<int64_t>(page.size()) < limit; ++it) {
      if (*it == from.key && from.below_sequence != ListPosition::kWholeKey) continue;
      rows::Listed one;
      one.key = *it;
      one.sequence = 1;
      page.push_back(std::move(one));
    }
    read += static_cast<int64_t>(page.size());
    return page;
  };
  const ListPage page = must(walk(fetch, "", "/", {}, 1000));
  EXPECT_EQ(page.prefixes, (std::vector<std::string>{"g0/", "g1/", "g2/"}));
  EXPECT_FALSE(page.truncated);
  EXPECT_LT(read, 100);
}

TEST_F(ListingTest, TheEndOfAPrefix) {
  EXPECT_EQ(end_of_prefix("a"), "b");
  EXPECT_EQ(end_of_prefix("a/"), "a0");
  EXPECT_EQ(end_of_prefix("\x7f"), "\xc2\x80");
  EXPECT_EQ(end_of_prefix("\xdf\xbf"), "\xe0\xa0\x80");
  EXPECT_EQ(end_of_prefix("\xed\x9f\xbf"), "\xee\x80\x80");
  EXPECT_EQ(end_of_prefix("\xef\xbf\xbf"), "\xf0\x90\x80\x80");
  EXPECT_EQ(end_of_prefix("a\xf4\x8f\xbf\xbf"), "b");
  EXPECT_EQ(end_of_prefix("\xf4\x8f\xbf\xbf"), std::nullopt);
  EXPECT_EQ(end_of_prefix(""), std::nullopt);
}

TEST_F(ListingTest, NumbersOfKeys) {
  add_keys({"a", "b"});
  const Value none = did("ListObjectsV2", on_bucket(object({{"MaxKeys", 0}})));
  EXPECT_EQ(none.integer("KeyCount"), 0);
  EXPECT_FALSE(none.flag("IsTruncated"));
  EXPECT_EQ(did("ListObjectsV2", on_bucket(object({{"MaxKeys", 5000}}))).integer("MaxKeys"), 1000);
  EXPECT_EQ(did("ListObjects", on_bucket()).integer("MaxKeys"), 1000);
  EXPECT_EQ(s3("ListObjectsV2", on_bucket(object({{"MaxKeys", -1}}))).error(), "InvalidArgument");
  // A page that is just full is the last one.
  EXPECT_FALSE(did("ListObjectsV2", on_bucket(object({{"MaxKeys", 2}}))).flag("IsTruncated"));
  EXPECT_TRUE(did("ListObjectsV2", on_bucket(object({{"MaxKeys", 1}}))).flag("IsTruncated"));
}

TEST_F(ListingTest, WhatIsShownOfAnObject) {
  make_bucket("other");
  must(put("k", "text").output);
  Value one = did("ListObjectsV2", on_bucket()).list("Contents")[0];
  EXPECT_EQ(one.text("ETag"), "\"1cb251ec0d568de6a929b520c4aed8d1\"");
  EXPECT_EQ(one.integer("Size"), 4);
  EXPECT_EQ(one.text("StorageClass"), "STANDARD");
  EXPECT_EQ(one.texts("ChecksumAlgorithm"), std::vector<std::string>{"CRC64NVME"});
  EXPECT_EQ(one.text("ChecksumType"), "FULL_OBJECT");
  EXPECT_FALSE(one.has("Owner"));
  one = did("ListObjectsV2", on_bucket(object({{"FetchOwner", true}}))).list("Contents")[0];
  EXPECT_EQ(one.find("Owner")->text("ID").size(), 64u);
  EXPECT_TRUE(did("ListObjects", on_bucket()).list("Contents")[0].has("Owner"));
}

TEST_F(ListingTest, EncodedKeys) {
  add_keys({"asdf+b", "foo+1/bar", "foo/bar/xyzzy", "quux ab/thud"});
  const Value page = did("ListObjects", on_bucket(object({{"Delimiter", "/"}, {"EncodingType", "url"}})));
  EXPECT_EQ(page.list("Contents")[0].text("Key"), "asdf%2Bb");
  std::vector<std::string> prefixes;
  for (const Value& prefix : page.list("CommonPrefixes")) prefixes.emplace_back(prefix.text("Prefix"));
  EXPECT_EQ(prefixes, (std::vector<std::string>{"foo%2B1/", "foo/", "quux%20ab/"}));
  EXPECT_EQ(page.text("EncodingType"), "url");
  EXPECT_EQ(s3("ListObjects", on_bucket(object({{"EncodingType", "base64"}}))).error(), "InvalidArgument");
}

TEST_F(ListingTest, TokensBelongToTheirBucket) {
  add_keys({"a", "b", "c"});
  make_bucket("other");
  const std::string token(did("ListObjectsV2", on_bucket(object({{"MaxKeys", 1}}))).text("NextContinuationToken"));
  const auto asking = [&](const std::string& with_token, const std::string& bucket = kBucket) {
    return s3("ListObjectsV2", on_bucket(object({{"ContinuationToken", with_token}}), bucket)).error();
  };
  EXPECT_EQ(asking(token), "");
  EXPECT_EQ(asking(""), "");
  EXPECT_EQ(asking(token, "other"), "InvalidArgument");
  EXPECT_EQ(asking("b"), "InvalidArgument");
  for (size_t size = 1; size < token.size(); size += 5)
    EXPECT_EQ(asking(token.substr(0, size)), "InvalidArgument") << size;
}

TEST_F(ListingTest, MarkersOfVersions) {
  EXPECT_EQ(s3("ListObjectVersions", on_bucket(object({{"VersionIdMarker", "v1"}}))).error(), "InvalidArgument");
  add_keys({"a", "a", "a", "b"});
  const auto shown = [&](const Value& input) {
    std::string ids;
    for (const Value& version : api::List(did("ListObjectVersions", on_bucket(input)).list("Versions")))
      ids += std::string(version.text("VersionId"));
    return ids;
  };
  EXPECT_EQ(shown({}), "v3v2v1v4");
  EXPECT_EQ(shown(object({{"KeyMarker", "a"}})), "v4");
  EXPECT_EQ(shown(object({{"KeyMarker", "a"}, {"VersionIdMarker", "v3"}})), "v2v1v4");
  EXPECT_EQ(shown(object({{"KeyMarker", "a"}, {"VersionIdMarker", "v1"}})), "v4");
}

TEST_F(ListingTest, WhoRemovesPageByPageRemovesEverything) {
  for (int i = 0; i < 4; ++i) must(put("a", "text").output);
  for (int i = 0; i < 3; ++i) must(put("b", "text").output);
  must(remove("a").output);
  Value input = object({{"MaxKeys", 2}});
  for (int pages = 0; pages < 20; ++pages) {
    const Value page = did("ListObjectVersions", on_bucket(input));
    for (const char* member : {"Versions", "DeleteMarkers"}) {
      for (const Value& one : page.list(member))
        must(remove(std::string(one.text("Key")), object({{"VersionId", one.text("VersionId")}})).output);
    }
    if (!page.flag("IsTruncated")) break;
    input.set("KeyMarker", page.text("NextKeyMarker")).set("VersionIdMarker", page.text("NextVersionIdMarker"));
  }
  EXPECT_EQ(s3("DeleteBucket", on_bucket()).error(), "");
}

}  // namespace
}  // namespace coffer::s3
