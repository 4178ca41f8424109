#include <gtest/gtest.h>

#include <algorithm>

#include "engine/jobs/explain.h"
#include "faults/small_cluster.h"

namespace coffer::jobs {

using namespace faults;  // NOLINT: tests
using Level = DoctorLine::Level;

namespace {

class Doctor : public ::testing::Test {
 protected:
  std::vector<DoctorLine> look(const vault::Vault* vault, const DoctorOptions& options = {}) {
    return must(run_doctor(world_.context(), world_.environment(), vault, options));
  }
  std::vector<DoctorLine> look(const Objects& objects) {
    auto store = store_of(objects);
    auto vault = must(world_.open_vault(*store));
    return look(vault.get());
  }
  static const DoctorLine& line(const std::vector<DoctorLine>& lines, const std::string& id) {
    auto it = std::find_if(lines.begin(), lines.end(), [&](const DoctorLine& l) { return l.id == id; });
    if (it == lines.end()) throw std::runtime_error("no line " + id);
    return *it;
  }
  static std::vector<std::string> keys(const Objects& objects, std::string_view prefix) {
    std::vector<std::string> out;
    for (const auto& [key, body] : objects)
      if (key.starts_with(prefix)) out.push_back(key);
    return out;
  }

  World world_;
};

}  // namespace

TEST_F(Doctor, WithoutAVaultLooksAtTheMachineAlone) {
  for (const DoctorLine& l : look(nullptr)) EXPECT_TRUE(l.id.starts_with("machine.")) << l.id;
}

TEST_F(Doctor, WhatIsNotGoodSaysWhyAndWhatNext) {
  const auto lines = look(SmallVault::get().objects);
  for (const DoctorLine& l : lines) {
    EXPECT_FALSE(l.what.empty()) << l.id;
    if (l.level == Level::kGood) continue;
    EXPECT_FALSE(l.why.empty()) << l.id;
    EXPECT_FALSE(l.next.empty()) << l.id;
  }
}

TEST_F(Doctor, IdsAreUnique) {
  const auto lines = look(SmallVault::get().objects);
  std::set<std::string> ids;
  for (const DoctorLine& l : lines) EXPECT_TRUE(ids.insert(l.id).second) << l.id;
}

TEST_F(Doctor, AVaultWithOneSlotIsUnprotected) {
  auto store = store_of(SmallVault::get().objects);
  auto vault = must(world_.open_vault(*store));
  EXPECT_EQ(line(look(vault.get()), "vault.slots").level, Level::kGood);

  must(vault->remove_slot(world_.context(), "second"));

  vault = must(world_.open_vault(*store));
  EXPECT_EQ(line(look(vault.get()), "vault.slots").level, Level::kBad);
}

TEST_F(Doctor, AClusterThatWasNeverProvenIsBad) {
  EXPECT_EQ(line(look(SmallVault::get().objects), "vault.proof.7100000000000000001").level, Level::kBad);
}

TEST_F(Doctor, AProofOfTodayIsGood) {
  const SmallVault& small = SmallVault::get();
  auto store = store_of(small.objects);
  auto vault = must(world_.open_vault(*store));
  vault::Attestation a;
  a.point_id = small.second;
  a.kind = vault::ProofKind::kProven;
  a.success = true;
  a.time = world_.clock().wall();
  must(vault::write_attestation(world_.context(), *vault, a));
  EXPECT_EQ(line(look(vault.get()), "vault.proof.7100000000000000001").level, Level::kGood);
}

TEST_F(Doctor, ALostPackIsBadAndADamagedLogToo) {
  Objects objects = SmallVault::get().objects;
  objects.erase(keys(objects, "packs/").front());
  EXPECT_EQ(line(look(objects), "vault.packs").level, Level::kBad);

  Objects log = SmallVault::get().objects;
  log[keys(log, "log/entries/").front()].back() ^= std::byte{1};
  EXPECT_EQ(line(look(log), "vault.log").level, Level::kBad);
}

TEST_F(Doctor, ALostIndexIsAWarning) {
  Objects objects = SmallVault::get().objects;
  for (const std::string& key : keys(objects, "index/")) objects.erase(key);
  EXPECT_EQ(line(look(objects), "vault.index").level, Level::kWarning);
}

TEST_F(Doctor, AnEmptyVaultProtectsNothing) {
  auto store = store::open_memory();
  auto vault = world_.create_vault(*store);
  EXPECT_EQ(line(look(vault.get()), "vault.points").level, Level::kWarning);
}

TEST_F(Doctor, AServerThatDoesNotAnswerIsBad) {
  const auto lines =
      look(nullptr, {.conninfo = "host=" + world_.directory().path() + " user=x dbname=x", .pgdata = {}});
  EXPECT_EQ(line(lines, "source.connection").level, Level::kBad);
}

TEST_F(Doctor, ItChangesNothing) {
  auto store = store_of(SmallVault::get().objects);
  auto vault = must(world_.open_vault(*store));
  look(vault.get());
  EXPECT_EQ(snapshot(*store), SmallVault::get().objects);
}

}  // namespace coffer::jobs
