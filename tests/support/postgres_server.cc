#include "support/postgres_server.h"

#include <pwd.h>
#include <signal.h>  // NOLINT: SIGINT and SIGQUIT are POSIX
#include <stdlib.h>  // NOLINT: mkdtemp is POSIX
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace coffer::testing_support {
namespace {

namespace fs = std::filesystem;

struct User {
  uint32_t uid, gid;
};

/// Whom the server runs as, where that is not ourselves.
std::optional<User> server_user() {
  if (geteuid() != 0) return std::nullopt;
  const passwd* entry = getpwnam("postgres");
  if (entry == nullptr) throw std::runtime_error("these tests run as root, so they need a user called postgres");
  return User{entry->pw_uid, entry->pw_gid};
}

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

SystemProcesses& processes() {
  static SystemProcesses instance;
  return instance;
}

}  // namespace

std::optional<std::string> TestServer::binaries(int major) {
  std::string number = std::to_string(major);
  std::vector<std::string> folders;
  if (const char* given = getenv(("COFFER_PG_BIN_" + number).c_str()); given != nullptr) folders.emplace_back(given);
  folders.push_back("/usr/lib/postgresql/" + number + "/bin");
  for (const std::string& folder : folders) {
    if (fs::exists(folder + "/initdb") && fs::exists(folder + "/postgres")) return folder;
  }
  return std::nullopt;
}

void TestServer::give_to_server_user(const std::string& path) {
  auto user = server_user();
  if (!user) return;
  if (lchown(path.c_str(), user->uid, user->gid) != 0) fail("cannot chown " + path);
  if (!fs::is_directory(fs::symlink_status(path))) return;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (lchown(entry.path().c_str(), user->uid, user->gid) != 0) fail("cannot chown " + entry.path().string());
  }
}

TestServer::TestServer(TestServerOptions options) : options_(std::move(options)) {
  auto found = binaries(options_.major);
  if (!found) fail("no PostgreSQL " + std::to_string(options_.major));
  binaries_ = *found;
  // The path of the socket may have 107 bytes, so the folder is made where names are short.
  std::string pattern = "/tmp/coffer-pg-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) fail("cannot make a folder in /tmp");
  work_directory_ = pattern;
  give_to_server_user(work_directory_);
  log_path_ = work_directory_ + "/server.log";
  data_directory_ =
      options_.existing_data_directory.empty() ? work_directory_ + "/data" : options_.existing_data_directory;
}

std::unique_ptr<TestServer> TestServer::create(TestServerOptions options) {
  std::unique_ptr<TestServer> server(new TestServer(std::move(options)));
  if (server->options_.existing_data_directory.empty()) server->init_cluster();
  server->start();
  return server;
}

TestServer::~TestServer() {
  if (process_) (void)process_->signal(SIGQUIT);
  // Backends leave the server's own group, so it gets the chance to end them before it is killed.
  if (process_) (void)process_->wait_for(std::chrono::seconds(10));
  process_.reset();
  std::error_code ignored;
  fs::remove_all(work_directory_, ignored);
}

ProcessSpec TestServer::spec(std::vector<std::string> argv) const {
  ProcessSpec out;
  out.argv = std::move(argv);
  out.environment = {{"PATH", binaries_ + ":/usr/bin:/bin"},
                     {"LC_ALL", "C"},
                     {"TZ", "UTC"},
                     {"PGHOST", work_directory_},
                     {"PGUSER", "postgres"},
                     {"HOME", work_directory_}};
  out.working_directory = work_directory_;
  if (auto user = server_user()) {
    out.uid = user->uid;
    out.gid = user->gid;
  }
  return out;
}

ProcessResult TestServer::run(std::vector<std::string> argv, std::chrono::seconds timeout) const {
  std::string name = argv.front();
  auto result = processes().run(Context(), spec(std::move(argv)), timeout);
  if (!result.ok()) fail(name + ": " + result.error().message);
  return *std::move(result);
}

