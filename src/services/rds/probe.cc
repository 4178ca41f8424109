#include "services/rds/probe.h"

#include <cstdlib>

#include "engine/postgres/connection.h"
#include "engine/postgres/control_file.h"
#include "services/rds/conninfo.h"

namespace coffer::rds {
namespace {

constexpr int kMajorMin = 13, kMajorMax = 18;
constexpr int kSendersNeeded = 2;  // the base backup's and its WAL's
constexpr size_t kControlFileMax = 64 << 10;

class ServerProbe {
 public:
  ServerProbe(const Context& context, FileSystem& files, const DatabaseAccess& access, Conninfo conninfo)
      : context_(context), files_(files), access_(access), conninfo_(std::move(conninfo)) {}

  Result<Probe> run() {
    const std::string text = to_text(access_.conninfo.view());
    auto sql = postgres::connect(context_, text, postgres::ConnectionKind::kSql);
    if (!sql.ok()) return std::move(sql).error();
    sql_ = sql->get();
    COFFER_CHECK_OK(identity());
    version();
    local_ = !access_.data_directory.empty();
    role();
    settings();
    if (local_)
      data_directory();
    else
      replication(text);
    return std::move(probe_);
  }

 private:
  void found(std::string what, std::string next_step) {
    probe_.findings.push_back({std::move(what), std::move(next_step)});
  }
  /// The one value of a query; nothing when it is refused, or null.
  std::optional<std::string> ask(const std::string& query) {
    auto rows = sql_->query(context_, query);
    if (!rows.ok() || rows->empty()) return std::nullopt;
    return rows->front().values[0];
  }
  std::string value(const std::string& key) const {
    const auto entry = conninfo_.find(key);
    return entry == conninfo_.end() ? std::string() : entry->second;
  }

  Status identity() {
    probe_.host = value("host").empty() ? value("hostaddr") : value("host");
    probe_.port = value("port").empty() ? 5432 : std::atoi(value("port").c_str());
    probe_.user = ask("SELECT current_user").value_or(value("user"));
    probe_.database = ask("SELECT current_database()").value_or(value("dbname"));
    const auto system = ask("SELECT system_identifier FROM pg_control_system()");
    if (system) probe_.system_identifier = std::strtoull(system->c_str(), nullptr, 10);
    if (!system)
      found("role " + probe_.user + " may not ask which cluster this is (pg_control_system)",
            "GRANT EXECUTE ON FUNCTION pg_control_system() TO " + role_name() + ";");
    if (system && access_.system_identifier != 0 && probe_.system_identifier != access_.system_identifier)
      return Error{ErrorCode::kFailedPrecondition,
                   "the server at " + probe_.host + ":" + std::to_string(probe_.port) + " is cluster " + *system +
                       ", and the registered one is " + std::to_string(access_.system_identifier),
                   "correct the address, or remove the database and add the new cluster under a name of its own"};
    const auto size =
        ask("SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database WHERE datallowconn AND "
            "(has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'MEMBER'))");
    if (size) probe_.size_bytes = std::strtoull(size->c_str(), nullptr, 10);
    return ok_status();
  }

  [[nodiscard]] std::string role_name() const { return postgres::quote_identifier(probe_.user); }

  void version() {
    const int number = sql_->server_version_num();
    probe_.engine_version = std::to_string(number / 10000) + "." + std::to_string(number % 10000);
    if (number / 10000 < kMajorMin || number / 10000 > kMajorMax)
      found("PostgreSQL " + probe_.engine_version + " is not supported: " + std::to_string(kMajorMin) + " to " +
                std::to_string(kMajorMax) + " are",
            "upgrade the server, or use a version of this program that knows it");
  }

  void role() {
    const std::string quoted = postgres::quote_literal(probe_.user);
    const bool super = ask("SELECT rolsuper FROM pg_roles WHERE rolname = " + quoted).value_or("") == "t";
    if (super) return;
    if (!local_) {
      if (ask("SELECT rolreplication FROM pg_roles WHERE rolname = " + quoted).value_or("") != "t")
        found("role " + probe_.user + " has no REPLICATION attribute", "ALTER ROLE " + role_name() + " REPLICATION;");
      return;
    }
    const bool at_least_15 = sql_->major() >= 15;
    for (const char* function :
         {at_least_15 ? "pg_backup_start(text, boolean)" : "pg_start_backup(text, boolean, boolean)",
          at_least_15 ? "pg_backup_stop(boolean)" : "pg_stop_backup(boolean, boolean)"}) {
      if (ask("SELECT has_function_privilege(" + postgres::quote_literal(function) + ", 'EXECUTE')").value_or("") !=
          "t")
        found("role " + probe_.user + " may not call " + function,
              "GRANT EXECUTE ON FUNCTION " + std::string(function) + " TO " + role_name() + ";");
    }
  }

