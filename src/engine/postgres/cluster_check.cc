#include "engine/postgres/cluster_check.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <mutex>
#include <thread>

#include "base/tasks.h"

namespace coffer::postgres {

namespace {

constexpr size_t kRelationsPerPage = 5000;
constexpr size_t kFindingsMax = 1000;     // per database
constexpr size_t kFindingsPerTable = 20;  // of what verify_heapam reports
constexpr unsigned kConnectionsMax = 4;

struct Relation {
  uint32_t oid = 0;
  char kind = 'r';         // pg_class.relkind: r, m, t, i
  bool is_system = false;  // made by initdb, or a table's own toast
  std::string name;        // quoted, with its schema
  std::string method;      // heap, btree, gin, ...
};

struct Amcheck {
  std::string schema;  // quoted; empty: not available
  bool heap = false, gin = false;
};

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string sqlstate_of(const Error& error) {
  const size_t at = error.message.rfind("(SQLSTATE ");
  return at == std::string::npos ? std::string() : error.message.substr(at + 10, 5);
}

// An error of one relation: damage, or a matter of this machine and the relation's definition?
bool is_damage(const Error& error) {
  const std::string state = sqlstate_of(error);
  if (error.message.starts_with("could not access file") || error.message.starts_with("could not load library"))
    return false;
  constexpr std::array<std::string_view, 5> kNotDamage = {"42", "0A", "53", "22", "57"};
  return std::none_of(kNotDamage.begin(), kNotDamage.end(),
                      [&](std::string_view c) { return std::string_view(state).starts_with(c); });
}

Result<std::vector<Relation>> relations_after(const Context& context, Connection& connection, uint32_t oid) {
  COFFER_TRY(
      Rows rows,
      connection.query(
          context,
          "SELECT c.oid, c.relkind, c.oid < 16384 OR n.nspname = 'pg_toast', pg_catalog.format('%I.%I', n.nspname, "
          "c.relname), am.amname"
          " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
          " LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
          // Unlogged relations are empty after a restore, temporary ones are not in it.
          " WHERE c.relkind IN ('r', 'm', 't', 'i') AND c.relpersistence = 'p'"
          " AND (c.relkind <> 'm' OR c.relispopulated) AND (c.relkind <> 'i' OR (i.indisvalid AND i.indisready))"
          " AND c.oid > " +
              std::to_string(oid) + " ORDER BY c.oid LIMIT " + std::to_string(kRelationsPerPage)));
  std::vector<Relation> out;
  for (const Row& row : rows)
    out.push_back({static_cast<uint32_t>(number(row.text(0))), row.text(1).empty() ? ' ' : row.text(1)[0],
                   row.text(2) == "t", row.text(3), row.text(4)});
  return out;
}

// One database: its relations page by page, each page by several connections.
class DatabaseChecker {
 public:
  DatabaseChecker(const ScratchServer& server, std::string database, bool thorough)
      : server_(server), thorough_(thorough) {
    out_.database = std::move(database);
  }

  Result<DatabaseCheck> run(const Context& context);
  /// The server died on what it read: nothing more can be learned from it.
  [[nodiscard]] bool server_lost() const { return lost_; }

 private:
  Result<std::unique_ptr<Connection>> open_session(const Context& context);
  Status find_amcheck(const Context& context, Connection& connection);
  Status check_page(const Context& context, const std::vector<Relation>& relations);
  Status check_relation(const Context& context, Connection& connection, const Relation& relation);
  Status read_table(const Context& context, Connection& connection, const Relation& relation);
  Status check_index(const Context& context, Connection& connection, const Relation& relation);
  /// Success: the error is noted, go on. An error is only what ends the whole check.
  Status note(const Error& error, const std::string& what);
  void find(std::string text);

