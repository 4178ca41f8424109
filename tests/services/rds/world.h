// Registered databases behind the gate, with real IAM, KMS, S3 and audit log, and an engine whose points are rows in
// memory unless a test brings another one.
#pragma once
#include <boost/json.hpp>

#include "services/api/event.h"
#include "services/rds/engine_vaults.h"
#include "services/rds/operations.h"
#include "services/rds/service.h"
#include "services/rds/service_keys.h"
#include "services/s3/world.h"
#include "services/work/work.h"
#include "support/fake_engine.h"

namespace coffer::rds {

using api::Value;
using iam::allow;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using iam::texts;
using kms::kHome;

/// Registers without a server, and exports two small files.
class Engine1 final : public testing_support::FakeEngine {
 public:
  explicit Engine1(Clock& clock) : FakeEngine(clock) {}
  uint64_t system_identifier = 7'000'000'000'000'000'001ULL;
  std::vector<ProbeFinding> findings;
  std::optional<Error> unreachable;
  std::vector<ExportRequest> exported;
  std::function<Status(ExportSink&, ExportProgress&)> while_exporting;

  Result<Probe> probe(const Context& context, const DatabaseAccess& access) override {
    if (unreachable) return *unreachable;
    COFFER_TRY(Probe probe, FakeEngine::probe(context, access));
    probe.system_identifier = system_identifier;
    probe.size_bytes = uint64_t{3} << 30;
    probe.host = "db.example";
    probe.port = 5433;
    probe.user = "backup";
    probe.database = "shop";
    probe.findings = findings;
    last_conninfo = to_text(access.conninfo.view());
    return probe;
  }
  Result<ExportResult> export_point(const Context& context, const VaultPlace&, const ExportRequest& request,
                                    ExportSink& sink, ExportProgress& progress) override {
    exported.push_back(request);
    for (const char* name : {"/part-1", "/part-2"}) {
      if (while_exporting) COFFER_CHECK_OK(while_exporting(sink, progress));
      s3::TextBody body("rows");
      COFFER_CHECK_OK(sink.put(context, request.identifier + name, body));
      progress.percent(50, uint64_t{2} << 30);
    }
    ExportResult result;
    result.tables = 1;
    result.extracted_bytes = uint64_t{5} << 30;
    return result;
  }
  std::string last_conninfo;
};

class World : public s3::World {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : s3::World(where) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), iam::migrations(), organizations::migrations(), kms::migrations(),
                      audit::migrations(), s3::migrations(), work::migrations(), migrations()})
      all.insert(all.end(), some.begin(), some.end());
    iam::must(database_->migrate(Context(), all));
    open_rds(fake_);
  }

  void open_rds(Engine& engine) {
    rds_ = rds::open_service(
        *database_, *authority_,
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        engine, root_.clone(), clock_, entropy_,
        Options{.regions = {"us-east-1", kms::kFar},
                .restore_root = "/restored",
                .transfer = [this](const api::Call& call, const iam::Identity* identity, const Value& input,
                                   api::RequestBody* body,
                                   api::Reply* reply) { return gate_->run(call, identity, input, body, reply); }});
    gate_->add(rds_->actions());
    gate_->add(rds_->coffer_actions());
    runner_ =
        std::make_unique<work::Runner>(*database_, clock_, work::RunnerOptions{.holder = "test"},
                                       [this](std::string_view, std::string_view text) { log_.emplace_back(text); });
    rds_->add_handlers(*runner_);
  }

  Result<Value> call(const Keys& keys, const std::string& service, const std::string& operation, Value input,
                     const std::string& region = "us-east-1") {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    api::Call c = call_of(*credential.identity, service, operation);
    c.region = region;
    return gate_->run(c, credential.identity.get(), input);
  }
  Result<Value> rds(const Keys& keys, const std::string& operation, Value input = {}) {
    return call(keys, "rds", operation, std::move(input));
  }
  /// As the root of kHome.
  Result<Value> rds(const std::string& operation, Value input = {}) { return rds(root(), operation, std::move(input)); }
  Result<Value> far(const std::string& operation, Value input = {}) {
    return call(root(), "rds", operation, std::move(input), kms::kFar);
  }
  Result<Value> coffer(const std::string& operation, Value input = {}) {
    return call(root(), "coffer", operation, std::move(input));
  }

  Value add(const std::string& name, const Value& more = {}) {
    return must(
        coffer("RegisterDatabase",
               s3::with(object({{"DBInstanceIdentifier", name},
                                {"Conninfo", "host=db.example port=5433 user=backup password=pa'ss dbname=shop"}}),
                        more)));
  }
  Value snapshot(const std::string& name, const std::string& database = "orders", const Value& more = {}) {
    must(rds("CreateDBSnapshot",
             s3::with(object({{"DBSnapshotIdentifier", name}, {"DBInstanceIdentifier", database}}), more)));
    run();
    return describe_snapshot(name);
  }
  Value describe_snapshot(const std::string& name) {
    return must(rds("DescribeDBSnapshots", object({{"DBSnapshotIdentifier", name}}))).list("DBSnapshots").at(0);
  }
  Value describe_database(const std::string& name) {
    return must(rds("DescribeDBInstances", object({{"DBInstanceIdentifier", name}}))).list("DBInstances").at(0);
  }
  static std::string db_arn(const std::string& name) { return "arn:aws:rds:us-east-1:" + kHome + ":db:" + name; }
  static std::string snapshot_arn(const std::string& name) {
    return "arn:aws:rds:us-east-1:" + kHome + ":snapshot:" + name;
  }

  /// All that is to be done now is done.
  void run() { must(runner_->run_due(Context())); }
  void due() {
    must(rds_->run_due(Context(), clock_.wall()));
    run();
  }
  /// "RDS-EVENT-0042 snapshot:mine", in order.
  std::vector<std::string> events() {
    std::vector<std::string> all;
    for (const std::string& text : outbox(std::string(api::kEventTopic))) {
      const auto json = boost::json::parse(text);
      if (json.at("source") != "aws.rds") continue;
      const auto& detail = json.at("detail");
      const std::string arn(detail.at("SourceArn").as_string());
      all.push_back(std::string(detail.at("EventID").as_string()) + " " + arn.substr(arn.find(kHome + ":") + 13));
    }
    return all;
  }

  Engine1 fake_{clock_};
  std::unique_ptr<Service> rds_;
  std::unique_ptr<work::Runner> runner_;
  std::vector<std::string> log_;
};

}  // namespace coffer::rds
