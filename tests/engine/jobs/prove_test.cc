// What prove does when it cannot prove. That it proves what is good is tested with real servers, end to end.
#include "engine/jobs/prove.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "faults/small_cluster.h"

namespace coffer::jobs {

using namespace faults;  // NOLINT: tests

namespace {

class Prove : public ::testing::Test {
 protected:
  Prove() : store_(store_of(SmallVault::get().objects)), vault_(must(world_.open_vault(*store_))) {}

  // A folder with a program that calls itself the server of `version`.
  std::string server_that_says(const std::string& version) {
    const std::string folder = world_.directory().path("bin");
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/postgres") << "#!/bin/sh\necho 'postgres (PostgreSQL) " << version << "'\n";
    ::chmod((folder + "/postgres").c_str(), 0755);
    ::chmod(world_.directory().path().c_str(), 0755);
    return folder;
  }
  Result<ProveReport> prove(std::map<int, std::string> binaries) {
    const Environment& e = world_.environment();
    const Environment with{.files = e.files,
                           .clock = e.clock,
                           .entropy = e.entropy,
                           .processes = e.processes,
                           .budget = e.budget,
                           .progress = e.progress,
                           .scratch = e.scratch,
                           .jobs = e.jobs,
                           .pg_binaries = std::move(binaries)};
    return run_prove(world_.context(), with, *vault_, {.point_id = SmallVault::get().second});
  }
  // Of proving alone: the vault was verified when it was made.
  std::vector<vault::Attestation> attestations() {
    auto all = must(vault::read_attestations(world_.context(), *vault_, SmallVault::get().second));
    std::erase_if(all, [](const vault::Attestation& a) { return a.kind != vault::ProofKind::kProven; });
    return all;
  }

  World world_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
};

}  // namespace

TEST_F(Prove, WithoutAServerOfTheMajorIsNotProvenAndAttestsThatWithoutBlamingThePoint) {
  auto report = prove({{15, world_.directory().path("nothing")}});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kNotProven);
  EXPECT_FALSE(report.error().next_step.empty());
  ASSERT_EQ(attestations().size(), 1U);
  EXPECT_FALSE(attestations()[0].success);
  EXPECT_TRUE(attestations()[0].findings.empty());
}

TEST_F(Prove, AServerOfAnotherMajorIsNotUsed) {
  auto report = prove({{15, server_that_says("17.2")}});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kNotProven);
  EXPECT_NE(report.error().message.find("17.2"), std::string::npos) << report.error().message;
  EXPECT_TRUE(attestations().at(0).findings.empty());
}

TEST_F(Prove, DamageInTheVaultIsAFindingOfThePoint) {
  for (const auto& [key, body] : snapshot(*store_))
    if (key.starts_with("packs/")) must(store_->remove({}, key));
  auto report = prove({{15, server_that_says("15.1")}});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_FALSE(report->attestation.success);
  EXPECT_FALSE(report->attestation.findings.empty());
  ASSERT_EQ(attestations().size(), 1U);
  EXPECT_EQ(attestations()[0].findings, report->attestation.findings);
}

TEST_F(Prove, AServerThatDoesNotStartProvesNothingAndLeavesNoCopy) {
  auto report = prove({{15, server_that_says("15.1")}});
  EXPECT_FALSE(report.ok() && report->attestation.success);
  ASSERT_EQ(attestations().size(), 1U);
  EXPECT_FALSE(attestations()[0].success);
  EXPECT_TRUE(std::filesystem::is_empty(world_.environment().scratch));
}

TEST_F(Prove, APointThatIsNotThereIsNotFoundAndAttestsNothing) {
  auto report = run_prove(world_.context(), world_.environment(), *vault_, {.point_id = "20200101T000000Z-00000000"});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.code(), ErrorCode::kNotFound);
  EXPECT_EQ(snapshot(*store_).size(), SmallVault::get().objects.size());
}

}  // namespace coffer::jobs
