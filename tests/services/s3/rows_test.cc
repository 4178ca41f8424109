// The statements on S3's rows, the same on SQLite and PostgreSQL.
#include "services/s3/rows.h"

#include <limits>

#include "services/catalog/catalogs.h"
#include "services/s3/service.h"

namespace coffer::s3 {
namespace {

using catalog::must;
using catalog::Transaction;

constexpr int64_t kFromTheStart = std::numeric_limits<int64_t>::max();

class RowsTest : public catalog::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (IsSkipped()) return;
    must(database_->migrate(context_, migrations()));
    bucket_ = make_bucket("bucket");
  }
  template <class F>
  auto in_write(F work) {
    auto transaction = write();
    auto result = work(*transaction);
    if (result.ok()) must(transaction->commit());
    return result;
  }
  rows::Bucket make_bucket(const std::string& name, const std::string& account = "111111111111") {
    rows::Bucket bucket;
    bucket.name = name;
    bucket.account = account;
    bucket.region = "eu-west-1";
    bucket.created = WallTime{1'000'000};
    must(in_write([&](Transaction& t) { return rows::insert_bucket(t, bucket); }));
    return bucket;
  }
  static Piece piece(uint8_t number, bool is_inline = false) {
    Piece one;
    one.id[0] = static_cast<std::byte>(number);
    one.size_bytes = number;
    one.is_inline = is_inline;
    return one;
  }
  rows::Version version(const std::string& key, const std::string& id, bool latest = true) {
    rows::Version v;
    v.bucket_id = bucket_.id;
    v.key = key;
    v.version_id = id;
    v.latest = latest;
    v.modified = WallTime{2'000'000};
    return v;
  }
  rows::Version add(rows::Version v) {
    must(in_write([&](Transaction& t) { return rows::insert_version(t, v); }));
    return v;
  }
  std::string current(const std::string& prefix, const std::string& from = "", bool exclusive = false,
                      int64_t limit = 100) {
    std::string all;
    for (const auto& one : must(rows::list_current(*read(), bucket_.id, prefix, from, exclusive, limit)))
      all += one.key + " ";
    return all;
  }
  std::string all_versions(const std::string& prefix = "", const std::string& from = "", int64_t below = kFromTheStart,
                           int64_t limit = 100) {
    std::string all;
    for (const auto& one : must(rows::list_versions(*read(), bucket_.id, prefix, from, below, limit)))
      all += one.key + ":" + one.version_id + (one.latest ? "* " : " ");
    return all;
  }
  rows::Bucket bucket_;
};

TEST_P(RowsTest, ABucketIsFoundByNameAndItsNumberIsNeverUsedAgain) {
  const rows::Bucket found = *must(rows::find_bucket(*read(), "bucket"));
  EXPECT_EQ(found.id, bucket_.id);
  EXPECT_EQ(found.region, "eu-west-1");
  EXPECT_EQ(found.arn(), "arn:aws:s3:::bucket");
  EXPECT_FALSE(must(rows::find_bucket(*read(), "bucke")));
  rows::Bucket same;
  same.name = "bucket";
  EXPECT_EQ(in_write([&](Transaction& t) { return rows::insert_bucket(t, same); }).code(), ErrorCode::kAlreadyExists);
  must(in_write([&](Transaction& t) { return rows::delete_bucket(t, bucket_.id); }));
  EXPECT_FALSE(must(rows::find_bucket(*read(), "bucket")));
  EXPECT_GT(make_bucket("bucket").id, bucket_.id);
}

TEST_P(RowsTest, BucketsOfAnAccountComeInOrderOfName) {
  for (const char* name : {"b1", "a9", "c", "b2"}) make_bucket(name, "222222222222");
  const auto names = [&](const std::string& after, const std::string& prefix, int64_t limit) {
    std::string all;
    for (const auto& one : must(rows::list_buckets(*read(), "222222222222", after, prefix, limit))) all += one.name;
    return all;
  };
  EXPECT_EQ(names("", "", 10), "a9b1b2c");
  EXPECT_EQ(names("b1", "", 10), "b2c");
  EXPECT_EQ(names("", "b", 10), "b1b2");
  EXPECT_EQ(names("b1", "b", 10), "b2");
  EXPECT_EQ(names("", "", 2), "a9b1");
}

