// The operations behind actions.cc, by area. For the files of this folder.
#pragma once
#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "services/api/request.h"
#include "services/lambda/names.h"
#include "services/lambda/rows.h"
#include "services/lambda/service.h"

namespace coffer::lambda {

/// Invocations at work in this process, by function and in all of an account and Region.
class Running {
 public:
  /// Counted until it is destroyed.
  class Share {
   public:
    Share() = default;
    Share(Running& running, std::string function, std::string account)
        : running_(&running), function_(std::move(function)), account_(std::move(account)) {}
    Share(Share&& o) noexcept
        : running_(std::exchange(o.running_, nullptr)), function_(o.function_), account_(o.account_) {}
    Share& operator=(Share&&) = delete;
    ~Share() {
      if (running_) running_->leave(function_, account_);
    }

   private:
    Running* running_ = nullptr;
    std::string function_, account_;
  };
  /// "TooManyRequestsException" beyond the function's reserved concurrency, or what the account has beside those.
  Result<Share> enter(const rows::Function& function, int64_t account_limit, int64_t reserved_of_all);

 private:
  void leave(const std::string& function, const std::string& account);
  std::mutex mutex_;
  std::map<std::string, int64_t> functions_, accounts_;  // accounts: of functions without a reservation
};

/// Log lines that wait to be written.
class LogQueue {
 public:
  struct Batch {
    rows::Key key;
    std::string group, stream, role;
    std::vector<std::pair<WallTime, std::string>> lines;
  };
  /// Beyond 64 MiB the oldest are dropped.
  void add(Batch batch);
  std::vector<Batch> take();

