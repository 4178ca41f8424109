// sd_notify(3) without the library: one datagram to $NOTIFY_SOCKET.
#pragma once
#include <string_view>

namespace coffer::daemon {

/// "READY=1", "STOPPING=1", "RELOADING=1", "STATUS=..."; nothing happens when `socket_path` is empty. '@' begins an
/// abstract name.
void notify_systemd(std::string_view socket_path, std::string_view state);

}  // namespace coffer::daemon
