#include "edge/wire/server_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "edge/wire/sigv4_canonical.h"

namespace coffer::wire {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::nanoseconds;

constexpr size_t kReadSize = 64 << 10;
constexpr size_t kStreamPieceSize = 128 << 10;
/// Small bodies of all connections together; beyond, whoever wants to send one is told to come again.
constexpr size_t kBufferedBodiesSizeMax = 128 << 20;
/// Bodies up to this are not worth counting.
constexpr size_t kUncountedBodySize = 16 << 10;
/// A body that the handler did not read is read and dropped up to this, to keep the connection.
constexpr uint64_t kDrainSizeMax = 256 << 10;
/// A client that still sends while it is refused would lose the answer if the connection just closed.
constexpr std::chrono::seconds kLingerTime{2};
constexpr uint64_t kLingerSizeMax = 64 << 20;
/// What an idle connection may keep of its buffer.
constexpr size_t kIdleBufferSizeMax = 4 << 10;
constexpr int kBriefInARowMax = 16;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr Refusal kBusy{503, "This server is busy. Please try again.\n"};
constexpr Refusal kFailed{500, "An internal failure happened.\n"};
constexpr Refusal kBrokenChunks{400, "The chunks of the request's body are not well-formed.\n"};

/// One per thread: between two waits only one connection reads.
MutableByteView read_buffer() {
  thread_local std::array<std::byte, kReadSize> buffer;
  return buffer;
}

template <class Completion>
class Resumption final : public TaskPool::Job {
 public:
  explicit Resumption(Completion completion) : completion_(std::move(completion)) {}
  void run() override { std::move(completion_)(); }

 private:
  Completion completion_;
};

/// The caller goes on on a task of the pool, in a place that it reserved, until it waits again.
asio::awaitable<void> enter_task(TaskPool& tasks) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [&tasks](auto completion) {
        using Completion = std::decay_t<decltype(completion)>;
        tasks.submit(std::make_unique<Resumption<Completion>>(std::move(completion)));
      },
      asio::use_awaitable);
}

bool asks_to_close(const Headers& headers) { return same_name(headers.get("connection"), "close"); }

std::string remote_of(const tcp::socket& socket) {
  boost::system::error_code failed;
  const asio::ip::address address = socket.remote_endpoint(failed).address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return failed ? "" : address.to_string();
}

/// A part of kBufferedBodiesSizeMax, given back at the end.
class BufferShare {
 public:
  explicit BufferShare(std::atomic<size_t>& total) : total_(total) {}
  ~BufferShare() { total_ -= held_; }
  BufferShare(const BufferShare&) = delete;
  BufferShare& operator=(const BufferShare&) = delete;
  bool grow_to(size_t size) {
    if (size <= kUncountedBodySize || size <= held_) return true;
    const size_t more = size - held_;
    if (total_.fetch_add(more) + more > kBufferedBodiesSizeMax) {
      total_ -= more;
      return false;
    }
    held_ = size;
    return true;
  }

 private:
  std::atomic<size_t>& total_;
  size_t held_ = 0;
};

}  // namespace

struct Connection::Exchange {
  explicit Exchange(ServerShared& shared) : buffer_share(shared.buffered_bodies_bytes) {}
  Request request;
  bool keep_alive = false, is_http_1_0 = false, is_chunked = false;
  bool continue_due = false;  // the client waits for 100 before it sends its body
  std::string prefix;         // of a streamed body: what was taken before it turned out to be long
  size_t prefix_begin = 0;
  BufferShare buffer_share;
  std::optional<Response> response;
};

/// Read on the task of the handler, which it makes wait for the client: the socket's own buffer is the bounded pipe.
class Connection::StreamedBody final : public BodySource {
 public:
  StreamedBody(Connection& connection, Exchange& exchange)
      : connection_(connection), exchange_(exchange), pace_(connection.shared_.options.body_stall_timeout) {}

  Result<size_t> read(const Context& context, MutableByteView out) override {
    COFFER_CHECK_OK(context.check());
    if (failure_) return *failure_;
    auto size = read_or_fail(out);
    if (!size.ok()) failure_ = size.error();
    return size;
  }

