// A cluster of a few files that has one of everything the vault treats differently, in two versions.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/jobs/backup.h"
#include "engine/jobs/key_slots.h"
#include "engine/jobs/restore.h"
#include "engine/vault/collector.h"
#include "engine/vault/points.h"
#include "support/fake_source.h"
#include "support/vault_world.h"

namespace coffer::faults {

using namespace testing_support;  // NOLINT: tests

/// Version 1, 2 or 3. From one to the next: changed pages in small and large relations, a longer, a shorter, a new and
/// a dropped file.
inline std::vector<FakeFile> small_cluster_files(int version) {
  const auto v = static_cast<uint64_t>(version);
  Bytes large(postgres::kPieceSize + 2 * postgres::kPageSize);  // two map blocks, mostly zeros
  for (uint32_t block : {0U, 1U, 16U, 17U, 40U, 1000U, 1025U})
    fill_page(MutableByteView(large).subspan(block * postgres::kPageSize, postgres::kPageSize), block,
              block == 17 ? 100 + v : 3);
  if (version > 1)
    fill_page(MutableByteView(large).subspan(20 * postgres::kPageSize, postgres::kPageSize), 20, 200 + v);
  Bytes medium = relation_bytes(40, 2);  // three groups: a map block of its own
  for (uint32_t block : {3U, 4U, 39U})
    fill_page(MutableByteView(medium).subspan(block * postgres::kPageSize, postgres::kPageSize), block, 300 + v);
  std::vector<FakeFile> files;
  for (const char* path : {"base", "base/1", "global", "pg_notify", "pg_wal", "pg_wal/archive_status", "pg_xact"})
    files.push_back(directory(path));
  files.push_back(memory_file("PG_VERSION", to_bytes("15\n")));
  files.push_back(memory_file("postgresql.conf", to_bytes("port = 5432\n")));
  files.push_back(memory_file("postgresql.auto.conf", to_bytes("work_mem = '" + std::to_string(version) + "MB'\n")));
  files.push_back(memory_file("base/1/1000", {}));
  files.push_back(memory_file("base/1/1001", relation_bytes(1, 1)));
  files.push_back(memory_file("base/1/1002", std::move(medium)));
  files.push_back(memory_file("base/1/1003", std::move(large)));
  files.push_back(memory_file("base/1/1004", relation_bytes(static_cast<uint32_t>(2 + version), 4)));
  files.push_back(memory_file("base/1/1005", relation_bytes(static_cast<uint32_t>(9 - version), 5)));
  files.push_back(memory_file("base/1/" + std::to_string(2000 + version), relation_bytes(2, 2000 + v)));
  files.push_back(memory_file("base/1/pg_filenode.map", Bytes(512, std::byte{7})));
  files.push_back(memory_file("pg_xact/0000", Bytes(8192, static_cast<std::byte>(version))));
  return files;
}

inline FakeCluster small_cluster(int version) { return FakeCluster::of(small_cluster_files(version)); }

/// What a restore of this version must give, as read_tree() tells it.
inline std::map<std::string, Bytes> small_cluster_tree(int version) {
  std::vector<FakeFile> files = small_cluster_files(version);
  for (FakeFile& f : FakeCluster{}.last_files()) files.push_back(std::move(f));
  std::map<std::string, Bytes> tree;
  for (const FakeFile& f : files) {
    Bytes content(f.size_bytes);
    if (f.read) must(f.read(0, content));
    tree[f.path + (f.is_directory ? "/" : "")] = std::move(content);
  }
  return tree;
}

/// True, or the first difference. The manifest that a restore writes by itself is not compared.
inline ::testing::AssertionResult same_tree(std::map<std::string, Bytes> restored,
                                            const std::map<std::string, Bytes>& expected) {
  restored.erase("backup_manifest");
  for (const auto& [path, content] : expected) {
    auto it = restored.find(path);
    if (it == restored.end()) return ::testing::AssertionFailure() << path << " is missing";
    if (it->second != content) return ::testing::AssertionFailure() << path << " has other bytes";
    restored.erase(it);
  }
  if (!restored.empty()) return ::testing::AssertionFailure() << restored.begin()->first << " should not be there";
  return ::testing::AssertionSuccess();
}

inline Result<jobs::BackupReport> back_up(World& world, const vault::Vault& vault, int version,
                                          FakeSource::Interrupt interrupt = {}) {
  jobs::BackupOptions options;
  options.write.pack_size_bytes = 1 << 20;
  options.write.frame_size_bytes = 64 << 10;
  return jobs::run_backup(world.context(), world.environment(), vault,
                          fake_source_factory(small_cluster(version), std::move(interrupt)), options);
}

inline Result<jobs::RestoreReport> restore(World& world, const vault::Vault& vault, const std::string& point_id,
                                           const std::string& target) {
  jobs::RestoreOptions options;
  options.point_id = point_id;
  options.target = target;
  options.write_settings = false;
  return jobs::run_restore(world.context(), world.environment(), vault, options);
}

inline Result<jobs::VerifyReport> verify(World& world, const vault::Vault& vault) {
  return jobs::run_verify(world.context(), world.environment(), vault, {});
}

/// A vault with a point of version 1 and one of version 2, as the objects that it is made of; and of everything else
/// that a vault may hold: a forgotten point, its packs under a tombstone, attestations, a second key slot.
struct SmallVault {
  Objects objects;
  std::string first, second, forgotten;  // point ids
  std::set<std::string> unneeded;        // packs under a tombstone

