#include "engine/postgres/scratch_config.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace coffer::postgres {

namespace {

constexpr std::array<std::string_view, 8> kTargetSettings = {
    "recovery_target",      "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
    "recovery_target_name", "recovery_target_time",   "recovery_target_timeline",  "recovery_target_xid"};
constexpr std::array<std::string_view, 10> kOtherSettings = {"shared_buffers",
                                                             "work_mem",
                                                             "maintenance_work_mem",
                                                             "temp_file_limit",
                                                             "enable_indexscan",
                                                             "enable_bitmapscan",
                                                             "enable_indexonlyscan",
                                                             "max_parallel_workers_per_gather",
                                                             "max_parallel_maintenance_workers",
                                                             "effective_io_concurrency"};

bool contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos;
}

// A value in postgresql.conf: quotes doubled, backslashes too.
std::string quoted(std::string_view value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

// A value in a connection string: backslash before quote and backslash.
std::string conninfo_value(std::string_view value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

bool wants_targeted_recovery(const std::map<std::string, std::string>& settings) {
  return std::any_of(settings.begin(), settings.end(),
                     [](const auto& s) { return contains(kTargetSettings, s.first); });
}

Result<std::string> scratch_configuration(const ScratchOptions& options, int major) {
  const ControlFile& control = options.control;
  std::map<std::string, std::string> s = {
      {"listen_addresses", ""},
      {"port", std::to_string(kScratchPort)},
      {"unix_socket_directories", options.work_directory},
      {"unix_socket_permissions", "0700"},
      {"hba_file", options.work_directory + "/pg_hba.conf"},
      {"ident_file", options.work_directory + "/pg_ident.conf"},
      // Code that the source chose to load or run.
      {"shared_preload_libraries", ""},
      {"session_preload_libraries", ""},
      {"local_preload_libraries", ""},
      {"archive_mode", "off"},
      {"archive_command", ""},
      {"restore_command", ""},
      {"ssl", "off"},
      {"autovacuum", "off"},
      // Restored subscriptions must not call the real publisher.
      {"max_logical_replication_workers", "0"},
      {"synchronous_standby_names", ""},
      {"primary_conninfo", ""},
      {"primary_slot_name", ""},
      // The copy is thrown away, so nothing needs to be durable.
      {"fsync", "off"},
      {"full_page_writes", "off"},
      {"synchronous_commit", "off"},
      {"max_wal_size", "16GB"},
      {"checkpoint_timeout", "1d"},
      {"wal_level", "replica"},
      {"restart_after_crash", "off"},
      {"huge_pages", "off"},
      {"shared_buffers", "128MB"},
      {"maintenance_work_mem", "64MB"},
      {"jit", "off"},
      {"logging_collector", "off"},
      {"log_destination", "stderr"},
      {"log_line_prefix", ""},
      {"log_statement", "none"},
      {"log_min_messages", "warning"},
      // Statements that fail are answered to the client: a damaged table must not fill the log with itself.
      {"log_min_error_statement", "panic"},
      {"log_timezone", "UTC"},
      {"timezone", "UTC"},
      {"lc_messages", "C"},
      // Connections are accepted only once recovery has ended.
      {"hot_standby", "off"},
      {"max_connections", std::to_string(std::max(control.max_connections, 20))},
      {"max_worker_processes", std::to_string(std::max(control.max_worker_processes, 8))},
      {"max_wal_senders", std::to_string(std::max(control.max_wal_senders, 0))},
      {"max_prepared_transactions", std::to_string(std::max(control.max_prepared_transactions, 0))},
      {"max_locks_per_transaction", std::to_string(std::max(control.max_locks_per_transaction, 64))},
  };
  if (major >= 15) s["archive_library"] = "";
  if (major >= 17) s["event_triggers"] = "off", s["summarize_wal"] = "off";
  if (wants_targeted_recovery(options.settings)) {
    s["restore_command"] = "false";  // everything that recovery needs stands in pg_wal
    s["recovery_target_timeline"] = "current";
    s["recovery_target_action"] = "promote";
  }
  for (const auto& [name, value] : options.settings) {
    if (!contains(kTargetSettings, name) && !contains(kOtherSettings, name))
      return Error{ErrorCode::kInvalidArgument, "a scratch server does not take the setting " + name, {}};
    s[name] = value;
  }
  std::string text;
  for (const auto& [name, value] : s) {
    if (!one_line(value))
      return Error{ErrorCode::kInvalidArgument, "the setting " + name + " of a scratch server has a line break", {}};
    text += name + " = " + quoted(value) + "\n";
  }
  return text;
}

Result<std::string> scratch_hba(const std::string& superuser) {
  if (superuser.empty() || !one_line(superuser))
    return Error{
        ErrorCode::kInvalidArgument, "the name of the cluster's superuser is not known or has a line break", {}};
  std::string name = "\"";
  for (char c : superuser) {
    if (c == '"') name += c;
    name += c;
  }
  return "local all " + name + "\" trust\nlocal all all reject\n";
}

std::string scratch_conninfo(const ScratchOptions& options, int major, const std::string& database) {
  // Settings of the connection win over those of role and database, which come from the source and could load libraries
  // that are not here, hide rows or refuse writes.
  std::string session =
      "-c session_preload_libraries= -c local_preload_libraries= -c search_path=pg_catalog -c role=none -c "
      "row_security=off"
      " -c session_replication_role=replica -c default_transaction_read_only=off -c "
      "default_transaction_isolation=read\\ committed"
      " -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c client_encoding=UTF8"
      " -c zero_damaged_pages=off -c ignore_checksum_failure=off -c ignore_system_indexes=off -c lc_messages=C -c "
      "client_min_messages=error";
  if (major >= 17) session += " -c event_triggers=off -c transaction_timeout=0";
  return "host=" + conninfo_value(options.work_directory) + " port=" + std::to_string(kScratchPort) +
         " user=" + conninfo_value(options.superuser) + " dbname=" + conninfo_value(database) +
         " options=" + conninfo_value(session) + " sslmode=disable gssencmode=disable connect_timeout=10";
}

std::vector<std::string> scratch_command(const ScratchOptions& options) {
  std::vector<std::string> server = {options.binaries + "/postgres", "-D", options.data_directory, "-c",
                                     "config_file=" + options.work_directory + "/postgresql.conf"};
  if (!options.sandbox) return server;
  const std::string installation = parent_of(without_trailing_slash(options.binaries));
  std::vector<std::string> command = {
      "bwrap",
      // Every namespace there is: no network but a dead loopback, no foreign processes, no shared memory of others.
      "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
      // The server refuses uid 0. Inside, our own files belong to this user, whoever we are outside.
      "--uid", "1000", "--gid", "1000", "--hostname", "coffer-scratch", "--ro-bind", "/usr", "/usr", "--ro-bind-try",
      "/lib", "/lib", "--ro-bind-try", "/lib64", "/lib64", "--ro-bind-try", "/bin", "/bin", "--ro-bind-try",
      "/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"};
  auto add = [&](std::initializer_list<std::string> more) { command.insert(command.end(), more); };
  if (!(installation + "/").starts_with("/usr/")) add({"--ro-bind", installation, installation});
  for (const std::string& path : options.tablespace_directories) add({"--bind", path, path});
  add({"--bind", options.data_directory, options.data_directory, "--bind", options.work_directory,
       options.work_directory});
  add({"--setenv", "LC_ALL", "C", "--setenv", "PATH", "/usr/bin:/bin", "--chdir", "/", "--"});
  command.insert(command.end(), server.begin(), server.end());
  return command;
}

}  // namespace coffer::postgres