TEST_P(RowsTest, SettingsAreDocumentsByKind) {
  must(in_write([&](Transaction& t) -> Status {
    COFFER_CHECK_OK(rows::put_setting(t, bucket_.id, "policy", "{}"));
    COFFER_CHECK_OK(rows::put_setting(t, bucket_.id, "policy", "{ }"));
    COFFER_CHECK_OK(rows::put_setting(t, bucket_.id, "cors", api::Value::object({{"Rules", api::List{"x"}}})));
    return rows::put_setting(t, bucket_.id, "tagging", api::List{});
  }));
  rows::Settings settings = must(rows::load_settings(*read(), bucket_.id));
  EXPECT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings["policy"], api::Value("{ }"));
  EXPECT_EQ(settings["cors"].list("Rules").size(), 1U);
  must(in_write([&](Transaction& t) { return rows::put_setting(t, bucket_.id, "policy", {}); }));
  EXPECT_EQ(must(rows::load_settings(*read(), bucket_.id)).size(), 2U);
}

TEST_P(RowsTest, AVersionComesBackAsItWasWritten) {
  rows::Version v = version("a/key", "id1");
  v.size_bytes = 7;
  v.etag = "etag";
  v.storage_class = "GLACIER";
  v.owner = "111111111111";
  v.checksum_kind = "SHA256";
  v.checksum = "abc-2";
  v.checksum_composite = true;
  v.metadata = api::Value::object({{"ContentType", "text/plain"}, {"Metadata", api::text_map({{"a", "b"}})}});
  v.tags = {{"k", "v"}, {"empty", ""}};
  v.encryption.mode = EncryptionMode::kKms;
  v.encryption.kms_key_arn = "arn:aws:kms:x";
  v.encryption.wrapped_root = Bytes(3, std::byte{9});
  v.root_identity = "root";
  v.layout = {piece(1), piece(2, true)};
  v.layout[0].part_number = 1;
  v.layout[0].checksum = std::string("\0\xff", 2);
  v.lock_mode = "COMPLIANCE";
  v.retain_until = WallTime{5};
  v.legal_hold = true;
  v.replication = "PENDING";
  v.noncurrent_since = WallTime{6};
  v.restore = "ongoing";
  v = add(v);
  const auto expect_same = [&] {
    const rows::Version found = *must(rows::find_version(*read(), bucket_.id, "a/key", "id1"));
    EXPECT_EQ(found.sequence, v.sequence);
    EXPECT_EQ(found.size_bytes, v.size_bytes);
    EXPECT_EQ(found.etag, v.etag);
    EXPECT_EQ(found.modified, v.modified);
    EXPECT_EQ(found.storage_class, v.storage_class);
    EXPECT_EQ(found.owner, v.owner);
    EXPECT_EQ(found.checksum_kind, v.checksum_kind);
    EXPECT_EQ(found.checksum, v.checksum);
    EXPECT_EQ(found.checksum_composite, v.checksum_composite);
    EXPECT_EQ(found.metadata, v.metadata);
    EXPECT_EQ(found.tags, v.tags);
    EXPECT_EQ(found.encryption.mode, v.encryption.mode);
    EXPECT_EQ(found.encryption.kms_key_arn, v.encryption.kms_key_arn);
    EXPECT_EQ(found.encryption.wrapped_root, v.encryption.wrapped_root);
    EXPECT_EQ(found.root_identity, v.root_identity);
    ASSERT_EQ(found.layout.size(), v.layout.size());
    EXPECT_EQ(found.layout[0].checksum, v.layout[0].checksum);
    EXPECT_TRUE(found.layout[1].is_inline);
    EXPECT_EQ(found.lock_mode, v.lock_mode);
    EXPECT_EQ(found.retain_until, v.retain_until);
    EXPECT_EQ(found.legal_hold, v.legal_hold);
    EXPECT_EQ(found.replication, v.replication);
    EXPECT_EQ(found.noncurrent_since, v.noncurrent_since);
    EXPECT_EQ(found.restore, v.restore);
  };
  expect_same();
  v.tags.clear();
  v.metadata = api::Value::object();
  v.retain_until.reset();
  v.restore = "";
  v.etag = "other";
  v.replication = "COMPLETED";
  must(in_write([&](Transaction& t) { return rows::update_version(t, v); }));
  expect_same();
}

