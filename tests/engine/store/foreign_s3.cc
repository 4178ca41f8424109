#include "engine/store/foreign_s3.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

namespace coffer::store {
namespace {

std::string program_path() {
  if (const char* named = std::getenv("COFFER_VERSITYGW")) return named;
  const char* cache = std::getenv("COFFER_CACHE");
  return std::string(cache ? cache : "/var/cache/coffer") + "/servers/versitygw/versitygw";
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

}  // namespace

ForeignS3* ForeignS3::running() {
  static const std::unique_ptr<ForeignS3> server = [] {
    const std::string program = program_path();
    if (::access(program.c_str(), X_OK) != 0) return std::unique_ptr<ForeignS3>();
    return std::unique_ptr<ForeignS3>(new ForeignS3(program));
  }();
  return server.get();
}

std::string ForeignS3::why_not() {
  return "there is no " + program_path() + ": scripts/setup-clients --servers builds it";
}

ForeignS3::ForeignS3(const std::string& program) {
  std::filesystem::create_directories(directory_.path("data/bucket"));
  std::filesystem::create_directories(directory_.path("iam"));
  port_ = free_port();
  const std::string log = directory_.path("log");
  const std::string listen = "127.0.0.1:" + std::to_string(port_);
  const std::string data = directory_.path("data");
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(file, 1);
    ::dup2(file, 2);
    ::execl(program.c_str(), program.c_str(), "--access", "foreign", "--secret", "foreignsecret", "--port",
            listen.c_str(), "--region", "us-east-1", "--quiet", "posix", data.c_str(), nullptr);
    ::_exit(127);
  }
  for (int tries = 0; tries < 400 && !answers(); ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (!answers()) throw std::runtime_error("the foreign S3 server does not start; it says in " + log + " why");
}

ForeignS3::~ForeignS3() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

bool ForeignS3::answers() const {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port_));
  const bool connected = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return connected;
}

std::string ForeignS3::fresh_url() {
  return "s3://bucket/vault-" + std::to_string(++prefixes_) + "?endpoint=http://127.0.0.1:" + std::to_string(port_) +
         "&region=us-east-1";
}

EnvironmentVariables ForeignS3::environment() const {
  return {{"AWS_ACCESS_KEY_ID", "foreign"},
          {"AWS_SECRET_ACCESS_KEY", "foreignsecret"},
          {"AWS_EC2_METADATA_DISABLED", "true"}};
}

}  // namespace coffer::store
