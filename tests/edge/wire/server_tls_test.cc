#include <openssl/ssl.h>

#include <cstdlib>
#include <optional>

#include "edge/wire/server_testing.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A self-signed certificate and its key, by the openssl tool, below `directory`.
void make_certificate(const TemporaryDirectory& directory, const std::string& name) {
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + name + " -keyout " +
      directory.path(name + ".key") + " -out " + directory.path(name + ".crt") + " 2>" + directory.path("log");
  if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl req failed");
}

Response say_how(const Context&, Request& request) {
  Response response;
  response.body = request.secure ? "secure" : "plain";
  return response;
}

struct SslFree {
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
};

class TlsClient {
 public:
  explicit TlsClient(uint16_t port, int version = 0, const char* protocols = nullptr)
      : client_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);  // so that old versions are offered at all
    if (version != 0) {
      SSL_CTX_set_min_proto_version(context_.get(), version);
      SSL_CTX_set_max_proto_version(context_.get(), version);
    }
    ssl_.reset(SSL_new(context_.get()));
    if (protocols != nullptr)
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols),
                          static_cast<unsigned>(std::strlen(protocols)));
    SSL_set_fd(ssl_.get(), client_.descriptor());
    is_connected_ = client_.is_connected() && SSL_connect(ssl_.get()) == 1;
  }
  [[nodiscard]] bool is_connected() const { return is_connected_; }
  /// The CN of the server's certificate.
  [[nodiscard]] std::string subject() const {
    X509* const certificate = SSL_get1_peer_certificate(ssl_.get());
    char text[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
    X509_free(certificate);
    return text;
  }
  [[nodiscard]] std::string version() const { return SSL_get_version(ssl_.get()); }
  /// The whole answer to a request for a short one; empty when the connection is gone.
  std::string ask(std::string_view request) {
    SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size()));
    std::string answer;
    char bytes[10000];
    for (;;) {
      const size_t head = answer.find("\r\n\r\n"), length = answer.find("Content-Length: ");
      if (head != std::string::npos && length != std::string::npos &&
          answer.size() >= head + 4 + std::stoul(answer.substr(length + 16)))
        return answer;
      const int size = SSL_read(ssl_.get(), bytes, sizeof bytes);
      if (size <= 0) return answer;
      answer.append(bytes, static_cast<size_t>(size));
    }
  }
  bool write(std::string_view text) { return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0; }
  /// Frees what TLS costs on this side; the connection stays.
  void forget() { ssl_.reset(), context_.reset(); }
  [[nodiscard]] SSL* ssl() { return ssl_.get(); }

 private:
  Client client_;
  std::unique_ptr<SSL_CTX, SslFree> context_;
  std::unique_ptr<SSL, SslFree> ssl_;
  bool is_connected_ = false;
};

class Tls : public ::testing::Test {
 protected:
  Tls() {
    make_certificate(directory, "first");
    options.certificate_file = directory.path("first.crt");
    options.private_key_file = directory.path("first.key");
  }
  TemporaryDirectory directory;
  Server::Options options;
};

TEST_F(Tls, IsSpokenInVersions12And13Only) {
  auto server = start_server(options, say_how);
  for (int version : {TLS1_VERSION, TLS1_1_VERSION}) EXPECT_FALSE(TlsClient(server->port(), version).is_connected());
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server->port(), version);
    ASSERT_TRUE(client.is_connected());
    EXPECT_TRUE(client.ask(kGet).ends_with("secure"));
    EXPECT_TRUE(client.ask(kGet).ends_with("secure"));
    EXPECT_EQ(client.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  }
}

TEST_F(Tls, RefusesWeakCiphersAndOtherProtocols) {
  auto server = start_server(options, say_how);
  for (const char* cipher : {"ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-SHA384"}) {
    Client client(server->port());
    std::unique_ptr<SSL_CTX, SslFree> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context.get(), cipher);
    std::unique_ptr<SSL, SslFree> ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), client.descriptor());
    EXPECT_NE(SSL_connect(ssl.get()), 1) << cipher;
  }
  EXPECT_TRUE(TlsClient(server->port(), 0, "\x02h2\x08http/1.1").is_connected());
  EXPECT_FALSE(TlsClient(server->port(), 0, "\x02h2").is_connected());
}

