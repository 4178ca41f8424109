#include "services/s3/upkeep.h"

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

/// A bucket, and the loops of the service.
class UpkeepTest : public World {
 protected:
  UpkeepTest() {
    make_bucket();
    must(due());  // the first rounds begin
  }

  Status due() { return s3_->run_due(Context(), clock_.wall()); }
  /// Ten-second steps would take long: what is due is looked at often enough for every folder to have its turn.
  void live(std::chrono::hours time) {
    const WallTime until = clock_.wall() + time;
    while (clock_.wall() < until) {
      clock_.advance(std::chrono::minutes(6));
      must(due());
    }
  }
  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    must(store_->list(Context(), "", [&](const store::ObjectInfo& info) {
      keys.push_back(info.key);
      return true;
    }));
    return keys;
  }
  void tamper(const std::string& key, size_t at = 200) {
    Bytes bytes = must(store_->get_all(Context(), key));
    bytes[at] ^= std::byte{1};
    must(store_->remove(Context(), key));
    must(store_->put(Context(), key, bytes));
  }
  /// Blocks that no row knows, as an upload leaves them that a crash ended.
  void leave_behind(size_t size = 3 << 20) {
    ObjectData data(*store_, clock_, entropy_, {.block_size_bytes = 1 << 20});
    TextBody body(noise(size));
    must(data.write(Context(), Bytes(64), body, [](ByteView) {}));
  }
  std::vector<std::string> damages() {
    std::vector<std::string> found;
    for (const std::string& text : outbox("events")) {
      if (text.find("Object Damaged") != std::string::npos) found.push_back(text);
    }
    return found;
  }
};

TEST_F(UpkeepTest, TheSweepRemovesWhatACrashLeftAndNothingElse) {
  const std::string text = noise(2'500'000);
  put("kept", text);
  const size_t kept = blocks();
  const std::string upload = begin_upload("k");
  put_part("k", upload, 1, noise(1'000'000, 3));
  leave_behind();
  leave_behind();
  EXPECT_EQ(blocks(), kept + 1 + 6);
  live(std::chrono::hours(20));
  EXPECT_EQ(blocks(), kept + 1 + 6) << "too young";
  live(std::chrono::hours(35));
  EXPECT_EQ(blocks(), kept + 1);
  EXPECT_EQ(rows_in("s3_unknown_pieces"), 0);
  EXPECT_EQ(got("kept"), text);
}

TEST_F(UpkeepTest, WhatIsNotedIsRemovedOnlyAfterAGraceAndAnotherLook) {
  leave_behind();
  clock_.advance(std::chrono::hours(30));
  for (int folder = 0; folder < 256; ++folder) {
    clock_.advance(std::chrono::seconds(338));
    must(due());
    if (rows_in("s3_unknown_pieces") == 1) break;
  }
  ASSERT_EQ(rows_in("s3_unknown_pieces"), 1);
  clock_.advance(std::chrono::minutes(50));
  must(due());
  EXPECT_EQ(blocks(), 3u);
  // Now a row knows it.
  change([](catalog::Transaction& t) -> Status {
    COFFER_CHECK_OK(t.run("INSERT INTO s3_pieces (piece, holder) SELECT piece, 'somebody' FROM s3_unknown_pieces"));
    return ok_status();
  });
  clock_.advance(std::chrono::minutes(20));
  must(due());
  EXPECT_EQ(blocks(), 3u);
  EXPECT_EQ(rows_in("s3_unknown_pieces"), 0);
}

TEST_F(UpkeepTest, TheSweepGoesOnAfterARestartAndOutlivesAClockThatGoesBack) {
  leave_behind();
  for (int day = 0; day < 3; ++day) {
    live(std::chrono::hours(20));
    restart();
  }
  EXPECT_EQ(blocks(), 0u);
  leave_behind();
  clock_.jump_to(clock_.wall() - std::chrono::hours(24 * 365));
  must(due());
  clock_.jump_to(clock_.wall() + std::chrono::hours(24 * 365));
  live(std::chrono::hours(60));
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(UpkeepTest, TheScrubFindsADamagedObjectWithinItsRoundAndTellsOnce) {
  for (int i = 0; i < 20; ++i) put("k" + std::to_string(i), noise(5000, static_cast<uint64_t>(i)));
  put("small", "inline");
  const std::string key = keys().at(7);
  tamper(key);
  std::vector<std::string> told;
  for (int half_day = 0; half_day < 3 * 60; ++half_day) {
    clock_.advance(std::chrono::hours(12));
    if (Status done = due(); !done.ok()) {
      EXPECT_EQ(done.code(), ErrorCode::kCorruption);
      told.push_back(done.error().message);
      EXPECT_LE(half_day, 60);
    }
  }
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find(key), std::string::npos) << told[0];
  EXPECT_NE(told[0].find("arn:aws:s3:::bucket/k"), std::string::npos) << told[0];
  ASSERT_EQ(damages().size(), 1u);
  EXPECT_NE(damages()[0].find(R"("bucket":{"name":"bucket"})"), std::string::npos) << damages()[0];
  EXPECT_EQ(rows_in("s3_damaged"), 1);
}

