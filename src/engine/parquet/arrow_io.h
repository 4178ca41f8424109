// Arrow's streams over ours. Internal to this folder: shows Arrow.
#pragma once
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <optional>

#include "base/byte_sink.h"
#include "base/filesystem.h"

namespace coffer::parquet {

/// What a failed call of Arrow means: a failure of our own stream is given back as it was (`ours`), memory is
/// kResourceExhausted, all else `code`.
Error error_of(const arrow::Status& status, ErrorCode code, const std::optional<Error>& ours = std::nullopt);

/// Keeps our first error, since Arrow's Status holds only its text.
class SinkStream final : public arrow::io::OutputStream {
 public:
  SinkStream(const Context& context, ByteSink& sink) : context_(context), sink_(sink) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Write(const void* data, int64_t size) override;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] uint64_t written() const { return static_cast<uint64_t>(written_); }

 private:
  const Context& context_;
  ByteSink& sink_;
  int64_t written_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
};

class FileStream final : public arrow::io::RandomAccessFile {
 public:
  FileStream(File& file, uint64_t size_bytes) : file_(file), size_(static_cast<int64_t>(size_bytes)) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Result<int64_t> Read(int64_t size, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override;
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t size, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t size) override;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  File& file_;
  const int64_t size_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
};

}  // namespace coffer::parquet