 private:
  Result<size_t> read_or_fail(MutableByteView out) {
    if (out.empty()) return size_t{0};
    if (exchange_.prefix_begin < exchange_.prefix.size()) return take_prefix(out);
    while (!connection_.framing_.is_done()) {
      if (!connection_.unread().empty()) {
        const auto step = connection_.framing_.step(as_text(connection_.unread()), out);
        connection_.consume(step.consumed);
        if (step.produced > 0) return step.produced;
        if (connection_.framing_.is_broken()) ++connection_.shared_.malformed_total;
        if (connection_.framing_.is_broken())
          return Error{ErrorCode::kInvalidArgument, std::string(kBrokenChunks.text), {}};
        continue;
      }
      if (std::exchange(exchange_.continue_due, false))
        COFFER_CHECK_OK(lost_unless(connection_.write_blocking(as_bytes(kContinue), pace_)));
      COFFER_TRY(const size_t size, receive(out));
      if (size > 0) return size;
    }
    return size_t{0};
  }

  size_t take_prefix(MutableByteView out) {
    const size_t size = std::min(out.size(), exchange_.prefix.size() - exchange_.prefix_begin);
    std::memcpy(out.data(), exchange_.prefix.data() + exchange_.prefix_begin, size);
    exchange_.prefix_begin += size;
    if (exchange_.prefix_begin == exchange_.prefix.size()) std::string().swap(exchange_.prefix);
    return size;
  }

  /// Into `out` when the bytes are the body's as they are; into the connection's buffer (and 0) otherwise.
  Result<size_t> receive(MutableByteView out) {
    const std::optional<uint64_t> left = connection_.framing_.left();
    const MutableByteView direct =
        left ? out.first(static_cast<size_t>(std::min<uint64_t>(*left, out.size()))) : MutableByteView{};
    for (;;) {
      const IoResult got = left ? connection_.transport_.read(direct) : connection_.read_some();
      if (got.state == IoState::kDone) {
        pace_.moved(got.size);
        if (!left) return size_t{0};
        connection_.framing_.skip(got.size);
        return got.size;
      }
      if (got.state == IoState::kClosed)
        return lost(Error{ErrorCode::kUnavailable, "the client went away before the end of its request", {}});
      COFFER_CHECK_OK(lost_unless(connection_.wait_blocking(got.state, pace_)));
    }
  }

  Error lost(Error error) {
    connection_.is_lost_ = true;
    return error;
  }
  Status lost_unless(Status status) {
    if (!status.ok()) connection_.is_lost_ = true;
    return status;
  }

  Connection& connection_;
  Exchange& exchange_;
  Pace pace_;
  std::optional<Error> failure_;
};

void Connections::add(Connection* connection) {
  std::lock_guard lock(mutex_);
  open_.insert(connection);
}

void Connections::remove(Connection* connection) {
  std::lock_guard lock(mutex_);
  open_.erase(connection);
  if (open_.empty()) changed_.notify_all();
}

size_t Connections::size() const {
  std::lock_guard lock(mutex_);
  return open_.size();
}

bool Connections::wait_until_none(std::optional<nanoseconds> grace) {
  std::unique_lock lock(mutex_);
  const auto none = [this] { return open_.empty(); };
  if (grace) return changed_.wait_for(lock, *grace, none);
  changed_.wait(lock, none);
  return true;
}

void ServerShared::tell_failure(std::string_view doing) const noexcept {
  if (!options.on_failure) return;
  try {
    try {
      throw;
    } catch (const std::exception& thrown) {
      options.on_failure(std::string(doing) + ": " + thrown.what());
    } catch (...) {
      options.on_failure(doing);
    }
  } catch (...) {
    // Told as far as it went.
  }
}

Connection::Connection(ServerShared& shared, tcp::socket socket, std::shared_ptr<const TlsContext> tls)
    : shared_(shared),
      socket_(std::move(socket)),
      descriptor_(socket_.native_handle()),
      transport_(descriptor_, std::move(tls)),
      remote_ip_(remote_of(socket_)) {
  shared_.connections.add(this);
  ++shared_.connections_total;
}

// Out of the set first: whoever visits it uses the descriptor.
Connection::~Connection() { shared_.connections.remove(this); }

void Connection::cut_if_late(MonoTime now) {
  if (deadline_nanos_.load(std::memory_order_relaxed) <= now.nanos) cut();
}
// A request that came in at the same moment is still read and answered.
void Connection::end_if_idle() {
  if (is_idle_) ::shutdown(descriptor_, SHUT_RD);
}
void Connection::cut() { ::shutdown(descriptor_, SHUT_RDWR); }

