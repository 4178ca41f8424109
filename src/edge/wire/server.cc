#include "edge/wire/server.h"

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace coffer::wire {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kWriteTimeout{30};
constexpr std::chrono::milliseconds kAcceptPause{50};

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using Parser = http::request_parser<http::string_body>;

struct ErrorAnswer {
  int status;
  std::string_view text;
};

ErrorAnswer answer_for(const error_code& failed) {
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow)
    return {431, "The request's header is larger than this server takes.\n"};
  if (failed == http::error::body_limit) return {413, "The request's body is larger than this server takes.\n"};
  if (failed == http::error::bad_version) return {505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n"};
  return {400, "The request is not well-formed HTTP.\n"};
}

/// What Beast's parser lets through and two servers in a row might read differently.
bool is_ambiguous(const Parser::value_type& message) {
  const auto count = [&](http::field field) {
    const auto range = message.equal_range(field);
    return std::distance(range.first, range.second);
  };
  if (count(http::field::content_length) > 1 || count(http::field::host) > 1 ||
      count(http::field::transfer_encoding) > 1)
    return true;
  if (message.count(http::field::content_length) && message.count(http::field::transfer_encoding)) return true;
  if (message.version() == 11 && count(http::field::host) != 1) return true;
  const auto target = message.target();
  if (target.empty() || target.find_first_of("\r\n\t ") != beast::string_view::npos) return true;
  return target[0] != '/' && target != "*";
}

class BeastServer final : public Server {
 public:
  BeastServer(const Options& options, Handler handler)
      : options_(options), handler_(std::move(handler)), acceptor_(io_) {}

  Status open() {
    error_code failed;
    const asio::ip::address address =
        asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, failed);
    if (failed)
      return Error{ErrorCode::kInvalidArgument, "'" + options_.host + "' is no IP address to listen on",
                   "write 127.0.0.1, [::1] or 0.0.0.0"};
    const bool tls = !options_.certificate_file.empty();
    if (!tls && !address.is_loopback() && !options_.plain_http_anywhere)
      return Error{ErrorCode::kInvalidArgument,
                   "plain HTTP on " + options_.host + " would show signatures and data to the network",
                   "give a certificate, listen on 127.0.0.1, or allow it with plain_http_anywhere"};
    if (tls) COFFER_CHECK_OK(reload_certificate());
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor_.bind(endpoint, failed);
    if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (failed) {
      return Error{ErrorCode::kUnavailable,
                   "listening on " + options_.host + ":" + std::to_string(options_.port) + ": " + failed.message(),
                   "is another program on this port? Name another with --listen"};
    }
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(io_, accept(), asio::detached);
    for (size_t i = 0; i < options_.tasks_max; ++i) threads_.emplace_back([this] { io_.run(); });
    return ok_status();
  }

  ~BeastServer() override { stop(std::chrono::seconds(0)); }

  [[nodiscard]] uint16_t port() const override { return port_; }

  Status reload_certificate() override {
    if (options_.certificate_file.empty()) return ok_status();
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    error_code failed;
    ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    ::SSL_CTX_set_cipher_list(context->native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20");
    context->use_certificate_chain_file(options_.certificate_file, failed);
    if (failed)
      return Error{ErrorCode::kInvalidArgument,
                   "the certificate " + options_.certificate_file + ": " + failed.message(), "it must be a PEM file"};
    context->use_private_key_file(options_.private_key_file, asio::ssl::context::pem, failed);
    if (failed)
      return Error{ErrorCode::kInvalidArgument,
                   "the private key " + options_.private_key_file + ": " + failed.message(),
                   "it must be a PEM file and belong to the certificate"};
    std::lock_guard lock(mutex_);
    tls_ = std::move(context);
    return ok_status();
  }

  void stop(std::chrono::seconds grace) override {
    if (stopped_.exchange(true)) return;
    asio::post(io_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
    });
    {
      std::unique_lock lock(mutex_);
      at_work_changed_.wait_for(lock, grace, [&] { return at_work_ == 0; });
    }
    stop_.request_stop();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  [[nodiscard]] Counts counts() const override {
    return {connections_open_.load(), connections_total_.load(), requests_total_.load(), malformed_total_.load()};
  }

 private:
  asio::awaitable<void> accept() {
    while (!stopped_) {
      error_code failed;
      // A strand each: a connection's coroutine runs on one thread at a time.
      tcp::socket socket(asio::make_strand(io_));
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, failed));
      if (stopped_) co_return;
      if (failed || connections_open_ >= options_.connections_max) {
        // Out of descriptors, or too many: the others are served first.
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        continue;
      }
      ++connections_open_;
      ++connections_total_;
      socket.set_option(tcp::no_delay(true), failed);
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, connection(std::move(socket)), [this](std::exception_ptr) { --connections_open_; });
    }
  }

  asio::awaitable<void> connection(tcp::socket socket) {
    error_code failed;
    const std::string remote = socket.remote_endpoint(failed).address().to_string();
    std::shared_ptr<asio::ssl::context> tls;
    {
      std::lock_guard lock(mutex_);
      tls = tls_;
    }
    if (!tls) {
      PlainStream stream(std::move(socket));
      co_await serve(stream, stream, remote, false);
      stream.socket().shutdown(tcp::socket::shutdown_send, failed);
      co_return;
    }
    TlsStream stream(beast::tcp_stream(std::move(socket)), *tls);
    beast::get_lowest_layer(stream).expires_after(options_.header_timeout);
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    co_await serve(stream, beast::get_lowest_layer(stream), remote, true);
    beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(2));
    co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, failed));
  }

  template <class Stream>
  asio::awaitable<void> serve(Stream& stream, PlainStream& lowest, const std::string& remote, bool secure) {
    beast::flat_buffer buffer(options_.header_size_max_bytes + (64 << 10));
    for (bool first = true;; first = false) {
      error_code failed;
      Parser parser;
      parser.header_limit(static_cast<uint32_t>(options_.header_size_max_bytes));
      parser.body_limit(options_.small_body_size_bytes);
      lowest.expires_after(first || buffer.size() > 0 ? options_.header_timeout : options_.idle_timeout);
      co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
      if (failed == http::error::end_of_stream || failed == beast::error::timeout) co_return;
      if (!failed && is_ambiguous(parser.get())) failed = http::error::bad_field;
      if (!failed &&
          static_cast<size_t>(std::distance(parser.get().begin(), parser.get().end())) > options_.header_count_max)
        failed = http::error::header_limit;
      if (!failed && parser.content_length() && *parser.content_length() > options_.small_body_size_bytes)
        failed = http::error::body_limit;
      if (!failed && !parser.is_done()) {
        if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
          http::response<http::empty_body> go_on(http::status::continue_, 11);
          lowest.expires_after(kWriteTimeout);
          co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, failed));
        }
        while (!failed && !parser.is_done()) {
          lowest.expires_after(options_.body_stall_timeout);
          co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
        }
      }
      if (failed) {
        if (failed == beast::error::timeout || failed == asio::error::eof || failed == asio::error::connection_reset)
          co_return;
        ++malformed_total_;
        co_await refuse(stream, lowest, answer_for(failed));
        co_return;
      }
      ++requests_total_;
      auto message = parser.release();
      bool keep = message.keep_alive() && !stopped_;
      http::response<http::string_body> response = run_handler(message, remote, secure);
      response.version(message.version());
      response.keep_alive(keep);
      if (message.method() == http::verb::head) {
        response.content_length(response.body().size());
        response.body().clear();
      } else {
        response.prepare_payload();
      }
      lowest.expires_after(kWriteTimeout);
      http::response_serializer<http::string_body> serializer(response);
      co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, failed));
      if (failed || !keep) co_return;
    }
  }

  template <class Stream>
  static asio::awaitable<void> refuse(Stream& stream, PlainStream& lowest, ErrorAnswer answer) {
    http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
    response.set(http::field::content_type, "text/plain; charset=utf-8");
    response.body() = answer.text;
    response.keep_alive(false);
    response.prepare_payload();
    error_code ignored;
    lowest.expires_after(kWriteTimeout);
    co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, ignored));
  }

  http::response<http::string_body> run_handler(http::request<http::string_body>& message, const std::string& remote,
                                                bool secure) {
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message) request.headers.add(std::string(field.name_string()), std::string(field.value()));
    request.body = std::move(message.body());
    request.content_length = request.body.size();
    request.remote_ip = remote;
    request.secure = secure;
    begin_work();
    Response answer;
    try {
      answer = handler_(Context(stop_), request);
    } catch (const std::exception&) {
      answer = {};
      answer.status = 500;
      answer.body = "An internal failure happened.\n";
    }
    end_work();
    http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
    for (const auto& [name, value] : answer.headers.fields()) response.insert(name, value);
    response.set(http::field::server, "Coffer");
    response.body() = std::move(answer.body);
    return response;
  }

  void begin_work() {
    std::lock_guard lock(mutex_);
    ++at_work_;
  }
  void end_work() {
    std::lock_guard lock(mutex_);
    if (--at_work_ == 0) at_work_changed_.notify_all();
  }

  const Options options_;
  const Handler handler_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopped_{false};
  StopSource stop_;
  std::mutex mutex_;
  std::condition_variable at_work_changed_;
  size_t at_work_ = 0;
  std::shared_ptr<asio::ssl::context> tls_;
  std::atomic<uint64_t> connections_open_{0}, connections_total_{0}, requests_total_{0}, malformed_total_{0};
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Options& options, Handler handler) {
  auto server = std::make_unique<BeastServer>(options, std::move(handler));
  COFFER_CHECK_OK(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace coffer::wire
