#include "base/this_process.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coffer {
namespace {

TEST(ThisProcess, KnowsItsUser) { EXPECT_EQ(effective_user(), ::geteuid()); }

// In a child: a test program whose memory is private could not be looked at when it fails.
TEST(ThisProcess, KeepsItsMemoryPrivate) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    keep_memory_private();
    ::_exit(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace coffer
