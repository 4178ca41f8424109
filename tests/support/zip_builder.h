// Zip files for tests, with every field in the hands of the test.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer::testing_support {

class ZipBuilder {
 public:
  struct Entry {
    std::string name, data;
    uint32_t mode = 0100644;      // as Unix has it
    uint16_t method = 0;          // 0: stored, 8: `data` is deflated
    uint32_t size = UINT32_MAX;   // as it says; UINT32_MAX: of `data`
    uint32_t crc = UINT32_MAX;    // UINT32_MAX: of `data`
    uint32_t local = UINT32_MAX;  // where the directory says that it is; UINT32_MAX: where it is
    uint16_t flags = 0;
  };
  ZipBuilder& add(std::string name, std::string data, uint32_t mode = 0100644) {
    entries_.push_back({std::move(name), std::move(data), mode});
    return *this;
  }
  ZipBuilder& add(Entry entry) {
    entries_.push_back(std::move(entry));
    return *this;
  }
  [[nodiscard]] Bytes bytes() const {
    std::string out, directory;
    for (const Entry& e : entries_) {
      const auto at = static_cast<uint32_t>(out.size());
      const uint32_t crc = e.crc == UINT32_MAX ? crc32(e.data) : e.crc;
      const uint32_t size = e.size == UINT32_MAX ? static_cast<uint32_t>(e.data.size()) : e.size;
      std::string common;
      put(common, e.flags, 2);
      put(common, e.method, 2);
      put(common, 0, 2);
      put(common, 0x21, 2);  // 1980-01-01
      put(common, crc, 4);
      put(common, e.data.size(), 4);
      put(common, size, 4);
      put(common, e.name.size(), 2);
      put(common, 0, 2);
      put(out, 0x04034b50, 4);
      put(out, 20, 2);
      out += common + e.name + e.data;
      put(directory, 0x02014b50, 4);
      put(directory, 3 << 8 | 20, 2);  // made on Unix
      put(directory, 20, 2);
      directory += common;
      put(directory, 0, 2);  // comment
      put(directory, 0, 2);  // disk
      put(directory, 0, 2);
      put(directory, uint64_t{e.mode} << 16, 4);
      put(directory, e.local == UINT32_MAX ? at : e.local, 4);
      directory += e.name;
    }
    const size_t begin = out.size();
    out += directory;
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, entries_.size(), 2);
    put(out, entries_.size(), 2);
    put(out, directory.size(), 4);
    put(out, begin, 4);
    put(out, 0, 2);
    return to_bytes(out);
  }

 private:
  static void put(std::string& out, uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  }
  static uint32_t crc32(std::string_view data) {
    uint32_t crc = 0xFFFFFFFF;
    for (char c : data) {
      crc ^= static_cast<uint8_t>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0U);
    }
    return ~crc;
  }
  std::vector<Entry> entries_;
};

/// A zip with one file.
inline Bytes zip_of(std::string name, std::string text) {
  return ZipBuilder().add(std::move(name), std::move(text)).bytes();
}

}  // namespace coffer::testing_support
