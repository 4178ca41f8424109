#include "edge/wire/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>
#include <vector>

#include "base/tasks.h"
#include "edge/wire/server_connection.h"

namespace coffer::wire {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

/// After a failed accept: most often no descriptor is free, and trying again at once would only burn the processor.
constexpr milliseconds kAcceptPause{50};
constexpr size_t kIoThreadsMax = 16;

/// An io_context with its own thread: what runs in it never waits.
struct IoThread {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
};

std::vector<std::unique_ptr<IoThread>> make_io_threads() {
  std::vector<std::unique_ptr<IoThread>> threads(
      std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kIoThreadsMax));
  for (auto& thread : threads) thread = std::make_unique<IoThread>();
  return threads;
}

asio::awaitable<void> run_connection(std::unique_ptr<Connection> connection) { co_await connection->run(); }

class AsioServer final : public Server {
 public:
  AsioServer(const Options& options, Handler handler) : shared_(options, std::move(handler)), threads_(Context()) {}

  ~AsioServer() override { stop(std::chrono::seconds(0)); }

  Status open() {
    const Options& options = shared_.options;
    error_code failed;
    const asio::ip::address address =
        asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, failed);
    if (failed)
      return Error{ErrorCode::kInvalidArgument, "'" + options.host + "' is no IP address to listen on",
                   "write an address such as 127.0.0.1, ::1 or 0.0.0.0"};
    if (options.tasks_max == 0 || options.connections_max == 0)
      return Error{ErrorCode::kInvalidArgument, "a server needs at least one task and one connection", {}};
    if (options.certificate_file.empty() != options.private_key_file.empty())
      return Error{ErrorCode::kInvalidArgument, "certificate and private key are given together or not at all", {}};
    const bool with_tls = !options.certificate_file.empty();
    if (!with_tls && !address.is_loopback() && !options.plain_http_anywhere)
      return Error{ErrorCode::kInvalidArgument,
                   "plain HTTP on " + options.host + " would show signatures and data to the network",
                   "give a certificate, listen on 127.0.0.1, or allow plain HTTP expressly"};
    if (with_tls) COFFER_CHECK_OK(reload_certificate());
    COFFER_CHECK_OK(listen(tcp::endpoint(address, options.port)));
    asio::co_spawn(first_io(), accept(), asio::detached);
    asio::co_spawn(first_io(), cut_late(), asio::detached);
    for (auto& thread : io_threads_)
      threads_.spawn([this, io = &thread->io] {
        for (;;) {
          try {
            io->run();
            return ok_status();
          } catch (...) {  // of one step of one connection; the others are still to be served
            shared_.tell_failure("a step of a connection failed");
          }
        }
      });
    return ok_status();
  }

  [[nodiscard]] uint16_t port() const override { return port_; }

  Status reload_certificate() override {
    if (shared_.options.certificate_file.empty()) return ok_status();
    COFFER_TRY(auto tls, TlsContext::create(shared_.options.certificate_file, shared_.options.private_key_file));
    std::lock_guard lock(mutex_);
    tls_ = std::move(tls);
    return ok_status();
  }

  void stop(std::chrono::seconds grace) override {
    std::lock_guard lock(stop_mutex_);
    if (shared_.draining.exchange(true)) return;
    asio::post(first_io(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      tick_.cancel();
    });
    shared_.connections.for_each([](Connection& connection) { connection.end_if_idle(); });
    if (!shared_.connections.wait_until_none(grace)) {
      shared_.stopped = true;
      shared_.stop.request_stop();
      shared_.connections.for_each([](Connection& connection) { connection.cut(); });
      shared_.connections.wait_until_none(std::nullopt);
    }
    shared_.tasks.close();
    for (auto& thread : io_threads_) thread->io.stop();
    (void)threads_.wait();
  }

  [[nodiscard]] Counts counts() const override {
    return {.connections_open = shared_.connections.size(),
            .connections_total = shared_.connections_total,
            .requests_total = shared_.requests_total,
            .malformed_total = shared_.malformed_total};
  }

 private:
  asio::io_context& first_io() { return io_threads_.front()->io; }

  Status listen(const tcp::endpoint& endpoint) {
    error_code failed;
    acceptor_.open(endpoint.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor_.bind(endpoint, failed);
    if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (failed)
      return Error{
          ErrorCode::kUnavailable,
          "listening on " + shared_.options.host + ":" + std::to_string(endpoint.port()) + ": " + failed.message(),
          "is another program on this port? Name another one"};
    port_ = acceptor_.local_endpoint().port();
    return ok_status();
  }

  std::shared_ptr<const TlsContext> tls() {
    std::lock_guard lock(mutex_);
    return tls_;
  }

  /// Until draining: a step that throws drops its connection, and the loop goes on.
  asio::awaitable<void> accept() {
    for (size_t next = 0; !shared_.draining; next = (next + 1) % io_threads_.size()) {
      bool pauses = false;
      try {
        const bool accepted = co_await accept_one(io_threads_[next]->io);
        pauses = !accepted;
      } catch (...) {
        shared_.tell_failure("a connection was dropped");
        // Not by a timer, which takes memory that there may not be.
        shared_.clock.sleep_for(milliseconds(1));
      }
      if (!pauses || shared_.draining) continue;
      try {
        error_code ignored;
        accept_pause_.expires_after(kAcceptPause);
        co_await accept_pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      } catch (...) {
        shared_.clock.sleep_for(milliseconds(1));
      }
    }
  }

  /// False when the next attempt had better wait.
  asio::awaitable<bool> accept_one(asio::io_context& io) {
    error_code failed;
    tcp::socket socket(io);
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
    if (shared_.draining) co_return true;
    if (failed) co_return false;
    socket.set_option(tcp::no_delay(true), failed);
    if (shared_.connections.size() >= shared_.options.connections_max) {
      refuse(socket);
    } else {
      asio::co_spawn(io, run_connection(std::make_unique<Connection>(shared_, std::move(socket), tls())),
                     asio::detached);
    }
    co_return true;
  }

  /// One connection too many: told so when it can be told in one breath.
  void refuse(tcp::socket& socket) {
    if (tls() != nullptr) return;
    AnswerHead head;
    head.keep_alive = false;
    head.now = shared_.clock.wall();
    Transport(socket.native_handle(), nullptr)
        .write(as_bytes(refusal_answer({503, "This server has too many connections. Please try again.\n"}, head)));
  }

  /// One timer for all deadlines: a timer for each would cost every request two system calls' worth of bookkeeping.
  asio::awaitable<void> cut_late() {
    const Options& options = shared_.options;
    const milliseconds shortest = std::min({options.header_timeout, options.idle_timeout, options.body_stall_timeout});
    const milliseconds interval = std::clamp(shortest / 8, milliseconds(5), milliseconds(500));
    while (!shared_.draining || shared_.connections.size() > 0) {
      try {
        error_code ignored;
        tick_.expires_after(interval);
        co_await tick_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      } catch (...) {
        shared_.clock.sleep_for(milliseconds(1));
      }
      const MonoTime now = shared_.clock.mono();
      shared_.connections.for_each([now](Connection& connection) { connection.cut_if_late(now); });
    }
  }

  ServerShared shared_;
  std::vector<std::unique_ptr<IoThread>> io_threads_ = make_io_threads();
  tcp::acceptor acceptor_{first_io()};
  asio::steady_timer tick_{first_io()}, accept_pause_{first_io()};
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::shared_ptr<const TlsContext> tls_;
  std::mutex stop_mutex_;
  TaskGroup threads_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Options& options, Handler handler) {
  auto server = std::make_unique<AsioServer>(options, std::move(handler));
  COFFER_CHECK_OK(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace coffer::wire
