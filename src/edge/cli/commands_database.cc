// database add, list, show, remove, check.
#include "base/secret.h"
#include "edge/cli/commands.h"
#include "edge/cli/database_commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"

namespace coffer::cli {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr const char* kUsualEndpoint = "http://127.0.0.1:9420";
constexpr uint64_t kCredentialsSizeMax = 1 << 20;

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
int64_t number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<int64_t>() : 0;
}
const json& list(const json& object, const char* name) {
  static const json kNone = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kNone;
}

/// The daemon of --data (or --endpoint), asked as --profile of DATA/credentials.
class Daemon {
 public:
  explicit Daemon(Invocation& invocation) : invocation_(invocation) {}

  Result<json> call(const std::string& operation, const json& input) {
    if (!api_) COFFER_CHECK_OK(open());
    auto answer = call_coffer(*api_, operation, input);
    if (!answer.ok() && answer.code() == ErrorCode::kUnavailable)
      answer.error().next_step = "start the daemon (coffer up --data DIR), or name another one with --endpoint";
    return answer;
  }

 private:
  Status open() {
    const Arguments& arguments = invocation_.arguments();
    World& world = invocation_.world();
    EnvironmentVariables settings = world.environment;
    // These are for the KMS of vaults, which may be another installation's.
    settings.erase("AWS_ENDPOINT_URL_KMS");
    if (const auto data = arguments.text("data")) {
      const std::string file = Invocation::absolute(*data) + "/credentials";
      auto credentials = world.files.read_file(file, kCredentialsSizeMax);
      if (!credentials.ok())
        return std::move(credentials)
            .error()
            .in("reading " + file)
            .advise("name the data folder of an installation with --data");
      const auto profiles = profiles_of(as_text(*credentials));
      wipe(*credentials);
      for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) settings.erase(name);
      settings["AWS_SHARED_CREDENTIALS_FILE"] = file;
      settings["AWS_PROFILE"] = profiles.empty() ? "default" : profiles.front();
    }
    if (const auto profile = arguments.text("profile")) settings["AWS_PROFILE"] = *profile;
    if (const auto endpoint = arguments.text("endpoint")) settings["AWS_ENDPOINT_URL"] = *endpoint;
    settings.try_emplace("AWS_ENDPOINT_URL", kUsualEndpoint);
    COFFER_TRY(wire::AwsSettings found,
               wire::aws_settings(world.files, settings, arguments.text("region").value_or("us-east-1")));
    const auto bundle = world.environment.find("AWS_CA_BUNDLE");
    http_ = wire::curl_client(bundle == world.environment.end() ? "" : bundle->second, std::chrono::seconds(90));
    api_ = open_account_api(*http_, world.clock, invocation_.context(), std::move(found));
    return ok_status();
  }

  Invocation& invocation_;
  std::unique_ptr<wire::HttpClient> http_;
  std::unique_ptr<AccountApi> api_;
};

void print(Invocation& invocation, const char* schema, const json& answer, const std::string& lines) {
  if (!invocation.json()) return invocation.print(lines);
  ordered_json document{{"schema", schema}};
  for (const auto& [name, value] : answer.items()) document[name] = value;
  invocation.print_document(document);
}

json named(const Arguments& arguments) { return {{"DBInstanceIdentifier", arguments.text("NAME").value_or("")}}; }

}  // namespace

Result<json> call_coffer(AccountApi& api, const std::string& operation, const json& input) {
  auto answer = api.call("coffer", "Coffer_20261125." + operation, input);
  if (answer.ok()) return answer;
  // The message ends with what to do where the service knows it; here that has a line of its own.
  Error error = std::move(answer).error();
  // Operation and name of the failure are for programs.
  for (const std::string& before : {"Coffer_20261125." + operation + ": ", error.name + ": "}) {
    if (error.message.starts_with(before)) error.message.erase(0, before.size());
  }
  constexpr std::string_view kNext = ". Next: ";
  if (const size_t at = error.message.find(kNext); at != std::string::npos) {
    error.next_step = error.message.substr(at + kNext.size());
    error.message.resize(at);
  }
  if (error.name == "DatabaseAlreadyExistsException") error.code = ErrorCode::kAlreadyExists;
  if (error.name == "ValidationException") error.code = ErrorCode::kInvalidArgument;
  return error;
}

Result<json> registration_input(const Arguments& arguments) {
  COFFER_TRY(const std::string conninfo, arguments.required("conninfo"));
  json input = named(arguments);
  input["Conninfo"] = conninfo;
  if (const auto folder = arguments.text("pgdata")) input["DataDirectory"] = Invocation::absolute(*folder);
  if (const auto key = arguments.text("kms-key")) input["KmsKeyId"] = *key;
  if (arguments.flag("protect")) input["DeletionProtection"] = true;
  for (const std::string& tag : arguments.all("tag")) {
    const size_t equals = tag.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{ErrorCode::kInvalidArgument, "--tag: '" + tag + "' is not KEY=VALUE",
                   "write it like --tag team=shop"};
    input["Tags"].push_back({{"Key", tag.substr(0, equals)}, {"Value", tag.substr(equals + 1)}});
  }
  return input;
}

