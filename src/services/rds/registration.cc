// The service "coffer": databases of an account, registered by their connection string.
#include <algorithm>

#include "services/api/fault.h"
#include "services/rds/conninfo.h"
#include "services/rds/operations.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

/// What registering found out before its transaction.
struct Registration {
  Database database;
  Bytes sealed;
  Probe probe;
  bool attaches = false;  // to one that was restored and has no connection yet
};

/// What a check found out; an error of the server is a finding here.
struct Checked {
  std::optional<Probe> probe;
  Error failure;
};

Value findings_value(const std::vector<ProbeFinding>& findings) {
  api::List list;
  for (const ProbeFinding& finding : findings)
    list.push_back(Value::object({{"What", finding.what}, {"NextStep", finding.next_step}}));
  return list;
}

Value description(const Database& d) {
  return Value::object({{"DBInstanceIdentifier", d.identifier},
                        {"DBInstanceArn", d.arn()},
                        {"DbiResourceId", d.resource_id},
                        {"Status", d.status},
                        {"StatusMessage", d.status_message.empty() ? Value() : Value(d.status_message)},
                        {"EngineVersion", d.engine_version},
                        {"SystemIdentifier", std::to_string(d.system_identifier)},
                        {"Host", d.host.empty() ? Value() : Value(d.host)},
                        {"Port", d.port},
                        {"User", d.user},
                        {"DatabaseName", d.database_name},
                        {"DataDirectory", d.data_directory.empty() ? Value() : Value(d.data_directory)},
                        {"SizeInBytes", d.size_bytes},
                        {"KmsKeyId", d.kms_key_arn},
                        {"DeletionProtection", d.deletion_protection},
                        {"Tags", tag_list(d.tags)},
                        {"CreatedTime", d.created},
                        {"ProbedTime", d.probed}});
}

Error unreachable(Error error) {
  return api::fault(ErrorCode::kFailedPrecondition, "DatabaseNotReachableException",
                    error.message + (error.next_step.empty() ? "" : ". Next: " + error.next_step));
}

Error already_exists(const std::string& name) {
  return api::fault(ErrorCode::kAlreadyExists, "DatabaseAlreadyExistsException",
                    "A database " + name + " exists already. Choose another name, or remove it first.");
}

Error not_found(const std::string& name) {
  return api::fault(ErrorCode::kNotFound, "DatabaseNotFoundException", "There is no database " + name + ".");
}

Error invalid(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationException", std::move(message));
}

/// The same name rules as RDS's, told by the coffer model's own fault.
Result<std::string> name_in(const Request& r) {
  Result<std::string> name = new_name(r, "DBInstanceIdentifier", 63);
  if (!name.ok()) return invalid(std::move(name).error().message);
  return name;
}

Result<Database> named(const Request& r) {
  const std::string name = name_of(r, "DBInstanceIdentifier", "db");
  COFFER_TRY(auto found, rows::find_database(r.t(), r.account(), r.region(), name));
  if (!found) return not_found(name);
  return std::move(*found);
}

void take_over(Database& d, const Probe& probe) {
  d.system_identifier = probe.system_identifier;
  d.engine_version = probe.engine_version;
  d.host = probe.host;
  d.port = probe.port;
  d.user = probe.user;
  d.database_name = probe.database;
  d.size_bytes = static_cast<int64_t>(probe.size_bytes);
}

}  // namespace

Prepared prepare_registration(const Request& r) {
  COFFER_TRY(const std::string name, name_in(r));
  auto made = std::make_shared<Registration>();
  Database& d = made->database;
  COFFER_TRY(auto there, rows::find_database(r.t(), r.account(), r.region(), name));
  if (there) {
    COFFER_TRY(const Bytes connection, rows::connection_of(r.t(), *there));
    if (!connection.empty() || there->status != "stopped") return already_exists(name);
    made->attaches = true;
    d = std::move(*there);
  }
  const std::string directory = r.text("DataDirectory");
  if (!directory.empty() &&
      (directory.front() != '/' || directory.find("/../") != std::string::npos || directory.ends_with("/..")))
    return invalid("DataDirectory must be an absolute path.");
  Result<Conninfo> conninfo = parse_conninfo(r.input().text("Conninfo"));
  if (!conninfo.ok())
    return invalid(conninfo.error().message +
                   (conninfo.error().next_step.empty() ? "" : ". Next: " + conninfo.error().next_step));
  auto tags = tags_of_input(r);
  if (!tags.ok()) return invalid(std::move(tags).error().message);
  if (made->attaches) {
    for (const auto& [key, value] : *tags) d.tags[key] = value;
  } else {
    d.account = r.account();
    d.region = r.region();
    d.identifier = name;
    d.resource_id = new_resource_id(r.setting.entropy);
    d.tags = std::move(*tags);
    d.created = r.now();
  }
  if (!made->attaches || r.input().has("DataDirectory")) d.data_directory = directory;
  d.deletion_protection |= r.input().flag("DeletionProtection");
  Result<std::string> key = !r.text("KmsKeyId").empty() || d.kms_key_arn.empty()
                                ? find_key(r.setting.invoke, r.operation, r.text("KmsKeyId"), "rds", r.setting.entropy)
                                : Result<std::string>(d.kms_key_arn);
  if (!key.ok()) return key_fault(std::move(key).error());
  d.kms_key_arn = *key;
  if (Status granted = let_service_use_key(r.setting.invoke, r.operation, d.kms_key_arn, "rds.amazonaws.com");
      !granted.ok())
    return key_fault(std::move(granted).error());

  DatabaseAccess access;
  access.conninfo = conninfo_text(*conninfo);
  access.data_directory = d.data_directory;
  access.system_identifier = d.system_identifier;  // of the one that is attached to; else not known yet
  Result<Probe> probe = r.setting.engine.probe(r.call().context, access);
  if (!probe.ok()) return unreachable(std::move(probe).error());
  if (probe->system_identifier == 0)
    return unreachable(Error{ErrorCode::kFailedPrecondition, "the server does not say which cluster it is",
                             probe->findings.empty() ? "" : probe->findings.front().next_step});
  take_over(d, *probe);
  d.status = "available";
  d.status_message.clear();
  d.probed = r.now();
  Result<Bytes> sealed = seal_connection(r.setting, d, access.conninfo);
  if (!sealed.ok()) return key_fault(std::move(sealed).error());
  made->sealed = std::move(*sealed);
  made->probe = std::move(*probe);
  return std::shared_ptr<void>(std::move(made));
}

