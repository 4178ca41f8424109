// JSON in the one form in which records and checkpoints are hashed: UTF-8 without white space, members sorted by name
// (bytes), strings escaped as in RFC 8785. For the files of this folder and their tests.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::audit {

/// `text` with what is not UTF-8 replaced by U+FFFD, cut at a character's border to at most `size_max` bytes.
std::string clean_text(std::string_view text, size_t size_max = std::string_view::npos);
/// As a JSON string. What is not UTF-8 is replaced as by clean_text().
void append_json_string(std::string_view text, std::string& out);

/// Writes members in the order in which they are added: callers add them sorted.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  /// Left out when empty.
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) append_json_string(value, key(name));
  }
  void number(std::string_view name, uint64_t value) { key(name) += std::to_string(value); }
  void raw(std::string_view name, std::string_view json) { key(name) += json; }
  /// Where the value of `name` is to be appended.
  std::string& key(std::string_view name) {
    if (!empty_) out_ += ',';
    empty_ = false;
    append_json_string(name, out_);
    out_ += ':';
    return out_;
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool empty_ = true;
};

/// Walks through JSON of that form without a tree. After anything unexpected it stands still and ok() is false; then
/// every answer is empty.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view json) : rest_(json) {}
  [[nodiscard]] bool ok() const { return ok_; }
  /// Nothing is left, and nothing was wrong.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }
  [[nodiscard]] bool at(char c) const { return ok_ && !rest_.empty() && rest_.front() == c; }
  void take(char c) { at(c) ? rest_.remove_prefix(1) : fail(); }
  std::string string();
  /// Any value, not looked into; at most kDepthMax deep.
  std::string_view skip();
  /// Calls `member(name)` with the cursor at each value of an object; what it does not take is skipped.
  template <class F>
  void object(F member) {
    take('{');
    if (at('}')) return take('}');
    while (ok_) {
      const std::string name = string();
      take(':');
      const size_t before = rest_.size();
      if (ok_) member(name);
      if (ok_ && rest_.size() == before) skip();
      if (at('}')) return take('}');
      take(',');
    }
  }
  template <class F>
  void array(F item) {
    take('[');
    if (at(']')) return take(']');
    while (ok_) {
      item();
      if (at(']')) return take(']');
      take(',');
    }
  }

  static constexpr int kDepthMax = 64;

 private:
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view raw_string();

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace coffer::audit
