// A client that says exactly what a test wants, and what tests of the server share.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/testing.h"
#include "edge/wire/server.h"
#include "edge/wire/sigv4_canonical.h"

namespace coffer::wire {

struct Answer {
  int status = 0;  // 0: the connection ended before an answer
  std::map<std::string, std::string> headers;
  std::string body;
  bool is_whole = false;
};

/// A blocking connection to this machine. Nothing waits longer than a test may hang.
class Client {
 public:
  explicit Client(uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    const int on = 1;
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    is_connected_ = ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool is_connected() const { return is_connected_; }
  [[nodiscard]] int descriptor() const { return descriptor_; }

  /// False when the other side does not take it any more.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      text.remove_prefix(static_cast<size_t>(size));
    }
    return true;
  }
  void end_sending() { ::shutdown(descriptor_, SHUT_WR); }

  /// Waits at most that long for something to read, or the end.
  bool can_read(int millis) {
    pollfd wait{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return !buffer_.empty() || ::poll(&wait, 1, millis) > 0;
  }

  /// False at the end.
  bool receive() {
    char bytes[65536];
    const ssize_t size = ::recv(descriptor_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(size));
    return true;
  }
  /// Everything until the other side ends.
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(buffer_, {});
  }
  std::string read_exactly(size_t size) {
    while (buffer_.size() < size && receive()) {
    }
    std::string out = buffer_.substr(0, size);
    buffer_.erase(0, out.size());
    return out;
  }
  /// "HTTP/1.1 100 Continue" and an empty line, and nothing else.
  bool read_continue() { return read_exactly(25) == "HTTP/1.1 100 Continue\r\n\r\n"; }

  Answer read_answer(bool is_head = false) {
    Answer answer;
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!receive()) return answer;
    parse_head(buffer_.substr(0, end + 2), answer);
    buffer_.erase(0, end + 4);
    if (is_head || answer.status == 204 || answer.status == 304) {
      answer.is_whole = true;
    } else if (answer.headers.contains("transfer-encoding")) {
      read_chunks(answer);
    } else if (answer.headers.contains("content-length")) {
      const size_t size = std::stoul(answer.headers["content-length"]);
      answer.body = read_exactly(size);
      answer.is_whole = answer.body.size() == size;
    } else {
      answer.body = read_to_end();
      answer.is_whole = true;
    }
    return answer;
  }

  Answer ask(std::string_view request) {
    if (!send(request)) return {};
    return read_answer(request.starts_with("HEAD"));
  }
  /// Nothing more comes, not even an error.
  bool is_at_end() { return buffer_.empty() && !receive(); }

 private:
  static void parse_head(std::string_view text, Answer& answer) {
    answer.status = std::stoi(std::string(text.substr(9, 3)));
    for (size_t at = text.find('\n') + 1; at < text.size();) {
      const size_t end = text.find('\r', at), colon = text.find(':', at);
      answer.headers[lower_case(text.substr(at, colon - at))] = trimmed(text.substr(colon + 1, end - colon - 1));
      at = end + 2;
    }
  }
  void read_chunks(Answer& answer) {
    for (;;) {
      size_t end = std::string::npos;
      while ((end = buffer_.find("\r\n")) == std::string::npos)
        if (!receive()) return;
      const size_t size = std::stoul(buffer_.substr(0, end), nullptr, 16);
      buffer_.erase(0, end + 2);
      const std::string data = read_exactly(size + 2);
      if (data.size() != size + 2) return;
      answer.body += data.substr(0, size);
      if (size == 0) {
        answer.is_whole = true;
        return;
      }
    }
  }

  const int descriptor_;
  bool is_connected_ = false;
  std::string buffer_;
};

/// Opened once; those who wait go on then.
class Gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// False when it did not open within a time in which everything should have.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

inline std::unique_ptr<Server> start_server(Server::Options options, Handler handler) {
  return must(Server::start(options, std::move(handler)));
}

/// Bytes of this process that are in memory.
inline size_t resident_size() {
  std::ifstream file("/proc/self/statm");
  size_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COFFER_TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(COFFER_TEST_SANITIZED)
inline constexpr bool kMemoryIsAsInProduction = false;
#else
inline constexpr bool kMemoryIsAsInProduction = true;
#endif

}  // namespace coffer::wire
