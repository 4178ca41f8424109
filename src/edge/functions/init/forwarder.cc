#include "edge/functions/init/forwarder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace coffer::functions {
namespace {

constexpr size_t kPairsMax = 200;

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

Forwarder::~Forwarder() {
  for (const Listener& listener : listeners_) close(listener.fd);
}

bool Forwarder::add(unsigned short port, const std::string& socket_path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, 128) != 0) {
    close(fd);
    return false;
  }
  listeners_.push_back({fd, socket_path});
  return true;
}

void Forwarder::accept_from(const Listener& listener) {
  while (relay_.size() < kPairsMax) {
    const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const int other = connect_to(listener.socket_path);
    if (other < 0) {
      close(fd);
      continue;
    }
    relay_.add(fd, other);
  }
}

void Forwarder::step(int extra) {
  polled_.clear();
  polled_.push_back({extra, POLLIN, 0});
  const short room = relay_.size() < kPairsMax ? POLLIN : 0;
  for (const Listener& listener : listeners_) polled_.push_back({listener.fd, room, 0});
  relay_.watch(polled_);
  if (poll(polled_.data(), polled_.size(), -1) <= 0) return;
  relay_.step(polled_.data() + 1 + listeners_.size());
  // Last: new pairs were not polled.
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (polled_[1 + i].revents & POLLIN) accept_from(listeners_[i]);
  }
}

}  // namespace coffer::functions
