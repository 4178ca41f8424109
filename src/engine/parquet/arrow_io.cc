#include "engine/parquet/arrow_io.h"

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>

#include <algorithm>

namespace coffer::parquet {

Error error_of(const arrow::Status& status, ErrorCode code, const std::optional<Error>& ours) {
  if (ours) return *ours;
  if (status.IsOutOfMemory()) code = ErrorCode::kResourceExhausted;
  return {code, "Parquet: " + status.message(), {}};
}

arrow::Status SinkStream::Write(const void* data, int64_t size) {
  auto wrote = sink_.write(context_, {static_cast<const std::byte*>(data), static_cast<size_t>(size)});
  if (!wrote.ok()) {
    if (!error_) error_ = wrote.error();
    return arrow::Status::IOError(wrote.error().message);
  }
  written_ += size;
  return arrow::Status::OK();
}

arrow::Status FileStream::Seek(int64_t position) {
  if (position < 0 || position > size_) return arrow::Status::IOError("a position outside of the file");
  at_ = position;
  return arrow::Status::OK();
}

arrow::Result<int64_t> FileStream::ReadAt(int64_t position, int64_t size, void* out) {
  if (position < 0 || size < 0) return arrow::Status::IOError("a position outside of the file");
  auto got = file_.read_at(static_cast<uint64_t>(position), {static_cast<std::byte*>(out), static_cast<size_t>(size)});
  if (!got.ok()) {
    if (!error_) error_ = got.error();
    return arrow::Status::IOError(got.error().message);
  }
  return static_cast<int64_t>(*got);
}

arrow::Result<std::shared_ptr<arrow::Buffer>> FileStream::ReadAt(int64_t position, int64_t size) {
  // A damaged footer may name any size: no more is taken than the file has.
  size = std::clamp<int64_t>(size, 0, std::max<int64_t>(0, size_ - position));
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(size));
  ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, size, buffer->mutable_data()));
  ARROW_RETURN_NOT_OK(buffer->Resize(got));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

arrow::Result<int64_t> FileStream::Read(int64_t size, void* out) {
  ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(at_, size, out));
  at_ += got;
  return got;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> FileStream::Read(int64_t size) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, size));
  at_ += buffer->size();
  return buffer;
}

}  // namespace coffer::parquet
