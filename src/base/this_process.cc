#include "base/this_process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <climits>

namespace coffer {

uint32_t effective_user() { return ::geteuid(); }

std::string program_folder() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path));
  const std::string program(path, size > 0 ? static_cast<size_t>(size) : 0);
  const size_t slash = program.rfind('/');
  return slash == std::string::npos ? std::string() : program.substr(0, slash);
}

void keep_memory_private() { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

}  // namespace coffer
