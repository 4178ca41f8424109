#include "edge/functions/executor.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <list>
#include <mutex>
#include <set>

#include "base/new_file.h"
#include "base/this_process.h"
#include "edge/functions/environment.h"
#include "services/lambda/code_archive.h"

namespace coffer::functions {
namespace {

using lambda::EnvironmentContent;
using lambda::EnvironmentSpec;
using lambda::Invocation;
using lambda::Outcome;

constexpr int64_t kMegabyte = 1 << 20;
constexpr std::string_view kGroupPrefix = "coffer-function";
constexpr std::chrono::seconds kTryTimeout{20};
constexpr int64_t kGroupMargin = 64;  // megabytes: the sandbox's own processes and what the kernel keeps for them

/// Everything in it is ours: names come from checked archives, and nobody inside a sandbox can write here.
void remove_tree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

/// Unpacked code, shared by the environments of a revision.
class CodeFolder {
 public:
  explicit CodeFolder(std::string path) : path_(std::move(path)) {}
  ~CodeFolder() { remove_tree(path_); }
  CodeFolder(const CodeFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Kept {
  std::string function_arn, revision;  // the ARN ends in the version
  std::shared_ptr<CodeFolder> code;
  int slot = 0;
  std::string folder;
  std::unique_ptr<Environment> environment;
  MonoTime idle_since;
  int64_t forgotten = 0;  // how often its function was, when it was made
};

/// One of a limited number, until it is destroyed.
class AtWork {
 public:
  AtWork(std::atomic<int>& count, int most) : count_(count), granted_(count.fetch_add(1) < most) {}
  ~AtWork() { count_.fetch_sub(1); }
  AtWork(const AtWork&) = delete;
  [[nodiscard]] bool granted() const { return granted_; }

 private:
  std::atomic<int>& count_;
  bool granted_;
};

class SandboxExecutor final : public Executor {
 public:
  SandboxExecutor(FileSystem& files, Processes& processes, Clock& clock, Entropy& entropy, ExecutorOptions options)
      : files_(files), processes_(processes), clock_(clock), entropy_(entropy), options_(std::move(options)) {}
  ~SandboxExecutor() override {
    for (Kept& kept : idle_) end(kept);
    remove_tree(options_.folder);
  }

  Status open() {
    remove_tree(options_.folder);
    for (const char* name : {"", "/environments", "/code", "/etc"})
      COFFER_CHECK_OK(files_.create_directories(options_.folder + name, 0700));
    COFFER_TRY(const FileStat program, files_.stat(options_.sandbox_program));
    if (program.type != FileType::kRegular)
      return Error{ErrorCode::kFailedPrecondition, options_.sandbox_program + " is no program", {}};
    COFFER_CHECK_OK(write_etc());
    const bool root = effective_user() == 0;
    if (!root) options_.first_uid.reset();
    if (root && !options_.first_uid)
      return Error{ErrorCode::kFailedPrecondition, "as root, functions need users of their own", {}};
    runtimes_ = Runtimes::find(files_, processes_, options_.runtimes, options_.folder);
    if (options_.control_groups) groups_ = ControlGroups::find("/proc/self/cgroup", "/sys/fs/cgroup");
    groups_.remove_abandoned(std::string(kGroupPrefix));
    COFFER_CHECK_OK(try_sandbox());
    for (int slot = 0; slot < options_.environments_max; ++slot) free_slots_.insert(slot);
    return ok_status();
  }

  Result<Outcome> run(const Context& context, const EnvironmentSpec& spec, const Invocation& invocation) override {
    const AtWork share(at_work_, options_.at_work_max);
    if (!share.granted()) return Error{ErrorCode::kThrottled, "as many functions as may are at work", {}};
    std::optional<Kept> kept = take_warm(spec);
    if (!kept) {
      COFFER_TRY(kept, make(context, spec));
    }
    Result<Outcome> outcome = kept->environment->invoke(context, invocation);
    if (outcome.ok() && outcome->cold) {
      if (auto described = runtimes_.describe(spec.runtime); described.ok()) outcome->interpreter = *described;
    }
    give_back(std::move(*kept));
    return outcome;
  }

  void forget(std::string_view function_arn) override {
    std::list<Kept> gone;
    {
      std::lock_guard lock(mutex_);
      ++forgotten_[std::string(function_arn)];
      for (auto kept = idle_.begin(); kept != idle_.end();) {
        const auto next = std::next(kept);
        if (is_of(*kept, function_arn)) gone.splice(gone.end(), idle_, kept);
        kept = next;
      }
    }
    for (Kept& kept : gone) end(kept);
  }

  Result<std::string> interpreter_of(std::string_view runtime) override { return runtimes_.describe(runtime); }

  void tend() override {
    std::list<Kept> gone;
    {
      std::lock_guard lock(mutex_);
      const MonoTime now = clock_.mono();
      for (auto kept = idle_.begin(); kept != idle_.end();) {
        const auto next = std::next(kept);
        const auto idle = now - kept->idle_since;
        if (idle > options_.rest_after) kept->environment->rest();
        if (idle > options_.idle) gone.splice(gone.end(), idle_, kept);
        kept = next;
      }
    }
    for (Kept& kept : gone) end(kept);
  }

  [[nodiscard]] size_t environments() const override {
    std::lock_guard lock(mutex_);
    return static_cast<size_t>(options_.environments_max) - free_slots_.size();
  }

 private:
  /// Functions have no name service and no users but their own.
  Status write_etc() {
    COFFER_TRY(auto etc, files_.open_directory(options_.folder + "/etc"));
    for (const auto& [file, text] : std::initializer_list<std::pair<const char*, std::string>>{
             {"passwd", "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/tmp:/bin/sh\n"},
             {"group", "root:x:0:\nsbx_user1051:x:990:\n"},
             {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"}})
      COFFER_CHECK_OK(write_new_file(*etc, file, as_bytes(text), 0444));
    return ok_status();
  }

  /// Machines forbid user namespaces in several ways; better to hear of it at the start than with the first event.
  Status try_sandbox() {
    ProcessSpec spec;
    spec.argv = {options_.sandbox_program, "enter"};
    if (options_.first_uid) {
      const std::string uid = std::to_string(*options_.first_uid);
      spec.argv.insert(spec.argv.end(), {"--at", "/mnt", "--uid", uid, "--gid", uid});
    }
    spec.argv.insert(spec.argv.end(), {"--", options_.bubblewrap, "--unshare-all", "--die-with-parent", "--ro-bind",
                                       "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
                                       "/lib64", "--proc", "/proc", "--dev", "/dev", "--", "/usr/bin/true"});
    spec.environment = {{"PATH", "/usr/bin:/bin"}};
    spec.working_directory = "/";
    COFFER_TRY(const ProcessResult tried, processes_.run(Context(), spec, kTryTimeout));
    if (tried.exit_code == 0) return ok_status();
    return Error{ErrorCode::kFailedPrecondition, "sandboxes cannot be made: " + tried.output.substr(0, 500),
                 "install bubblewrap, and allow user namespaces"};
  }

  static bool is_of(const Kept& kept, std::string_view function_arn) {
    return kept.function_arn.starts_with(function_arn) &&
           (kept.function_arn.size() == function_arn.size() || kept.function_arn[function_arn.size()] == ':');
  }

  std::optional<Kept> take_warm(const EnvironmentSpec& spec) {
    for (;;) {
      std::list<Kept> found;
      {
        std::lock_guard lock(mutex_);
        // The one that was used last: the others grow old and go.
        const auto kept = std::find_if(idle_.begin(), idle_.end(), [&](const Kept& one) {
          return one.function_arn == spec.function_arn && one.revision == spec.revision;
        });
        if (kept == idle_.end()) return std::nullopt;
        found.splice(found.end(), idle_, kept);
      }
      Kept kept = std::move(found.front());
      if (clock_.wall() < kept.environment->valid_until() && kept.environment->is_usable()) return kept;
      end(kept);
    }
  }

  /// A free slot, by ending the environment that is idle for longest when there is none.
  Result<int> take_slot() {
    std::list<Kept> oldest;
    {
      std::lock_guard lock(mutex_);
      if (free_slots_.empty()) {
        if (idle_.empty()) return Error{ErrorCode::kThrottled, "all environments are at work", {}};
        oldest.splice(oldest.end(), idle_, std::prev(idle_.end()));
      }
    }
    for (Kept& kept : oldest) end(kept);
    std::lock_guard lock(mutex_);
    if (free_slots_.empty()) return Error{ErrorCode::kThrottled, "all environments are at work", {}};
    const int slot = *free_slots_.begin();
    free_slots_.erase(free_slots_.begin());
    return slot;
  }

  Result<Kept> make(const Context& context, const EnvironmentSpec& spec) {
    Kept kept;
    kept.function_arn = spec.function_arn;
    kept.revision = spec.revision;
    {
      std::lock_guard lock(mutex_);
      kept.forgotten = times_forgotten(spec.function_arn);
    }
    COFFER_TRY(kept.slot, take_slot());
    Status made = fill(context, spec, kept);
    if (made.ok()) return kept;
    end(kept);
    return std::move(made).error();
  }

  Status fill(const Context& context, const EnvironmentSpec& spec, Kept& kept) {
    EnvironmentSetup setup;
    COFFER_TRY(setup.runtime, runtimes_.serve(spec.runtime, spec.handler));
    setup.id = to_hex(entropy_.array<16>());
    COFFER_TRY(EnvironmentContent content, spec.content(context, setup.id));
    COFFER_TRY(kept.code, code_of(spec, content));
    setup.code_folder = kept.code->path();
    setup.folder = kept.folder = options_.folder + "/environments/" + setup.id;
    COFFER_CHECK_OK(files_.create_directories(kept.folder, 0711));
    setup.variables = std::move(content.variables);
    setup.valid_until = content.valid_until;
    if (options_.endpoint_url) setup.endpoint = parse_endpoint(options_.endpoint_url());
    if (options_.first_uid) setup.uid = *options_.first_uid + static_cast<uint32_t>(kept.slot);
    setup.memory_mb = spec.memory_mb;
    setup.tmp_mb = spec.tmp_mb;
    // Files in /tmp are memory as the kernel counts it, and not as Lambda does.
    setup.group =
        groups_.create("coffer-function-" + setup.id, (spec.memory_mb + spec.tmp_mb + kGroupMargin) * kMegabyte,
                       options_.processes_max + 16);
    COFFER_TRY(kept.environment, Environment::start(files_, processes_, clock_, options_, std::move(setup)));
    return ok_status();
  }

  Result<std::shared_ptr<CodeFolder>> code_of(const EnvironmentSpec& spec, const EnvironmentContent& content) {
    const std::string key = spec.function_arn + "/" + spec.revision;
    {
      std::lock_guard lock(mutex_);
      if (auto known = code_[key].lock()) return known;
    }
    auto made = std::make_shared<CodeFolder>(options_.folder + "/code/" + to_hex(entropy_.array<16>()));
    COFFER_TRY(auto folder, files_.create_directories(made->path(), 0755));
    if (Status unpacked = lambda::extract_archive(content.zip, *folder); !unpacked.ok())
      return std::move(unpacked).error().in("unpacking the code of " + spec.function_arn);
    std::lock_guard lock(mutex_);
    std::erase_if(code_, [](const auto& one) { return one.second.expired(); });
    code_[key] = made;
    return made;
  }

  /// `arn` ends in a version. Under the mutex.
  int64_t times_forgotten(std::string_view arn) const {
    const auto found = forgotten_.find(arn.substr(0, arn.rfind(':')));
    return found == forgotten_.end() ? 0 : found->second;
  }

  void give_back(Kept kept) {
    bool usable = kept.environment->is_usable();
    {
      std::lock_guard lock(mutex_);
      usable = usable && times_forgotten(kept.function_arn) == kept.forgotten;
      if (usable) {
        kept.idle_since = clock_.mono();
        idle_.push_front(std::move(kept));
      }
    }
    if (!usable) end(kept);
  }

  void end(Kept& kept) {
    kept.environment.reset();
    kept.code.reset();
    if (!kept.folder.empty()) remove_tree(kept.folder);
    std::lock_guard lock(mutex_);
    free_slots_.insert(kept.slot);
  }

  FileSystem& files_;
  Processes& processes_;
  Clock& clock_;
  Entropy& entropy_;
  ExecutorOptions options_;
  Runtimes runtimes_;
  ControlGroups groups_;
  std::atomic<int> at_work_{0};
  mutable std::mutex mutex_;
  std::list<Kept> idle_;  // the one used last is first
  std::set<int> free_slots_;
  std::map<std::string, std::weak_ptr<CodeFolder>> code_;
  std::map<std::string, int64_t, std::less<>> forgotten_;  // function ARNs: how often
};

}  // namespace

Result<std::unique_ptr<Executor>> open_executor(FileSystem& files, Processes& processes, Clock& clock, Entropy& entropy,
                                                ExecutorOptions options) {
  auto executor = std::make_unique<SandboxExecutor>(files, processes, clock, entropy, std::move(options));
  COFFER_CHECK_OK(executor->open());
  return std::unique_ptr<Executor>(std::move(executor));
}

}  // namespace coffer::functions
