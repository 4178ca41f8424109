// cofferd: the daemon for services, with its settings in a TOML file. `coffer up` is the same in the foreground.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/context.h"
#include "base/this_process.h"
#include "edge/daemon/config.h"
#include "edge/daemon/daemon.h"
#include "edge/daemon/systemd.h"

namespace {

using namespace coffer;

constexpr char kUsage[] =
    "usage: cofferd --config FILE [--check]\n"
    "       cofferd --man | --version | --help\n"
    "Serves the AWS APIs of one installation. FILE is described in cofferd.toml(5); --check reads it and stops. "
    "SIGTERM and SIGINT stop\n"
    "the daemon after the requests at work; SIGHUP reads the certificate anew.\n";

StopSource* stop_on_signal = nullptr;
volatile std::sig_atomic_t reload_wanted = 0;

void on_stop(int) { stop_on_signal->request_stop(); }
void on_reload(int) { reload_wanted = 1; }

int fail(const Error& error) {
  std::fprintf(stderr, "cofferd: %s\n", error.message.c_str());
  if (!error.next_step.empty()) std::fprintf(stderr, "  next: %s\n", error.next_step.c_str());
  return error.code == ErrorCode::kInvalidArgument ? 2 : 1;
}

/// The machine's clock, which also looks whether a reload was asked for whenever the loop sleeps.
class ReloadingClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return clock_.wall(); }
  [[nodiscard]] MonoTime mono() const override { return clock_.mono(); }
  void sleep_for(std::chrono::nanoseconds duration) override {
    clock_.sleep_for(duration);
    if (reload_wanted && on_reload_) {
      reload_wanted = 0;
      on_reload_();
    }
  }
  void set_on_reload(std::function<void()> action) { on_reload_ = std::move(action); }

 private:
  SystemClock clock_;
  std::function<void()> on_reload_;
};

int serve(const daemon::Config& config) {
  keep_memory_private();
  StopSource stop;
  stop_on_signal = &stop;
  std::signal(SIGINT, on_stop);
  std::signal(SIGTERM, on_stop);
  std::signal(SIGHUP, on_reload);
  std::signal(SIGPIPE, SIG_IGN);
  const char* notify = std::getenv("NOTIFY_SOCKET");
  const std::string socket = notify ? notify : "";

  PosixFileSystem files;
  ReloadingClock clock;
  SystemEntropy entropy;
  SystemProcesses processes;
  const auto log = [](std::string_view level, std::string_view text) {
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(level.size()), level.data(), static_cast<int>(text.size()),
                 text.data());
  };
  auto started = daemon::Daemon::start({files, clock, entropy, processes, log}, config);
  if (!started.ok()) return fail(started.error());
  daemon::Daemon& running = **started;
  clock.set_on_reload([&] {
    daemon::notify_systemd(socket, "RELOADING=1");
    if (Status reloaded = running.reload_certificate(); !reloaded.ok())
      log("error", "the certificate stays as it was: " + reloaded.error().message);
    else
      log("info", "certificate read anew");
    daemon::notify_systemd(socket, "READY=1");
  });
  log("info", "serving " + running.endpoint());
  daemon::notify_systemd(socket, "READY=1\nSTATUS=serving " + running.endpoint());
  Status ended = running.run(Context(stop));
  daemon::notify_systemd(socket, "STOPPING=1");
  return ended.ok() ? 0 : fail(ended.error());
}

}  // namespace

int main(int argc, char** argv) {
  std::string config_file;
  bool check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--config" && i + 1 < argc) {
      config_file = argv[++i];
    } else if (word == "--check") {
      check = true;
    } else if (word == "--man") {
      std::fputs(daemon::config_man_page(COFFER_VERSION).c_str(), stdout);
      return 0;
    } else if (word == "--version") {
      std::puts("cofferd " COFFER_VERSION);
      return 0;
    } else if (word == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    } else {
      std::fprintf(stderr, "cofferd: unknown word %s\n%s", word.c_str(), kUsage);
      return 2;
    }
  }
  if (config_file.empty()) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  coffer::PosixFileSystem files;
  coffer::Result<coffer::Bytes> text = files.read_file(config_file, 1 << 20);
  if (!text.ok()) return fail(text.error());
  auto config = coffer::daemon::parse_config(coffer::as_text(*text), config_file);
  if (!config.ok()) return fail(config.error());
  if (check) {
    std::printf("%s: good\n", config_file.c_str());
    return 0;
  }
  return serve(*config);
}