 private:
  std::mutex mutex_;
  std::vector<Batch> batches_;
  size_t size_bytes_ = 0;
};

/// What every operation works with.
struct Setting {
  catalog::Database& database;
  iam::Authority& authority;
  store::ObjectStore& code;
  api::Invoke invoke;
  Executor& executor;
  ByteView root;
  Clock& clock;
  Entropy& entropy;
  Options options;
  Running& running;
  LogQueue& logs;
  std::function<void()> wake;  // whoever carries out asynchronous invocations; may be null
};
using Request = api::Request<Setting>;

// failures
Error invalid_parameter(std::string message);
Error not_found(std::string message);
Error conflict(std::string message);
/// "Function not found: <arn>"
Error no_function(const rows::Key& key, std::string_view qualifier = {});

// which function
/// A function and qualifier as the input's FunctionName and Qualifier say; "ValidationException",
/// "InvalidParameterValueException" when the two name different qualifiers, or another Region.
struct Target {
  rows::Key key;
  std::string qualifier;  // empty: none was given
  [[nodiscard]] std::string arn() const { return function_arn(key.region, key.account, key.name, qualifier); }
};
Result<Target> target_of(const Request&);
/// The version that a qualifier means: empty and "$LATEST", a number, an alias (which may weigh between two: `random`
/// decides). "ResourceNotFoundException".
Result<rows::Version> resolve(catalog::Transaction&, const Target&, Entropy& random);
/// "ResourceNotFoundException".
Result<rows::Function> function_of(catalog::Transaction&, const rows::Key&);

// configuration
/// The user's members of a Create or Update input, checked, over those of `before` (null: Create).
Result<api::Value> configured(const Request&, const api::Value& before);
/// FunctionConfiguration, without Environment. `qualifier`: how the ARN ends.
api::Value shown(const rows::Version& version, std::string_view qualifier, const std::string& interpreter);
/// The same with Environment, opened for the caller, or its Error.
Result<api::Value> shown_to_caller(const Request&, const rows::Version& version, std::string_view qualifier);
/// "PreconditionFailedException" when the input names another RevisionId.
Status check_revision(const Request&, std::string_view revision);
/// What Lambda sets and functions may not.
bool is_reserved_variable(std::string_view name);

// environment variables
struct SealedEnvironment {
  Bytes sealed, key;
};
/// Under the installation's root, or a data key of `kms_key` for which the caller asks KMS.
Result<SealedEnvironment> seal_environment(const Request&, const rows::Key& key, const std::string& kms_key,
                                           const std::map<std::string, std::string>& variables);
/// KMS is asked as `call` and `identity` say.
Result<std::map<std::string, std::string>> open_environment(const Setting&, const api::Call& call,
                                                            const iam::Identity* identity,
                                                            const rows::Version& version);

// objects of buckets
/// GetObject; at most `size_max` bytes, kResourceExhausted beyond.
Result<Bytes> get_object(const Setting&, const api::Call& call, const iam::Identity* identity, const api::Value& input,
                         uint64_t size_max);
Status put_object(const Setting&, const api::Call& call, const iam::Identity* identity, const api::Value& input,
                  ByteView body);

// code
struct StoredCode {
  std::string key, sha256;
  int64_t size = 0;
};
/// Where the code of an input is; it is checked and stored before the transaction, and goes again when that fails.
Result<std::shared_ptr<void>> prepare_code(const Request&);
/// Of prepare_code(); kept once the transaction commits.
Result<StoredCode> prepared_code(const Request&);
Result<Bytes> load_code(const Setting&, const Context& context, const rows::Version& version);
/// After the transaction: what no version uses any more goes.
Status drop_unused_code(const Request&, const std::vector<std::string>& codes);

// running
/// A caller of other services: the role of a function.
Result<std::shared_ptr<const iam::Identity>> assume_role(const Setting&, catalog::Transaction&, const rows::Key& key,
                                                         const std::string& role, api::Call& call);
struct Ran {
  Outcome outcome;
  std::string version, log;  // "$LATEST" or a number; the whole text as Tail shows it
};
struct InvocationOrder {
  Target target;
  std::string request_id, client_context;
  Bytes payload;
};
/// Runs a version and queues its log lines. "TooManyRequestsException", "ResourceConflictException",
/// "ServiceException".
Result<Ran> run_function(const Setting&, const Context& context, const InvocationOrder& order);

/// The handler of "lambda.async".
Status carry_out_async(const Setting&, const Context& context, const work::Item& item);
Status write_logs(const Setting&, const Context& context);
/// "InvalidParameterValueException" for what is no destination of this installation.
Status check_destination(std::string_view arn);

// resource policies
/// Of one qualifier; null: there is none.
Result<std::shared_ptr<const policy::Document>> policy_of(catalog::Transaction&, const Target&);

// pages
std::string marker_behind(const Request&, std::string_view after);
/// Behind what this page begins; empty: at the start. "InvalidParameterValueException".
Result<std::string> begin_of_page(const Request&);
/// How many a page has: MaxItems, at most 50.
int64_t page_size(const Request&);

Result<api::Value> create_function(const Request&);
Result<api::Value> get_function(const Request&);
Result<api::Value> get_function_configuration(const Request&);
Result<api::Value> list_functions(const Request&);
Result<api::Value> update_function_code(const Request&);
Result<api::Value> update_function_configuration(const Request&);
Result<api::Value> delete_function(const Request&);
Result<api::Value> publish_version(const Request&);
Result<api::Value> list_versions_by_function(const Request&);
Result<api::Value> create_alias(const Request&);
Result<api::Value> get_alias(const Request&);
Result<api::Value> update_alias(const Request&);
Result<api::Value> delete_alias(const Request&);
Result<api::Value> list_aliases(const Request&);
Result<api::Value> add_permission(const Request&);
Result<api::Value> get_policy(const Request&);
Result<api::Value> remove_permission(const Request&);
Result<api::Value> put_function_concurrency(const Request&);
Result<api::Value> get_function_concurrency(const Request&);
Result<api::Value> delete_function_concurrency(const Request&);
Result<api::Value> put_event_invoke_config(const Request&);
Result<api::Value> update_event_invoke_config(const Request&);
Result<api::Value> get_event_invoke_config(const Request&);
Result<api::Value> delete_event_invoke_config(const Request&);
Result<api::Value> list_event_invoke_configs(const Request&);
Result<api::Value> tag_resource(const Request&);
Result<api::Value> untag_resource(const Request&);
Result<api::Value> list_tags(const Request&);
Result<api::Value> get_account_settings(const Request&);
/// Invoke and InvokeAsync run before any transaction: a function takes its time, and calls back.
Result<std::shared_ptr<void>> prepare_invoke(const Request&);
Result<api::Value> prepared_answer(const Request&);

}  // namespace coffer::lambda
