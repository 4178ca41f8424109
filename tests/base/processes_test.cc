#include "base/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/bounded_output.h"
#include "base/fd.h"
#include "base/testing.h"

namespace coffer {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLong = std::chrono::seconds(60);  // never waited for when all is well

ProcessSpec shell(const std::string& script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", script};
  spec.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  return spec;
}

// Watches a process that is not our child; made while it surely lives.
class Watch {
 public:
  explicit Watch(int pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  bool ends() {
    pollfd event{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return fd_.valid() && ::poll(&event, 1, static_cast<int>(kLong.count())) == 1;
  }

 private:
  Fd fd_;
};

// Waits until the child has written a line with a number, in a file.
int number_in(Process& process, const std::string& path) {
  for (;;) {
    const std::string text = read_text(path);
    if (text.ends_with('\n')) return std::stoi(text);
    if (must(process.wait_for(milliseconds(5)))) throw std::runtime_error("the child ended too early");
  }
}

class ProcessesTest : public ::testing::Test {
 protected:
  ProcessResult run(const ProcessSpec& spec) { return must(processes_.run(Context(), spec, kLong)); }

  TemporaryDirectory directory_;
  SystemProcesses processes_;
};

TEST_F(ProcessesTest, GivesExitCodeAndBothStreams) {
  const ProcessResult result = run(shell("echo out; echo err >&2; exit 7"));

  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, "out\nerr\n");
}

TEST_F(ProcessesTest, SignalGives128AndItsNumber) { EXPECT_EQ(run(shell("kill -TERM $$")).exit_code, 128 + SIGTERM); }

TEST_F(ProcessesTest, MuchOutputNeitherBlocksNorFillsMemory) {
  const ProcessResult result = run(shell("echo begin; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end"));

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.output.starts_with("begin\nxxx"));
  EXPECT_TRUE(result.output.ends_with("xxx\nend\n"));
  EXPECT_LT(result.output.size(), BoundedOutput::kHeadSizeMax + BoundedOutput::kTailSizeMax + 100);
}

TEST_F(ProcessesTest, OutputOfAnUnwatchedChildIsTakenLater) {
  auto process = must(processes_.start(shell("head -c 300000 /dev/zero | tr '\\0' x")));

  const auto result = must(process->wait_for(kLong));

  ASSERT_TRUE(result);
  EXPECT_NE(result->output.find("[" + std::to_string(300'000 - 2 * (64 << 10)) + " bytes left out]"),
            std::string::npos);
}

TEST_F(ProcessesTest, ProgramThatIsNotThereIsNotFound) {
  ProcessSpec spec = shell("");
  spec.argv = {"no-such-program-anywhere"};
  EXPECT_TRUE(fails_with(processes_.start(spec), ErrorCode::kNotFound, "no-such-program-anywhere"));
  spec.argv = {"/no/such/program"};
  EXPECT_TRUE(fails_with(processes_.start(spec), ErrorCode::kNotFound, "/no/such/program"));
}

TEST_F(ProcessesTest, FileThatIsNoProgramIsRefused) {
  write_text(directory_.path("plain"), "text");
  ProcessSpec spec = shell("");
  spec.argv = {directory_.path("plain")};

  EXPECT_TRUE(fails_with(processes_.start(spec), ErrorCode::kPermissionDenied));
}

TEST_F(ProcessesTest, BadSpecsAreRefused) {
  ProcessSpec nothing;
  ProcessSpec zero = shell(std::string("a\0b", 3));
  ProcessSpec variable = shell("");
  variable.environment.emplace_back("A=B", "c");
  ProcessSpec folder = shell("");
  folder.working_directory = directory_.path("none");
  ProcessSpec output = shell("");
  output.output_path = directory_.path("none/log");

  EXPECT_TRUE(fails_with(processes_.start(nothing), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(processes_.start(zero), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(processes_.start(variable), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(processes_.start(folder), ErrorCode::kNotFound, "working directory"));
  EXPECT_TRUE(fails_with(processes_.start(output), ErrorCode::kNotFound, directory_.path("none/log")));
}

TEST_F(ProcessesTest, EnvironmentIsExactlyWhatWasGiven) {
  ProcessSpec spec;
  spec.argv = {"/usr/bin/env"};
  spec.environment = {{"A", "1"}, {"B", "two words=x"}};

  EXPECT_EQ(run(spec).output, "A=1\nB=two words=x\n");
}

TEST_F(ProcessesTest, InputIsEmptyAndWorkingDirectoryIsTheOneAskedFor) {
  ProcessSpec spec = shell("cat; pwd -P");
  spec.working_directory = directory_.path();

  EXPECT_EQ(run(spec).output, std::filesystem::canonical(directory_.path()).string() + "\n");
}

TEST_F(ProcessesTest, OutputPathIsAppendedTo) {
  write_text(directory_.path("log"), "before\n");
  ProcessSpec spec = shell("echo out; echo err >&2");
  spec.output_path = directory_.path("log");

  EXPECT_EQ(run(spec).output, "");
  EXPECT_EQ(read_text(directory_.path("log")), "before\nout\nerr\n");
}

TEST_F(ProcessesTest, NoDescriptorLeaks) {
  const Fd leaky(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY));  // deliberately without O_CLOEXEC
  ASSERT_TRUE(leaky.valid());

  // 3 is the directory that ls itself reads.
  EXPECT_EQ(run(shell("exec ls /proc/self/fd")).output, "0\n1\n2\n3\n");
}

TEST_F(ProcessesTest, SignalsIgnoredByUsHaveTheirUsualEffect) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const int exit_code = run(shell("kill -PIPE $$")).exit_code;
  std::signal(SIGPIPE, before);

  EXPECT_EQ(exit_code, 128 + SIGPIPE);
}

TEST_F(ProcessesTest, WaitForGivesNothingWhileItRunsAndTheSameResultAfterwards) {
  auto process = must(processes_.start(shell("exec sleep 600")));
  EXPECT_FALSE(must(process->wait_for(milliseconds(0))));

  ASSERT_TRUE(succeeds(process->signal(SIGTERM)));

  EXPECT_EQ(must(process->wait_for(kLong))->exit_code, 128 + SIGTERM);
  EXPECT_EQ(must(process->wait_for(milliseconds(0)))->exit_code, 128 + SIGTERM);
  EXPECT_TRUE(fails_with(process->signal(SIGTERM), ErrorCode::kFailedPrecondition));
}

TEST_F(ProcessesTest, ChildOfTheChildThatKeepsTheOutputOpenIsNotWaitedFor) {
  const ProcessResult result = run(shell("sleep 600 & echo done"));

  EXPECT_EQ(result.output, "done\n");
}

TEST_F(ProcessesTest, DestructorKillsTheWholeGroup) {
  const std::string path = directory_.path("pid");
  auto process = must(processes_.start(shell("sleep 600 & echo $! > " + path + "; wait")));
  Watch grandchild(number_in(*process, path));
  Watch child(process->pid());

  process.reset();

  EXPECT_TRUE(child.ends());
  EXPECT_TRUE(grandchild.ends());
}

TEST_F(ProcessesTest, DestructorKillsWhatOutlivedTheChild) {
  const std::string path = directory_.path("pid");
  auto process = must(processes_.start(shell("sleep 600 & echo $! > " + path)));
  ASSERT_TRUE(must(process->wait_for(kLong)));
  Watch grandchild(std::stoi(read_text(path)));

  process.reset();

  EXPECT_TRUE(grandchild.ends());
}

TEST_F(ProcessesTest, ChildSurvivesTheThreadThatStartedIt) {
  std::unique_ptr<Process> process;
  std::thread([&] { process = must(processes_.start(shell("exec sleep 600"))); }).join();

  EXPECT_FALSE(must(process->wait_for(milliseconds(100))));
}

TEST_F(ProcessesTest, ChildDiesWithUs) {
  const std::string path = directory_.path("pid");
  const pid_t parent = ::fork();
  if (parent == 0) {
    SystemProcesses processes;
    auto process = must(processes.start(shell("exec sleep 600")));
    write_text(path, std::to_string(process->pid()) + "\n");
    for (;;) ::pause();
  }
  std::string text;
  while (!text.ends_with('\n')) {
    text = read_text(path);
    std::this_thread::yield();
  }
  Watch child(std::stoi(text));

  ::kill(parent, SIGKILL);

  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(child.ends());
}

TEST_F(ProcessesTest, DropsToAnotherUserWithoutItsGroups) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can";
  ProcessSpec spec = shell("id -u; id -g; id -G");
  spec.uid = 65534;
  spec.gid = 65533;
  EXPECT_EQ(run(spec).output, "65534\n65533\n65533\n");

  spec.gid.reset();
  EXPECT_EQ(run(spec).output, "65534\n65534\n65534\n") << "the group of nobody";
}

TEST_F(ProcessesTest, ManyThreadsStartAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < 5; ++k) right += run(shell("exit " + std::to_string(i))).exit_code == i;
    });
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(right, 40);
}

