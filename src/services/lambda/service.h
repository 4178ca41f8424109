// Lambda: functions as zip files, their versions, aliases and permissions, and their invocations. API version
// 2015-03-31. Where a function runs is behind Executor (edge/functions).
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "engine/store/object_store.h"
#include "services/api/action.h"
#include "services/catalog/database.h"
#include "services/iam/authority.h"
#include "services/logs/service.h"
#include "services/work/work.h"

namespace coffer::lambda {

/// All that one execution environment is made of.
struct EnvironmentSpec {
  std::string function_arn;  // with the version: environments are kept by it and `revision`
  std::string revision;      // changes with code and configuration
  std::string name, version, runtime, handler;
  Bytes zip;                                     // the code, checked when it was stored
  std::map<std::string, std::string> variables;  // the whole environment, the reserved names included
  int64_t memory_mb = 128, tmp_mb = 512;
  bool network = false;  // only the installation's own endpoint, unless true
};
struct Invocation {
  std::string request_id, invoked_arn, trace_id, client_context;
  Bytes payload;
  std::chrono::milliseconds timeout{3000};
  WallTime deadline;
};
struct Outcome {
  enum class Kind { kResult, kFunctionError };
  Kind kind = Kind::kResult;
  Bytes payload;  // the result, or the error object as a caller sees it
  bool cold = false;
  std::chrono::milliseconds duration{}, init_duration{};
  int64_t max_memory_mb = 0;
  std::string log;          // what the function wrote meanwhile, lines, at most 256 KiB (the last ones)
  std::string environment;  // 32 hexadecimal digits: names the log stream
};

/// Runs functions, contained. Safe from many threads.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Uses a warm environment of the same function and revision, or makes one. An error: nothing ran (no interpreter, no
  /// sandbox, no room); what the function itself does wrong is an Outcome.
  virtual Result<Outcome> run(const Context& context, const EnvironmentSpec& spec, const Invocation& invocation) = 0;
  /// Ends environments of the function, all or but those of `revision`.
  virtual void forget(std::string_view function_arn) = 0;
  /// What serves a runtime name, as a person reads it: "python3.11 (for python3.8)"; kInvalidArgument: nothing does.
  virtual Result<std::string> interpreter_of(std::string_view runtime) = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Registers the handlers of asynchronous invocations.
  virtual void add_handlers(work::Runner& runner) = 0;
  virtual Status run_due(const Context& context, WallTime now) = 0;
};

struct Options {
  std::vector<std::string> regions;
  std::string endpoint_url;  // what functions get as AWS_ENDPOINT_URL; read at each invocation
  std::chrono::seconds role_session{3600};
};
/// `endpoint`: asked at each start of an environment. `code`: where zips lie, sealed. `invoke`: the gate (destinations,
/// log writing under the function's role, KMS).
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, store::ObjectStore& code,
                                      api::Invoke invoke, Executor& executor, logs::Service& logs, Secret sealing_root,
                                      Clock& clock, Entropy& entropy, Options options);

std::span<const catalog::Migration> migrations();  // numbers 850-899

}  // namespace coffer::lambda