asio::awaitable<void> Connection::run() {
  if (transport_.is_secure()) {
    const bool agreed = co_await handshake();
    if (!agreed) co_return;
  }
  for (bool again = true; again;) {
    HeadOutcome outcome = co_await read_head();
    if (std::holds_alternative<Lost>(outcome)) co_return;
    if (const Refusal* refusal = std::get_if<Refusal>(&outcome)) {
      ++shared_.malformed_total;
      again = co_await refuse(*refusal, false);
    } else {
      again = co_await serve(std::move(std::get<Head>(outcome)));
    }
    if (is_lost_) co_return;
  }
  co_await linger();
}

asio::awaitable<bool> Connection::handshake() {
  const MonoTime begin = shared_.clock.mono();
  is_idle_ = false;
  for (;;) {
    const IoResult result = transport_.handshake();
    if (result.state == IoState::kDone) co_return true;
    const nanoseconds left = shared_.options.header_timeout - (shared_.clock.mono() - begin);
    if (result.state == IoState::kClosed || left <= nanoseconds(0)) co_return false;
    co_await wait_for(result.state, left);
  }
}

asio::awaitable<Connection::HeadOutcome> Connection::read_head() {
  const Server::Options& options = shared_.options;
  HeadScanner scanner({.size_max_bytes = options.header_size_max_bytes, .count_max = options.header_count_max});
  MonoTime begin = shared_.clock.mono();
  is_idle_ = unread().empty();
  // Whoever ends idle connections either saw that this one is, or we see here that they began.
  if (is_idle_ && shared_.draining) co_return Lost::kClosed;
  if (is_idle_ && in_.capacity() > kIdleBufferSizeMax) std::string().swap(in_);
  if (is_idle_ && !transport_.has_pending())
    co_await wait_for(IoState::kWantRead,
                      std::exchange(is_first_, false) ? options.header_timeout : options.idle_timeout);
  for (;;) {
    // Empty lines before a request are to be overlooked.
    while (as_text(unread()).starts_with("\r\n")) consume(2);
    if (!unread().empty() && as_text(unread()) != "\r") {
      const HeadScanner::State state = scanner.scan(as_text(unread()));
      if (state == HeadScanner::State::kRefused) co_return scanner.refusal();
      if (state == HeadScanner::State::kComplete) break;
    }
    const IoResult got = read_some();
    if (got.state == IoState::kDone) {
      if (is_idle_.exchange(false)) begin = shared_.clock.mono();
      continue;
    }
    const nanoseconds left = options.header_timeout - (shared_.clock.mono() - begin);
    if (got.state == IoState::kClosed || left <= nanoseconds(0)) co_return Lost::kClosed;
    co_await wait_for(got.state, is_idle_ ? nanoseconds(options.idle_timeout) : left);
  }
  std::variant<Head, Refusal> parsed = parse_head(as_text(unread()).substr(0, scanner.size()));
  if (const Refusal* refusal = std::get_if<Refusal>(&parsed)) co_return *refusal;
  consume(scanner.size());
  co_return std::move(std::get<Head>(parsed));
}

asio::awaitable<bool> Connection::serve(Head head) {
  Exchange exchange(shared_);
  framing_ = head.is_chunked ? BodyFraming::of_chunks() : BodyFraming::of_length(head.content_length.value_or(0));
  exchange.is_chunked = head.is_chunked;
  exchange.keep_alive = head.keep_alive;
  exchange.is_http_1_0 = head.is_http_1_0;
  exchange.continue_due = head.expects_continue && !framing_.is_done();
  exchange.request.method = std::move(head.method);
  exchange.request.target = std::move(head.target);
  exchange.request.headers = std::move(head.headers);
  exchange.request.content_length = head.content_length;
  exchange.request.remote_ip = remote_ip_;
  exchange.request.secure = transport_.is_secure();

  // A client that waits to be told is told by the handler, which may refuse instead.
  const bool is_long = head.content_length.value_or(0) > shared_.options.small_body_size_bytes ||
                       (exchange.continue_due && (head.is_chunked || unread().empty()));
  const bool is_head = exchange.request.method == "HEAD";
  if (!is_long && !framing_.is_done()) {
    const std::optional<Refusal> refusal = co_await buffer_body(exchange);
    if (is_lost_) co_return false;
    if (refusal) {
      if (framing_.is_broken()) ++shared_.malformed_total;
      co_return co_await refuse(*refusal, false, is_head);
    }
  }
  if (!framing_.is_done()) exchange.request.stream = std::make_unique<StreamedBody>(*this, exchange);
  exchange.response = call_brief_handler(exchange);
  if (exchange.response) {
    const bool again = co_await answer(exchange);
    // One that has sent many requests at once must not keep this thread from the others.
    if (++brief_in_a_row_ >= kBriefInARowMax) co_await yield();
    co_return again;
  }
  if (!shared_.tasks.reserve()) {
    co_return co_await refuse(kBusy, exchange.keep_alive && framing_.is_done(), is_head);
  }
  co_await enter_task(shared_.tasks);
  exchange.response = call_handler(exchange);
  co_return co_await answer(exchange);
}

