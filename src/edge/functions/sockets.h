// Sockets and pipes between an executor and its sandboxes: files in a folder that is bound into the sandbox, and
// connections to the installation's own endpoint. The only file of this folder that makes descriptors.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace coffer::functions {

/// A folder for the two below.
Result<Fd> open_folder(const std::string& path);
/// A listening Unix socket in `folder`, which only `owner` may connect to. Not blocking.
Result<Fd> listen_unix(const Fd& folder, const std::string& name, std::optional<uint32_t> owner);
/// A named pipe that only `owner` may write to, opened for reading. Not blocking.
Result<Fd> make_pipe(const Fd& folder, const std::string& name, std::optional<uint32_t> owner);
/// Nothing when nobody waits.
std::optional<Fd> accept_from(const Fd& listener);
/// A connection that may still be under way; not blocking. `host` is a name or an address.
Result<Fd> connect_tcp(const std::string& host, uint16_t port);
/// Readable once the process has ended; invalid where the kernel has no such thing.
Fd watch_process(int pid);

}  // namespace coffer::functions
