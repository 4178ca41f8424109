#include <gtest/gtest.h>

#include "engine/jobs/explain.h"
#include "faults/small_cluster.h"

namespace coffer::jobs {

using namespace faults;  // NOLINT: tests

namespace {

uint64_t pack_bytes(store::ObjectStore& store) {
  uint64_t total = 0;
  for (const auto& [key, body] : snapshot(store))
    if (key.starts_with("packs/")) total += body.size();
  return total;
}

class Why : public ::testing::Test {
 protected:
  Why() : store_(store::open_memory()), vault_(world_.create_vault(*store_)) {}
  std::string point(int version) { return must(back_up(world_, *vault_, version)).manifest.id; }
  WhyReport why(const std::string& id, const vault::RetentionPolicy& policy = {}) {
    return must(run_why(world_.context(), world_.environment(), *vault_, id, policy));
  }
  void proven(const std::string& id) {
    vault::Attestation a;
    a.point_id = id;
    a.kind = vault::ProofKind::kProven;
    a.success = true;
    a.time = world_.clock().wall();
    must(vault::write_attestation(world_.context(), *vault_, a));
  }
  static std::string all(const WhyReport& report) {
    std::string text;
    for (const std::string& s : report.sentences) text += s + "\n";
    return text;
  }

  World world_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
};

}  // namespace

TEST_F(Why, TheOnlyPointOwnsAllThatIsStored) {
  const std::string id = point(1);
  const WhyReport report = why(id);
  EXPECT_EQ(report.shared_stored_bytes, 0U);
  const uint64_t packs = pack_bytes(*store_);
  EXPECT_LE(report.unique_stored_bytes, packs);
  EXPECT_GT(report.unique_stored_bytes, packs * 9 / 10) << "of " << packs;
  EXPECT_GT(report.plain_bytes, report.unique_stored_bytes);
  EXPECT_NE(all(report).find("the only point"), std::string::npos) << all(report);
}

TEST_F(Why, WhatTwoPointsShareIsNotFreedByForgettingOne) {
  const std::string first = point(1), second = point(2);
  const WhyReport one = why(first), two = why(second);
  EXPECT_GT(one.unique_stored_bytes, 0U);
  EXPECT_GT(two.unique_stored_bytes, 0U);
  // Apportioning rounds down, chunk by chunk.
  EXPECT_NEAR(static_cast<double>(one.shared_stored_bytes), static_cast<double>(two.shared_stored_bytes), 1.0);
  EXPECT_LE(one.unique_stored_bytes + two.unique_stored_bytes + one.shared_stored_bytes, pack_bytes(*store_));
}

TEST_F(Why, ASecondPointOfTheSameContentOwnsNextToNothing) {
  const std::string first = point(1), second = point(1);
  EXPECT_LT(why(second).unique_stored_bytes, why(second).shared_stored_bytes / 50);
  EXPECT_LT(why(first).unique_stored_bytes, why(first).shared_stored_bytes / 50);
}

TEST_F(Why, TheLastProvenPointIsCalledThatUntilANewerOneIsProven) {
  const std::string first = point(1), second = point(2);
  proven(first);
  EXPECT_TRUE(why(first).last_proven);
  EXPECT_FALSE(why(second).last_proven);
  EXPECT_NE(all(why(first)).find("last proven point"), std::string::npos);
  proven(second);
  EXPECT_FALSE(why(first).last_proven);
  EXPECT_TRUE(why(second).last_proven);
}

TEST_F(Why, ARuleIsNamedThatKeepsItAndTheDayItWouldGo) {
  const std::string first = point(1), second = point(2);
  vault::RetentionPolicy policy;
  policy.keep_last = 1;
  const WhyReport old = why(first, policy);
  ASSERT_EQ(old.retention.size(), 1U);
  EXPECT_FALSE(old.retention[0].keep);
  EXPECT_NE(all(old).find("goes with the next 'coffer forget'"), std::string::npos) << all(old);
  EXPECT_TRUE(why(second, policy).retention[0].keep);

  vault::RetentionPolicy within;
  within.keep_within = std::chrono::hours(24 * 30);
  proven(second);
  const WhyReport kept = why(first, within);
  EXPECT_TRUE(kept.retention[0].keep);
  EXPECT_NE(all(kept).find("would go on"), std::string::npos) << all(kept);
}

TEST_F(Why, WithoutARuleItStaysUntilSomebodyForgetsIt) {
  const WhyReport report = why(point(1));
  EXPECT_TRUE(report.retention.empty());
  EXPECT_NE(all(report).find("until somebody forgets it"), std::string::npos) << all(report);
}

TEST_F(Why, APointThatIsNotThereIsNotFound) {
  point(1);
  auto report = run_why(world_.context(), world_.environment(), *vault_, "20200101T000000Z-00000000", {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kNotFound);
}

TEST_F(Why, APackThatCannotBeReadIsSaidAndLeftOut) {
  const std::string id = point(1);
  for (const auto& [key, body] : snapshot(*store_))
    if (key.starts_with("packs/")) {
      Bytes cut = body;
      cut.resize(cut.size() / 2);
      overwrite(*store_, key, cut);
      break;
    }
  auto report = run_why(world_.context(), world_.environment(), *vault_, id, {});
  // The map itself may have lain in that pack; then there is nothing to say but that.
  if (report.ok()) {
    EXPECT_NE(all(*report).find("cannot be read"), std::string::npos) << all(*report);
  } else {
    EXPECT_EQ(report.code(), ErrorCode::kCorruption) << report.error().message;
  }
}

}  // namespace coffer::jobs
