#include "services/backup/rows.h"

#include <deque>

#include "services/api/value_json.h"

namespace coffer::backup::rows {
namespace {

using catalog::Parameter;

std::string in_case(std::string_view text, char first, char last, int by) {
  std::string out(text);
  for (char& c : out) {
    if (c >= first && c <= last) c = static_cast<char>(c + by);
  }
  return out;
}
std::string lower(std::string_view text) { return in_case(text, 'A', 'Z', 32); }
std::string upper(std::string_view text) { return in_case(text, 'a', 'z', -32); }

// The columns of each row type, the key first. `V` is called with name and field.
template <class T>
struct Table;

#define COFFER_BACKUP_TABLE(Type, table_name, key_columns) \
  template <>                                              \
  struct Table<Type> {                                     \
    static constexpr std::string_view kName = table_name;  \
    static constexpr size_t kKey = key_columns;            \
    template <class V, class Row>                          \
    static void visit(V& v, Row& r)

COFFER_BACKUP_TABLE(Vault, "backup_vaults", 3) {
  v("account", r.account), v("region", r.region), v("name", r.name), v("kind", r.kind), v("key_arn", r.key_arn),
      v("key_type", r.key_type), v("created", r.created), v("request_id", r.request_id), v("policy", r.policy),
      v("notifications", r.notifications), v("min_days", r.min_days), v("max_days", r.max_days),
      v("lock_date", r.lock_date), v("locked", r.locked), v("immutable", r.immutable);
}
};
COFFER_BACKUP_TABLE(Plan, "backup_plans", 1) {
  v("id", r.id), v("account", r.account), v("region", r.region), v("name", r.name), v("version", r.version),
      v("request_id", r.request_id), v("content", r.content), v("created", r.created), v("changed", r.changed),
      v("deleted", r.deleted), v("executed", r.executed);
}
};
COFFER_BACKUP_TABLE(PlanVersion, "backup_plan_versions", 2) {
  v("plan", r.plan), v("number", r.number), v("version", r.version), v("document", r.document), v("created", r.created);
}
}
;
COFFER_BACKUP_TABLE(Selection, "backup_selections", 2) {
  v("plan", r.plan), v("id", r.id), v("name", r.name), v("role", r.role), v("document", r.document),
      v("request_id", r.request_id), v("created", r.created);
}
}
;
COFFER_BACKUP_TABLE(RuleClock, "backup_rule_clocks", 2) {
  v("plan", r.plan), v("rule", r.rule), v("considered", r.considered), v("next_run", r.next_run);
}
}
;
COFFER_BACKUP_TABLE(Job, "backup_jobs", 1) {
  v("id", r.id), v("account", r.account), v("region", r.region), v("vault", r.vault), v("resource", r.resource),
      v("resource_type", r.resource_type), v("role", r.role), v("plan", r.plan), v("rule", r.rule), v("state", r.state),
      v("message", r.message), v("category", r.category), v("created", r.created), v("scheduled", r.scheduled),
      v("start_by", r.start_by), v("complete_by", r.complete_by), v("deadline", r.deadline), v("started", r.started),
      v("completed", r.completed), v("percent", r.percent), v("size_bytes", r.size_bytes),
      v("transferred_bytes", r.transferred_bytes), v("retries", r.retries), v("missed", r.missed), v("point", r.point),
      v("token", r.token), v("fingerprint", r.fingerprint), v("proven", r.proven), v("detail", r.detail);
}
}
;
COFFER_BACKUP_TABLE(Point, "backup_points", 4) {
  v("account", r.account), v("region", r.region), v("vault", r.vault), v("arn", r.arn), v("resource", r.resource),
      v("resource_type", r.resource_type), v("plan", r.plan), v("role", r.role), v("status", r.status),
      v("message", r.message), v("created", r.created), v("started", r.started), v("completed", r.completed),
      v("size_bytes", r.size_bytes), v("delete_after_days", r.delete_after_days),
      v("cold_after_days", r.cold_after_days), v("delete_at", r.delete_at), v("look_at", r.look_at),
      v("proven", r.proven), v("doomed", r.doomed), v("proof", r.proof), v("reference", r.reference),
      v("label", r.label), v("key_arn", r.key_arn), v("source_vault", r.source_vault),
      v("last_restore", r.last_restore), v("detail", r.detail);
}
}
;
COFFER_BACKUP_TABLE(Resource, "backup_resources", 3) {
  v("account", r.account), v("region", r.region), v("arn", r.arn), v("type", r.type), v("last_backup", r.last_backup),
      v("last_vault", r.last_vault), v("last_point", r.last_point);
}
}
;
COFFER_BACKUP_TABLE(Copy, "backup_copies", 1) {
  v("id", r.id), v("account", r.account), v("region", r.region), v("source_vault", r.source_vault),
      v("source_point", r.source_point), v("destination_vault", r.destination_vault),
      v("destination_point", r.destination_point), v("resource", r.resource), v("resource_type", r.resource_type),
      v("role", r.role), v("state", r.state), v("message", r.message), v("category", r.category),
      v("created", r.created), v("started", r.started), v("completed", r.completed), v("deadline", r.deadline),
      v("size_bytes", r.size_bytes), v("retries", r.retries), v("token", r.token), v("fingerprint", r.fingerprint),
      v("detail", r.detail);
}
}
;
COFFER_BACKUP_TABLE(Restore, "backup_restores", 1) {
  v("id", r.id), v("account", r.account), v("region", r.region), v("point", r.point), v("vault", r.vault),
      v("resource", r.resource), v("resource_type", r.resource_type), v("role", r.role), v("state", r.state),
      v("message", r.message), v("created", r.created), v("started", r.started), v("completed", r.completed),
      v("active", r.active), v("percent", r.percent), v("size_bytes", r.size_bytes), v("retries", r.retries),
      v("created_resource", r.created_resource), v("point_created", r.point_created), v("validation", r.validation),
      v("validation_message", r.validation_message), v("token", r.token), v("fingerprint", r.fingerprint),
      v("metadata", r.metadata);
}
}
;
COFFER_BACKUP_TABLE(Hold, "backup_holds", 1) {
  v("id", r.id), v("account", r.account), v("region", r.region), v("title", r.title), v("description", r.description),
      v("status", r.status), v("created", r.created), v("canceled", r.canceled), v("retain_until", r.retain_until),
      v("cancel_description", r.cancel_description), v("token", r.token), v("selection", r.selection);
}
}
;
COFFER_BACKUP_TABLE(Time, "backup_time", 1) {
  v("id", r.id), v("proven", r.proven), v("latest", r.latest), v("wall", r.wall), v("watcher", r.watcher);
}
}
;
#undef COFFER_BACKUP_TABLE