  const ScratchServer& server_;
  const bool thorough_;
  Amcheck amcheck_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;  // guards what follows
  DatabaseCheck out_;
  std::vector<std::string> unknown_methods_;
};

void DatabaseChecker::find(std::string text) {
  std::lock_guard lock(mutex_);
  if (out_.findings.size() < kFindingsMax) out_.findings.push_back(std::move(text));
}

Status DatabaseChecker::note(const Error& error, const std::string& what) {
  if (error.code == ErrorCode::kCancelled) return error;
  if (error.code == ErrorCode::kUnavailable) {
    lost_ = true;
    find(what + ": the server ended while it was read: " + error.message);
  } else if (is_damage(error)) {
    find(what + ": " + error.message);
  } else {
    std::lock_guard lock(mutex_);
    if (out_.not_checked.size() < kFindingsMax) out_.not_checked.push_back(what + ": " + error.message);
  }
  return ok_status();
}

Status DatabaseChecker::find_amcheck(const Context& context, Connection& connection) {
  auto made = connection.query(context, "CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog");
  if (!made.ok()) {
    if (made.code() == ErrorCode::kCancelled) return std::move(made).error();
    out_.not_checked.push_back("amcheck is not available: " + made.error().message);
    return ok_status();
  }
  COFFER_TRY(
      Rows rows,
      connection.query(
          context,
          "SELECT pg_catalog.quote_ident(n.nspname),"
          " EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'verify_heapam'),"
          " EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'gin_index_check')"
          " FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
          " WHERE e.extname = 'amcheck'"));
  if (!rows.empty()) amcheck_ = {rows[0].text(0), rows[0].text(1) == "t", rows[0].text(2) == "t"};
  return ok_status();
}

Status DatabaseChecker::read_table(const Context& context, Connection& connection, const Relation& relation) {
  const std::string what = (relation.kind == 'm' ? "materialized view " : "table ") + relation.name;
  auto counted = connection.query(context, "SELECT pg_catalog.count(*) FROM ONLY " + relation.name);
  if (!counted.ok()) {
    COFFER_CHECK_OK(note(counted.error(), what));
    if (lost_) return ok_status();
  }
  if (!relation.is_system && relation.kind != 't') {
    std::lock_guard lock(mutex_);
    ++out_.tables;
    if (counted.ok() && !counted->empty()) out_.rows += number((*counted)[0].text(0));
  }
  if (!amcheck_.heap || relation.method != "heap") return ok_status();
  auto found =
      connection.query(context, "SELECT blkno, offnum, attnum, msg FROM " + amcheck_.schema +
                                    ".verify_heapam(relation => " + std::to_string(relation.oid) +
                                    "::oid::regclass, check_toast => true) LIMIT " + std::to_string(kFindingsPerTable));
  if (!found.ok()) return note(found.error(), what);
  for (const Row& row : *found)
    find(what + ": block " + row.text(0) + (row.values[1] ? ", item " + row.text(1) : "") +
         (row.values[2] ? ", column " + row.text(2) : "") + ": " + row.text(3));
  return ok_status();
}

Status DatabaseChecker::check_index(const Context& context, Connection& connection, const Relation& relation) {
  const std::string index = std::to_string(relation.oid) + "::oid::regclass";
  std::string call;
  if (relation.method == "btree") {
    call = "bt_index_check(index => " + index + ", heapallindexed => " + (thorough_ ? "true" : "false") + ")";
  } else if (relation.method == "gin" && amcheck_.gin) {
    call = "gin_index_check(" + index + ")";
  } else {
    std::lock_guard lock(mutex_);
    if (std::find(unknown_methods_.begin(), unknown_methods_.end(), relation.method) == unknown_methods_.end())
      unknown_methods_.push_back(relation.method);
    return ok_status();
  }
  if (amcheck_.schema.empty()) return ok_status();
  auto checked = connection.query(context, "SELECT " + amcheck_.schema + "." + call);
  if (!checked.ok()) COFFER_CHECK_OK(note(checked.error(), "index " + relation.name));
  std::lock_guard lock(mutex_);
  if (!relation.is_system) ++out_.indexes;
  return ok_status();
}

Status DatabaseChecker::check_relation(const Context& context, Connection& connection, const Relation& relation) {
  return relation.kind == 'i' ? check_index(context, connection, relation) : read_table(context, connection, relation);
}

Status DatabaseChecker::check_page(const Context& context, const std::vector<Relation>& relations) {
  std::atomic<size_t> next{0};
  TaskGroup group(context);
  for (auto& connection : connections_) {
    group.spawn([&, this]() -> Status {
      for (size_t i = next++; i < relations.size() && !lost_; i = next++) {
        COFFER_CHECK_OK(group.context().check());
        COFFER_CHECK_OK(check_relation(group.context(), *connection, relations[i]));
      }
      return ok_status();
    });
  }
  return group.wait();
}

Result<std::unique_ptr<Connection>> DatabaseChecker::open_session(const Context& context) {
  COFFER_TRY(auto session, connect(context, server_.conninfo(out_.database), ConnectionKind::kSql));
  // Rows are counted in their table, not in an index that may be sound where the table is not.
  for (const char* plan : {"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"})
    COFFER_CHECK_OK(session->query(context, std::string("SET ") + plan + " = off"));
  return session;
}

Result<DatabaseCheck> DatabaseChecker::run(const Context& context) {
  auto first = open_session(context);
  if (!first.ok()) {
    // A locale that this machine lacks, a library in a hook: the database is there, but not for us.
    COFFER_CHECK_OK(note(std::move(first).error(), "database " + out_.database));
    return std::move(out_);
  }
  Status prepared = find_amcheck(context, **first);
  if (!prepared.ok()) {
    COFFER_CHECK_OK(note(prepared.error(), "database " + out_.database));
    return std::move(out_);
  }
  connections_.push_back(std::move(*first));
  const unsigned wanted = std::clamp(std::thread::hardware_concurrency(), 1U, kConnectionsMax);
  while (connections_.size() < wanted) {
    auto more = open_session(context);
    if (!more.ok()) break;
    connections_.push_back(std::move(*more));
  }
  for (uint32_t after = 0; !lost_;) {
    auto relations = relations_after(context, *connections_[0], after);
    if (!relations.ok()) {
      COFFER_CHECK_OK(note(relations.error(), "database " + out_.database + ": its list of tables"));
      break;
    }
    if (relations->empty()) break;
    after = relations->back().oid;
    COFFER_CHECK_OK(check_page(context, *relations));
  }
  std::sort(out_.findings.begin(), out_.findings.end());
  for (const std::string& method : unknown_methods_)
    out_.uncheckable.push_back("indexes of kind " + method + ": amcheck has no check for them");
  std::sort(out_.not_checked.begin(), out_.not_checked.end());
  return std::move(out_);
}

Result<std::vector<std::string>> databases_of(const Context& context, const ScratchServer& server) {
  COFFER_TRY(auto connection, connect(context, server.conninfo("template1"), ConnectionKind::kSql));
  // datconnlimit -2: a DROP DATABASE that was cut short; nobody can connect to what is left.
  COFFER_TRY(Rows rows,
             connection->query(context,
                               "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2"
                               " ORDER BY datname"));
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.text(0));
  return names;
}

}  // namespace

bool ClusterCheck::clean() const {
  return std::all_of(databases.begin(), databases.end(), [](const DatabaseCheck& d) { return d.findings.empty(); });
}

Result<ClusterCheck> check_cluster(const Context& context, const ScratchServer& server, bool thorough) {
  COFFER_TRY(std::vector<std::string> names, databases_of(context, server));
  ClusterCheck out;
  bool lost = false;
  for (const std::string& name : names) {
    if (lost) {
      DatabaseCheck skipped;
      skipped.database = name;
      skipped.not_checked.push_back("database " + name + ": the server had ended before");
      out.databases.push_back(std::move(skipped));
      continue;
    }
    DatabaseChecker checker(server, name, thorough);
    COFFER_TRY(DatabaseCheck checked, checker.run(context));
    lost = checker.server_lost();
    out.databases.push_back(std::move(checked));
  }
  return out;
}

}  // namespace coffer::postgres