// What run() does is decided here without waiting: a child that never ends, and time that passes by being asked for.
class EndlessProcesses final : public Processes {
 public:
  milliseconds waited{0};
  bool alive = false;
  std::function<void()> on_wait = [] {};

  Result<std::unique_ptr<Process>> start(const ProcessSpec&) override {
    return std::unique_ptr<Process>(std::make_unique<Endless>(*this));
  }

 private:
  class Endless final : public Process {
   public:
    explicit Endless(EndlessProcesses& owner) : owner_(owner) { owner_.alive = true; }
    ~Endless() override { owner_.alive = false; }
    [[nodiscard]] int pid() const override { return 1; }
    Status signal(int) override { return ok_status(); }
    Result<std::optional<ProcessResult>> wait_for(milliseconds timeout) override {
      owner_.waited += timeout;
      owner_.on_wait();
      return std::optional<ProcessResult>();
    }

   private:
    EndlessProcesses& owner_;
  };
};

TEST(ProcessesRun, EndsAtItsTimeoutAndKills) {
  EndlessProcesses processes;

  EXPECT_TRUE(fails_with(processes.run(Context(), shell(""), milliseconds(1234)), ErrorCode::kDeadlineExceeded, "sh"));

  EXPECT_EQ(processes.waited, milliseconds(1234));
  EXPECT_FALSE(processes.alive);
}

TEST(ProcessesRun, EndsSoonAfterAStopAndKills) {
  EndlessProcesses processes;
  StopSource stop;
  processes.on_wait = [&] {
    if (processes.waited > milliseconds(500)) stop.request_stop();
  };

  EXPECT_TRUE(fails_with(processes.run(Context(stop), shell(""), kLong), ErrorCode::kCancelled));

  EXPECT_LT(processes.waited, milliseconds(700));
  EXPECT_FALSE(processes.alive);
}

TEST(ProcessesRun, StartsNothingWhenStoppedBefore) {
  EndlessProcesses processes;
  StopSource stop;
  stop.request_stop();

  EXPECT_TRUE(fails_with(processes.run(Context(stop), shell(""), kLong), ErrorCode::kCancelled));
  EXPECT_EQ(processes.waited, milliseconds(0));
}

}  // namespace
}  // namespace coffer
