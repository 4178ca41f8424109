// A small fast HTTP/1.1 client for measurements: sends the requests of a file over connections that stay open.
//
//   http_load HOST:PORT FILE [--connections N] [--seconds S] [--rate R]
//
// FILE holds whole requests as they go over the wire, each after a line with its size in bytes. Without --rate each
// connection sends its next request as soon as it has the answer (full load); with it, R requests a second are due at
// even times, and a latency counts from when its request was due, so that waiting for a connection is not forgotten.
// One thread. Prints one line of JSON.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "http_load: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  sockaddr_in address{};
  std::vector<std::string> requests;
  int connections = 16;
  double seconds = 3, rate = 0;
};

std::vector<std::string> read_requests(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> requests;
  for (size_t at = 0; at < all.size();) {
    const size_t end = all.find('\n', at);
    size_t size = 0;
    if (end == std::string::npos || std::from_chars(&all[at], &all[end], size).ec != std::errc() ||
        end + 1 + size > all.size())
      fail(std::string(path) + " is no file of requests");
    requests.push_back(all.substr(end + 1, size));
    at = end + 1 + size;
  }
  if (requests.empty()) fail(std::string("no requests in ") + path);
  return requests;
}

Options read_options(int argc, char** argv) {
  if (argc < 3) fail("usage: http_load HOST:PORT FILE [--connections N] [--seconds S] [--rate R]");
  Options options;
  const std::string where = argv[1];
  const size_t colon = where.rfind(':');
  options.address.sin_family = AF_INET;
  if (colon == std::string::npos || inet_pton(AF_INET, where.substr(0, colon).c_str(), &options.address.sin_addr) != 1)
    fail(where + " is not an IPv4 address and a port");
  options.address.sin_port = htons(static_cast<uint16_t>(std::atoi(where.c_str() + colon + 1)));
  options.requests = read_requests(argv[2]);
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--connections") options.connections = std::max(1, static_cast<int>(value));
    if (name == "--seconds") options.seconds = value;
    if (name == "--rate") options.rate = value;
  }
  return options;
}

struct Connection {
  int fd = -1;
  bool busy = false;
  std::string in;
  size_t sent = 0;
  const std::string* request = nullptr;
  Clock::time_point begun;
};

/// What stands at the front of `in`: its size when it is complete, 0 before. `status` and `closes` of its head.
size_t complete_answer(std::string_view in, int& status, bool& closes) {
  const size_t head = in.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  std::string lines(in.substr(0, head + 2));
  std::transform(lines.begin(), lines.end(), lines.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  status = lines.size() > 12 ? std::atoi(lines.c_str() + 9) : 0;
  closes = lines.find("\r\nconnection: close") != std::string::npos || lines.rfind("http/1.0", 0) == 0;
  size_t length = 0;
  if (const size_t field = lines.find("\r\ncontent-length:"); field != std::string::npos)
    length = static_cast<size_t>(std::atoll(lines.c_str() + field + 17));
  return in.size() >= head + 4 + length ? head + 4 + length : 0;
}

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)), epoll_(epoll_create1(0)) {
    connections_.resize(static_cast<size_t>(options_.connections));
    for (Connection& connection : connections_) open(connection);
  }

  void run() {
    begin_ = Clock::now();
    const auto end =
        begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
    if (options_.rate <= 0) {
      for (Connection& connection : connections_) send(connection, Clock::now());
    }
    std::vector<epoll_event> events(256);
    while (Clock::now() < end) {
      send_what_is_due();
      // Never asleep: over loopback it is the server's send() that would wake us, on the server's processor.
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
      for (int i = 0; i < count; ++i) {
        Connection& connection = connections_[events[static_cast<size_t>(i)].data.u64];
        if (connection.busy && connection.sent < connection.request->size()) write_more(connection);
        read_more(connection);
      }
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  void print() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double part) {
      if (latencies_.empty()) return 0.0;
      const auto index = static_cast<size_t>(part * static_cast<double>(latencies_.size() - 1));
      return latencies_[index] * 1e3;
    };
    std::string shown;
    for (char c : first_error_.substr(0, 300))
      shown += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32 ? ' ' : c;
    std::printf(
        "{\"requests\": %zu, \"seconds\": %.3f, \"rps\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
        "\"errors\": %llu, \"reconnects\": %llu, \"first_error\": \"%s\"}\n",
        latencies_.size(), seconds_, static_cast<double>(latencies_.size()) / seconds_, at(0.5), at(0.99), at(1.0),
        static_cast<unsigned long long>(errors_), static_cast<unsigned long long>(reconnects_), shown.c_str());
  }

 private:
  void open(Connection& connection) {
    if (connection.fd >= 0) {
      close(connection.fd);
      ++reconnects_;
    }
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&options_.address), sizeof options_.address) != 0)
      fail(std::string("cannot connect: ") + std::strerror(errno));
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection.in.clear();
    connection.busy = false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(&connection - connections_.data());
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void send(Connection& connection, Clock::time_point begun) {
    connection.busy = true;
    connection.begun = begun;
    connection.sent = 0;
    connection.request = &options_.requests[next_++ % options_.requests.size()];
    write_more(connection);
  }

  // Requests are far smaller than a socket buffer, so a short write is only ever seen when the peer has stopped
  // reading.
  void write_more(Connection& connection) {
    while (connection.sent < connection.request->size()) {
      const ssize_t n = ::send(connection.fd, connection.request->data() + connection.sent,
                               connection.request->size() - connection.sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      connection.sent += static_cast<size_t>(n);
    }
  }

  void read_more(Connection& connection) {
    char buffer[65536];
    const ssize_t n = recv(connection.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) {
      const bool lost = connection.busy;
      if (lost) count_error("the connection was closed");
      open(connection);
      if (options_.rate <= 0) send(connection, Clock::now());
      return;
    }
    connection.in.append(buffer, static_cast<size_t>(n));
    int status = 0;
    bool closes = false;
    const size_t size = complete_answer(connection.in, status, closes);
    if (size == 0) return;
    latencies_.push_back(std::chrono::duration<double>(Clock::now() - connection.begun).count());
    if (status != 200) count_error(connection.in.substr(0, size));
    connection.in.erase(0, size);
    connection.busy = false;
    if (closes) open(connection);
    if (options_.rate <= 0) send(connection, Clock::now());
  }

  void send_what_is_due() {
    if (options_.rate <= 0) return;
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
    while (static_cast<double>(due_) / options_.rate < elapsed) {
      const auto idle =
          std::find_if(connections_.begin(), connections_.end(), [](const Connection& c) { return !c.busy; });
      if (idle == connections_.end()) return;
      const auto when = std::chrono::duration<double>(static_cast<double>(due_++) / options_.rate);
      send(*idle, begin_ + std::chrono::duration_cast<Clock::duration>(when));
    }
  }

  void count_error(std::string what) {
    if (errors_++ == 0) first_error_ = std::move(what);
  }

  Options options_;
  int epoll_;
  std::vector<Connection> connections_;
  Clock::time_point begin_;
  double seconds_ = 0;
  size_t next_ = 0;
  uint64_t due_ = 0, errors_ = 0, reconnects_ = 0;
  std::vector<double> latencies_;
  std::string first_error_;
};

}  // namespace

int main(int argc, char** argv) {
  Load load(read_options(argc, argv));
  load.run();
  load.print();
}