std::string database_lines(const json& d) {
  std::string lines = printable(text(d, "DBInstanceIdentifier")) + "  " + printable(text(d, "Status")) + "\n";
  const auto line = [&](const std::string& name, const std::string& value) {
    if (!value.empty())
      lines += "  " + name + std::string(10 - std::min<size_t>(name.size(), 9), ' ') + printable(value) + "\n";
  };
  line("message", text(d, "StatusMessage"));
  line("arn", text(d, "DBInstanceArn"));
  const std::string host = text(d, "Host");
  if (!host.empty())
    line("server", "PostgreSQL " + text(d, "EngineVersion") + " at " + host + ":" + std::to_string(number(d, "Port")) +
                       ", as " + text(d, "User") + ", cluster " + text(d, "SystemIdentifier"));
  line("read", text(d, "DataDirectory").empty() ? "by the replication stream"
                                                : "from " + text(d, "DataDirectory") + " on the daemon's machine");
  line("size", human_bytes(static_cast<uint64_t>(std::max<int64_t>(0, number(d, "SizeInBytes")))));
  line("key", text(d, "KmsKeyId"));
  std::string tags;
  for (const json& tag : list(d, "Tags"))
    tags += (tags.empty() ? "" : ", ") + text(tag, "Key") + "=" + text(tag, "Value");
  line("tags", tags);
  return lines;
}

std::string database_table(const json& databases) {
  if (databases.empty()) return "no databases; add one with: coffer database add NAME --conninfo '...'\n";
  TextTable table({{"NAME"}, {"STATUS"}, {"SERVER"}, {"SIZE"}, {"READ"}});
  for (const json& d : databases) {
    const std::string host = text(d, "Host");
    table.add({printable(text(d, "DBInstanceIdentifier")), printable(text(d, "Status")),
               host.empty()
                   ? "-"
                   : printable(text(d, "EngineVersion") + " " + host + ":" + std::to_string(number(d, "Port"))),
               human_bytes(static_cast<uint64_t>(std::max<int64_t>(0, number(d, "SizeInBytes")))),
               text(d, "DataDirectory").empty() ? "stream" : "local"});
  }
  return table.text();
}

std::string finding_lines(const json& findings) {
  std::string lines;
  for (const json& finding : findings) {
    lines += "  BAD      " + printable_lines(text(finding, "What")) + "\n";
    if (!text(finding, "NextStep").empty())
      lines += "           next: " + printable_lines(text(finding, "NextStep")) + "\n";
  }
  return lines;
}

Result<int> run_database_add(Invocation& invocation) {
  COFFER_TRY(const json input, registration_input(invocation.arguments()));
  COFFER_TRY(const json answer, Daemon(invocation).call("RegisterDatabase", input));
  const json& findings = list(answer, "Findings");
  std::string lines = database_lines(answer.value("Database", json::object()));
  if (!findings.empty())
    lines += "\nregistered, and a backup would not work yet:\n" + finding_lines(findings) +
             "\nlook again with: coffer database check " + printable(text(input, "DBInstanceIdentifier")) + "\n";
  print(invocation, "coffer.database/1", answer, lines);
  return findings.empty() ? kExitDone : kExitFindings;
}

Result<int> run_database_list(Invocation& invocation) {
  COFFER_TRY(const json answer, Daemon(invocation).call("DescribeDatabases", json::object()));
  print(invocation, "coffer.databases/1", answer, database_table(list(answer, "Databases")));
  return kExitDone;
}

Result<int> run_database_show(Invocation& invocation) {
  COFFER_TRY(const json answer, Daemon(invocation).call("DescribeDatabases", named(invocation.arguments())));
  const json& all = list(answer, "Databases");
  if (all.empty()) return Error{ErrorCode::kNotFound, "there is no such database", "see: coffer database list"};
  print(invocation, "coffer.databases/1", answer, database_lines(all.front()));
  return kExitDone;
}

Result<int> run_database_remove(Invocation& invocation) {
  COFFER_TRY(const json answer, Daemon(invocation).call("DeregisterDatabase", named(invocation.arguments())));
  print(invocation, "coffer.database/1", answer,
        printable(text(answer.value("Database", json::object()), "DBInstanceIdentifier")) +
            " is registered no more; its server and its recovery points are as they were\n");
  return kExitDone;
}

Result<int> run_database_check(Invocation& invocation) {
  const json input = named(invocation.arguments());
  COFFER_TRY(const json answer, Daemon(invocation).call("CheckDatabase", input));
  const json& findings = list(answer, "Findings");
  std::string lines = printable(text(answer, "DBInstanceIdentifier"));
  if (answer.value("Reachable", false))
    lines += "  PostgreSQL " + printable(text(answer, "EngineVersion")) + " answers";
  lines += findings.empty() ? "; a backup can be taken\n" : "\n" + finding_lines(findings);
  print(invocation, "coffer.database-check/1", answer, lines);
  return findings.empty() ? kExitDone : kExitFindings;
}

}  // namespace coffer::cli