struct Names {
  std::vector<std::string> all;
  template <class F>
  void operator()(const char* name, F&) {
    all.emplace_back(name);
  }
};
template <class T>
const std::vector<std::string>& names_of() {
  static const std::vector<std::string> kNames = [] {
    Names names;
    T row;
    Table<T>::visit(names, row);
    return names.all;
  }();
  return kNames;
}

/// Fields from a row, in the order of the columns.
struct Reader {
  const catalog::Row& row;
  size_t i = 0;
  Status status = ok_status();
  void operator()(const char*, std::string& f) { f = row.text(i++); }
  void operator()(const char*, int64_t& f) { f = row.integer(i++); }
  void operator()(const char*, bool& f) { f = row.flag(i++); }
  void operator()(const char*, WallTime& f) { f = row.time(i++); }
  void operator()(const char*, std::optional<WallTime>& f) { f = row.time_if(i++); }
  void operator()(const char*, std::optional<int64_t>& f) {
    f = row.is_null(i) ? std::nullopt : std::optional(row.integer(i));
    ++i;
  }
  void operator()(const char* name, api::Value& f) {
    const std::string& text = row.text(i++);
    if (text.empty()) return;
    auto value = api::from_json(text);
    if (value.ok())
      f = std::move(*value);
    else
      status = std::move(value).error().in(name);
  }
};

struct Writer {
  std::vector<Parameter> parameters;
  std::deque<std::string> texts;  // of what has no text of its own
  template <class F>
  void operator()(const char*, const F& f) {
    if constexpr (std::is_same_v<F, api::Value>) {
      texts.push_back(f.is_null() ? std::string() : api::to_json(f));
      parameters.emplace_back(texts.back());
    } else {
      parameters.emplace_back(f);
    }
  }
};

