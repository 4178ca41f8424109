// A process and all that descend from it, as /proc shows them from outside of their namespaces.
#pragma once
#include <cstdint>
#include <vector>

namespace coffer::functions {

/// `root` first. What ends meanwhile is left out.
std::vector<int> process_tree(int root);
/// Resident memory of all of them, without pages of files. Pages that processes share are counted for each.
int64_t resident_bytes(const std::vector<int>& pids);
/// The same with each shared page counted once, which takes the kernel longer. Processes that do not show it to us
/// count as resident_bytes() has them.
int64_t proportional_bytes(const std::vector<int>& pids);

}  // namespace coffer::functions
