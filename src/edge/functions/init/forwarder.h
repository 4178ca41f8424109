// Connections to addresses of the sandbox's own network are passed on to sockets that lie in it as files.
#pragma once
#include <string>
#include <vector>

#include "edge/functions/init/relay.h"

namespace coffer::functions {

/// Not for several threads. One poll() a step.
class Forwarder {
 public:
  ~Forwarder();
  /// Listens on 127.0.0.1:`port`; false with errno.
  bool add(unsigned short port, const std::string& socket_path);
  /// Waits and passes on what there is. `extra` is watched besides (a signalfd).
  void step(int extra);

 private:
  struct Listener {
    int fd;
    std::string socket_path;
  };
  void accept_from(const Listener& listener);
  std::vector<Listener> listeners_;
  Relay relay_;
  std::vector<pollfd> polled_;
};

}  // namespace coffer::functions