asio::awaitable<std::optional<Refusal>> Connection::buffer_body(Exchange& exchange) {
  Pace pace(shared_.options.body_stall_timeout);
  std::string& body = exchange.request.body;
  if (!exchange.buffer_share.grow_to(static_cast<size_t>(exchange.request.content_length.value_or(0)))) co_return kBusy;
  for (;;) {
    if (!unread().empty()) {
      const size_t old_size = body.size();
      body.resize(old_size + unread().size());
      const auto step = framing_.step(as_text(unread()), std::as_writable_bytes(std::span(body)).subspan(old_size));
      body.resize(old_size + step.produced);
      consume(step.consumed);
      if (framing_.is_broken()) co_return kBrokenChunks;
      if (exchange.is_chunked && body.size() > shared_.options.small_body_size_bytes && !framing_.is_done()) {
        exchange.prefix = std::exchange(body, {});
        co_return std::nullopt;
      }
      if (exchange.is_chunked && !exchange.buffer_share.grow_to(body.size())) co_return kBusy;
    }
    if (framing_.is_done()) co_return std::nullopt;
    if (std::exchange(exchange.continue_due, false)) {
      const bool sent = co_await write_all(as_bytes(kContinue));
      if (!sent) co_return std::nullopt;
    }
    const IoResult got = read_some();
    if (got.state == IoState::kDone) {
      pace.moved(got.size);
      continue;
    }
    if (got.state == IoState::kClosed || pace.patience() <= nanoseconds(0)) {
      is_lost_ = true;
      co_return std::nullopt;
    }
    const MonoTime begin = shared_.clock.mono();
    co_await wait_for(got.state, pace.patience());
    pace.waited(shared_.clock.mono() - begin);
  }
}

Response Connection::call_handler(Exchange& exchange) {
  ++shared_.requests_total;
  if (shared_.stopped) return refusal_response(kBusy);
  try {
    return shared_.handler(Context(shared_.stop), exchange.request);
  } catch (...) {  // a broken invariant of ours: this request dies, the server lives
    shared_.tell_failure("a " + exchange.request.method + " request was answered 500");
    return refusal_response(kFailed);
  }
}

std::optional<Response> Connection::call_brief_handler(Exchange& exchange) {
  if (!shared_.options.brief_handler || exchange.request.stream || shared_.stopped) return std::nullopt;
  std::optional<Response> response;
  try {
    response = shared_.options.brief_handler(Context(shared_.stop), exchange.request);
    COFFER_ASSERT(!response || !response->stream);  // sending one waits
  } catch (...) {
    shared_.tell_failure("a " + exchange.request.method + " request was answered 500");
    response = refusal_response(kFailed);
  }
  if (response) ++shared_.requests_total;
  return response;
}

AnswerHead Connection::answer_defaults(bool keep_alive) const {
  AnswerHead head;
  head.keep_alive = keep_alive;
  head.now = shared_.clock.wall();
  return head;
}

