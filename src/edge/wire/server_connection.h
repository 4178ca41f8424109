// One connection: requests are read while no task is held, handled on a task, answered.
#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <variant>

#include "base/clock.h"
#include "base/context.h"
#include "edge/wire/server.h"
#include "edge/wire/server_answer.h"
#include "edge/wire/server_body.h"
#include "edge/wire/server_head.h"
#include "edge/wire/server_pace.h"
#include "edge/wire/server_tasks.h"
#include "edge/wire/server_tls.h"

namespace coffer::wire {

class Connection;

/// The connections that are open, for those who end them from outside.
class Connections {
 public:
  void add(Connection* connection);
  void remove(Connection* connection);
  [[nodiscard]] size_t size() const;
  /// Connections do not go away meanwhile.
  template <class Visitor>
  void for_each(const Visitor& visit) {
    std::lock_guard lock(mutex_);
    for (Connection* connection : open_) visit(*connection);
  }
  /// False when some are left after `grace`; without one it waits for ever.
  bool wait_until_none(std::optional<std::chrono::nanoseconds> grace);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<Connection*> open_;
};

/// What all connections of a server share.
struct ServerShared {
  ServerShared(const Server::Options& with, Handler to_call)
      : options(with), handler(std::move(to_call)), tasks(with.tasks_max, with.queued_max) {}

  /// The text of the exception that is handled just now. Whoever tells it may find no memory either.
  void tell_failure(std::string_view doing) const noexcept;

  const Server::Options options;
  const Handler handler;
  SystemClock clock;
  StopSource stop;
  std::atomic<bool> draining{false};  // each connection ends after the request it is at
  std::atomic<bool> stopped{false};   // nothing new reaches a handler
  std::atomic<uint64_t> connections_total{0}, requests_total{0}, malformed_total{0};
  std::atomic<size_t> buffered_bodies_bytes{0};
  Connections connections;
  TaskPool tasks;
};

class Connection {
 public:
  /// `shared` outlives the connection. `tls` may be null.
  Connection(ServerShared& shared, boost::asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Serves until the connection ends. The caller keeps this alive meanwhile.
  boost::asio::awaitable<void> run();

  // From any thread, while Connections holds its lock.
  void cut_if_late(MonoTime now);
  void end_if_idle();
  void cut();

 private:
  class StreamedBody;
  friend class StreamedBody;
  /// Why a request cannot be answered any more.
  enum class Lost { kClosed };
  using HeadOutcome = std::variant<Head, Refusal, Lost>;
  /// Of one request.
  struct Exchange;

  boost::asio::awaitable<bool> handshake();
  boost::asio::awaitable<HeadOutcome> read_head();
  boost::asio::awaitable<bool> serve(Head head);
  boost::asio::awaitable<std::optional<Refusal>> buffer_body(Exchange& exchange);
  boost::asio::awaitable<bool> answer(Exchange& exchange);
  boost::asio::awaitable<bool> refuse(const Refusal& refusal, bool keep_alive, bool is_head = false);
  boost::asio::awaitable<bool> write_all(ByteView data);
  boost::asio::awaitable<bool> drain();
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<void> yield();
  boost::asio::awaitable<void> wait_for(IoState wanted, std::chrono::nanoseconds patience);

  Response call_handler(Exchange& exchange);
  std::optional<Response> call_brief_handler(Exchange& exchange);
  bool send_stream(Exchange& exchange, Response& response, AnswerHead head);
  /// On a task: waits in place.
  Status write_blocking(ByteView data, Pace& pace);
  Status wait_blocking(IoState wanted, Pace& pace);

  /// Reads what is there onto the end of `in_`.
  IoResult read_some();
  [[nodiscard]] ByteView unread() const { return as_bytes(std::string_view(in_).substr(in_begin_)); }
  void consume(size_t size);
  void set_deadline(std::chrono::nanoseconds from_now);
  [[nodiscard]] AnswerHead answer_defaults(bool keep_alive) const;

  ServerShared& shared_;
  boost::asio::ip::tcp::socket socket_;
  const int descriptor_;
  Transport transport_;
  std::string remote_ip_;
  std::string in_;
  size_t in_begin_ = 0;
  BodyFraming framing_ = BodyFraming::none();
  bool is_first_ = true;
  bool client_may_send_ = false;  // bytes of a request that was not read to its end
  bool is_lost_ = false;
  int brief_in_a_row_ = 0;  // answers since others had their turn
  std::atomic<int64_t> deadline_nanos_{INT64_MAX};
  std::atomic<bool> is_idle_{true};
};

}  // namespace coffer::wire