TEST_P(RowsTest, AKeyHasOneLatestVersion) {
  const rows::Version first = add(version("k", "id1"));
  rows::Version second = version("k", "id2");
  EXPECT_EQ(in_write([&](Transaction& t) { return rows::insert_version(t, second); }).code(), ErrorCode::kConflict);
  must(in_write([&](Transaction& t) -> Status {
    COFFER_CHECK_OK(rows::set_latest(t, first, false, WallTime{9}));
    return rows::insert_version(t, second);
  }));
  EXPECT_GT(second.sequence, first.sequence);
  EXPECT_EQ(must(rows::latest_version(*read(), bucket_.id, "k"))->version_id, "id2");
  EXPECT_EQ(must(rows::find_version(*read(), bucket_.id, "k", "id1"))->noncurrent_since, WallTime{9});
  EXPECT_EQ(must(rows::next_latest(*read(), bucket_.id, "k", second.sequence))->version_id, "id1");
  EXPECT_FALSE(must(rows::find_version(*read(), bucket_.id, "k", "id3")));
  EXPECT_FALSE(must(rows::find_version(*read(), bucket_.id, "other", "id1")));
}

TEST_P(RowsTest, TheNullVersionIsFoundWhetherOrNotItIsTheLatest) {
  EXPECT_FALSE(must(rows::find_version(*read(), bucket_.id, "k", "null")));
  const rows::Version null_version = add(version("k", "null"));
  EXPECT_EQ(must(rows::find_version(*read(), bucket_.id, "k", "null"))->sequence, null_version.sequence);
  must(in_write([&](Transaction& t) { return rows::set_latest(t, null_version, false, WallTime{9}); }));
  add(version("k", "id2"));
  EXPECT_EQ(must(rows::find_version(*read(), bucket_.id, "k", "null"))->sequence, null_version.sequence);
}

TEST_P(RowsTest, CurrentObjectsAreListedInByteOrderWithoutMarkers) {
  for (const char* key : {"b", "a/2", "a/1", "a", "a0", "\xc3\xa4", "z", "B"}) add(version(key, "null"));
  rows::Version marker = version("c", "id1");
  marker.marker = true;
  add(marker);
  add(version("old", "id2", false));
  EXPECT_EQ(current(""), "B a a/1 a/2 a0 b z \xc3\xa4 ");
  EXPECT_EQ(current("a"), "a a/1 a/2 a0 ");
  EXPECT_EQ(current("a/"), "a/1 a/2 ");
  EXPECT_EQ(current("a/", "a/1", true), "a/2 ");
  EXPECT_EQ(current("a/", "a/1", false), "a/1 a/2 ");
  EXPECT_EQ(current("a/", "A"), "a/1 a/2 ");
  EXPECT_EQ(current("a/", "b"), "");
  EXPECT_EQ(current("", "b", true), "z \xc3\xa4 ");
  EXPECT_EQ(current("", "", false, 3), "B a a/1 ");
  EXPECT_EQ(current("\xc3\xa4"), "\xc3\xa4 ");
}

TEST_P(RowsTest, APrefixEndsWhereTheNextCharacterBegins) {
  const std::vector<std::string> keys{"\x7f",
                                      "\x7f"
                                      "a",
                                      "\xc2\x80",
                                      "\xdf\xbf"
                                      "a",
                                      "\xe0\xa0\x80",
                                      "\xed\x9f\xbf"
                                      "a",
                                      "\xee\x80\x80",
                                      "\xef\xbf\xbf"
                                      "a",
                                      "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf",
                                      "\xf4\x8f\xbf\xbf"
                                      "a"};
  for (const std::string& key : keys) add(version(key, "null"));
  for (const std::string& prefix : keys) {
    std::string expected;
    for (const std::string& key : keys) {
      if (key.starts_with(prefix)) expected += key + " ";
    }
    EXPECT_EQ(current(prefix), expected);
  }
}