Result<Value> register_database(const Request& r) {
  const auto& made = r.prepared<Registration>();
  const Database& d = made.database;
  COFFER_TRY(const auto there, rows::find_database(r.t(), d.account, d.region, d.identifier));
  if (there.has_value() != made.attaches || (there && there->resource_id != d.resource_id))
    return already_exists(d.identifier);
  if (made.attaches) {
    COFFER_CHECK_OK(rows::update_database(r.t(), d));
    COFFER_CHECK_OK(rows::update_connection(r.t(), d, made.sealed));
    COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), d, "0088", "notification", "DB instance started"));
  } else {
    COFFER_CHECK_OK(rows::insert_database(r.t(), d, made.sealed));
    COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), d, "0005", "creation", "DB instance created"));
  }
  return Value::object({{"Database", description(d)}, {"Findings", findings_value(made.probe.findings)}});
}

Result<Value> deregister_database(const Request& r) {
  COFFER_TRY(Database d, named(r));
  if (d.deletion_protection)
    return api::fault(
        ErrorCode::kFailedPrecondition, "InvalidDatabaseStateException",
        d.identifier + " is protected from deletion. Switch it off with ModifyDBInstance (DeletionProtection) first.");
  if (d.status == "creating" || d.status == "deleting")
    return api::fault(ErrorCode::kFailedPrecondition, "InvalidDatabaseStateException",
                      d.identifier + " is " + d.status + " just now.");
  COFFER_CHECK_OK(rows::remove_database(r.t(), d));
  COFFER_CHECK_OK(tell(r.t(), r.setting.entropy, r.now(), d, "0003", "deletion", "DB instance deleted"));
  d.status = "deleted";
  return Value::object({{"Database", description(d)}});
}

Prepared prepare_check(const Request& r) {
  COFFER_TRY(const Database d, named(r));
  auto checked = std::make_shared<Checked>();
  Result<DatabaseAccess> access = access_to(r.setting, r.call().context, d);
  if (!access.ok()) {
    checked->failure = std::move(access).error();
    return std::shared_ptr<void>(std::move(checked));
  }
  Result<Probe> probe = r.setting.engine.probe(r.call().context, *access);
  if (probe.ok())
    checked->probe = std::move(*probe);
  else
    checked->failure = std::move(probe).error();
  return std::shared_ptr<void>(std::move(checked));
}

Result<Value> check_database(const Request& r) {
  COFFER_TRY(const Database d, named(r));
  const auto& checked = r.prepared<Checked>();
  std::vector<ProbeFinding> findings;
  if (checked.probe)
    findings = checked.probe->findings;
  else
    findings.push_back({checked.failure.message, checked.failure.next_step});
  Value answer = Value::object({{"DBInstanceIdentifier", d.identifier},
                                {"Reachable", checked.probe.has_value()},
                                {"Healthy", findings.empty()},
                                {"Findings", findings_value(findings)}});
  if (checked.probe) {
    answer.set("EngineVersion", checked.probe->engine_version);
    answer.set("SystemIdentifier", std::to_string(checked.probe->system_identifier));
    answer.set("SizeInBytes", static_cast<int64_t>(checked.probe->size_bytes));
  }
  return answer;
}

Result<Value> describe_databases(const Request& r) {
  if (r.input().has("DBInstanceIdentifier")) {
    COFFER_TRY(const Database d, named(r));
    return Value::object({{"Databases", api::List{description(d)}}});
  }
  COFFER_TRY(const auto all, list_databases(r.t(), r.account(), r.region()));
  api::List list;
  for (const Database& d : all) list.push_back(description(d));
  return Value::object({{"Databases", std::move(list)}});
}

}  // namespace coffer::rds