std::unique_ptr<Process> TestServer::start_program(std::vector<std::string> argv) const {
  auto started = processes().start(spec(std::move(argv)));
  if (!started.ok()) fail(started.error().message);
  return *std::move(started);
}

std::optional<std::string> TestServer::tool(const std::string& name) const {
  std::string path = binaries_ + "/" + name;
  return fs::exists(path) ? std::optional(path) : std::nullopt;
}

void TestServer::init_cluster() {
  std::vector<std::string> argv = {binaries_ + "/initdb", "--pgdata", data_directory_, "--no-sync",
                                   "--username",          "postgres", "--auth",        "trust",
                                   "--encoding",          "UTF8",     "--locale",      "C"};
  if (options_.data_checksums) argv.emplace_back("--data-checksums");
  if (!options_.data_checksums && options_.major >= 18) argv.emplace_back("--no-data-checksums");
  argv.insert(argv.end(), options_.initdb_args.begin(), options_.initdb_args.end());
  ProcessResult result = run(std::move(argv));
  if (result.exit_code != 0) fail("initdb: " + result.output);
}

void TestServer::start() {
  std::map<std::string, std::string> settings = {{"listen_addresses", ""},
                                                 {"unix_socket_directories", work_directory_},
                                                 {"port", "5432"},
                                                 {"fsync", "off"},
                                                 {"shared_buffers", "16MB"},
                                                 {"huge_pages", "off"},
                                                 {"jit", "off"}};
  for (const auto& [name, value] : options_.settings) settings[name] = value;
  std::vector<std::string> argv = {binaries_ + "/postgres", "-D", data_directory_};
  for (const auto& [name, value] : settings) {
    argv.emplace_back("-c");
    argv.push_back(name + "=" + value);
  }
  ProcessSpec server = spec(std::move(argv));
  server.output_path = log_path_;
  auto started = processes().start(server);
  if (!started.ok()) fail(started.error().message);
  process_ = *std::move(started);

  // Waiting on the process for a moment tells at once when it gave up.
  constexpr std::chrono::milliseconds kPause{20};
  for (auto left = std::chrono::milliseconds(options_.start_timeout); left.count() > 0; left -= kPause) {
    auto connection = postgres::connect(Context(), conninfo(), postgres::ConnectionKind::kSql);
    if (connection.ok()) return;
    auto ended = process_->wait_for(kPause);
    if (!ended.ok() || *ended) break;
  }
  std::string text = log();
  process_.reset();
  fail("the server did not start: " + text);
}

void TestServer::shut_down(int signal_number) {
  if (!process_) return;
  (void)process_->signal(signal_number);
  auto ended = process_->wait_for(std::chrono::seconds(60));
  if (!ended.ok() || !*ended) fail("the server did not stop: " + log());
  process_.reset();
}

void TestServer::stop() { shut_down(SIGINT); }
void TestServer::crash() { shut_down(SIGQUIT); }

std::string TestServer::conninfo(const std::string& database, const std::string& user) const {
  return "host=" + work_directory_ + " port=5432 user=" + user + " dbname=" + database;
}

std::string TestServer::log() const {
  std::ifstream in(log_path_, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::unique_ptr<postgres::Connection> TestServer::connect(const std::string& database,
                                                          postgres::ConnectionKind kind) const {
  auto connection = postgres::connect(Context(), conninfo(database), kind);
  if (!connection.ok()) fail(connection.error().message);
  return *std::move(connection);
}

postgres::Rows TestServer::sql(const std::string& statements, const std::string& database) const {
  auto connection = connect(database);
  auto rows = connection->query(Context(), statements);
  if (!rows.ok()) fail(statements + ": " + rows.error().message);
  return *std::move(rows);
}

std::string TestServer::value(const std::string& query, const std::string& database) const {
  postgres::Rows rows = sql(query, database);
  if (rows.size() != 1 || rows[0].values.size() != 1) fail("not one value: " + query);
  return rows[0].text(0);
}

}  // namespace coffer::testing_support
