#include "engine/crypto/merkle.h"

#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

constexpr uint64_t kSizeMax = 40;

std::vector<Digest256> make_leaves(uint64_t count) {
  std::vector<Digest256> leaves;
  for (uint64_t i = 0; i < count; ++i) leaves.push_back(merkle_leaf(counting_bytes(i)));
  return leaves;
}

/// The recursive definition of RFC 6962, section 2.1.
Digest256 root_by_definition(std::span<const Digest256> leaves) {
  if (leaves.empty()) return sha256({});
  if (leaves.size() == 1) return leaves[0];
  size_t split = 1;
  while (split * 2 < leaves.size()) split *= 2;
  return merkle_node(root_by_definition(leaves.first(split)), root_by_definition(leaves.subspan(split)));
}

Digest256 root_of(const std::vector<Digest256>& leaves) { return root_by_definition(leaves); }
std::vector<Digest256> first(const std::vector<Digest256>& leaves, uint64_t count) {
  return {leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(count)};
}

// The eight entries that Certificate Transparency's implementations test with, and their published roots.
TEST(Merkle, GivesThePublishedRoots) {
  const char* entries[] = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MerkleFrontier frontier;
  EXPECT_EQ(to_hex(frontier.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (size_t i = 0; i < 8; ++i) {
    frontier.append(merkle_leaf(hex(entries[i])));
    EXPECT_EQ(to_hex(frontier.root()), roots[i]);
    EXPECT_EQ(frontier.size(), i + 1);
  }
}

TEST(Merkle, TheFrontierAgreesWithTheDefinitionAtEverySize) {
  std::vector<Digest256> leaves = make_leaves(200);
  MerkleFrontier frontier;
  for (uint64_t size = 0; size < leaves.size(); ++size) {
    ASSERT_EQ(frontier.root(), root_of(first(leaves, size))) << size;
    frontier.append(leaves[size]);
  }
}

TEST(Merkle, EveryEntryOfEveryTreeIsProvenAndNothingElse) {
  for (uint64_t size = 1; size <= kSizeMax; ++size) {
    std::vector<Digest256> leaves = make_leaves(size);
    Digest256 root = root_of(leaves);
    for (uint64_t index = 0; index < size; ++index) {
      std::vector<Digest256> proof = inclusion_proof(leaves, index);
      ASSERT_TRUE(verify_inclusion(leaves[index], index, size, proof, root)) << index << " of " << size;
      ASSERT_FALSE(verify_inclusion(merkle_leaf(as_bytes("other")), index, size, proof, root));
      for (uint64_t other = 0; other <= size; ++other) {
        if (other != index) {
          ASSERT_FALSE(verify_inclusion(leaves[index], other, size, proof, root)) << index << " as " << other;
        }
      }
      for (Digest256& node : proof) {
        node[31] ^= std::byte{1};
        ASSERT_FALSE(verify_inclusion(leaves[index], index, size, proof, root));
        node[31] ^= std::byte{1};
      }
      proof.push_back(root);
      ASSERT_FALSE(verify_inclusion(leaves[index], index, size, proof, root)) << "longer proof";
      proof.pop_back();
      if (!proof.empty()) {
        proof.pop_back();
        ASSERT_FALSE(verify_inclusion(leaves[index], index, size, proof, root)) << "shorter proof";
      }
    }
  }
}

TEST(Merkle, EveryEarlierTreeIsProvenAPrefix) {
  std::vector<Digest256> leaves = make_leaves(kSizeMax);
  for (uint64_t new_size = 0; new_size <= kSizeMax; ++new_size) {
    std::vector<Digest256> now = first(leaves, new_size);
    Digest256 new_root = root_of(now);
    for (uint64_t old_size = 0; old_size <= new_size; ++old_size) {
      Digest256 old_root = root_of(first(leaves, old_size));
      std::vector<Digest256> proof = consistency_proof(now, old_size);
      ASSERT_TRUE(verify_consistency(old_size, old_root, new_size, new_root, proof)) << old_size << " in " << new_size;
    }
  }
}

// What a store that rolled back or rewrote history would have to get past.
TEST(Merkle, ATreeWithAnotherPastIsRefused) {
  std::vector<Digest256> leaves = make_leaves(kSizeMax);
  for (uint64_t new_size = 2; new_size <= kSizeMax; ++new_size) {
    std::vector<Digest256> now = first(leaves, new_size);
    Digest256 new_root = root_of(now);
    for (uint64_t old_size = 1; old_size < new_size; ++old_size) {
      std::vector<Digest256> past = first(leaves, old_size);
      Digest256 old_root = root_of(past);
      past[old_size / 2] = merkle_leaf(as_bytes("rewritten"));
      Digest256 rewritten = root_of(past);
      std::vector<Digest256> proof = consistency_proof(now, old_size);
      ASSERT_FALSE(verify_consistency(old_size, rewritten, new_size, new_root, proof));
      ASSERT_FALSE(verify_consistency(old_size, old_root, new_size, rewritten, proof));
      ASSERT_FALSE(verify_consistency(new_size, new_root, old_size, old_root, proof)) << "backwards";
      ASSERT_FALSE(verify_consistency(old_size, old_root, new_size, new_root, {}));
      for (Digest256& node : proof) {
        node[0] ^= std::byte{0x80};
        ASSERT_FALSE(verify_consistency(old_size, old_root, new_size, new_root, proof));
        node[0] ^= std::byte{0x80};
      }
      proof.push_back(new_root);
      ASSERT_FALSE(verify_consistency(old_size, old_root, new_size, new_root, proof)) << "longer proof";
    }
  }
}

TEST(Merkle, EqualSizesNeedEqualRootsAndNoProof) {
  Digest256 a = merkle_leaf(as_bytes("a")), b = merkle_leaf(as_bytes("b"));
  EXPECT_TRUE(verify_consistency(1, a, 1, a, {}));
  EXPECT_FALSE(verify_consistency(1, a, 1, b, {}));
  EXPECT_FALSE(verify_consistency(1, a, 1, a, {a}));
}

TEST(Merkle, TheEmptyTreeIsThePrefixOfEveryTreeUnderItsOwnRootOnly) {
  Digest256 a = merkle_leaf(as_bytes("a"));
  EXPECT_TRUE(verify_consistency(0, sha256({}), 1, a, {}));
  EXPECT_FALSE(verify_consistency(0, a, 1, a, {}));
  EXPECT_FALSE(verify_consistency(0, sha256({}), 1, a, {a}));
  EXPECT_FALSE(verify_inclusion(a, 0, 0, {}, a));
}

TEST(Merkle, HugeSizesFromOutsideAreAnswered) {
  Digest256 a = merkle_leaf(as_bytes("a"));
  std::vector<Digest256> proof(64, a);
  EXPECT_FALSE(verify_inclusion(a, UINT64_MAX - 1, UINT64_MAX, proof, a));
  EXPECT_FALSE(verify_consistency(UINT64_MAX - 1, a, UINT64_MAX, a, proof));
  EXPECT_FALSE(verify_consistency(uint64_t{1} << 63, a, UINT64_MAX, a, proof));
}

// A leaf is never mistaken for a node: the prefixes differ.
TEST(Merkle, LeavesAndNodesAreHashedApart) {
  Digest256 a = merkle_leaf(as_bytes("a")), b = merkle_leaf(as_bytes("b"));
  Bytes both = to_bytes(a);
  append(both, b);
  EXPECT_NE(merkle_leaf(both), merkle_node(a, b));
}

TEST(MerkleFrontier, GoesOnFromItsPeaksAsIfNothingHadBeen) {
  MerkleFrontier whole, restored;
  for (int i = 0; i < 200; ++i) {
    const Digest256 leaf = merkle_leaf(as_bytes(std::to_string(i)));
    whole.append(leaf);
    restored = MerkleFrontier::restore(restored.size(), restored.peaks()).value();
    restored.append(leaf);
    ASSERT_EQ(restored.root(), whole.root()) << i;
  }
  EXPECT_TRUE(fails_with(MerkleFrontier::restore(201, whole.peaks()), ErrorCode::kCorruption, "subtrees"));
  EXPECT_TRUE(fails_with(MerkleFrontier::restore(0, whole.peaks()), ErrorCode::kCorruption, "subtrees"));
}

}  // namespace
}  // namespace coffer::crypto
