#include <map>
#include <mutex>

#include "engine/store/object_store.h"
#include "engine/store/store_checks.h"

namespace coffer::store {

namespace {

using SharedBody = std::shared_ptr<const Bytes>;

class MemoryView final : public ObjectView {
 public:
  explicit MemoryView(SharedBody body) : body_(std::move(body)) {}
  [[nodiscard]] ByteView bytes() const override { return *body_; }

 private:
  SharedBody body_;
};

class MemoryObjectStore final : public ObjectStore {
 public:
  [[nodiscard]] Capabilities capabilities() const override { return {.conditional_create = true}; }
  [[nodiscard]] std::string describe() const override { return "memory"; }

  Result<ObjectInfo> put(const Context& context, std::string_view key, ByteView body) override {
    COFFER_CHECK_OK(context.check());
    COFFER_CHECK_OK(check_put(key, body));
    auto copy = std::make_shared<const Bytes>(to_bytes(body));
    std::lock_guard lock(mutex_);
    COFFER_CHECK_OK(check_free(key));
    objects_.emplace(key, std::move(copy));
    return ObjectInfo{.key = std::string(key), .size_bytes = body.size()};
  }

  Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) override {
    COFFER_TRY(SharedBody body, find(context, key));
    COFFER_CHECK_OK(check_range(key, body->size(), offset, length));
    return to_bytes(ByteView(*body).subspan(offset, length));
  }

  Result<ObjectInfo> head(const Context& context, std::string_view key) override {
    COFFER_TRY(SharedBody body, find(context, key));
    return ObjectInfo{.key = std::string(key), .size_bytes = body->size()};
  }

  Result<std::unique_ptr<ObjectView>> view(const Context& context, std::string_view key) override {
    COFFER_TRY(SharedBody body, find(context, key));
    return std::unique_ptr<ObjectView>(std::make_unique<MemoryView>(std::move(body)));
  }

  Status list(const Context& context, std::string_view prefix, const Visitor& visit) override {
    COFFER_CHECK_OK(check_prefix(prefix));
    // One key at a time, so that the visitor may put and remove.
    for (std::string last(prefix);;) {
      COFFER_CHECK_OK(context.check());
      ObjectInfo info;
      {
        std::lock_guard lock(mutex_);
        auto next = objects_.upper_bound(last);
        if (next == objects_.end() || !next->first.starts_with(prefix)) return ok_status();
        info = {.key = next->first, .size_bytes = next->second->size()};
      }
      last = info.key;
      if (!visit(info)) return ok_status();
    }
  }

  Status remove(const Context& context, std::string_view key) override {
    COFFER_CHECK_OK(context.check());
    COFFER_CHECK_OK(check_key(key));
    std::lock_guard lock(mutex_);
    if (auto it = objects_.find(key); it != objects_.end()) objects_.erase(it);
    return ok_status();
  }

 private:
  Result<SharedBody> find(const Context& context, std::string_view key) {
    COFFER_CHECK_OK(context.check());
    COFFER_CHECK_OK(check_key(key));
    std::lock_guard lock(mutex_);
    auto it = objects_.find(key);
    if (it == objects_.end()) return no_such_object(key);
    return it->second;
  }

  // Refuses what a directory tree cannot hold as well, so that a layout tested here works on disk.
  Status check_free(std::string_view key) {
    if (objects_.contains(key)) return object_exists(key);
    const std::string folder = std::string(key) + "/";
    auto below = objects_.lower_bound(folder);
    if (below != objects_.end() && below->first.starts_with(folder)) return key_is_folder(key);
    for (size_t slash = key.find('/'); slash != key.npos; slash = key.find('/', slash + 1))
      if (objects_.contains(key.substr(0, slash))) return key_is_folder(key.substr(0, slash));
    return ok_status();
  }

  std::mutex mutex_;
  std::map<std::string, SharedBody, std::less<>> objects_;
};

}  // namespace

std::unique_ptr<ObjectStore> open_memory() { return std::make_unique<MemoryObjectStore>(); }

}  // namespace coffer::store
