#include "edge/functions/control_group.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace coffer::functions {
namespace {

/// A folder with files where the kernel would have a hierarchy.
class Groups : public testing::Test {
 protected:
  Groups() {
    char name[] = "/tmp/coffer-groups-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~Groups() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << text;
  }
  ControlGroups find() { return ControlGroups::find(root_ + "/self", root_); }
  std::string root_;
};

TEST_F(Groups, WithoutAnyNothingIsMade) {
  EXPECT_FALSE(find().available());
  EXPECT_EQ(find().describe(), "none");
  EXPECT_EQ(find().create("x", 1, 1), nullptr);
  find().remove_abandoned("x");
}

TEST_F(Groups, AHierarchyThatIsNotOursIsNotUsed) {
  write("self", "4:memory:/a\n8:pids:/\n0::/\n");
  std::filesystem::create_directories(root_ + "/memory/a");
  std::filesystem::create_directories(root_ + "/pids");
  EXPECT_FALSE(find().available());  // a group that is made there has no limits
}

TEST_F(Groups, TheKernelsOwnAreFoundAndRemovedAgain) {
  const ControlGroups groups = ControlGroups::find("/proc/self/cgroup", "/sys/fs/cgroup");
  if (!groups.available()) GTEST_SKIP() << "no control groups may be made here";
  auto group = groups.create("coffer-test-" + std::to_string(::getpid()), 64 << 20, 10);
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->memory_kills(), 0);
  const std::string file = group->procs_files().front();
  EXPECT_TRUE(std::filesystem::exists(file));
  group.reset();
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Groups, WhatADeadProcessLeftIsRemoved) {
  const ControlGroups groups = ControlGroups::find("/proc/self/cgroup", "/sys/fs/cgroup");
  if (!groups.available()) GTEST_SKIP() << "no control groups may be made here";
  const std::string mine = "coffer-left-" + std::to_string(::getpid()) + "-a";
  auto kept = groups.create(mine, 64 << 20, 10);
  auto left = groups.create("coffer-left-999999999-a", 64 << 20, 10);
  ASSERT_NE(left, nullptr);
  groups.remove_abandoned("coffer-left");
  EXPECT_TRUE(std::filesystem::exists(kept->procs_files().front()));
  EXPECT_FALSE(std::filesystem::exists(left->procs_files().front()));
}

}  // namespace
}  // namespace coffer::functions
