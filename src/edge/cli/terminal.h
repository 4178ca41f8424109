// Streams and terminals: where output goes, and how a person is asked. Faked in tests.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace coffer::cli {

/// Bytes for one of the process's streams. Safe from many threads at once; a write is whole or not at all.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(std::string_view text) = 0;
  [[nodiscard]] virtual bool is_terminal() const = 0;
  /// Columns of the terminal, now; 80 where nobody knows.
  [[nodiscard]] virtual int columns() const = 0;
  /// Why an earlier write failed. A reader that went away (EPIPE) is no failure: it has seen what it wanted.
  [[nodiscard]] virtual Status status() const = 0;
};

/// Questions to a person at the terminal.
class Prompter {
 public:
  virtual ~Prompter() = default;
  /// False when nobody can answer: standard input or standard error is no terminal.
  [[nodiscard]] virtual bool available() const = 0;
  /// A line without echo. kUnauthenticated when there is nobody to ask, kCancelled at the end of input.
  virtual Result<Secret> secret(std::string_view question) = 0;
  /// True for "y" or "yes".
  virtual Result<bool> confirm(std::string_view question) = 0;
};

std::unique_ptr<Sink> stdout_sink();
std::unique_ptr<Sink> stderr_sink();
std::unique_ptr<Prompter> terminal_prompter();

}  // namespace coffer::cli
