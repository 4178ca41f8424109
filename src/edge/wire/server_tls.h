// TLS of the server: the context that certificates are read into, and the state of one connection.
#pragma once
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace coffer::wire {

/// Certificate, key and settings (TLS 1.2 and 1.3, ciphers with forward secrecy). Immutable; connections share it.
class TlsContext {
 public:
  /// PEM files; the certificate may be followed by its chain. kInvalidArgument when they cannot be used together.
  static Result<std::shared_ptr<const TlsContext>> create(const std::string& certificate_file,
                                                          const std::string& private_key_file);
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  [[nodiscard]] ssl_ctx_st* get() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

enum class IoState { kDone, kWantRead, kWantWrite, kClosed };
/// kDone: `size` bytes were moved, at least one. kClosed: the other side ended, or the connection failed.
struct IoResult {
  IoState state = IoState::kClosed;
  size_t size = 0;
};

/// A connected, non-blocking socket, plain or with TLS. Nothing here waits: the caller does, for what the result wants.
/// Used by one thread at a time. Does not own the descriptor.
class Transport {
 public:
  /// `tls` may be null.
  Transport(int descriptor, std::shared_ptr<const TlsContext> tls);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] bool is_secure() const { return ssl_ != nullptr; }
  /// TLS only: kDone with size 0 once it is complete.
  IoResult handshake();
  IoResult read(MutableByteView out);
  /// Part of `data` may be moved. After kWantRead or kWantWrite the same bytes must be given again.
  IoResult write(ByteView data);
  /// Tells the other side that nothing more is sent.
  void end_writing();
  /// Something can be read that no wait on the socket would tell of.
  [[nodiscard]] bool has_pending() const;

 private:
  const int descriptor_;
  const std::shared_ptr<const TlsContext> tls_;
  ssl_st* ssl_ = nullptr;
};

}  // namespace coffer::wire