TEST_F(Tls, IsSpokenOffLoopback) {
  options.host = "0.0.0.0";
  auto server = start_server(options, say_how);
  EXPECT_TRUE(TlsClient(server->port()).ask(kGet).ends_with("secure"));
}

TEST_F(Tls, GivesNothingToAPlainClient) {
  auto server = start_server(options, say_how);
  Client client(server->port());
  EXPECT_EQ(client.ask(kGet).status, 0);
  EXPECT_EQ(server->counts().requests_total, 0U);
}

TEST_F(Tls, CutsAHandshakeThatDoesNotEnd) {
  options.header_timeout = std::chrono::milliseconds(100);
  auto server = start_server(options, say_how);
  Client client(server->port());
  client.send("\x16\x03\x01");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(Tls, TakesANewCertificateWithoutDroppingConnections) {
  auto server = start_server(options, say_how);
  TlsClient old(server->port());
  EXPECT_EQ(old.subject(), "first");

  make_certificate(directory, "second");
  std::filesystem::copy_file(directory.path("second.crt"), options.certificate_file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(fails_with(server->reload_certificate(), ErrorCode::kInvalidArgument,
                         "private key"));  // only half of it is there
  EXPECT_EQ(TlsClient(server->port()).subject(), "first");

  std::filesystem::copy_file(directory.path("second.key"), options.private_key_file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(succeeds(server->reload_certificate()));
  EXPECT_EQ(TlsClient(server->port()).subject(), "second");
  EXPECT_TRUE(old.ask(kGet).ends_with("secure"));

  write_text(options.certificate_file, "no certificate");
  EXPECT_TRUE(fails_with(server->reload_certificate(), ErrorCode::kInvalidArgument, "first.crt"));
  EXPECT_EQ(TlsClient(server->port()).subject(), "second");
}

TEST_F(Tls, SaysWhichFileIsBad) {
  write_text(directory.path("bad"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  Server::Options bad = options;
  bad.certificate_file = directory.path("bad");
  EXPECT_TRUE(fails_with(Server::start(bad, say_how), ErrorCode::kInvalidArgument, bad.certificate_file));
  bad = options;
  bad.private_key_file = directory.path("bad");
  EXPECT_TRUE(fails_with(Server::start(bad, say_how), ErrorCode::kInvalidArgument, bad.private_key_file));
}

TEST_F(Tls, StreamsBothWays) {
  auto server = start_server(options, [](const Context&, Request& request) {
    Response response;
    response.stream = std::move(request.stream);
    response.stream_size = request.content_length;
    return response;
  });
  TlsClient client(server->port());
  constexpr size_t kSize = 8 << 20;
  client.write("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
  // As much as the buffers on the way hold is sent before anything is read.
  const std::string piece(64 << 10, 'x');
  size_t sent = 0, received = 0;
  std::string answer;
  char bytes[65536];
  while (received < kSize) {
    if (sent < kSize) {
      ASSERT_TRUE(client.write(piece));
      sent += piece.size();
    }
    const int size = SSL_read(client.ssl(), bytes, sizeof bytes);
    ASSERT_GT(size, 0) << sent << " " << received;
    if (answer.find("\r\n\r\n") == std::string::npos) {
      answer.append(bytes, static_cast<size_t>(size));
      const size_t end = answer.find("\r\n\r\n");
      if (end != std::string::npos) received = answer.size() - end - 4;
    } else {
      received += static_cast<size_t>(size);
    }
  }
  EXPECT_EQ(received, kSize);
}

TEST_F(Tls, HoldsAThousandIdleConnectionsInLittleMemory) {
  if (!kMemoryIsAsInProduction) GTEST_SKIP() << "a sanitizer's memory is its own";
  auto server = start_server(options, say_how);
  TlsClient(server->port()).ask(kGet);
  const size_t before = resident_size();
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<TlsClient>(server->port()));
    ASSERT_TRUE(clients.back()->ask(kGet).ends_with("secure"));
    clients.back()->forget();
  }
  EXPECT_GE(server->counts().connections_open, 1000U);
  const size_t after = resident_size(), grown = after > before ? after - before : 0;
  RecordProperty("kib_per_connection", std::to_string(grown / 1000 / 1024));
  EXPECT_LT(grown, 48U << 20);
}

}  // namespace
}  // namespace coffer::wire
