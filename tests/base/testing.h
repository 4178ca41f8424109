// What tests of several folders share.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp is POSIX

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer {

/// The value, or a failed test that shows the error.
template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error("unexpected error: " + result.error().message);
  return std::move(result).value();
}

template <class T>
::testing::AssertionResult succeeds(const Result<T>& result) {
  if (result.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << error_code_name(result.code()) << ": " << result.error().message;
}

template <class T>
::testing::AssertionResult fails_with(const Result<T>& result, ErrorCode code, std::string_view part_of_message = {}) {
  if (result.ok()) return ::testing::AssertionFailure() << "it succeeded";
  if (result.code() != code || result.error().message.find(part_of_message) == std::string::npos)
    return ::testing::AssertionFailure() << error_code_name(result.code()) << ": " << result.error().message;
  return ::testing::AssertionSuccess();
}

/// A fresh directory, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "coffer-test-XXXXXX").string();
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(std::string_view below) const { return path_ + "/" + std::string(below); }

 private:
  std::string path_;
};

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace coffer
