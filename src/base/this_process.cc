#include "base/this_process.h"

#include <sys/prctl.h>
#include <unistd.h>

namespace coffer {

uint32_t effective_user() { return ::geteuid(); }

void keep_memory_private() { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

}  // namespace coffer