asio::awaitable<bool> Connection::answer(Exchange& exchange) {
  if (is_lost_) co_return false;
  Response& response = *exchange.response;
  AnswerHead head = answer_defaults(exchange.keep_alive && !shared_.draining && !asks_to_close(response.headers));
  head.is_http_1_0 = exchange.is_http_1_0;
  if (!framing_.is_done()) {
    const bool can_drain = !exchange.continue_due && framing_.left().value_or(UINT64_MAX) <= kDrainSizeMax;
    head.keep_alive = head.keep_alive && can_drain;
    client_may_send_ = true;
  }
  const bool is_head = exchange.request.method == "HEAD";
  if (response.stream && !is_head && !is_bodiless(response.status)) {
    const bool sent = send_stream(exchange, response, head);
    if (!sent) co_return false;
    co_return co_await drain();
  }
  const std::optional<uint64_t> length =
      response.stream ? response.stream_size : std::optional<uint64_t>(response.body.size());
  const bool tells_length =
      !is_bodiless(response.status) && length && !(is_head && response.headers.has("content-length"));
  head.framing = {tells_length ? AnswerFraming::Kind::kLength : AnswerFraming::Kind::kNone, length.value_or(0)};
  std::optional<std::string> text = answer_head(response, head);
  std::string body;
  if (!text) {
    head.keep_alive = false;
    text = refusal_answer(kFailed, head, is_head);
  } else if (!is_head && !is_bodiless(response.status)) {
    body = std::move(response.body);
  }
  if (body.size() <= kReadSize) text->append(std::exchange(body, {}));
  bool sent = co_await write_all(as_bytes(*text));
  if (sent && !body.empty()) sent = co_await write_all(as_bytes(body));
  if (!sent || !head.keep_alive) co_return false;
  co_return co_await drain();
}

bool Connection::send_stream(Exchange& exchange, Response& response, AnswerHead head) {
  using Kind = AnswerFraming::Kind;
  constexpr size_t kSizeLineMax = 16;  // hex digits of a piece and CR LF
  Bytes buffer(kSizeLineMax + kStreamPieceSize + 2);
  const MutableByteView piece = MutableByteView(buffer).subspan(kSizeLineMax, kStreamPieceSize);
  const Context context(shared_.stop);
  Pace pace(shared_.options.body_stall_timeout);
  const auto write = [&](ByteView data) {
    const bool sent = write_blocking(data, pace).ok();
    is_lost_ = is_lost_ || !sent;
    return sent;
  };
  const auto read = [&]() -> Result<size_t> {
    try {
      return response.stream->read(context, piece);
    } catch (const std::exception& e) {
      return Error{ErrorCode::kInternal, e.what(), {}};
    }
  };

  head.framing.kind = response.stream_size ? Kind::kLength : exchange.is_http_1_0 ? Kind::kUntilClose : Kind::kChunked;
  head.framing.length = response.stream_size.value_or(0);
  if (head.framing.kind == Kind::kUntilClose) head.keep_alive = false;
  // The first piece before the head: what fails now can still be told.
  Result<size_t> size = read();
  const std::optional<std::string> text = size.ok() ? answer_head(response, head) : std::nullopt;
  if (!text) return !is_lost_ && write(as_bytes(refusal_answer(kFailed, head))) && head.keep_alive;
  if (!write(as_bytes(*text))) return false;
  uint64_t left = head.framing.length;
  for (; size.ok() && *size > 0; size = read()) {
    COFFER_ASSERT(*size <= piece.size());
    ByteView data = piece.first(*size);
    if (head.framing.kind == Kind::kLength && *size > left) break;
    left -= head.framing.kind == Kind::kLength ? *size : 0;
    if (head.framing.kind == Kind::kChunked) {
      std::string line = "\r\n";
      for (size_t rest = *size; rest > 0; rest >>= 4) line.insert(line.begin(), "0123456789abcdef"[rest & 15]);
      std::memcpy(buffer.data() + kSizeLineMax - line.size(), line.data(), line.size());
      std::memcpy(buffer.data() + kSizeLineMax + *size, "\r\n", 2);
      data = ByteView(buffer).subspan(kSizeLineMax - line.size(), line.size() + *size + 2);
    }
    if (!write(data)) return false;
  }
  // Half a body must not look like a whole one: without its length or last chunk the client sees that it broke off.
  if (!size.ok() || *size > 0 || left > 0) {
    is_lost_ = true;
    return false;
  }
  if (head.framing.kind == Kind::kChunked && !write(as_bytes("0\r\n\r\n"))) return false;
  return head.keep_alive;
}

asio::awaitable<bool> Connection::refuse(const Refusal& refusal, bool keep_alive, bool is_head) {
  keep_alive = keep_alive && !shared_.draining;
  client_may_send_ = client_may_send_ || !keep_alive;
  const std::string text = refusal_answer(refusal, answer_defaults(keep_alive), is_head);
  const bool sent = co_await write_all(as_bytes(text));
  co_return sent&& keep_alive;
}

