// Many wildcard patterns against one text, in one pass over it.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::events {

/// Texts by their beginnings: all of those that a text begins with, in one walk.
class PrefixTree {
 public:
  void add(std::string_view prefix, uint32_t id);
  void find(std::string_view text, std::vector<uint32_t>& ids) const;
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  friend class GlobSet;
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> next;  // sorted
    std::vector<uint32_t> ids;
  };
  [[nodiscard]] uint32_t child(uint32_t node, unsigned char byte) const;  // 0: none
  uint32_t grow(std::string_view text);

  std::vector<Node> nodes_{Node{}};
  size_t count_ = 0;
};

/// Patterns with runs of any text ("dir/*.parquet"). A search automaton over all their middle pieces reads the text
/// once; each pattern waits for its next piece, and the first place where a piece is found is the best one, so that
/// nothing is ever tried again. Time: the text, plus the pieces found, plus the patterns that begin and end like the
/// text.
class GlobSet {
 public:
  /// `pieces`: at least two, those between the first and the last not empty.
  void add(const std::vector<std::string>& pieces, uint32_t id);
  /// After the last add().
  void build();
  void find(std::string_view text, std::vector<uint32_t>& ids) const;
  [[nodiscard]] bool empty() const { return globs_.empty(); }

 private:
  struct Glob {
    std::string first, last;
    std::vector<uint32_t> middle;  // numbers of pieces
    uint32_t id = 0;
  };
  struct Wait {
    uint32_t glob = 0, position = 0;
    size_t not_before = 0;
  };
  class Search;

  std::vector<Glob> globs_;
  PrefixTree firsts_;  // of globs without middle pieces
  PrefixTree pieces_;  // all middle pieces; ids are their numbers
  std::vector<size_t> piece_sizes_;
  std::vector<std::vector<uint32_t>> begins_with_;  // piece -> globs whose first middle piece it is
  std::vector<uint32_t> fail_, output_;             // by node: longest proper suffix; the next one that ends a piece
};

}  // namespace coffer::events
