#include "edge/functions/sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cstring>
#include <memory>

#include "base/filesystem.h"

namespace coffer::functions {
namespace {

Status give_to(const Fd& folder, const std::string& name, std::optional<uint32_t> owner) {
  if (::fchmodat(folder.get(), name.c_str(), 0600, 0) != 0)
    return error_from_errno(errno, "setting the mode of " + name);
  if (owner && ::fchownat(folder.get(), name.c_str(), *owner, *owner, AT_SYMLINK_NOFOLLOW) != 0)
    return error_from_errno(errno, "giving away " + name);
  return ok_status();
}

}  // namespace

Result<Fd> open_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return error_from_errno(errno, "opening " + path);
  return fd;
}

Result<Fd> listen_unix(const Fd& folder, const std::string& name, std::optional<uint32_t> owner) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // By the folder's descriptor: addresses have room for 107 bytes, and paths of installations are as long as they are.
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + name;
  COFFER_ASSERT(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return error_from_errno(errno, "making a socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return error_from_errno(errno, "making the socket " + name);
  COFFER_CHECK_OK(give_to(folder, name, owner));
  if (::listen(fd.get(), 64) != 0) return error_from_errno(errno, "listening on " + name);
  return fd;
}

Result<Fd> make_pipe(const Fd& folder, const std::string& name, std::optional<uint32_t> owner) {
  if (::mkfifoat(folder.get(), name.c_str(), 0600) != 0) return error_from_errno(errno, "making the pipe " + name);
  Fd fd(::openat(folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return error_from_errno(errno, "opening the pipe " + name);
  COFFER_CHECK_OK(give_to(folder, name, owner));
  return fd;
}

std::optional<Fd> accept_from(const Fd& listener) {
  Fd fd(retry_interrupted([&] { return ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }));
  if (!fd.valid()) return std::nullopt;
  return fd;
}

Result<Fd> connect_tcp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); failed != 0)
    return Error{ErrorCode::kUnavailable, "finding " + host + ": " + ::gai_strerror(failed), {}};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return error_from_errno(errno, "making a socket");
  const int one = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd.get(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)
    return error_from_errno(errno, "connecting to " + host);
  return fd;
}

Fd watch_process(int pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

}  // namespace coffer::functions
