// A directory of its own for a test, removed with it.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/filesystem.h"

namespace coffer::vault {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "coffer-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
    auto opened = files_.open_directory(path_);
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    directory_ = std::move(opened).value();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Directory& directory() const { return *directory_; }

 private:
  PosixFileSystem files_;
  std::string path_;
  std::unique_ptr<Directory> directory_;
};

}  // namespace coffer::vault
