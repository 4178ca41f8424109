// How many invocations run, and where their log lines wait.
#include <utility>

#include "services/api/fault.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

constexpr size_t kQueueSizeMax = 64 << 20;

Error too_many(std::string_view reason) {
  return api::fault(ErrorCode::kThrottled, "TooManyRequestsException", "Rate Exceeded.", reason);
}

size_t size_of(const LogQueue::Batch& batch) {
  size_t size = 256;
  for (const auto& [time, line] : batch.lines) size += line.size() + 64;
  return size;
}

}  // namespace

Result<Running::Share> Running::enter(const rows::Function& function, int64_t account_limit, int64_t reserved_of_all) {
  const std::string account = function.key.account + "/" + function.key.region;
  const std::string name = account + "/" + function.key.name;
  std::lock_guard lock(mutex_);
  const auto count = [](const std::map<std::string, int64_t>& all, const std::string& key) {
    const auto found = all.find(key);
    return found == all.end() ? int64_t{0} : found->second;
  };
  if (function.reserved) {
    if (count(functions_, name) >= *function.reserved)
      return too_many("ReservedFunctionConcurrentInvocationLimitExceeded");
    ++functions_[name];
    return Share(*this, name, "");
  }
  if (count(accounts_, account) >= account_limit - reserved_of_all)
    return too_many("ConcurrentInvocationLimitExceeded");
  ++functions_[name];
  ++accounts_[account];
  return Share(*this, name, account);
}

void Running::leave(const std::string& function, const std::string& account) {
  std::lock_guard lock(mutex_);
  const auto one_less = [](std::map<std::string, int64_t>& all, const std::string& key) {
    if (const auto found = all.find(key); found != all.end() && --found->second == 0) all.erase(found);
  };
  one_less(functions_, function);
  if (!account.empty()) one_less(accounts_, account);
}

void LogQueue::add(Batch batch) {
  std::lock_guard lock(mutex_);
  size_bytes_ += size_of(batch);
  batches_.push_back(std::move(batch));
  size_t dropped = 0;
  while (size_bytes_ > kQueueSizeMax && dropped + 1 < batches_.size()) size_bytes_ -= size_of(batches_[dropped++]);
  batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(dropped));
}

std::vector<LogQueue::Batch> LogQueue::take() {
  std::lock_guard lock(mutex_);
  size_bytes_ = 0;
  return std::exchange(batches_, {});
}

}  // namespace coffer::lambda