template <class T>
const std::string& select_text() {
  static const std::string kText = [] {
    std::string text = "SELECT ";
    for (const std::string& name : names_of<T>()) text += (text.size() > 7 ? ", " : "") + name;
    return text + " FROM " + std::string(Table<T>::kName) + " ";
  }();
  return kText;
}

std::string placeholder(size_t number) { return "$" + std::to_string(number); }

template <class T>
std::string key_condition() {
  std::string text = " WHERE ";
  for (size_t i = 0; i < Table<T>::kKey; ++i)
    text += (i ? " AND " : "") + names_of<T>()[i] + " = " + placeholder(i + 1);
  return text;
}

template <class T>
std::optional<T> first_of(std::vector<T> all) {
  return all.empty() ? std::nullopt : std::optional<T>(std::move(all.front()));
}

}  // namespace

std::string Job::label() const { return lower(id); }
std::string Copy::label() const { return lower(id); }

template <class T>
Result<std::vector<T>> select(Transaction& t, std::string_view rest, std::span<const Parameter> parameters) {
  COFFER_TRY(const catalog::Rows found, t.run(select_text<T>() + std::string(rest), parameters));
  std::vector<T> all(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    Reader reader{found[i]};
    Table<T>::visit(reader, all[i]);
    if (!reader.status.ok()) return std::move(reader.status).error().in(Table<T>::kName);
  }
  return all;
}
template <class T>
Result<std::vector<T>> select(Transaction& t, std::string_view rest, std::initializer_list<Parameter> parameters) {
  return select<T>(t, rest, std::span<const Parameter>(parameters.begin(), parameters.size()));
}
template <class T>
Result<std::optional<T>> first(Transaction& t, std::string_view rest, std::initializer_list<Parameter> parameters) {
  COFFER_TRY(std::vector<T> all, select<T>(t, rest, parameters));
  return first_of(std::move(all));
}
template <class T>
Status insert(Transaction& t, const T& row) {
  static const std::string kText = [] {
    std::string names, values;
    for (size_t i = 0; i < names_of<T>().size(); ++i) {
      names += (i ? ", " : "") + names_of<T>()[i];
      values += (i ? ", " : "") + placeholder(i + 1);
    }
    return "INSERT INTO " + std::string(Table<T>::kName) + " (" + names + ") VALUES (" + values + ")";
  }();
  Writer writer;
  Table<T>::visit(writer, row);
  COFFER_CHECK_OK(t.run(kText, writer.parameters));
  return ok_status();
}
template <class T>
Status update(Transaction& t, const T& row) {
  static const std::string kText = [] {
    std::string text;
    for (size_t i = Table<T>::kKey; i < names_of<T>().size(); ++i)
      text += (text.empty() ? "" : ", ") + names_of<T>()[i] + " = " + placeholder(i + 1);
    return "UPDATE " + std::string(Table<T>::kName) + " SET " + text + key_condition<T>();
  }();
  Writer writer;
  Table<T>::visit(writer, row);
  COFFER_CHECK_OK(t.run(kText, writer.parameters));
  return ok_status();
}
template <class T>
Status remove(Transaction& t, const T& row) {
  static const std::string kText = "DELETE FROM " + std::string(Table<T>::kName) + key_condition<T>();
  Writer writer;
  Table<T>::visit(writer, row);
  COFFER_CHECK_OK(t.run(kText, std::span<const Parameter>(writer.parameters).first(Table<T>::kKey)));
  return ok_status();
}

#define COFFER_BACKUP_ROWS(T)                                                                                   \
  template Result<std::vector<T>> select<T>(Transaction&, std::string_view, std::span<const Parameter>);        \
  template Result<std::vector<T>> select<T>(Transaction&, std::string_view, std::initializer_list<Parameter>);  \
  template Result<std::optional<T>> first<T>(Transaction&, std::string_view, std::initializer_list<Parameter>); \
  template Status insert<T>(Transaction&, const T&);                                                            \
  template Status update<T>(Transaction&, const T&);                                                            \
  template Status remove<T>(Transaction&, const T&);