TEST_P(RowsTest, VersionsAreListedNewestFirstWithinAKeyAndPageByPage) {
  std::string expected;
  for (const char* key : {"a", "b", "c"}) {
    for (int i = 0; i < 3; ++i) add(version(key, key + std::to_string(i), i == 2));
    for (int i = 2; i >= 0; --i) expected += std::string(key) + ":" + key + std::to_string(i) + (i == 2 ? "* " : " ");
  }
  EXPECT_EQ(all_versions(), expected);
  EXPECT_EQ(all_versions("b"), "b:b2* b:b1 b:b0 ");
  for (int64_t limit = 1; limit <= 4; ++limit) {
    std::string seen, from;
    int64_t below = kFromTheStart;
    for (;;) {
      const auto page = must(rows::list_versions(*read(), bucket_.id, "", from, below, limit));
      if (page.empty()) break;
      EXPECT_LE(page.size(), static_cast<size_t>(limit));
      for (const auto& one : page) seen += one.key + ":" + one.version_id + (one.latest ? "* " : " ");
      from = page.back().key;
      below = page.back().sequence;
    }
    EXPECT_EQ(seen, expected) << "pages of " << limit;
  }
}

TEST_P(RowsTest, APieceIsKnownAsLongAsSomethingRefersToIt) {
  rows::Version v = version("k", "id1");
  v.layout = {piece(1), piece(2, true)};
  must(in_write([&](Transaction& t) { return rows::insert_inline(t, piece(2).id, as_bytes("sealed")); }));
  v = add(v);
  EXPECT_TRUE(must(rows::piece_is_known(*read(), piece(1).id)));
  EXPECT_FALSE(must(rows::piece_is_known(*read(), piece(3).id)));
  EXPECT_EQ(to_text(must(rows::find_inline(*read(), piece(2).id))), "sealed");
  must(in_write([&](Transaction& t) -> Status {
    COFFER_CHECK_OK(rows::delete_version(t, v));
    return rows::discard_pieces(t, v.layout, WallTime{100});
  }));
  EXPECT_FALSE(must(rows::find_version(*read(), bucket_.id, "k", "id1")));
  EXPECT_EQ(rows::find_inline(*read(), piece(2).id).code(), ErrorCode::kCorruption);
  EXPECT_TRUE(must(rows::piece_is_known(*read(), piece(1).id)));
  EXPECT_TRUE(must(rows::discarded_before(*read(), WallTime{100}, 10)).empty());
  const auto due = must(rows::discarded_before(*read(), WallTime{101}, 10));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].id, piece(1).id);
  EXPECT_EQ(due[0].size_bytes, 1U);
  must(in_write([&](Transaction& t) { return rows::forget_discarded(t, piece(1).id); }));
  EXPECT_FALSE(must(rows::piece_is_known(*read(), piece(1).id)));
}

