// Builds tar archives as PostgreSQL sends them, and as it never would.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

namespace coffer::testing_support {

struct TarEntry {
  std::string name;
  std::string content = {};
  char type = '0';  // '0' file, '2' symlink, '5' directory
  std::string link = {};
  unsigned mode = 0600;
  long long size = -1;  // what the header says; -1: the content's
};

inline std::string tar_number(unsigned long long value, size_t width) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo ", static_cast<int>(width - 1), value);
  return text;
}

/// Sets the checksum field of a 512-byte header right.
inline void seal_tar_header(std::string& header) {
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (char c : header.substr(0, 512)) sum += static_cast<unsigned char>(c);
  header.replace(148, 8, tar_number(sum, 8));
}

inline std::string tar_header(const TarEntry& entry) {
  std::string header(512, '\0');
  auto put = [&](size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  put(0, entry.name);
  put(100, tar_number(entry.mode, 8));
  put(108, tar_number(101, 8));
  put(116, tar_number(104, 8));
  put(124, tar_number(entry.size < 0 ? entry.content.size() : static_cast<unsigned long long>(entry.size), 12));
  put(136, tar_number(1'700'000'000, 12));
  put(156, std::string(1, entry.type));
  put(157, entry.link);
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  put(265, "postgres");
  put(297, "postgres");
  put(329, tar_number(0, 8));
  put(337, tar_number(0, 8));
  seal_tar_header(header);
  return header;
}

inline std::string tar_entry(const TarEntry& entry) {
  std::string out = tar_header(entry) + entry.content;
  out.resize((out.size() + 511) / 512 * 512, '\0');
  return out;
}

inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace coffer::testing_support
