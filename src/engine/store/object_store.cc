#include "engine/store/object_store.h"

#include <algorithm>
#include <mutex>

#include "base/tasks.h"
#include "engine/store/store_checks.h"

namespace coffer::store {

namespace {

bool allowed_in_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

Status check_key(std::string_view key) {
  auto bad = [&](std::string_view why) {
    std::string shown(key.substr(0, 100));
    for (char& c : shown)
      if (!allowed_in_key(c) && c != '/') c = '?';
    return Error{ErrorCode::kInvalidArgument, "refused the object key '" + shown + "': " + std::string(why), {}};
  };
  constexpr size_t kKeySizeMax = 512, kComponentSizeMax = 255;
  if (key.empty()) return bad("it is empty");
  if (key.size() > kKeySizeMax) return bad("it is longer than 512 bytes");
  for (size_t begin = 0; begin <= key.size();) {
    const size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view component = key.substr(begin, end - begin);
    if (component.empty()) return bad("it has an empty component");
    if (component == "." || component == "..") return bad("'.' and '..' are not allowed in it");
    if (component.size() > kComponentSizeMax) return bad("a component is longer than 255 bytes");
    if (component.starts_with(kTemporaryPrefix)) return bad("'.tmp-' begins only the names of unfinished objects");
    if (!std::all_of(component.begin(), component.end(), allowed_in_key))
      return bad("only A-Z a-z 0-9 . _ - / are allowed");
    begin = end + 1;
  }
  return ok_status();
}

Result<Bytes> ObjectStore::get_all(const Context& context, std::string_view key, uint64_t limit_bytes) {
  COFFER_TRY(ObjectInfo info, head(context, key));
  if (info.size_bytes > limit_bytes)
    return Error{ErrorCode::kCorruption,
                 "the object " + std::string(key) + " has " + std::to_string(info.size_bytes) +
                     " bytes, more than the " + std::to_string(limit_bytes) + " that it may have",
                 {}};
  return get(context, key, 0, info.size_bytes);
}

namespace {

Bytes racer_body(int racer) { return to_bytes("racer " + std::to_string(racer)); }

// All racers put at once, each a body of its own; the answers in the order of the racers.
Result<std::vector<Status>> race(const Context& context, ObjectStore& store, const std::string& key, int racers) {
  std::vector<Status> answers(static_cast<size_t>(racers), ok_status());
  std::mutex mutex;
  std::condition_variable all_here;
  int waiting = 0;
  TaskGroup group(context);
  for (int racer = 0; racer < racers; ++racer) {
    group.spawn([&, racer]() -> Status {
      const Bytes body = racer_body(racer);
      {
        std::unique_lock lock(mutex);
        if (++waiting == racers) all_here.notify_all();
        while (waiting < racers) {
          COFFER_CHECK_OK(group.context().check());
          all_here.wait_for(lock, std::chrono::milliseconds(50));
        }
      }
      auto put = store.put(context, key, body);
      if (!put.ok()) answers[static_cast<size_t>(racer)] = std::move(put).error();
      return ok_status();
    });
  }
  COFFER_CHECK_OK(group.wait());
  return answers;
}

Status check_race(const Context& context, ObjectStore& store, const std::string& key,
                  const std::vector<Status>& answers) {
  auto broken = [&](std::string_view what) {
    return Error{ErrorCode::kFailedPrecondition,
                 store.describe() +
                     " does not keep the promise that one of many creations of an object wins: " + std::string(what),
                 "use a store with atomic creation (a local file system with hard links, or S3 with If-None-Match)"};
  };
  int winner = -1;
  for (int racer = 0; racer < static_cast<int>(answers.size()); ++racer) {
    const Status& answer = answers[static_cast<size_t>(racer)];
    if (answer.ok()) {
      if (winner >= 0) return broken("two creations at once both succeeded");
      winner = racer;
    } else if (answer.code() != ErrorCode::kAlreadyExists) {
      return answer;
    }
  }
  if (winner < 0) return broken("of several creations at once none succeeded");
  COFFER_TRY(Bytes stored, store.get_all(context, key));
  if (!equal(stored, racer_body(winner))) return broken("the object holds other bytes than the winner's");
  return ok_status();
}

}  // namespace

Status probe_conditional_create(const Context& context, ObjectStore& store, Entropy& entropy, int rounds, int racers) {
  for (int round = 0; round < rounds; ++round) {
    const std::string key = "probe/" + to_hex(entropy.array<16>());
    COFFER_TRY(std::vector<Status> answers, race(context, store, key, racers));
    Status verdict = check_race(context, store, key, answers);
    Status removed = store.remove(context, key);
    if (!verdict.ok()) return std::move(verdict).error().in("probing the store");
    if (!removed.ok()) return std::move(removed).error().in("cleaning up after probing the store");
  }
  return ok_status();
}

}  // namespace coffer::store