  void settings() {
    if (ask("SHOW wal_level").value_or("") == "minimal")
      found("wal_level is minimal: no backup of a running server is possible",
            "ALTER SYSTEM SET wal_level = 'replica'; then restart the server");
    if (local_) return;
    const int most = std::atoi(ask("SHOW max_wal_senders").value_or("0").c_str());
    if (most < kSendersNeeded) {
      found("max_wal_senders is " + std::to_string(most) + ", and a backup needs " + std::to_string(kSendersNeeded),
            "ALTER SYSTEM SET max_wal_senders = 10; then restart the server");
    } else {
      const int used = std::atoi(ask("SELECT count(*) FROM pg_stat_replication").value_or("0").c_str());
      if (most - used < kSendersNeeded)
        found(std::to_string(used) + " of " + std::to_string(most) + " WAL senders are in use, and a backup needs " +
                  std::to_string(kSendersNeeded),
              "ALTER SYSTEM SET max_wal_senders = " + std::to_string(most + 10) + "; then restart the server");
    }
  }

  void replication(const std::string& text) {
    auto connection = postgres::connect(context_, text, postgres::ConnectionKind::kReplication);
    if (connection.ok()) return;
    const Error& error = connection.error();
    if (error.message.find("pg_hba.conf") != std::string::npos) {
      const std::string client = ask("SELECT host(inet_client_addr())").value_or("");
      const std::string line = client.empty()
                                   ? "local replication " + role_name() + " scram-sha-256"
                                   : "host replication " + role_name() + " " + client +
                                         (client.find(':') == std::string::npos ? "/32" : "/128") + " scram-sha-256";
      const std::string file = ask("SHOW hba_file").value_or("pg_hba.conf");
      return found(
          "pg_hba.conf lets " + probe_.user + " in by SQL and not for replication (\"all\" does not include it)",
          "add to " + file + ":  " + line + "   and then: SELECT pg_reload_conf();");
    }
    // The missing attribute is a finding already, with its own remedy.
    if (!probe_.findings.empty() && error.code == ErrorCode::kPermissionDenied) return;
    found("a replication connection is refused: " + error.message,
          error.next_step.empty() ? "see the server's log" : error.next_step);
  }

  void data_directory() {
    const std::string& path = access_.data_directory;
    const auto told = ask("SELECT current_setting('data_directory', true)");
    if (!told)
      found("role " + probe_.user + " is not told where the server's data directory is",
            "GRANT pg_read_all_settings TO " + role_name() + ";");
    auto contents = files_.read_file(path + "/global/pg_control", kControlFileMax);
    if (!contents.ok())
      return found(path + " cannot be read from here: " + contents.error().message,
                   "run the daemon on the database's machine as its user or as root, or register the database without "
                   "a data directory");
    const auto control = postgres::parse_control_file(*contents);
    if (!control.ok())
      return found(path + "/global/pg_control: " + control.error().message, "check the data directory");
    if (probe_.system_identifier != 0 && control->system_identifier != probe_.system_identifier)
      found(path + " belongs to cluster " + std::to_string(control->system_identifier) + ", and the server is " +
                std::to_string(probe_.system_identifier),
            "correct the data directory" + (told && !told->empty() ? ": the server's is " + *told : std::string()));
  }

  const Context& context_;
  FileSystem& files_;
  const DatabaseAccess& access_;
  Conninfo conninfo_;
  postgres::Connection* sql_ = nullptr;
  bool local_ = false;
  Probe probe_;
};

}  // namespace

Result<Probe> probe_server(const Context& context, FileSystem& files, const DatabaseAccess& access) {
  COFFER_TRY(Conninfo conninfo, parse_conninfo(as_text(access.conninfo.view())));
  return ServerProbe(context, files, access, std::move(conninfo)).run();
}

}  // namespace coffer::rds
