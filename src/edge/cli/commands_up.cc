// up, audit verify, bucket replicate.
#include <nlohmann/json.hpp>

#include "base/this_process.h"
#include "edge/cli/commands.h"
#include "edge/cli/exit_codes.h"
#include "edge/daemon/daemon.h"

namespace coffer::cli {

using nlohmann::ordered_json;

namespace {

Result<daemon::Config> config_of(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  daemon::Config config;
  COFFER_TRY(config.data, arguments.required("data"));
  config.data = Invocation::absolute(config.data);
  if (auto catalog = arguments.text("catalog")) config.catalog = *catalog;
  return config;
}

Result<daemon::Config> up_config_of(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(daemon::Config config, config_of(invocation));
  if (auto listen = arguments.text("listen")) COFFER_CHECK_OK(daemon::set_listen(config, *listen));
  if (auto regions = arguments.all("region"); !regions.empty()) config.regions = regions;
  for (const std::string& text : arguments.all("account")) {
    COFFER_TRY(daemon::AccountName account, daemon::parse_account(text));
    config.accounts.push_back(std::move(account));
  }
  if (config.accounts.empty()) config.accounts.push_back({"main", "111111111111"});
  if (auto file = arguments.text("certificate")) config.certificate = Invocation::absolute(*file);
  if (auto file = arguments.text("private-key")) config.private_key = Invocation::absolute(*file);
  config.plain_http_anywhere = arguments.flag("plain-http-anywhere");
  return config;
}

void print_started(Invocation& invocation, const daemon::Config& config, const daemon::Daemon& running) {
  const std::string credentials = config.data + "/credentials";
  if (invocation.json()) {
    ordered_json accounts = ordered_json::array();
    for (const auto& account : running.accounts())
      accounts.push_back({{"name", account.name}, {"id", account.id}, {"created", account.created}});
    invocation.print_document(ordered_json{{"schema", "coffer.up/1"},
                                           {"endpoint", running.endpoint()},
                                           {"region", config.regions.front()},
                                           {"credentials_file", credentials},
                                           {"accounts", accounts},
                                           {"new", running.is_new()}});
    return;
  }
  std::string text = "Coffer serves " + running.endpoint() + " in " + config.regions.front() + "\n";
  for (const auto& account : running.accounts())
    text += "  account " + account.id + "  profile " + account.name + (account.created ? "  (new)\n" : "\n");
  text += "\nexport AWS_SHARED_CREDENTIALS_FILE=" + credentials +
          "\nexport AWS_PROFILE=" + running.accounts().front().name +
          "\nexport AWS_DEFAULT_REGION=" + config.regions.front() + "\nexport AWS_ENDPOINT_URL=" + running.endpoint() +
          "\n";
  invocation.print(text);
  if (running.is_new()) {
    invocation.warn(
        "the installation's second key is in " + config.data + "/recovery.key",
        "take it away to another place: with it alone the installation opens when this machine's key is lost");
  }
}

}  // namespace

Result<int> run_up(Invocation& invocation) {
  COFFER_TRY(daemon::Config config, up_config_of(invocation));
  keep_memory_private();
  World& world = invocation.world();
  const auto log = [&](std::string_view level, std::string_view text) {
    world.messages.write("coffer: " + std::string(level) + ": " + std::string(text) + "\n");
  };
  COFFER_TRY(auto running,
             daemon::Daemon::start({world.files, world.clock, world.entropy, world.processes, log}, config));
  print_started(invocation, config, *running);
  COFFER_CHECK_OK(running->run(invocation.context()));
  return kExitDone;  // being stopped is how it ends
}

Result<int> run_audit_verify(Invocation& invocation) {
  COFFER_TRY(daemon::Config config, config_of(invocation));
  COFFER_TRY(audit::VerifyReport report,
             daemon::verify_audit_log(invocation.world().files, invocation.context(), config,
                                      invocation.arguments().text("public-key").value_or("")));
  if (invocation.json()) {
    invocation.print_document(ordered_json{{"schema", "coffer.audit-verify/1"},
                                           {"records", report.records},
                                           {"checkpoints", report.checkpoints},
                                           {"records_after_last_checkpoint", report.unsigned_tail},
                                           {"problems", report.problems}});
  } else {
    std::string text;
    for (const std::string& problem : report.problems) text += "altered: " + problem + "\n";
    text += std::to_string(report.records) + " records, " + std::to_string(report.checkpoints) +
            " signed checkpoints, " + std::to_string(report.unsigned_tail) + " records after the last checkpoint\n" +
            (report.problems.empty() ? "The log is whole.\n" : "THE LOG WAS ALTERED.\n");
    invocation.print(text);
  }
  return report.problems.empty() ? kExitDone : kExitFindings;
}

Result<int> run_bucket_replicate(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments();
  COFFER_TRY(daemon::Config config, config_of(invocation));
  COFFER_TRY(const std::string bucket, arguments.required("BUCKET"));
  std::vector<std::string> statuses{"NONE", "FAILED"};
  if (auto wanted = arguments.all("status"); !wanted.empty()) statuses = wanted;
  World& world = invocation.world();
  COFFER_TRY(const int64_t queued,
             daemon::replicate_existing(world.files, world.clock, invocation.context(), config, bucket, statuses));
  if (invocation.json()) {
    invocation.print_document(
        ordered_json{{"schema", "coffer.bucket-replicate/1"}, {"bucket", bucket}, {"queued", queued}});
  } else {
    invocation.print(std::to_string(queued) + " versions of " + bucket + " wait for replication\n");
  }
  return kExitDone;
}

}  // namespace coffer::cli
