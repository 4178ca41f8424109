// A source vault with points of a small cluster, a receiver's store, and the receiver's own key.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/jobs/copy.h"
#include "engine/store/faulty_store.h"
#include "engine/vault/pack.h"
#include "faults/small_cluster.h"

namespace coffer::jobs {

using namespace faults;  // NOLINT: tests

inline Secret receiver_key() { return Secret(Bytes(32, std::byte{0x77})); }

inline Result<std::unique_ptr<vault::Vault>> open_receiver(World& world, const vault::Vault& source,
                                                           store::ObjectStore& store, Secret key = receiver_key()) {
  auto slot = crypto::key_file_slot(std::move(key));
  return vault::open_mirror(world.context(), source, store, world.clock(), world.entropy(), {{"receiver", slot.get()}});
}

inline Result<CopyReport> copy(World& world, const vault::Vault& source, const vault::Vault& mirror,
                               const std::string& id, CopyOptions::Verify verify = CopyOptions::Verify::kAll,
                               bool lease_source = true) {
  CopyOptions options;
  options.point_id = id;
  options.verify = verify;
  options.lease_source = lease_source;
  return run_copy(world.context(), world.environment(), source, mirror, options);
}

inline void expect_restores(World& world, const vault::Vault& vault, const std::string& id, int version) {
  const std::string target = world.directory().path("restored");
  std::filesystem::remove_all(target);
  auto restored = restore(world, vault, id, target);
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(version))) << id;
  std::filesystem::remove_all(target);
}

inline void collect_all(World& world, const vault::Vault& vault, std::chrono::seconds grace = std::chrono::seconds(0),
                        int rounds = 2) {
  auto scratch = must(world.files().open_directory(world.environment().scratch));
  vault::CollectOptions options;
  options.grace = grace;
  for (int round = 0; round < rounds; ++round) {
    auto log = must(vault::CommitLog::load(world.context(), vault));
    must(vault::collect(world.context(), vault, *log, *scratch, options, world.environment().progress));
  }
}

inline void forget(World& world, const vault::Vault& vault, const std::string& id) {
  auto log = must(vault::CommitLog::load(world.context(), vault));
  must(vault::forget_point(world.context(), *log, id, "test"));
}

}  // namespace coffer::jobs
