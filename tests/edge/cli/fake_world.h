// A world for command lines: real files below a temporary directory, text in place of streams, a clock that stands.
#pragma once
#include <stdlib.h>  // NOLINT: mkdtemp is POSIX

#include <deque>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "edge/cli/invocation.h"

namespace coffer::cli {

class TextSink final : public Sink {
 public:
  void write(std::string_view more) override {
    std::lock_guard lock(mutex_);
    if (!failure) text_ += more;
  }
  [[nodiscard]] bool is_terminal() const override { return terminal; }
  [[nodiscard]] int columns() const override { return width; }
  [[nodiscard]] Status status() const override {
    if (failure) return *failure;
    return ok_status();
  }
  [[nodiscard]] std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }
  void clear() {
    std::lock_guard lock(mutex_);
    text_.clear();
  }
  bool terminal = false;
  int width = 80;
  std::optional<Error> failure;

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Answers what it was given, in order; without answers nobody is there.
class ScriptedPrompter final : public Prompter {
 public:
  std::deque<std::string> answers;
  std::vector<std::string> questions;

  [[nodiscard]] bool available() const override { return !answers.empty(); }
  Result<Secret> secret(std::string_view question) override {
    COFFER_TRY(std::string text, next(question));
    return Secret::copy_of(as_bytes(text));
  }
  Result<bool> confirm(std::string_view question) override {
    COFFER_TRY(std::string text, next(question));
    return text == "y";
  }

 private:
  Result<std::string> next(std::string_view question) {
    questions.emplace_back(question);
    if (answers.empty()) return Error{ErrorCode::kUnauthenticated, "nobody to ask", {}};
    std::string text = answers.front();
    answers.pop_front();
    return text;
  }
};

class FakeWorld {
 public:
  FakeWorld() {
    root_ = (std::filesystem::temp_directory_path() / "coffer-cli-XXXXXX").string();
    if (::mkdtemp(root_.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    environment["TMPDIR"] = root_;
  }
  FakeWorld(const FakeWorld&) = delete;
  FakeWorld& operator=(const FakeWorld&) = delete;
  ~FakeWorld() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  int run(const std::vector<std::string>& words) {
    out.clear();
    messages.clear();
    World world{files, clock, entropy, processes, out, messages, prompter, environment, stop};
    return run_command_line(world, words);
  }
  [[nodiscard]] std::string path(std::string_view below) const { return root_ + "/" + std::string(below); }

  PosixFileSystem files;
  ManualClock clock{WallTime{1'795'521'600'000'000}};  // 2026-11-24T12:00:00Z
  SystemEntropy entropy;
  SystemProcesses processes;
  TextSink out, messages;
  ScriptedPrompter prompter;
  EnvironmentVariables environment;
  StopSource stop;

 private:
  std::string root_;
};

}  // namespace coffer::cli