TEST_F(UpkeepTest, AnObjectThatIsWholeAgainIsNoLongerCalledDamaged) {
  put("k", noise(5000));
  tamper(keys().front());
  clock_.advance(Scrub::kRound);
  EXPECT_EQ(due().code(), ErrorCode::kCorruption);
  EXPECT_EQ(rows_in("s3_damaged"), 1);
  tamper(keys().front());
  for (int day = 0; day < 40; ++day) {
    clock_.advance(std::chrono::hours(24));
    must(due());
  }
  EXPECT_EQ(rows_in("s3_damaged"), 0);
}

TEST_F(UpkeepTest, OfADeletedObjectNothingIsSaid) {
  put("k", noise(5000));
  tamper(keys().front());
  clock_.advance(Scrub::kRound);
  EXPECT_FALSE(due().ok());
  remove("k");
  for (int day = 0; day < 70; ++day) {
    clock_.advance(std::chrono::hours(24));
    must(due());
  }
  EXPECT_EQ(rows_in("s3_damaged"), 0);
}

TEST_F(UpkeepTest, TheScrubReadsAtAnEvenPaceAndGoesOnAfterARestart) {
  for (int i = 0; i < 56; ++i) put("k" + std::to_string(i), noise(3000, static_cast<uint64_t>(i)));
  must(due());
  const auto position = [&] {
    return must(read()->run("SELECT position FROM s3_upkeep WHERE name = 'scrub'")).at(0).integer(0);
  };
  int64_t last = position();
  for (int day = 1; day <= 28; ++day) {
    clock_.advance(std::chrono::hours(24));
    must(due());
    EXPECT_LE(position() - last, 3) << day;
    EXPECT_GE(position() - last, 1) << day;
    last = position();
    if (day == 10) restart();
  }
  EXPECT_EQ(last, 56);
}

TEST_F(UpkeepTest, AMissingInlinePieceIsDamageToo) {
  put("small", "inline");
  change([](catalog::Transaction& t) -> Status {
    COFFER_CHECK_OK(t.run("DELETE FROM s3_inline"));
    return ok_status();
  });
  clock_.advance(Scrub::kRound);
  EXPECT_EQ(due().code(), ErrorCode::kCorruption);
  EXPECT_EQ(rows_in("s3_damaged"), 1);
}

TEST_F(UpkeepTest, WithoutTheKeyMissingShortAndForeignBlocksAreFound) {
  const std::string id = key();
  const auto damaged = [&](const std::function<void(const std::string&)>& harm) {
    put("k", noise(5000), object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", arn(id)}}));
    harm(keys().front());
    clock_.advance(Scrub::kRound);
    const bool found = !due().ok();
    remove("k");
    clock_.advance(Scrub::kRound);
    must(due());
    clock_.advance(Scrub::kRound);
    must(due());
    return found && keys().empty();
  };
  EXPECT_FALSE(damaged([](const std::string&) {}));
  EXPECT_TRUE(damaged([&](const std::string& key) { must(store_->remove(Context(), key)); }));
  EXPECT_TRUE(damaged([&](const std::string& key) {
    Bytes bytes = must(store_->get_all(Context(), key));
    bytes.pop_back();
    must(store_->remove(Context(), key));
    must(store_->put(Context(), key, bytes));
  }));
  EXPECT_TRUE(damaged([&](const std::string& key) { tamper(key, 40); }));
}

TEST_F(UpkeepTest, ARowThatCannotBeReadIsDamageAndStopsNothing) {
  put("a", noise(3000, 1));
  put("b", noise(3000, 2));
  change([](catalog::Transaction& t) -> Status {
    COFFER_CHECK_OK(t.run("UPDATE s3_versions SET layout = $1 WHERE key = 'a'", {Bytes(3, std::byte{9})}));
    return ok_status();
  });
  tamper(keys().front());
  tamper(keys().back());
  clock_.advance(Scrub::kRound);
  EXPECT_EQ(due().code(), ErrorCode::kCorruption);
  EXPECT_EQ(rows_in("s3_damaged"), 2);
}

}  // namespace
}  // namespace coffer::s3
