// The table of Lambda's operations.
#include "services/api/fault.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::AccessRequest;
using Requests = std::vector<AccessRequest>;

/// The action that an operation asks for, where it is not its own name.
std::string action_of(const api::Call& call) {
  if (call.operation == "Invoke" || call.operation == "InvokeAsync") return "lambda:InvokeFunction";
  return "lambda:" + call.operation;
}

void add_tags(const Request& r, api::ConditionKeys& conditions) {
  std::vector<std::string> keys = r.input().texts("TagKeys");
  for (const auto& [key, value] : r.input().text_map("Tags")) {
    keys.push_back(key);
    conditions.emplace_back("aws:RequestTag/" + key, std::vector<std::string>{value});
  }
  if (!keys.empty()) conditions.emplace_back("aws:TagKeys", std::move(keys));
}

Result<AccessRequest> on_target(const Request& r, const Target& target) {
  AccessRequest request;
  request.action = action_of(r.call());
  request.resource = target.arn();
  request.resource_account = target.key.account;
  COFFER_TRY(request.resource_policy, policy_of(r.t(), target));
  COFFER_TRY(const auto tags, rows::tags(r.t(), target.key));
  for (const auto& [key, value] : tags)
    request.conditions.emplace_back("aws:ResourceTag/" + key, std::vector<std::string>{value});
  request.conditions.emplace_back("lambda:FunctionArn", std::vector<std::string>{target.arn()});
  add_tags(r, request.conditions);
  return request;
}

/// The user's role is passed on to Lambda.
void add_passing(const Request& r, Requests& requests) {
  if (!r.input().has("Role")) return;
  AccessRequest pass;
  pass.action = "iam:PassRole";
  pass.resource = r.text("Role");
  pass.conditions.emplace_back("iam:PassedToService", std::vector<std::string>{"lambda.amazonaws.com"});
  requests.push_back(std::move(pass));
}

Result<Requests> on_function(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(AccessRequest request, on_target(r, target));
  if (r.call().operation == "AddPermission")
    request.conditions.emplace_back("lambda:Principal", std::vector<std::string>{r.text("Principal")});
  Requests requests{std::move(request)};
  add_passing(r, requests);
  return requests;
}

Result<Requests> on_tagged(const Request& r) {
  const auto reference = parse_function(r.input().text("Resource"));
  if (!reference || reference->account.empty()) return invalid_parameter("The function's ARN is needed.");
  COFFER_TRY(AccessRequest request,
             on_target(r, {{reference->account, reference->region, reference->name}, reference->qualifier}));
  return Requests{std::move(request)};
}

Result<Requests> on_all(const Request& r) {
  AccessRequest request;
  request.action = action_of(r.call());
  return Requests{std::move(request)};
}

constexpr api::Entry<Request> kEntries[] = {
    {"CreateFunction", true, on_function, create_function, prepare_code},
    {"GetFunction", false, on_function, get_function},
    {"GetFunctionConfiguration", false, on_function, get_function_configuration},
    {"ListFunctions", false, on_all, list_functions},
    {"UpdateFunctionCode", true, on_function, update_function_code, prepare_code},
    {"UpdateFunctionConfiguration", true, on_function, update_function_configuration},
    {"DeleteFunction", true, on_function, delete_function},
    {"Invoke", false, on_function, prepared_answer, prepare_invoke},
    {"InvokeAsync", false, on_function, prepared_answer, prepare_invoke},
    {"PublishVersion", true, on_function, publish_version},
    {"ListVersionsByFunction", false, on_function, list_versions_by_function},
    {"CreateAlias", true, on_function, create_alias},
    {"GetAlias", false, on_function, get_alias},
    {"UpdateAlias", true, on_function, update_alias},
    {"DeleteAlias", true, on_function, delete_alias},
    {"ListAliases", false, on_function, list_aliases},
    {"AddPermission", true, on_function, add_permission},
    {"GetPolicy", false, on_function, get_policy},
    {"RemovePermission", true, on_function, remove_permission},
    {"PutFunctionConcurrency", true, on_function, put_function_concurrency},
    {"GetFunctionConcurrency", false, on_function, get_function_concurrency},
    {"DeleteFunctionConcurrency", true, on_function, delete_function_concurrency},
    {"PutFunctionEventInvokeConfig", true, on_function, put_event_invoke_config},
    {"UpdateFunctionEventInvokeConfig", true, on_function, update_event_invoke_config},
    {"GetFunctionEventInvokeConfig", false, on_function, get_event_invoke_config},
    {"DeleteFunctionEventInvokeConfig", true, on_function, delete_event_invoke_config},
    {"ListFunctionEventInvokeConfigs", false, on_function, list_event_invoke_configs},
    {"TagResource", true, on_tagged, tag_resource},
    {"UntagResource", true, on_tagged, untag_resource},
    {"ListTags", false, on_tagged, list_tags},
    {"GetAccountSettings", false, on_all, get_account_settings},
};

class FunctionService final : public Service {
 public:
  FunctionService(catalog::Database& database, iam::Authority& authority, store::ObjectStore& code, api::Invoke invoke,
                  Executor& executor, Secret root, Clock& clock, Entropy& entropy, Options options)
      : root_(std::move(root)), setting_{database,           authority,    code,  std::move(invoke),
                                         executor,           root_.view(), clock, entropy,
                                         std::move(options), running_,     logs_, nullptr} {}

  api::ServiceTable actions() override { return api::table_of<Request>("lambda", kEntries, setting_); }

  void add_handlers(work::Runner& runner) override {
    runner.handle("lambda.async", [this](const Context& context, const work::Item& item) {
      return carry_out_async(setting_, context, item);
    });
    setting_.wake = [&runner] { runner.wake(); };
  }

  Status write_logs(const Context& context) override {
    setting_.executor.tend();
    return lambda::write_logs(setting_, context);
  }

 private:
  Secret root_;
  Running running_;
  LogQueue logs_;
  Setting setting_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, store::ObjectStore& code,
                                      api::Invoke invoke, Executor& executor, Secret sealing_root, Clock& clock,
                                      Entropy& entropy, Options options) {
  return std::make_unique<FunctionService>(database, authority, code, std::move(invoke), executor,
                                           std::move(sealing_root), clock, entropy, std::move(options));
}

}  // namespace coffer::lambda
