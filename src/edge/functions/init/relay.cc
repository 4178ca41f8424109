#include "edge/functions/init/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace coffer::functions {

Relay::~Relay() {
  for (const Pair& pair : pairs_) {
    close(pair.fds[0]);
    close(pair.fds[1]);
  }
}

void Relay::watch(std::vector<pollfd>& polled) const {
  for (const Pair& pair : pairs_) {
    for (int side = 0; side < 2; ++side) {
      const Stream& from = pair.streams[side];
      const Stream& to = pair.streams[1 - side];
      short events = 0;
      if (!from.ended && from.begin == from.end) events |= POLLIN;
      if (to.begin < to.end) events |= POLLOUT;
      polled.push_back({events ? pair.fds[side] : -1, events, 0});
    }
  }
}

void Relay::move(Pair& pair, int from, bool readable) {
  Stream& stream = pair.streams[from];
  const int in = pair.fds[from], out = pair.fds[1 - from];
  if (readable && !stream.ended && stream.begin == stream.end) {
    const ssize_t n = recv(in, stream.data.data(), stream.data.size(), 0);
    if (n > 0) {
      stream.begin = 0;
      stream.end = static_cast<size_t>(n);
    } else if (n == 0) {
      stream.ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
      pair.broken = true;
    }
  }
  while (stream.begin < stream.end) {
    const ssize_t n = send(out, stream.data.data() + stream.begin, stream.end - stream.begin, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN && errno != EINTR) pair.broken = true;
      return;
    }
    stream.begin += static_cast<size_t>(n);
  }
  if (stream.ended && !stream.told) {
    shutdown(out, SHUT_WR);
    stream.told = true;
  }
}

void Relay::step(const pollfd* polled) {
  for (auto pair = pairs_.begin(); pair != pairs_.end(); polled += 2) {
    for (int side = 0; side < 2; ++side) move(*pair, side, (polled[side].revents & (POLLIN | POLLHUP | POLLERR)) != 0);
    const bool done = pair->streams[0].told && pair->streams[1].told;
    if (!done && !pair->broken) {
      ++pair;
      continue;
    }
    close(pair->fds[0]);
    close(pair->fds[1]);
    pair = pairs_.erase(pair);
  }
}

}  // namespace coffer::functions
