// The cache of buckets never shows what was before a change to whoever asks after it.
#include "services/s3/operations.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

class BucketCacheTest : public World {
 protected:
  std::string status(BucketCache& cache, catalog::Transaction& t) {
    const auto view = must(cache.find(t, kBucket));
    return view ? view->bucket.versioning : "none";
  }
  /// Through this cache, as the process that it belongs to would.
  void set(BucketCache* cache, const std::string& versioning) {
    change([&](catalog::Transaction& t) -> Status {
      COFFER_TRY(auto bucket, rows::find_bucket(t, kBucket));
      bucket->versioning = versioning;
      COFFER_CHECK_OK(rows::update_bucket(t, *bucket));
      return cache ? cache->changed(t) : catalog::bump_generation(t, "s3");
    });
  }
};

TEST_F(BucketCacheTest, AChangeIsSeenByTheNextReader) {
  make_bucket();
  const auto cache = make_bucket_cache(clock_, false);
  EXPECT_EQ(status(*cache, *read()), "");
  set(cache.get(), "Enabled");
  EXPECT_EQ(status(*cache, *read()), "Enabled");
  set(cache.get(), "Suspended");
  EXPECT_EQ(status(*cache, *read()), "Suspended");
}

TEST_F(BucketCacheTest, AnUnchangedBucketIsNotReadAgain) {
  make_bucket();
  const auto cache = make_bucket_cache(clock_, false);
  const auto first = must(cache->find(*read(), kBucket));
  EXPECT_EQ(must(cache->find(*read(), kBucket)).get(), first.get());
}

TEST_F(BucketCacheTest, WhatIsNotCommittedIsSeenByNobodyElse) {
  make_bucket();
  const auto cache = make_bucket_cache(clock_, false);
  {
    auto t = must(database_->begin(Context(), catalog::Database::Mode::kWrite));
    auto bucket = must(rows::find_bucket(*t, kBucket));
    bucket->versioning = "Enabled";
    must(rows::update_bucket(*t, *bucket));
    must(cache->changed(*t));
    EXPECT_EQ(status(*cache, *t), "Enabled");
  }
  EXPECT_EQ(status(*cache, *read()), "");
  set(cache.get(), "Suspended");
  EXPECT_EQ(status(*cache, *read()), "Suspended");
}

TEST_F(BucketCacheTest, WhatOthersChangeIsSeenByWritersAtOnceAndByReadersSoon) {
  make_bucket();
  const auto cache = make_bucket_cache(clock_, true);
  EXPECT_EQ(status(*cache, *read()), "");
  set(nullptr, "Enabled");
  EXPECT_EQ(status(*cache, *must(database_->begin(Context(), catalog::Database::Mode::kWrite))), "Enabled");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(status(*cache, *read()), "Enabled");
}

}  // namespace
}  // namespace coffer::s3
