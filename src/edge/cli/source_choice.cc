#include "edge/cli/source_choice.h"

#include "engine/postgres/connection.h"

namespace coffer::cli {

namespace {

// A Unix socket has no address. A loopback address that only leads to a container is told by the server's side of it.
constexpr const char* kQuestion =
    "SELECT inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1',"
    " current_setting('data_directory', true)";

SourceChoice stream(std::string because) { return {false, std::move(because)}; }

}  // namespace

SourceChoice choose_source(const Context& context, FileSystem& files, const std::string& conninfo,
                           const std::string& pgdata) {
  if (!pgdata.empty()) return {true, "a data directory was given"};
  auto with_database = postgres::conninfo_with_default_database(conninfo, "postgres");
  if (!with_database.ok()) return stream("the connection string is not clear");
  auto connection = postgres::connect(context, *with_database, postgres::ConnectionKind::kSql);
  if (!connection.ok()) return stream("an ordinary connection is refused");
  auto rows = (*connection)->query(context, kQuestion);
  if (!rows.ok() || rows->empty()) return stream("this role is not told where the data directory is");
  const postgres::Row& row = rows->front();
  if (row.text(0) != "t") return stream("the server runs elsewhere");
  const std::string& directory = row.text(1);
  if (directory.empty()) return stream("this role is not told where the data directory is");
  if (!files.open_file(directory + "/global/pg_control").ok()) return stream(directory + " cannot be read from here");
  return {true, directory + " can be read from here"};
}

}  // namespace coffer::cli