  static const SmallVault& get() {
    static const SmallVault made = make();
    return made;
  }
  [[nodiscard]] int version_of(const std::string& point_id) const { return point_id == first ? 1 : 2; }

 private:
  static SmallVault make() {
    World world;
    auto store = store::open_memory();
    auto vault = world.create_vault(*store);
    SmallVault v;
    FakeCluster other = FakeCluster::of({directory("base"), directory("base/1"), directory("global"),
                                         directory("pg_wal"), memory_file("base/1/5000", relation_bytes(64, 99))});
    other.system_identifier = 7200000000000000002;
    v.forgotten = must(jobs::run_backup(world.context(), world.environment(), *vault, fake_source_factory(other), {}))
                      .manifest.id;
    v.first = must(back_up(world, *vault, 1)).manifest.id;
    v.second = must(back_up(world, *vault, 2)).manifest.id;
    auto log = must(vault::CommitLog::load(world.context(), *vault));
    must(vault::forget_point(world.context(), *log, v.forgotten, "test"));
    auto scratch = must(world.files().open_directory(world.environment().scratch));
    auto collected = must(vault::collect(world.context(), *vault, *log, *scratch, {}, world.environment().progress));
    EXPECT_GT(collected.packs_tombstoned, 0U);
    // Not simply the packs of the forgotten point: a label of the same second is one chunk of all three.
    for (const vault::PackId& pack : must(vault::tombstoned_packs(world.context(), *vault, log->state())))
      v.unneeded.insert(vault::pack_key(pack));
    EXPECT_TRUE(must(verify(world, *vault)).clean());
    auto second_key = crypto::key_file_slot(Secret(Bytes(32, std::byte{0x44})));
    must(jobs::add_key_slot(world.context(), *vault, {"second", second_key.get()}));
    v.objects = snapshot(*store);
    return v;
  }
};

/// What damage to a vault may lead to: verify says which object, and a restore gives an error or the right bytes.
/// Failures are reported with `what`.
inline void check_damage(World& world, const Objects& damaged, const std::string& key, const std::string& what,
                         bool restore_both) {
  SCOPED_TRACE(what);
  const SmallVault& small = SmallVault::get();
  auto store = store_of(damaged);
  auto named = [&](const Error& error) {
    // A keyset that is gone has no name any more, but for the folder it lay in.
    return error.message.find(key) != std::string::npos ||
           (key.starts_with("keysets/") && !damaged.contains(key) && error.message.find("keyset") != std::string::npos);
  };

  auto vault = world.open_vault(*store);
  if (!vault.ok()) {
    EXPECT_TRUE(named(vault.error())) << "opening says: " << vault.error().message;
    return;
  }
  static uint64_t restores = 0;
  for (const std::string& id : {small.first, small.second}) {
    if (!restore_both && (++restores + (id == small.first)) % 2 == 0) continue;
    const std::string target = world.directory().path("restored");
    std::filesystem::remove_all(target);
    auto restored = restore(world, **vault, id, target);
    if (restored.ok()) {
      EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(small.version_of(id)))) << "point " << id;
    }
    for (const auto& left : std::filesystem::directory_iterator(world.directory().path()))
      if (left.path().filename() != "scratch") std::filesystem::remove_all(left.path());
  }

  auto report = verify(world, **vault);
  if (!report.ok()) {
    EXPECT_TRUE(named(report.error())) << "verify ends with: " << report.error().message;
    return;
  }
  std::string findings;
  bool found = false;
  for (const auto& f : report->findings) {
    found = found || f.object == key;
    findings += f.object + ": " + f.problem + "\n";
  }
  EXPECT_TRUE(found) << "verify does not name it, but says:\n" << findings;
}

}  // namespace coffer::faults
