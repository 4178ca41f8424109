// The catalogs that the contract suites run on.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "services/catalog/database.h"
#include "support/postgres_server.h"

namespace coffer::catalog {

enum class Backend { kFile, kMemory, kPostgres };

inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kFile ? "SqliteFile" : info.param == Backend::kMemory ? "SqliteMemory" : "Postgres";
}

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

/// One server for the whole test program; each test has a database of its own in it.
class SharedServer {
 public:
  static testing_support::TestServer& get() {
    static std::unique_ptr<testing_support::TestServer> server = testing_support::TestServer::create();
    return *server;
  }
  static std::string new_database() {
    static int count = 0;
    const std::string name = "catalog_" + std::to_string(++count);
    // The database's own order of texts is a language's on purpose.
    get().sql("CREATE DATABASE " + name);
    return uri(get(), name);
  }
  static std::string uri(const testing_support::TestServer& server, const std::string& database) {
    // conninfo: "host='/dir' port=... user=... dbname=..."
    const std::string info = server.conninfo(database);
    return "postgresql:///?" + as_query(info);
  }

 private:
  static std::string as_query(const std::string& info) {
    std::string query;
    for (size_t at = 0; at < info.size();) {
      while (at < info.size() && info[at] == ' ') ++at;
      const size_t equals = info.find('=', at);
      if (equals == std::string::npos) break;
      std::string key = info.substr(at, equals - at), value;
      at = equals + 1;
      if (at < info.size() && info[at] == '\'') {
        const size_t end = info.find('\'', at + 1);
        value = info.substr(at + 1, end - at - 1);
        at = end + 1;
      } else {
        const size_t end = std::min(info.find(' ', at), info.size());
        value = info.substr(at, end - at);
        at = end;
      }
      if (!query.empty()) query += '&';
      query += key + '=';
      for (char c : value) {
        if (c == '/' || c == '%' || c == '&') {
          query += '%';
          query += to_hex(as_bytes(std::string_view(&c, 1)));
        } else {
          query += c;
        }
      }
    }
    return query;
  }
};

class Folder {
 public:
  Folder() {
    SystemEntropy entropy;
    path_ = std::filesystem::temp_directory_path() / ("coffer-catalog-test-" + random_uuid(entropy));
    std::filesystem::create_directory(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name = "catalog.db") const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// A test with an empty catalog of the parameter's kind.
class CatalogTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (GetParam() == Backend::kPostgres) COFFER_NEED_POSTGRES(15);
    where_ = GetParam() == Backend::kFile     ? folder_.file()
             : GetParam() == Backend::kMemory ? ":memory:"
                                              : SharedServer::new_database();
    open();
  }
  void open() {
    database_.reset();
    database_ = must(Database::open(where_));
  }

  [[nodiscard]] bool is_postgres() const { return GetParam() == Backend::kPostgres; }
  Database& database() { return *database_; }
  std::unique_ptr<Transaction> read() { return must(database_->begin(context_, Database::Mode::kRead)); }
  std::unique_ptr<Transaction> write() { return must(database_->begin(context_, Database::Mode::kWrite)); }
  /// Runs one statement in a writing transaction of its own.
  void change(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    auto transaction = write();
    must(transaction->run(sql, parameters));
    must(transaction->commit());
  }
  int64_t number(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    return must(read()->run(sql, parameters)).at(0).integer(0);
  }
  void migrate(std::string_view sql) {
    const Migration one[] = {{90, "a test's tables", sql}};
    must(database_->migrate(context_, one));
  }

  Folder folder_;
  std::string where_;
  Context context_;
  std::unique_ptr<Database> database_;
};

#define COFFER_ON_EVERY_CATALOG(suite)                                                                             \
  INSTANTIATE_TEST_SUITE_P(All, suite,                                                                             \
                           testing::Values(::coffer::catalog::Backend::kFile, ::coffer::catalog::Backend::kMemory, \
                                           ::coffer::catalog::Backend::kPostgres),                                 \
                           ::coffer::catalog::backend_name)
#define COFFER_ON_SQLITE(suite)                                                                                     \
  INSTANTIATE_TEST_SUITE_P(All, suite,                                                                              \
                           testing::Values(::coffer::catalog::Backend::kFile, ::coffer::catalog::Backend::kMemory), \
                           ::coffer::catalog::backend_name)

}  // namespace coffer::catalog
