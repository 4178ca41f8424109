// A file that is bytes in memory.
#pragma once
#include <algorithm>

#include "base/byte_sink.h"
#include "base/filesystem.h"

namespace coffer::testing_support {

/// A file in memory, as sink and as File.
class MemoryFile final : public ByteSink, public File {
 public:
  Status write(const Context&, ByteView more) override {
    append(bytes, more);
    return ok_status();
  }
  Result<size_t> read_at(uint64_t offset, MutableByteView out) override {
    if (offset >= bytes.size()) return size_t{0};
    const size_t size = std::min(out.size(), bytes.size() - offset);
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), size, out.begin());
    return size;
  }
  Status write_at(uint64_t, ByteView) override { return unsupported(); }
  Status truncate(uint64_t) override { return unsupported(); }
  Status sync() override { return ok_status(); }
  Result<FileStat> stat() override {
    FileStat stat;
    stat.size_bytes = bytes.size();
    return stat;
  }
  Status set_mode(uint32_t) override { return unsupported(); }
  Status set_mtime(int64_t) override { return unsupported(); }
  Status set_owner(uint32_t, uint32_t) override { return unsupported(); }
  Result<std::unique_ptr<MappedFile>> map() override { return unsupported(); }

  Bytes bytes;

 private:
  static Error unsupported() { return {ErrorCode::kUnavailable, "not of a file in memory", {}}; }
};

}  // namespace coffer::testing_support
