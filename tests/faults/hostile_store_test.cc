// A store that gives back other objects than were put: swapped, cut, replaced by an older version, gone; and keys that
// are wrong, missing or half written.
#include <gtest/gtest.h>

#include <random>

#include "faults/small_cluster.h"
#include "faults/tiers.h"

namespace coffer::faults {

namespace {

std::vector<std::string> keys_below(const Objects& objects, std::string_view prefix) {
  std::vector<std::string> keys;
  for (const auto& [key, body] : objects)
    if (key.starts_with(prefix)) keys.push_back(key);
  return keys;
}

// Objects that a reader can do without because they are derived or for one moment only: their absence is no damage.
bool may_be_missing(const SmallVault& small, const std::string& key) {
  const auto keysets = keys_below(small.objects, "keysets/");
  const bool superseded = key.starts_with("keysets/") && key != keysets.back();
  return superseded || small.unneeded.contains(key) || key.starts_with("points/" + small.forgotten) ||
         key.starts_with("index/") || key.starts_with("leases/") || key.starts_with("log/bundles/") ||
         key.starts_with("log/tiles/") || key.find("/attestations/") != std::string::npos;
}

}  // namespace

TEST(HostileStore, SwappedObjectsAreNamed) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  std::vector<std::string> keys;
  for (const auto& [key, body] : small.objects) keys.push_back(key);
  std::mt19937_64 random(7);
  for (int n = 0; n < 150; ++n) {
    const std::string a = keys[random() % keys.size()], b = keys[random() % keys.size()];
    if (a == b || small.objects.at(a) == small.objects.at(b)) continue;
    Objects damaged = small.objects;
    std::swap(damaged[a], damaged[b]);
    // Either one may be met first; verify lists both unless it cannot even begin.
    auto store = store_of(damaged);
    auto vault = world.open_vault(*store);
    const bool opens = vault.ok() && verify(world, **vault).ok();
    if (opens) {
      check_damage(world, damaged, a, "swapped " + a + " and " + b, true);
      check_damage(world, damaged, b, "swapped " + b + " and " + a, true);
    } else {
      const std::string said = vault.ok() ? verify(world, **vault).error().message : vault.error().message;
      EXPECT_TRUE(said.find(a) != std::string::npos || said.find(b) != std::string::npos)
          << "swapped " << a << " and " << b << ": " << said;
    }
  }
}

TEST(HostileStore, TwoPacksOfOneSizeCannotTradePlaces) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  const auto packs = keys_below(small.objects, "packs/");
  ASSERT_GE(packs.size(), 2U);
  Objects damaged = small.objects;
  std::swap(damaged[packs[0]], damaged[packs[1]]);
  check_damage(world, damaged, packs[0], "first of two swapped packs", true);
  check_damage(world, damaged, packs[1], "second of two swapped packs", true);
}

TEST(HostileStore, TruncatedObjectsAreNamed) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  std::mt19937_64 random(8);
  for (const auto& [key, body] : small.objects)
    for (size_t size :
         {size_t{0}, size_t{1}, body.size() / 2, body.size() - 1, static_cast<size_t>(random() % body.size())}) {
      Objects damaged = small.objects;
      damaged[key].resize(size);
      check_damage(world, damaged, key,
                   key + " cut to " + std::to_string(size) + " of " + std::to_string(body.size()) + " bytes", false);
    }
}

TEST(HostileStore, LengthenedObjectsAreNamed) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  for (const auto& [key, body] : small.objects) {
    Objects damaged = small.objects;
    damaged[key].resize(body.size() + 1);
    check_damage(world, damaged, key, key + " with a byte more", false);
  }
}

TEST(HostileStore, DeletedObjectsAreNamed) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  // Who cuts the log's last entries turns the vault back to what it was: only a witness of its head can tell.
  const std::string last_entry = keys_below(small.objects, "log/entries/").back();
  for (const auto& [key, body] : small.objects) {
    if (key == last_entry) continue;
    Objects damaged = small.objects;
    damaged.erase(key);
    if (!may_be_missing(small, key)) {
      check_damage(world, damaged, key, "without " + key, true);
      continue;
    }
    SCOPED_TRACE("without " + key);
    auto store = store_of(damaged);
    auto vault = must(world.open_vault(*store));
    auto report = verify(world, *vault);
    ASSERT_TRUE(report.ok()) << report.error().message;
    for (const auto& f : report->findings) ADD_FAILURE() << f.object << ": " << f.problem;
    const std::string target = world.directory().path("restored");
    ASSERT_TRUE(restore(world, *vault, small.second, target).ok());
    EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(2)));
    std::filesystem::remove_all(target);
  }
}

