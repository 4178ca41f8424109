// Columns of text, aligned, for people.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace coffer::cli {

struct Column {
  std::string title;
  bool right = false;  // numbers
};

class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// Title line and rows, two spaces between columns, nothing behind the last one.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// How many columns UTF-8 text takes, one for each code point.
size_t width_of(std::string_view text);
/// Control characters, and bytes that are no UTF-8, as "?": names from a server must not steer a terminal.
std::string printable(std::string_view text);
/// The same, where lines may follow each other: each but the first is indented. Empty lines go.
std::string printable_lines(std::string_view text);
/// Words of `text` in lines of at most `width`, each after `indent` spaces, with a newline behind each line.
std::string wrap(std::string_view text, size_t width, size_t indent);

}  // namespace coffer::cli
