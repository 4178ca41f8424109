// A second wall behind the mounts of the sandbox: where a function may write, by Landlock.
#pragma once
#include <string>

namespace coffer::functions {

/// For this process and all that it starts, for good: written is below /tmp, to devices and /proc, and to `log`;
/// signals stay among what is started. As far as the kernel has it: false with errno only when it has it and refuses.
bool confine_writes(const std::string& log);

}  // namespace coffer::functions
