// Lambda: functions as zip files, their versions, aliases and permissions, and their invocations. API version
// 2015-03-31. Where a function runs is behind Executor (edge/functions).
//
// Vocabulary. function: a name in an account and Region. version: "$LATEST" (number 0) or a published number: code and
// configuration. qualifier: a version or an alias, behind the name. environment: one sandbox with a started
// interpreter, which serves one invocation after the other. revision: changes with code and configuration.
#pragma once
#include <chrono>
#include <functional>
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
#include "services/work/work.h"

namespace coffer::lambda {

/// What an environment is filled with when it is made.
struct EnvironmentContent {
  Bytes zip;                                     // the code, checked when it was stored
  std::map<std::string, std::string> variables;  // the whole environment, the reserved names included
  WallTime valid_until;                          // its credentials end then: no invocation begins in it afterwards
};

/// All that one execution environment is made of.
struct EnvironmentSpec {
  std::string function_arn;  // with the version: environments are kept by it and `revision`
  std::string revision;      // changes with code and configuration
  std::string name, version, runtime, handler;
  int64_t memory_mb = 128, tmp_mb = 512;
  /// Asked when a new environment is made, not for a warm one. `environment`: 32 hexadecimal digits.
  std::function<Result<EnvironmentContent>(const Context& context, const std::string& environment)> content;
};
struct Invocation {
  std::string request_id, invoked_arn, trace_id, client_context;
  Bytes payload;
  std::chrono::milliseconds timeout{3000};
};
struct Outcome {
  enum class Kind { kResult, kFunctionError };
  Kind kind = Kind::kResult;
  Bytes payload;      // the result, or the error object as a caller sees it
  std::string cause;  // what REPORT says besides: "timeout", "error"; empty for a result
  bool cold = false;
  std::string interpreter;  // of a cold one: what Executor::interpreter_of() said
  std::chrono::microseconds duration{}, init_duration{};
  int64_t max_memory_mb = 0;
  std::string init_log, log;  // what the function wrote while it was initialised and meanwhile: the last 256 KiB
  std::string environment;    // 32 hexadecimal digits: names the log stream
};

/// Runs functions, contained. Safe from many threads.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Uses a warm environment of the same function and revision, or makes one. An error: nothing ran (no interpreter, no
  /// sandbox; kThrottled: no room); what the function itself does wrong is an Outcome.
  virtual Result<Outcome> run(const Context& context, const EnvironmentSpec& spec, const Invocation& invocation) = 0;
  /// Ends environments of the function whose ARN (without a version) this is: those at work after their invocation.
  virtual void forget(std::string_view function_arn) = 0;
  /// Called again and again: what is idle rests, what is idle for long ends.
  virtual void tend() {}
  /// What serves a runtime name, as a person reads it: "python3.11 (for python3.8)"; kInvalidArgument: nothing does.
  virtual Result<std::string> interpreter_of(std::string_view runtime) = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  virtual api::ServiceTable actions() = 0;
  /// Registers the handler of asynchronous invocations ("lambda.async"); the runner is woken for each.
  virtual void add_handlers(work::Runner& runner) = 0;
  /// Takes the log lines that invocations left to their groups, and has the executor tend its environments. Called by
  /// the daemon again and again (lines appear for their readers then), and before it ends.
  virtual Status write_logs(const Context& context) = 0;
};

struct Options {
  std::vector<std::string> regions;
  /// What functions get as AWS_ENDPOINT_URL; asked at each start of an environment.
  std::function<std::string()> endpoint_url;
  std::chrono::seconds role_session{3600};
  int64_t concurrent_executions = 1000;  // of an account in a Region
  api::Transfer transfer = nullptr;      // code from buckets, destinations in buckets; without it there are none
};
/// `code`: where zips lie, sealed. `invoke`: the gate (destinations, logs under the function's role, KMS).
/// `sealing_root`: the installation's root, 64 bytes. Everything borrowed outlives the service.
std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, store::ObjectStore& code,
                                      api::Invoke invoke, Executor& executor, Secret sealing_root, Clock& clock,
                                      Entropy& entropy, Options options);

std::span<const catalog::Migration> migrations();  // numbers 850-899

}  // namespace coffer::lambda
