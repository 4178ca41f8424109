// What this process is to the kernel.
#pragma once
#include <cstdint>
#include <string>

namespace coffer {

/// Whose rights we have. Not the owner of /proc/self: that is root once keep_memory_private() was called.
uint32_t effective_user();

/// The folder of the program that runs, where the programs that belong to it are; empty when the kernel does not say.
std::string program_folder();

/// From now on a crash leaves no core file, and no other process of the same user reads our memory or traces us. For
/// processes that hold keys for longer than a command takes. Children that are started by exec begin anew.
void keep_memory_private();

}  // namespace coffer