TEST_P(RowsTest, AnUploadsPartsAreReplacedAndHandedToTheirObject) {
  rows::Upload upload;
  upload.id = "u1";
  upload.bucket_id = bucket_.id;
  upload.key = "k";
  upload.initiated = WallTime{1};
  upload.initiator_arn = "arn:aws:iam::111111111111:root";
  upload.input = api::Value::object({{"ContentType", "x"}});
  upload.encryption.wrapped_root = Bytes(2, std::byte{1});
  must(in_write([&](Transaction& t) { return rows::insert_upload(t, upload); }));
  EXPECT_FALSE(must(rows::bucket_is_empty(*read(), bucket_.id)));
  const auto put = [&](int32_t number, uint8_t id) {
    rows::Part part;
    part.upload_id = "u1";
    part.number = number;
    part.piece = piece(id);
    part.etag = "e" + std::to_string(id);
    part.checksum = std::string("\0x", 2);
    std::optional<rows::Part> old;
    must(in_write([&](Transaction& t) -> Status {
      COFFER_TRY(old, rows::put_part(t, part));
      return ok_status();
    }));
    return old;
  };
  EXPECT_FALSE(put(2, 10));
  EXPECT_FALSE(put(1, 11));
  const auto replaced = put(2, 12);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->etag, "e10");
  EXPECT_FALSE(must(rows::piece_is_known(*read(), piece(10).id)));
  const auto parts = must(rows::list_parts(*read(), "u1", 0, 10));
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1].etag, "e12");
  EXPECT_EQ(parts[1].checksum, std::string("\0x", 2));
  EXPECT_EQ(parts[1].piece.size_bytes, 12U);
  EXPECT_EQ(must(rows::list_parts(*read(), "u1", 1, 10)).size(), 1U);
  EXPECT_EQ(must(rows::find_upload(*read(), "u1"))->input, upload.input);
  rows::Version v = version("k", "null");
  v.layout = {parts[0].piece};
  must(in_write([&](Transaction& t) -> Status {
    COFFER_CHECK_OK(rows::insert_version(t, v));
    return rows::delete_upload(t, "u1");
  }));
  EXPECT_FALSE(must(rows::find_upload(*read(), "u1")));
  EXPECT_TRUE(must(rows::list_parts(*read(), "u1", 0, 10)).empty());
  EXPECT_TRUE(must(rows::piece_is_known(*read(), piece(11).id))) << "the object has it now";
  EXPECT_FALSE(must(rows::piece_is_known(*read(), piece(12).id)));
}

TEST_P(RowsTest, UploadsAreListedByKeyAndThenByTheirStart) {
  for (const auto& [key, id] : {std::pair{"b", "2"}, {"a", "1"}, {"b", "1b"}, {"c/x", "3"}}) {
    rows::Upload upload;
    upload.id = id;
    upload.bucket_id = bucket_.id;
    upload.key = key;
    must(in_write([&](Transaction& t) { return rows::insert_upload(t, upload); }));
  }
  const auto list = [&](const std::string& prefix, const std::string& key, const std::string& id, int64_t limit = 10) {
    std::string all;
    for (const auto& one : must(rows::list_uploads(*read(), bucket_.id, prefix, key, id, limit)))
      all += one.key + ":" + one.id + " ";
    return all;
  };
  EXPECT_EQ(list("", "", ""), "a:1 b:1b b:2 c/x:3 ");
  EXPECT_EQ(list("", "a", ""), "b:1b b:2 c/x:3 ");
  EXPECT_EQ(list("", "b", "1b"), "b:2 c/x:3 ");
  EXPECT_EQ(list("b", "b", "1b"), "b:2 ");
  EXPECT_EQ(list("c/", "", ""), "c/x:3 ");
  EXPECT_EQ(list("", "", "", 2), "a:1 b:1b ");
}

TEST_P(RowsTest, TheAnswerOfACompletedUploadIsKeptForAWhile) {
  rows::Completed done{"u", bucket_.id, "k", "1:e", api::Value::object({{"ETag", "x"}}), WallTime{5}};
  must(in_write([&](Transaction& t) { return rows::insert_completed(t, done); }));
  EXPECT_EQ(must(rows::find_completed(*read(), "u"))->output, done.output);
  must(in_write([&](Transaction& t) { return rows::forget_completed_before(t, WallTime{5}); }));
  EXPECT_TRUE(must(rows::find_completed(*read(), "u")));
  must(in_write([&](Transaction& t) { return rows::forget_completed_before(t, WallTime{6}); }));
  EXPECT_FALSE(must(rows::find_completed(*read(), "u")));
}

TEST_P(RowsTest, ABucketThatHoldsAnythingDoesNotGo) {
  EXPECT_TRUE(must(rows::bucket_is_empty(*read(), bucket_.id)));
  const rows::Version v = add(version("k", "null"));
  EXPECT_FALSE(must(rows::bucket_is_empty(*read(), bucket_.id)));
  EXPECT_FALSE(in_write([&](Transaction& t) { return rows::delete_bucket(t, bucket_.id); }).ok());
  must(in_write([&](Transaction& t) { return rows::delete_version(t, v); }));
  must(in_write([&](Transaction& t) { return rows::delete_bucket(t, bucket_.id); }));
}

COFFER_ON_EVERY_CATALOG(RowsTest);

}  // namespace
}  // namespace coffer::s3
