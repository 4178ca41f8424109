// A PostgreSQL server made of a script: speaks protocol version 3 on a socket of its own, lets everybody in, and
// answers commands as it is told to, however wrong.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace coffer::testing_support {

/// One session's way back to the client. Once the client is gone, everything is dropped and `alive()` is false.
class Wire {
 public:
  explicit Wire(int socket) : socket_(socket) {}
  using Values = std::vector<std::optional<std::string>>;

  void rows(const std::vector<Values>& rows, size_t columns);
  void row(const Values& values) { rows({values}, values.size()); }
  void complete(const std::string& tag);
  void copy_begin(char type = 'H');  // 'H' out, 'G' in, 'W' both
  void copy_data(const std::string& bytes);
  void copy_done() { message('c', ""); }
  void notice(const std::string& severity, const std::string& text);
  void error(const std::string& severity, const std::string& sqlstate, const std::string& text);
  void ready() { message('Z', "I"); }
  void message(char type, const std::string& body);
  void raw(const std::string& bytes);
  void hang_up();
  [[nodiscard]] bool alive() const { return alive_; }

 private:
  int socket_;
  bool alive_ = true;
};

class ScriptedPostgres {
 public:
  struct Script {
    std::string version = "15.1";
    std::map<std::string, std::function<void(Wire&)>> answers = {};  // by the first word of a command, or the whole
  };
  explicit ScriptedPostgres(Script script);
  ~ScriptedPostgres();
  ScriptedPostgres(const ScriptedPostgres&) = delete;
  ScriptedPostgres& operator=(const ScriptedPostgres&) = delete;
  [[nodiscard]] std::string conninfo() const { return "host=" + directory_ + " port=5432 user=x dbname=x"; }

 private:
  void serve();
  void serve_session(int socket);
  void answer(Wire& wire, const std::string& command);

  const Script script_;
  std::string directory_;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread task_;
};

}  // namespace coffer::testing_support
