#include "edge/functions/init/landlock.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace coffer::functions {
namespace {

// As the kernel's documentation has them; the headers of the machine that builds may be older than the kernel that
// runs.
constexpr long kCreate = 444, kAddRule = 445, kRestrict = 446;
constexpr uint64_t kWriteFile = 1 << 1, kRemove = 3 << 4, kMake = 0x7F << 6, kRefer = 1 << 13, kTruncate = 1 << 14;
constexpr uint64_t kScopeSignals = 1 << 1;
constexpr int kBeneath = 1;

struct Ruleset {
  uint64_t files = 0, network = 0, scopes = 0;
};
struct __attribute__((packed)) Beneath {
  uint64_t allowed;
  int32_t folder;
};

bool allow(int ruleset, const std::string& path, uint64_t what) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return false;
  const Beneath rule{what, fd};
  const bool added = syscall(kAddRule, ruleset, kBeneath, &rule, 0) == 0;
  close(fd);
  return added;
}

}  // namespace

bool confine_writes(const std::string& log) {
  const long version = syscall(kCreate, nullptr, 0, 1);
  if (version < 1) return true;
  const uint64_t write = kWriteFile | (version >= 3 ? kTruncate : 0);
  Ruleset wanted;
  wanted.files = write | kRemove | kMake | (version >= 2 ? kRefer : 0);
  if (version >= 6) wanted.scopes = kScopeSignals;
  const size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(kCreate, &wanted, size, 0));
  if (ruleset < 0) return false;
  const bool done = allow(ruleset, "/tmp", wanted.files) && allow(ruleset, "/dev", write) &&
                    allow(ruleset, "/proc", write) && allow(ruleset, log, write) && syscall(kRestrict, ruleset, 0) == 0;
  close(ruleset);
  return done;
}

}  // namespace coffer::functions
