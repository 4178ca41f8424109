#include "services/events/globs.h"

#include <algorithm>
#include <unordered_map>

namespace coffer::events {

uint32_t PrefixTree::child(uint32_t node, unsigned char byte) const {
  const auto& next = nodes_[node].next;
  const auto found = std::lower_bound(next.begin(), next.end(), byte,
                                      [](const auto& entry, unsigned char b) { return entry.first < b; });
  return found != next.end() && found->first == byte ? found->second : 0;
}

uint32_t PrefixTree::grow(std::string_view text) {
  uint32_t node = 0;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    uint32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      auto& list = nodes_[node].next;
      list.insert(std::lower_bound(list.begin(), list.end(), std::pair<unsigned char, uint32_t>{byte, 0}),
                  {byte, next});
    }
    node = next;
  }
  return node;
}

void PrefixTree::add(std::string_view prefix, uint32_t id) {
  nodes_[grow(prefix)].ids.push_back(id);
  ++count_;
}

void PrefixTree::find(std::string_view text, std::vector<uint32_t>& ids) const {
  uint32_t node = 0;
  for (size_t i = 0;; ++i) {
    ids.insert(ids.end(), nodes_[node].ids.begin(), nodes_[node].ids.end());
    if (i == text.size()) return;
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node == 0) return;
  }
}

void GlobSet::add(const std::vector<std::string>& pieces, uint32_t id) {
  const auto number = static_cast<uint32_t>(globs_.size());
  Glob& glob = globs_.emplace_back(Glob{pieces.front(), pieces.back(), {}, id});
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    PrefixTree::Node& node = pieces_.nodes_[pieces_.grow(pieces[i])];
    if (node.ids.empty()) {
      node.ids.push_back(static_cast<uint32_t>(piece_sizes_.size()));
      piece_sizes_.push_back(pieces[i].size());
      begins_with_.emplace_back();
    }
    glob.middle.push_back(node.ids.front());
  }
  if (glob.middle.empty()) {
    firsts_.add(glob.first, number);
  } else {
    begins_with_[glob.middle.front()].push_back(number);
  }
}

void GlobSet::build() {
  const size_t count = pieces_.nodes_.size();
  fail_.assign(count, 0);
  output_.assign(count, 0);
  std::vector<uint32_t> queue{0};
  for (size_t at = 0; at < queue.size(); ++at) {
    const uint32_t node = queue[at];
    for (const auto& [byte, next] : pieces_.nodes_[node].next) {
      uint32_t fail = 0;
      if (node != 0) {
        uint32_t suffix = fail_[node];
        while ((fail = pieces_.child(suffix, byte)) == 0 && suffix != 0) suffix = fail_[suffix];
      }
      fail_[next] = fail;
      output_[next] = pieces_.nodes_[fail].ids.empty() ? output_[fail] : fail;
      queue.push_back(next);
    }
  }
}

/// One pass over one text.
class GlobSet::Search {
 public:
  Search(const GlobSet& set, std::string_view text, std::vector<uint32_t>& ids) : set_(set), text_(text), ids_(ids) {}

  void run() {
    uint32_t node = 0;
    for (size_t i = 0; i < text_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text_[i]);
      uint32_t next = 0;
      while ((next = set_.pieces_.child(node, byte)) == 0 && node != 0) node = set_.fail_[node];
      node = next;
      uint32_t found = set_.pieces_.nodes_[node].ids.empty() ? set_.output_[node] : node;
      for (; found != 0; found = set_.output_[found]) meet(set_.pieces_.nodes_[found].ids.front(), i + 1);
    }
  }

 private:
  void meet(uint32_t piece, size_t end) {
    Piece& state = pieces_[piece];
    std::vector<Wait>& waiting = state.waiting;
    if (!state.met) {
      state.met = true;
      for (uint32_t number : set_.begins_with_[piece]) {
        const Glob& glob = set_.globs_[number];
        if (text_.size() >= glob.first.size() + glob.last.size() && text_.starts_with(glob.first) &&
            text_.ends_with(glob.last))
          waiting.push_back({number, 0, glob.first.size()});
      }
    }
    if (waiting.empty()) return;
    const size_t begin = end - set_.piece_sizes_[piece];
    // A glob may wait for the same piece again, behind this one: it is added while the list is walked.
    std::vector<Wait> arrived = std::move(waiting);
    waiting.clear();
    for (Wait& wait : arrived) {
      const Glob& glob = set_.globs_[wait.glob];
      if (begin < wait.not_before) {
        waiting.push_back(wait);
      } else if (end + glob.last.size() > text_.size()) {
        continue;  // later places are no better
      } else if (++wait.position == glob.middle.size()) {
        ids_.push_back(glob.id);
      } else {
        wait.not_before = end;
        pieces_[glob.middle[wait.position]].waiting.push_back(wait);
      }
    }
  }

  const GlobSet& set_;
  std::string_view text_;
  std::vector<uint32_t>& ids_;
  struct Piece {
    bool met = false;
    std::vector<Wait> waiting;
  };
  std::unordered_map<uint32_t, Piece> pieces_;  // of those that were met or are waited for
};

void GlobSet::find(std::string_view text, std::vector<uint32_t>& ids) const {
  if (!firsts_.empty()) {
    std::vector<uint32_t> numbers;
    firsts_.find(text, numbers);
    for (uint32_t number : numbers) {
      const Glob& glob = globs_[number];
      if (text.size() >= glob.first.size() + glob.last.size() && text.ends_with(glob.last)) ids.push_back(glob.id);
    }
  }
  if (!piece_sizes_.empty()) Search(*this, text, ids).run();
}

}  // namespace coffer::events
