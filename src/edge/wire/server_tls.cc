#include "edge/wire/server_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

namespace coffer::wire {
namespace {

IoResult plain_read(int descriptor, MutableByteView out) {
  for (;;) {
    const ssize_t size = ::recv(descriptor, out.data(), out.size(), MSG_DONTWAIT);
    if (size > 0) return {IoState::kDone, static_cast<size_t>(size)};
    if (size < 0 && errno == EINTR) continue;
    return {size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? IoState::kWantRead : IoState::kClosed, 0};
  }
}

IoResult plain_write(int descriptor, ByteView data) {
  for (;;) {
    const ssize_t size = ::send(descriptor, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) return {IoState::kDone, static_cast<size_t>(size)};
    if (errno == EINTR) continue;
    return {errno == EAGAIN || errno == EWOULDBLOCK ? IoState::kWantWrite : IoState::kClosed, 0};
  }
}

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a client that went away would end the process by SIGPIPE.

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

int bio_read(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const IoResult result =
      plain_read(descriptor_of(bio), {reinterpret_cast<std::byte*>(out), static_cast<size_t>(size)});
  if (result.state == IoState::kDone) return static_cast<int>(result.size);
  if (result.state == IoState::kWantRead) {
    BIO_set_retry_read(bio);
    return -1;
  }
  return 0;
}

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const IoResult result =
      plain_write(descriptor_of(bio), {reinterpret_cast<const std::byte*>(data), static_cast<size_t>(size)});
  if (result.state == IoState::kDone) return static_cast<int>(result.size);
  if (result.state == IoState::kWantWrite) BIO_set_retry_write(bio);
  return -1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "coffer socket");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, bio_create);
    return made;
  }();
  return method;
}

/// The newest reason in OpenSSL's queue, which is emptied.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text != nullptr ? text : "unknown reason";
}

/// HTTP/1.1 is what we speak; a client that offers only others is told so now and not by garbage later.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

IoResult tls_result(SSL* ssl, int returned) {
  switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_WANT_READ: return {IoState::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE: return {IoState::kWantWrite, 0};
    default: ERR_clear_error(); return {IoState::kClosed, 0};
  }
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const std::string& certificate_file,
                                                             const std::string& private_key_file) {
  ERR_clear_error();
  SSL_CTX* const raw = SSL_CTX_new(TLS_server_method());
  if (raw == nullptr) throw std::bad_alloc();
  auto context = std::make_shared<const TlsContext>(raw);
  const bool is_set = SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
  COFFER_ASSERT(is_set);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Buffers go back while a connection is idle: they are most of what it costs.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, certificate_file.c_str()) != 1)
    return Error{ErrorCode::kInvalidArgument, "the certificate " + certificate_file + ": " + openssl_reason(),
                 "it must be a PEM file, the chain behind the certificate"};
  if (SSL_CTX_use_PrivateKey_file(raw, private_key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(raw) != 1)
    return Error{ErrorCode::kInvalidArgument, "the private key " + private_key_file + ": " + openssl_reason(),
                 "it must be a PEM file without passphrase and belong to the certificate"};
  return std::shared_ptr<const TlsContext>(std::move(context));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Transport::Transport(int descriptor, std::shared_ptr<const TlsContext> tls)
    : descriptor_(descriptor), tls_(std::move(tls)) {
  if (tls_ == nullptr) return;
  ssl_ = SSL_new(tls_->get());
  BIO* const bio = ssl_ != nullptr ? BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) {
    SSL_free(ssl_);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)));
  SSL_set_bio(ssl_, bio, bio);  // which owns it now
  SSL_set_accept_state(ssl_);
}

Transport::~Transport() { SSL_free(ssl_); }

IoResult Transport::handshake() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_);
  return returned == 1 ? IoResult{IoState::kDone, 0} : tls_result(ssl_, returned);
}

IoResult Transport::read(MutableByteView out) {
  if (ssl_ == nullptr) return plain_read(descriptor_, out);
  ERR_clear_error();
  size_t size = 0;
  const int returned = SSL_read_ex(ssl_, out.data(), out.size(), &size);
  return returned == 1 ? IoResult{IoState::kDone, size} : tls_result(ssl_, returned);
}

IoResult Transport::write(ByteView data) {
  if (ssl_ == nullptr) return plain_write(descriptor_, data);
  ERR_clear_error();
  size_t size = 0;
  const int returned = SSL_write_ex(ssl_, data.data(), data.size(), &size);
  return returned == 1 ? IoResult{IoState::kDone, size} : tls_result(ssl_, returned);
}

void Transport::end_writing() {
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_)) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  ::shutdown(descriptor_, SHUT_WR);
}

bool Transport::has_pending() const { return ssl_ != nullptr && SSL_has_pending(ssl_) == 1; }

}  // namespace coffer::wire
