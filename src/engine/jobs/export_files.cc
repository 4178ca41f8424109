#include "engine/jobs/export_files.h"

#include "base/tasks.h"
#include "engine/crypto/digest.h"

namespace coffer::jobs {

namespace {

constexpr size_t kPipeSize = 1 << 20;
constexpr size_t kPieceSize = 1 << 20;

class HashingSink final : public ByteSink {
 public:
  explicit HashingSink(ByteSink& to) : to_(to) {}
  Status write(const Context& context, ByteView bytes) override {
    hash_.update(bytes);
    size_ += bytes.size();
    return to_.write(context, bytes);
  }
  [[nodiscard]] uint64_t size() const { return size_; }
  std::string finish() { return to_hex(hash_.finish()); }

 private:
  ByteSink& to_;
  crypto::Sha256 hash_;
  uint64_t size_ = 0;
};

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string_view text) : left_(as_bytes(text)) {}
  Result<size_t> read(const Context& context, MutableByteView out) override {
    COFFER_CHECK_OK(context.check());
    const size_t size = std::min(out.size(), left_.size());
    std::copy_n(left_.begin(), size, out.begin());
    left_ = left_.subspan(size);
    return size;
  }

 private:
  ByteView left_;
};

}  // namespace

Status ExportFiles::write(const Context& context, ExportedFile& file, const std::function<Status(ByteSink&)>& fill) {
  BytePipe pipe(kPipeSize);
  HashingSink sink(pipe);
  TaskGroup group(context);
  Status stored = ok_status();
  group.spawn([&]() -> Status {
    stored = destination_.put(group.context(), file.path, pipe);
    // The writer may still be at it, and must not wait for a reader that went.
    pipe.leave(stored.ok() ? Error{ErrorCode::kInternal, "the destination took less than the whole file", {}}
                           : stored.error());
    return ok_status();
  });
  Status filled = fill(sink);
  pipe.close(filled);
  COFFER_CHECK_OK(group.wait());
  if (!filled.ok()) return filled;
  if (!stored.ok()) return std::move(stored).error().in("storing " + file.path);
  file.size_bytes = sink.size();
  file.sha256 = sink.finish();
  return ok_status();
}

Status ExportFiles::write_text(const Context& context, const std::string& path, std::string_view text) {
  TextSource source(text);
  auto stored = destination_.put(context, path, source);
  if (!stored.ok()) return std::move(stored).error().in("storing " + path);
  return ok_status();
}

Status ExportFiles::read_back(const Context& context, const ExportedFile& file,
                              const std::function<Status(File&)>& use) {
  COFFER_TRY(auto source, destination_.open(context, file.path));
  COFFER_TRY(auto scratch, env_.files.open_directory(env_.scratch));
  COFFER_TRY(auto spool, scratch->create_unnamed(0600));
  crypto::Sha256 hash;
  Bytes piece(kPieceSize);
  uint64_t size = 0;
  while (true) {
    COFFER_TRY(size_t got, source->read(context, piece));
    if (got == 0) break;
    const ByteView bytes = ByteView(piece).first(got);
    hash.update(bytes);
    COFFER_CHECK_OK(spool->write_at(size, bytes));
    size += got;
    if (size > file.size_bytes) break;
  }
  if (size != file.size_bytes || to_hex(hash.finish()) != file.sha256)
    return Error{ErrorCode::kCorruption, file.path + " is not the file that was written", {}};
  return use(*spool);
}

Result<std::string> ExportFiles::read_text(const Context& context, const std::string& path, uint64_t limit_bytes) {
  COFFER_TRY(auto source, destination_.open(context, path));
  std::string text;
  Bytes piece(kPieceSize);
  while (true) {
    COFFER_TRY(size_t got, source->read(context, piece));
    if (got == 0) return text;
    if (text.size() + got > limit_bytes)
      return Error{
          ErrorCode::kResourceExhausted, path + " is larger than " + std::to_string(limit_bytes) + " bytes", {}};
    text += as_text(ByteView(piece).first(got));
  }
}

Status ExportFiles::remove_all(const Context& context, const std::string& prefix) {
  COFFER_TRY(auto paths, destination_.list(context, prefix));
  for (const std::string& path : paths) COFFER_CHECK_OK(destination_.remove(context, path));
  return ok_status();
}

}  // namespace coffer::jobs
