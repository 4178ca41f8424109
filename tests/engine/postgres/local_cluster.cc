#include "engine/postgres/local_cluster.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/piece_writer.h"

namespace coffer::postgres::test {

namespace fs = std::filesystem;

std::vector<int> majors_under_test() {
  std::vector<int> majors;
  for (int major = 13; major <= 18; ++major)
    if (TestServer::binaries(major)) majors.push_back(major);
  return majors;
}

std::unique_ptr<TestServer> make_server(int major, const Settings& settings, bool data_checksums,
                                        const std::vector<std::string>& initdb_args) {
  TestServerOptions options;
  options.major = major;
  options.settings = settings;
  options.data_checksums = data_checksums;
  options.initdb_args = initdb_args;
  return TestServer::create(options);
}

std::unique_ptr<TestServer> start_server_on(const std::string& data_directory, int major, const Settings& settings) {
  TestServerOptions options;
  options.major = major;
  options.settings = settings;
  options.existing_data_directory = data_directory;
  return TestServer::create(options);
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = "/tmp/coffer-XXXXXX";
  if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
  chmod(pattern.c_str(), 0755);
  path_ = pattern;
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

LocalOptions local_options(const TestServer& server) {
  LocalOptions options;
  options.conninfo = server.conninfo();
  return options;
}

void MoneyLoad::prepare(TestServer& cluster, int accounts) {
  cluster.sql(
      "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL DEFAULT 0, filler text DEFAULT repeat('x', "
      "80))");
  cluster.sql("CREATE TABLE history (id bigserial PRIMARY KEY, account int, delta bigint)");
  cluster.sql("INSERT INTO accounts (id) SELECT generate_series(1, " + std::to_string(accounts) + ")");
}

MoneyLoad::MoneyLoad(TestServer& cluster, int sessions) {
  for (int s = 0; s < sessions; ++s) {
    threads_.emplace_back([this, info = cluster.conninfo()] {
      auto connection = must(connect({}, info, ConnectionKind::kSql));
      for (unsigned i = 0; !stop_.stop_requested(); ++i) {
        const std::string delta = std::to_string(i % 1000);
        auto moved = connection->query(
            {}, "WITH a AS (SELECT 1 + (random() * 999)::int AS id), u AS (UPDATE accounts SET balance = balance + " +
                    delta +
                    " FROM a WHERE accounts.id = a.id RETURNING accounts.id)"
                    " INSERT INTO history (account, delta) SELECT id, " +
                    delta + " FROM u");
        if (!moved.ok() && moved.code() == ErrorCode::kUnavailable) return;
      }
    });
  }
}
void MoneyLoad::stop() {
  stop_.request_stop();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}
MoneyLoad::~MoneyLoad() { stop(); }

namespace {

// Lets a test act between two pieces, and notes their order.
class WatchedSource final : public Source {
 public:
  WatchedSource(Source& inner, Copy& copy, const std::function<void(size_t)>& between)
      : inner_(inner), copy_(copy), between_(between) {}
  Result<SourceStart> begin(const Context& context) override { return inner_.begin(context); }
  Result<std::optional<Piece>> next(const Context& context) override {
    if (between_ && !finished_) between_(count_++);
    auto piece = inner_.next(context);
    if (piece.ok() && *piece && (*piece)->offset == 0) copy_.order.push_back((*piece)->file->path);
    return piece;
  }
  Result<SourceEnd> finish(const Context& context) override {
    finished_ = true;
    return inner_.finish(context);
  }

 private:
  Source& inner_;
  Copy& copy_;
  const std::function<void(size_t)>& between_;
  size_t count_ = 0;
  bool finished_ = false;
};

}  // namespace

Copy take_copy(Source& source, const TemporaryFolder& folder, const std::function<void(size_t)>& between) {
  Copy copy;
  copy.data = folder.path("copy");
  copy.work = folder.path("work");
  fs::create_directories(copy.work);
  chmod(copy.work.c_str(), 0700);
  WatchedSource watched(source, copy, between);
  auto assembled = testing_support::assemble_copy(watched, copy.data, 1);
  testing_support::point_tablespaces_at_copy(assembled, copy.data);
  copy.start = std::move(assembled.start);
  copy.end = std::move(assembled.end);
  for (SourceFile& file : assembled.files) copy.files.emplace(file.path, std::move(file));
  for (const TablespaceLink& link : copy.start.tablespaces)
    copy.tablespace_directories.push_back(copy.data + "-tablespaces/" + std::to_string(link.oid));
  return copy;
}

ScratchOptions scratch_options(const Copy& copy) {
  ScratchOptions options;
  options.data_directory = copy.data;
  options.work_directory = copy.work;
  options.binaries = *TestServer::binaries(copy.start.major);
  options.control = *copy.end.control;
  options.superuser = "postgres";
  options.tablespace_directories = copy.tablespace_directories;
  options.start_timeout = std::chrono::seconds(120);
  return options;
}

std::unique_ptr<ScratchServer> boot(const Copy& copy) {
  return must(start_scratch_server({}, files(), system_clock(), processes(), scratch_options(copy)));
}

std::string scratch_value(const ScratchServer& server, const std::string& sql, const std::string& database) {
  auto connection = must(connect({}, server.conninfo(database), ConnectionKind::kSql));
  Rows rows = must(connection->query({}, sql));
  return rows.empty() ? "" : rows[0].text(0);
}

PosixFileSystem& files() {
  static PosixFileSystem instance;
  return instance;
}
SystemClock& system_clock() {
  static SystemClock instance;
  return instance;
}
SystemProcesses& processes() {
  static SystemProcesses instance;
  return instance;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
}

}  // namespace coffer::postgres::test
