// The coffer tool: builds the world, and connects the signals to it.
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "edge/cli/exit_codes.h"
#include "edge/cli/invocation.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace {

using namespace coffer;

StopSource* stop_on_signal = nullptr;

// The first signal asks the job to stop, and it cleans up; the second ends the process where it is.
void on_signal(int) {
  static constexpr char kStopping[] = "\ncoffer: stopping; once more to end at once\n";
  if (stop_on_signal->stop_requested()) ::_exit(cli::kExitInterrupted);
  stop_on_signal->request_stop();
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, kStopping, sizeof kStopping - 1);
}

void connect_signals(StopSource& stop) {
  stop_on_signal = &stop;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = 0;  // a blocked read of an answer ends with EINTR and sees the stop
  for (int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of write(2), not the end of us
}

cli::EnvironmentVariables environment_variables() {
  cli::EnvironmentVariables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  StopSource stop;
  connect_signals(stop);
  PosixFileSystem files;
  SystemClock clock;
  SystemEntropy entropy;
  SystemProcesses processes;
  const cli::EnvironmentVariables environment = environment_variables();
  auto out = cli::stdout_sink();
  auto messages = cli::stderr_sink();
  auto prompter = cli::terminal_prompter();
  cli::World world{files, clock, entropy, processes, *out, *messages, *prompter, environment, stop};
  return cli::run_command_line(world, {argv + 1, argv + argc});
}
