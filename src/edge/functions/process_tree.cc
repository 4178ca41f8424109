#include "edge/functions/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace coffer::functions {
namespace {

constexpr size_t kProcessesMax = 4096;

/// Files of /proc are read in one go: they have no size.
size_t read_small(const std::string& path, char* into, size_t size) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return 0;
  const ssize_t n = ::read(fd.get(), into, size);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

/// Appends the numbers of a list.
void append_numbers(std::string_view text, std::vector<int>& all) {
  while (!text.empty() && all.size() < kProcessesMax) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    int value = 0;
    if (std::from_chars(text.data(), text.data() + end, value).ec == std::errc() && end > 0) all.push_back(value);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

/// The threads of a process: children belong to the one that made them.
std::vector<std::string> threads_of(const std::string& pid) {
  std::vector<std::string> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(("/proc/" + pid + "/task").c_str()), ::closedir);
  if (!folder) return all;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') all.emplace_back(entry->d_name);
  }
  return all;
}

/// The sum of kilobytes in lines that begin so, in bytes; nothing when none does.
std::optional<int64_t> sum_of(std::string_view text, std::initializer_list<std::string_view> names) {
  std::optional<int64_t> sum;
  for (std::string_view name : names) {
    const size_t at = text.find(name);
    if (at == std::string_view::npos) continue;
    const std::string_view line = text.substr(at + name.size(), 64);
    const size_t digit = std::min(line.find_first_of("0123456789"), line.size());
    int64_t kilobytes = 0;
    std::from_chars(line.data() + digit, line.data() + line.size(), kilobytes);
    sum = sum.value_or(0) + kilobytes * 1024;
  }
  return sum;
}

}  // namespace

std::vector<int> process_tree(int root) {
  std::vector<int> all{root};
  char text[8192];
  for (size_t i = 0; i < all.size() && all.size() < kProcessesMax; ++i) {
    const std::string pid = std::to_string(all[i]);
    for (const std::string& thread : threads_of(pid)) {
      const size_t size = read_small("/proc/" + pid + "/task/" + thread + "/children", text, sizeof text);
      append_numbers({text, size}, all);
    }
  }
  return all;
}

int64_t resident_bytes(const std::vector<int>& pids) {
  int64_t sum = 0;
  char text[4096];
  for (int pid : pids) {
    const size_t size = read_small("/proc/" + std::to_string(pid) + "/status", text, sizeof text);
    sum += sum_of({text, size}, {"\nRssAnon:", "\nRssShmem:"}).value_or(0);
  }
  return sum;
}

int64_t proportional_bytes(const std::vector<int>& pids) {
  int64_t sum = 0;
  char text[4096];
  for (int pid : pids) {
    const size_t size = read_small("/proc/" + std::to_string(pid) + "/smaps_rollup", text, sizeof text);
    const auto shared = sum_of({text, size}, {"\nPss_Anon:", "\nPss_Shmem:"});
    sum += shared ? *shared : resident_bytes({pid});
  }
  return sum;
}

}  // namespace coffer::functions