// A store (or its thief) that shows yesterday's object under today's key.
TEST(HostileStore, AnOlderManifestUnderThePointsKeyIsRefused) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  // The same vault, its first point committed from other bytes: a manifest that is authentic, and not the one in the
  // log.
  Objects damaged = small.objects;
  const std::string first = "points/" + small.first + "/manifest", second = "points/" + small.second + "/manifest";
  damaged[second] = damaged[first];
  check_damage(world, damaged, second, "the older point's manifest under the newer one's key", true);
}

TEST(HostileStore, ALogCutAtItsEndLosesPointsButInventsNone) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  const auto entries = keys_below(small.objects, "log/entries/");
  ASSERT_GE(entries.size(), 3U);
  Objects damaged = small.objects;
  for (size_t n = 2; n < entries.size(); ++n)
    damaged.erase(entries[n]);  // the commit of the second point and all after it
  auto store = store_of(damaged);
  auto vault = must(world.open_vault(*store));
  const auto points = world.live_points(*vault);
  ASSERT_EQ(points, (std::vector<std::string>{small.forgotten, small.first}));
  const std::string target = world.directory().path("restored");
  ASSERT_TRUE(restore(world, *vault, small.first, target).ok());
  EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(1)));
}

TEST(HostileStore, EveryIndexLostIsRebuiltFromThePacks) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  Objects damaged = small.objects;
  for (const std::string& key : keys_below(small.objects, "index/")) damaged.erase(key);
  auto store = store_of(damaged);
  auto vault = must(world.open_vault(*store));
  const std::string target = world.directory().path("restored");
  ASSERT_TRUE(restore(world, *vault, small.second, target).ok());
  EXPECT_TRUE(same_tree(read_tree(target), small_cluster_tree(2)));
  EXPECT_TRUE(must(verify(world, *vault)).clean());
}

TEST(Keys, AWrongKeyIsRefusedAndTouchesNothing) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  auto store = store_of(small.objects);
  auto vault = world.open_vault(*store, Secret(Bytes(32, std::byte{0x43})));
  ASSERT_FALSE(vault.ok());
  EXPECT_EQ(vault.code(), ErrorCode::kUnauthenticated) << vault.error().message;
  EXPECT_NE(vault.error().message.find("test"), std::string::npos)
      << "the slots there are should be named: " << vault.error().message;
  EXPECT_EQ(snapshot(*store), small.objects);
}

TEST(Keys, AHalfWrittenKeysetIsNamedAndTouchesNothing) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  const auto keysets = keys_below(small.objects, "keysets/");
  ASSERT_FALSE(keysets.empty());
  const std::string key = keysets.back();
  for (size_t size = 0; size < small.objects.at(key).size(); ++size) {
    Objects damaged = small.objects;
    damaged[key].resize(size);
    auto store = store_of(damaged);
    auto vault = world.open_vault(*store);
    ASSERT_FALSE(vault.ok()) << "cut to " << size;
    EXPECT_NE(vault.error().message.find(key), std::string::npos) << vault.error().message;
    EXPECT_EQ(snapshot(*store), damaged);
  }
}

TEST(Keys, AMissingKeysetIsToldApartFromAMissingVault) {
  const SmallVault& small = SmallVault::get();
  World world(1);
  Objects damaged = small.objects;
  for (const std::string& key : keys_below(small.objects, "keysets/")) damaged.erase(key);
  auto store = store_of(damaged);
  auto vault = world.open_vault(*store);
  ASSERT_FALSE(vault.ok());
  EXPECT_NE(vault.error().message.find("keyset"), std::string::npos) << vault.error().message;
  EXPECT_EQ(snapshot(*store), damaged);

  auto empty = store::open_memory();
  EXPECT_EQ(world.open_vault(*empty).code(), ErrorCode::kNotFound);
  EXPECT_TRUE(snapshot(*empty).empty());
}

}  // namespace coffer::faults
