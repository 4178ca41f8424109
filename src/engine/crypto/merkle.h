// Merkle tree hashes of RFC 6962: leaf = SHA-256(0x00 data), node = SHA-256(0x01 left right).
#pragma once
#include <vector>

#include "engine/crypto/digest.h"

namespace coffer::crypto {

Digest256 merkle_leaf(ByteView data);
Digest256 merkle_node(const Digest256& left, const Digest256& right);

/// The tree as it grows: keeps one hash per complete subtree, so appending is O(log n) and the root is at hand.
class MerkleFrontier {
 public:
  void append(const Digest256& leaf);
  [[nodiscard]] uint64_t size() const { return size_; }
  /// SHA-256("") for the empty tree.
  [[nodiscard]] Digest256 root() const;
  /// The hashes of the complete subtrees, largest first: with size() all that it takes to go on later.
  [[nodiscard]] const std::vector<Digest256>& peaks() const { return peaks_; }
  /// What peaks() and size() said. kCorruption when there cannot be that many peaks in a tree of that size.
  static Result<MerkleFrontier> restore(uint64_t size, std::vector<Digest256> peaks);

 private:
  uint64_t size_ = 0;
  std::vector<Digest256> peaks_;  // of complete subtrees, largest first
};

/// Does `proof` (RFC 9162 section 2.1.3) show that `leaf` is entry `index` of the tree of `size` with `root`?
bool verify_inclusion(const Digest256& leaf, uint64_t index, uint64_t size, const std::vector<Digest256>& proof,
                      const Digest256& root);
std::vector<Digest256> inclusion_proof(const std::vector<Digest256>& leaves, uint64_t index);
/// RFC 9162 section 2.1.4: the tree of `old_size` is a prefix of the tree of `new_size`.
bool verify_consistency(uint64_t old_size, const Digest256& old_root, uint64_t new_size, const Digest256& new_root,
                        const std::vector<Digest256>& proof);
std::vector<Digest256> consistency_proof(const std::vector<Digest256>& leaves, uint64_t old_size);

}  // namespace coffer::crypto