asio::awaitable<bool> Connection::write_all(ByteView data) {
  Pace pace(shared_.options.body_stall_timeout);
  while (!data.empty()) {
    const IoResult result = transport_.write(data);
    if (result.state == IoState::kDone) {
      pace.moved(result.size);
      data = data.subspan(result.size);
      continue;
    }
    if (result.state == IoState::kClosed || pace.patience() <= nanoseconds(0)) {
      is_lost_ = true;
      co_return false;
    }
    const MonoTime begin = shared_.clock.mono();
    co_await wait_for(result.state, pace.patience());
    pace.waited(shared_.clock.mono() - begin);
  }
  co_return true;
}

/// Reads what the handler left of the body. Only called for what is short.
asio::awaitable<bool> Connection::drain() {
  const MonoTime begin = shared_.clock.mono();
  while (!framing_.is_done()) {
    if (!unread().empty()) {
      consume(framing_.step(as_text(unread()), read_buffer()).consumed);
      if (framing_.is_broken()) co_return false;
      continue;
    }
    const IoResult got = read_some();
    if (got.state == IoState::kDone) continue;
    const nanoseconds left = shared_.options.body_stall_timeout - (shared_.clock.mono() - begin);
    if (got.state == IoState::kClosed || left <= nanoseconds(0)) {
      is_lost_ = true;
      co_return false;
    }
    co_await wait_for(got.state, left);
  }
  client_may_send_ = false;
  co_return true;
}

asio::awaitable<void> Connection::linger() {
  transport_.end_writing();
  if (!client_may_send_) co_return;
  const MonoTime begin = shared_.clock.mono();
  for (uint64_t dropped = 0; dropped < kLingerSizeMax;) {
    const IoResult got = transport_.read(read_buffer());
    dropped += got.size;
    if (got.state == IoState::kDone) continue;
    const nanoseconds left = kLingerTime - (shared_.clock.mono() - begin);
    if (got.state == IoState::kClosed || left <= nanoseconds(0)) co_return;
    co_await wait_for(got.state, left);
  }
}

asio::awaitable<void> Connection::yield() {
  brief_in_a_row_ = 0;
  co_await asio::post(socket_.get_executor(), asio::use_awaitable);
}

asio::awaitable<void> Connection::wait_for(IoState wanted, nanoseconds patience) {
  brief_in_a_row_ = 0;
  boost::system::error_code ignored;  // the next read or write tells
  set_deadline(patience);
  co_await socket_.async_wait(wanted == IoState::kWantWrite ? tcp::socket::wait_write : tcp::socket::wait_read,
                              asio::redirect_error(asio::use_awaitable, ignored));
  deadline_nanos_.store(INT64_MAX, std::memory_order_relaxed);
}

void Connection::set_deadline(nanoseconds from_now) {
  deadline_nanos_.store(shared_.clock.mono().nanos + from_now.count(), std::memory_order_relaxed);
}

Status Connection::wait_blocking(IoState wanted, Pace& pace) {
  const Error too_slow{ErrorCode::kDeadlineExceeded, "the client is too slow", {}};
  const nanoseconds patience = pace.patience();
  if (patience <= nanoseconds(0)) return too_slow;
  pollfd wait{
      .fd = descriptor_, .events = static_cast<short>(wanted == IoState::kWantWrite ? POLLOUT : POLLIN), .revents = 0};
  const MonoTime begin = shared_.clock.mono();
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
  const int ready = ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(millis, INT32_MAX)));
  pace.waited(shared_.clock.mono() - begin);
  if (ready == 0) return too_slow;
  return ok_status();
}

Status Connection::write_blocking(ByteView data, Pace& pace) {
  while (!data.empty()) {
    const IoResult result = transport_.write(data);
    if (result.state == IoState::kClosed) return Error{ErrorCode::kUnavailable, "the client went away", {}};
    if (result.state != IoState::kDone) {
      COFFER_CHECK_OK(wait_blocking(result.state, pace));
      continue;
    }
    pace.moved(result.size);
    data = data.subspan(result.size);
  }
  return ok_status();
}

IoResult Connection::read_some() {
  const MutableByteView buffer = read_buffer();
  const IoResult got = transport_.read(buffer);
  if (got.state != IoState::kDone) return got;
  if (in_begin_ > 0) {
    in_.erase(0, in_begin_);
    in_begin_ = 0;
  }
  in_ += as_text(buffer.first(got.size));
  return got;
}

void Connection::consume(size_t size) {
  in_begin_ += size;
  if (in_begin_ < in_.size()) return;
  in_.clear();
  in_begin_ = 0;
}

}  // namespace coffer::wire
