// The system calls that a function may not make.
#pragma once

namespace coffer::functions {

/// For this process and all that it starts, for good. False with errno when the kernel refuses.
bool forbid_system_calls();

}  // namespace coffer::functions
