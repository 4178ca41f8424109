#include "engine/crypto/merkle.h"

#include <bit>
#include <span>

namespace coffer::crypto {
namespace {

using Leaves = std::span<const Digest256>;

/// The largest power of two below `size`, which is at least 2: where RFC 9162 splits a tree.
uint64_t split_of(uint64_t size) { return std::bit_floor(size - 1); }

Digest256 root_of(Leaves leaves) {
  MerkleFrontier frontier;
  for (const Digest256& leaf : leaves) frontier.append(leaf);
  return frontier.root();
}

void add_inclusion(Leaves leaves, uint64_t index, std::vector<Digest256>& proof) {
  if (leaves.size() <= 1) return;
  uint64_t split = split_of(leaves.size());
  Leaves left = leaves.first(split), right = leaves.subspan(split);
  if (index < split) {
    add_inclusion(left, index, proof);
    proof.push_back(root_of(right));
  } else {
    add_inclusion(right, index - split, proof);
    proof.push_back(root_of(left));
  }
}

/// SUBPROOF of RFC 9162: `old_root_known` while the old tree is a complete subtree that the verifier has as its root.
void add_consistency(Leaves leaves, uint64_t old_size, bool old_root_known, std::vector<Digest256>& proof) {
  if (old_size == leaves.size()) {
    if (!old_root_known) proof.push_back(root_of(leaves));
    return;
  }
  uint64_t split = split_of(leaves.size());
  Leaves left = leaves.first(split), right = leaves.subspan(split);
  if (old_size <= split) {
    add_consistency(left, old_size, old_root_known, proof);
    proof.push_back(root_of(right));
  } else {
    add_consistency(right, old_size - split, false, proof);
    proof.push_back(root_of(left));
  }
}

}  // namespace

Digest256 merkle_leaf(ByteView data) {
  static constexpr std::byte kPrefix[] = {std::byte{0}};
  Sha256 hash;
  hash.update(kPrefix);
  hash.update(data);
  return hash.finish();
}

Digest256 merkle_node(const Digest256& left, const Digest256& right) {
  std::array<std::byte, 1 + 2 * std::tuple_size_v<Digest256>> input;
  input[0] = std::byte{1};
  std::memcpy(input.data() + 1, left.data(), left.size());
  std::memcpy(input.data() + 1 + left.size(), right.data(), right.size());
  return sha256(input);
}

void MerkleFrontier::append(const Digest256& leaf) {
  // The complete subtrees are the one bits of size_; adding a leaf carries through the trailing ones.
  Digest256 subtree = leaf;
  for (uint64_t carry = size_; (carry & 1) != 0; carry >>= 1) {
    subtree = merkle_node(peaks_.back(), subtree);
    peaks_.pop_back();
  }
  peaks_.push_back(subtree);
  ++size_;
}

Result<MerkleFrontier> MerkleFrontier::restore(uint64_t size, std::vector<Digest256> peaks) {
  if (peaks.size() != static_cast<size_t>(std::popcount(size)))
    return Error{ErrorCode::kCorruption,
                 std::to_string(peaks.size()) + " subtrees do not make a tree of " + std::to_string(size) + " leaves",
                 {}};
  MerkleFrontier frontier;
  frontier.size_ = size;
  frontier.peaks_ = std::move(peaks);
  return frontier;
}

Digest256 MerkleFrontier::root() const {
  if (peaks_.empty()) return sha256({});
  Digest256 root = peaks_.back();
  for (size_t i = peaks_.size() - 1; i > 0; --i) root = merkle_node(peaks_[i - 1], root);
  return root;
}

bool verify_inclusion(const Digest256& leaf, uint64_t index, uint64_t size, const std::vector<Digest256>& proof,
                      const Digest256& root) {
  if (index >= size) return false;
  uint64_t node = index, last = size - 1;  // positions within the level that `hash` is at
  Digest256 hash = leaf;
  for (const Digest256& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = merkle_node(sibling, hash);
      // A right-most node without a sibling is carried up unchanged until it has a left one.
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      hash = merkle_node(hash, sibling);
    }
    node >>= 1, last >>= 1;
  }
  return last == 0 && equal_constant_time(hash, root);
}

std::vector<Digest256> inclusion_proof(const std::vector<Digest256>& leaves, uint64_t index) {
  COFFER_ASSERT(index < leaves.size());
  std::vector<Digest256> proof;
  add_inclusion(leaves, index, proof);
  return proof;
}

bool verify_consistency(uint64_t old_size, const Digest256& old_root, uint64_t new_size, const Digest256& new_root,
                        const std::vector<Digest256>& proof) {
  if (old_size > new_size) return false;
  if (old_size == new_size) return proof.empty() && equal(old_root, new_root);
  if (old_size == 0) return proof.empty() && equal(old_root, sha256({}));

  // When the old tree is complete its root is the first node of the path and is not repeated in the proof.
  bool old_is_complete = std::has_single_bit(old_size);
  auto next = proof.begin();
  if (!old_is_complete && next == proof.end()) return false;
  Digest256 old_hash = old_is_complete ? old_root : *next++;
  Digest256 new_hash = old_hash;
  uint64_t node = old_size - 1, last = new_size - 1;
  while ((node & 1) != 0) node >>= 1, last >>= 1;
  for (; next != proof.end(); ++next) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = merkle_node(*next, old_hash);
      new_hash = merkle_node(*next, new_hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      new_hash = merkle_node(new_hash, *next);
    }
    node >>= 1, last >>= 1;
  }
  return last == 0 && equal(old_hash, old_root) && equal(new_hash, new_root);
}

std::vector<Digest256> consistency_proof(const std::vector<Digest256>& leaves, uint64_t old_size) {
  COFFER_ASSERT(old_size <= leaves.size());
  std::vector<Digest256> proof;
  if (old_size > 0) add_consistency(leaves, old_size, true, proof);
  return proof;
}

}  // namespace coffer::crypto