COFFER_BACKUP_ROWS(Vault)
COFFER_BACKUP_ROWS(Plan)
COFFER_BACKUP_ROWS(PlanVersion)
COFFER_BACKUP_ROWS(Selection)
COFFER_BACKUP_ROWS(RuleClock)
COFFER_BACKUP_ROWS(Job)
COFFER_BACKUP_ROWS(Point)
COFFER_BACKUP_ROWS(Resource)
COFFER_BACKUP_ROWS(Copy)
COFFER_BACKUP_ROWS(Restore)
COFFER_BACKUP_ROWS(Hold)
COFFER_BACKUP_ROWS(Time)
#undef COFFER_BACKUP_ROWS

Result<std::optional<Vault>> find_vault(Transaction& t, std::string_view account, std::string_view region,
                                        std::string_view name) {
  return first<Vault>(t, "WHERE account = $1 AND region = $2 AND name = $3", {account, region, name});
}
Result<std::optional<Vault>> find_vault(Transaction& t, std::string_view arn) {
  // arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= arn.size();) {
    const size_t end = std::min(arn.find(':', at), arn.size());
    parts.push_back(arn.substr(at, end - at));
    at = end + 1;
  }
  if (parts.size() != 7 || parts[0] != "arn" || parts[2] != "backup" || parts[5] != "backup-vault")
    return std::optional<Vault>();
  return find_vault(t, parts[4], parts[3], parts[6]);
}
Result<std::optional<PlanVersion>> find_version(Transaction& t, std::string_view plan, std::string_view version) {
  if (version.empty()) return first<PlanVersion>(t, "WHERE plan = $1 ORDER BY number DESC LIMIT 1", {plan});
  return first<PlanVersion>(t, "WHERE plan = $1 AND version = $2", {plan, version});
}
Result<std::optional<Job>> find_job(Transaction& t, std::string_view id) {
  return first<Job>(t, "WHERE id = $1", {upper(id)});
}
Result<std::optional<Copy>> find_copy(Transaction& t, std::string_view id) {
  return first<Copy>(t, "WHERE id = $1", {upper(id)});
}
Result<std::optional<Restore>> find_restore(Transaction& t, std::string_view id) {
  return first<Restore>(t, "WHERE id = $1", {upper(id)});
}
Result<std::optional<Point>> find_point(Transaction& t, std::string_view arn) {
  return first<Point>(t, "WHERE arn = $1", {arn});
}

Result<Tags> tags(Transaction& t, std::string_view arn) {
  COFFER_TRY(const auto found, t.run("SELECT key, value FROM backup_tags WHERE arn = $1", {arn}));
  Tags all;
  for (const auto& row : found) all[row.text(0)] = row.text(1);
  return all;
}
Status put_tags(Transaction& t, std::string_view arn, const Tags& all) {
  for (const auto& [key, value] : all)
    COFFER_CHECK_OK(
        t.run("INSERT INTO backup_tags (arn, key, value) VALUES ($1, $2, $3) ON CONFLICT (arn, key) DO UPDATE "
              "SET value = $3",
              {arn, key, value}));
  return ok_status();
}
Status remove_tags(Transaction& t, std::string_view arn) {
  COFFER_CHECK_OK(t.run("DELETE FROM backup_tags WHERE arn = $1", {arn}));
  return ok_status();
}

Result<std::optional<Setting>> setting(Transaction& t, std::string_view account, std::string_view region,
                                       std::string_view name) {
  COFFER_TRY(const auto row,
             t.first("SELECT value, updated FROM backup_settings WHERE account = $1 AND region = $2 AND name = $3",
                     {account, region, name}));
  return row ? std::optional(Setting{row->text(0), row->time(1)}) : std::nullopt;
}
Status put_setting(Transaction& t, std::string_view account, std::string_view region, std::string_view name,
                   std::string_view value, WallTime now) {
  COFFER_CHECK_OK(
      t.run("INSERT INTO backup_settings (account, region, name, value, updated) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (account, region, name) DO UPDATE SET value = $4, updated = $5",
            {account, region, name, value, now}));
  return ok_status();
}

Result<bool> is_held(Transaction& t, std::string_view point_arn) {
  COFFER_TRY(const auto row, t.first("SELECT hold FROM backup_held_points WHERE arn = $1 LIMIT 1", {point_arn}));
  return row.has_value();
}

}  // namespace coffer::backup::rows
