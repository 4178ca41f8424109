#include "support/scripted_postgres.h"

#include <poll.h>
#include <stdlib.h>  // NOLINT: mkdtemp is POSIX
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace coffer::testing_support {
namespace {

std::string big_endian(uint64_t value, int width) {
  std::string out;
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string text(const std::string& value) { return value + '\0'; }

bool receive(int socket, std::string& out, size_t size, const std::atomic<bool>& stop) {
  out.clear();
  while (out.size() < size) {
    pollfd waited{socket, POLLIN, 0};
    if (stop) return false;
    if (poll(&waited, 1, 20) == 0) continue;
    char buffer[4096];
    ssize_t n = recv(socket, buffer, std::min(sizeof buffer, size - out.size()), 0);
    if (n <= 0) return false;
    out.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

uint32_t number(const std::string& bytes) {
  uint32_t out = 0;
  for (char c : bytes) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

}  // namespace

void Wire::raw(const std::string& bytes) {
  for (size_t done = 0; alive_ && done < bytes.size();) {
    ssize_t n = send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0)
      alive_ = false;
    else
      done += static_cast<size_t>(n);
  }
}

void Wire::hang_up() {
  shutdown(socket_, SHUT_RDWR);
  alive_ = false;
}

void Wire::message(char type, const std::string& body) { raw(type + big_endian(body.size() + 4, 4) + body); }

void Wire::rows(const std::vector<Values>& rows, size_t columns) {
  std::string description = big_endian(columns, 2);
  for (size_t i = 0; i < columns; ++i) {
    description += text("c") + big_endian(0, 4) + big_endian(0, 2) + big_endian(25, 4) + big_endian(0xffff, 2) +
                   big_endian(0xffffffff, 4) + big_endian(0, 2);
  }
  message('T', description);
  for (const Values& values : rows) {
    std::string body = big_endian(values.size(), 2);
    for (const auto& value : values) body += value ? big_endian(value->size(), 4) + *value : big_endian(0xffffffff, 4);
    message('D', body);
  }
  complete("SELECT");
}

void Wire::complete(const std::string& tag) { message('C', text(tag)); }
void Wire::copy_begin(char type) { message(type, std::string(1, '\0') + big_endian(0, 2)); }
void Wire::copy_data(const std::string& bytes) { message('d', bytes); }

void Wire::notice(const std::string& severity, const std::string& words) {
  message('N', "S" + text(severity) + "V" + text(severity) + "C" + text("01000") + "M" + text(words) + '\0');
}
void Wire::error(const std::string& severity, const std::string& sqlstate, const std::string& words) {
  message('E', "S" + text(severity) + "V" + text(severity) + "C" + text(sqlstate) + "M" + text(words) + '\0');
}

ScriptedPostgres::ScriptedPostgres(Script script) : script_(std::move(script)) {
  std::string pattern = "/tmp/coffer-scripted-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
  directory_ = pattern;
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = directory_ + "/.s.PGSQL.5432";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 8) != 0) {
    throw std::runtime_error("cannot listen at " + path);
  }
  task_ = std::thread([this] { serve(); });
}

ScriptedPostgres::~ScriptedPostgres() {
  stop_ = true;
  task_.join();
  close(listener_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ScriptedPostgres::serve() {
  std::vector<std::thread> sessions;
  while (!stop_) {
    pollfd waited{listener_, POLLIN, 0};
    if (poll(&waited, 1, 20) <= 0) continue;
    int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    sessions.emplace_back([this, socket] {
      serve_session(socket);
      close(socket);
    });
  }
  for (std::thread& session : sessions) session.join();
}

void ScriptedPostgres::serve_session(int socket) {
  std::string length, body;
  if (!receive(socket, length, 4, stop_) || !receive(socket, body, number(length) - 4, stop_)) return;
  Wire wire(socket);
  // Like a server whose pg_hba.conf lets in the walsender only.
  if (body.find("replication") == std::string::npos) {
    wire.error("FATAL", "28000", "no pg_hba.conf entry for host \"[local]\"");
    return;
  }
  wire.message('R', big_endian(0, 4));
  if (!script_.version.empty()) wire.message('S', text("server_version") + text(script_.version));
  wire.message('K', big_endian(1, 4) + big_endian(2, 4));
  wire.ready();
  while (wire.alive()) {
    std::string type, command;
    if (!receive(socket, type, 1, stop_) || !receive(socket, length, 4, stop_)) return;
    if (!receive(socket, command, number(length) - 4, stop_) || type == "X") return;
    // What a client sends in answer to a COPY that it was talked into is of no interest.
    if (type == "Q") answer(wire, command.substr(0, command.size() - 1));
  }
}

void ScriptedPostgres::answer(Wire& wire, const std::string& command) {
  auto found = script_.answers.find(command);
  if (found == script_.answers.end()) found = script_.answers.find(command.substr(0, command.find(' ')));
  if (found == script_.answers.end()) {
    wire.error("ERROR", "42601", "syntax error");
  } else {
    found->second(wire);
  }
  wire.ready();
}

}  // namespace coffer::testing_support
