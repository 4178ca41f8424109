// What the tests of the local reader, the scratch server and the cluster checks share: a live cluster with a load on
// it, and a copy of it put together from the pieces of a source.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/local_source.h"
#include "engine/postgres/scratch_server.h"
#include "engine/postgres/source.h"
#include "support/postgres_server.h"

namespace coffer::postgres::test {

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error("unexpected failure: " + result.error().message);
  return std::move(result).value();
}

using testing_support::TestServer;
using testing_support::TestServerOptions;

/// The majors whose server programs are here: 15 of Debian, others where COFFER_PG_BIN_<major> names them.
std::vector<int> majors_under_test();

using Settings = std::map<std::string, std::string>;
std::unique_ptr<TestServer> make_server(int major, const Settings& settings = {}, bool data_checksums = true,
                                        const std::vector<std::string>& initdb_args = {});
/// A server on a data directory that is there already and stays.
std::unique_ptr<TestServer> start_server_on(const std::string& data_directory, int major, const Settings& settings);

/// A folder below the temporary directory with a short name, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
};

/// Moves money between accounts and writes each move down, from several sessions, until destroyed. The sum of balances
/// always equals the sum of the history.
class MoneyLoad {
 public:
  static void prepare(TestServer& cluster, int accounts);
  MoneyLoad(TestServer& cluster, int sessions);
  ~MoneyLoad();
  void stop();

 private:
  StopSource stop_;
  std::vector<std::thread> threads_;
};

/// A source read to its end into a folder, as a restore would lay it out.
struct Copy {
  SourceStart start;
  SourceEnd end;
  std::map<std::string, SourceFile> files;
  std::vector<std::string> order;  // of their first pieces
  std::vector<std::string> tablespace_directories;
  std::string data, work;
};
/// `between` is called before each piece of the first phase, with the number of pieces so far.
Copy take_copy(Source& source, const TemporaryFolder& folder, const std::function<void(size_t)>& between = {});

ScratchOptions scratch_options(const Copy& copy);
std::unique_ptr<ScratchServer> boot(const Copy& copy);
std::string scratch_value(const ScratchServer& server, const std::string& sql,
                          const std::string& database = "postgres");

PosixFileSystem& files();
SystemClock& system_clock();
SystemProcesses& processes();

LocalOptions local_options(const TestServer& server);
std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

}  // namespace coffer::postgres::test
