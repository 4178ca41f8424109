#include "edge/cli/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>

#include "base/filesystem.h"

namespace coffer::cli {

namespace {

constexpr int kColumnsUnknown = 80;
constexpr size_t kAnswerSizeMax = 4096;

class DescriptorSink final : public Sink {
 public:
  DescriptorSink(int descriptor, const char* name) : descriptor_(descriptor), name_(name) {}

  void write(std::string_view text) override {
    std::lock_guard lock(mutex_);
    while (!text.empty() && !closed_) {
      const ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written >= 0) {
        text.remove_prefix(static_cast<size_t>(written));
      } else if (errno != EINTR && errno != EAGAIN) {
        closed_ = true;
        if (errno != EPIPE) failure_ = error_from_errno(errno, std::string("writing ") + name_);
      }
    }
  }
  [[nodiscard]] bool is_terminal() const override { return ::isatty(descriptor_) == 1; }
  [[nodiscard]] int columns() const override {
    winsize size{};
    if (::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsUnknown;
    return size.ws_col;
  }
  [[nodiscard]] Status status() const override {
    std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    return ok_status();
  }

 private:
  const int descriptor_;
  const char* const name_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::optional<Error> failure_;
};

/// Switches the terminal's echo off while it lives.
class QuietTerminal {
 public:
  QuietTerminal() {
    known_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!known_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  ~QuietTerminal() {
    if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool known_ = false;
};

class TerminalPrompter final : public Prompter {
 public:
  [[nodiscard]] bool available() const override { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

  Result<Secret> secret(std::string_view question) override {
    if (!available())
      return Error{ErrorCode::kUnauthenticated, "a passphrase is needed and there is no terminal to ask at",
                   "give it with passphrase-file:PATH, passphrase-env:NAME or passphrase-command:COMMAND"};
    // Quiet before the question: whoever answers at once must neither be echoed nor have the answer flushed away.
    Result<Bytes> answer = [&] {
      QuietTerminal quiet;
      ask(question);
      return read_line();
    }();
    ask("\n");
    if (!answer.ok()) return std::move(answer).error();
    return Secret(std::move(answer).value());
  }

  Result<bool> confirm(std::string_view question) override {
    ask(std::string(question) + " [y/N] ");
    COFFER_TRY(Bytes answer, read_line());
    const std::string_view text = as_text(answer);
    return text == "y" || text == "Y" || text == "yes";
  }

 private:
  static void ask(std::string_view text) {
    [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
  }

  // Byte by byte and past no buffer of a library, so that a secret stands in one place that is wiped.
  static Result<Bytes> read_line() {
    Bytes line;
    line.reserve(kAnswerSizeMax);
    for (;;) {
      char c = 0;
      const ssize_t got = ::read(STDIN_FILENO, &c, 1);
      // Also when a signal ended the wait: somebody asked us to stop.
      if (got <= 0) return Error{ErrorCode::kCancelled, "no answer", {}};
      if (c == '\n') return line;
      if (line.size() == kAnswerSizeMax) return Error{ErrorCode::kInvalidArgument, "the answer is too long", {}};
      line.push_back(static_cast<std::byte>(c));
    }
  }
};

}  // namespace

std::unique_ptr<Sink> stdout_sink() { return std::make_unique<DescriptorSink>(STDOUT_FILENO, "standard output"); }
std::unique_ptr<Sink> stderr_sink() { return std::make_unique<DescriptorSink>(STDERR_FILENO, "standard error"); }
std::unique_ptr<Prompter> terminal_prompter() { return std::make_unique<TerminalPrompter>(); }

}  // namespace coffer::cli
