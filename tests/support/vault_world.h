// VaultWorld: what a job needs (environment, a store, a vault with a key), without a daemon, a server or a key on disk.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp is POSIX
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "engine/jobs/environment.h"
#include "engine/store/object_store.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/vault.h"

namespace coffer::testing_support {

template <class T>
T must(Result<T> result) {
  if (!result.ok())
    throw std::runtime_error("unexpected error: " + std::string(error_code_name(result.code())) + ": " +
                             result.error().message);
  return std::move(result).value();
}

/// A fresh directory, removed with all that is in it. In memory where there is such a place: restores sync what they
/// write.
class FastDirectory {
 public:
  FastDirectory() {
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    path_ =
        (in_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) + "/coffer-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
  }
  FastDirectory(const FastDirectory&) = delete;
  FastDirectory& operator=(const FastDirectory&) = delete;
  ~FastDirectory() { clear_all(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(std::string_view below) const { return path_ + "/" + std::string(below); }

 private:
  void clear_all() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path_;
};

inline Secret test_key() { return Secret(Bytes(32, std::byte{0x42})); }

using Objects = std::map<std::string, Bytes>;

inline Objects snapshot(store::ObjectStore& store) {
  Objects objects;
  const Context context;
  must(store.list(context, "", [&](const store::ObjectInfo& info) {
    objects[info.key] = must(store.get_all(context, info.key));
    return true;
  }));
  return objects;
}
inline std::unique_ptr<store::ObjectStore> store_of(const Objects& objects) {
  auto store = store::open_memory();
  for (const auto& [key, body] : objects) must(store->put({}, key, body));
  return store;
}
/// Puts other bytes under a key, as no honest program does.
inline void overwrite(store::ObjectStore& store, const std::string& key, ByteView body) {
  must(store.remove({}, key));
  must(store.put({}, key, body));
}

/// The machine around a job. One file system, clock and so on for all tests of a process.
class World {
 public:
  explicit World(int workers = 2, FileSystem* files = nullptr)
      : budget_(64 << 20),
        environment_{.files = files != nullptr ? *files : files_,
                     .clock = clock_,
                     .entropy = entropy_,
                     .processes = processes_,
                     .budget = budget_,
                     .progress = progress_,
                     .scratch = directory_.path("scratch"),
                     .jobs = workers,
                     .pg_binaries = {}} {
    std::filesystem::create_directory(environment_.scratch);
  }
  [[nodiscard]] const jobs::Environment& environment() const { return environment_; }
  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] const FastDirectory& directory() const { return directory_; }
  Clock& clock() { return clock_; }
  Entropy& entropy() { return entropy_; }
  FileSystem& files() { return files_; }

  std::unique_ptr<vault::Vault> create_vault(store::ObjectStore& store) {
    auto key = crypto::key_file_slot(test_key());
    return must(vault::Vault::create(context_, store, clock_, entropy_, {{"test", key.get()}}));
  }
  Result<std::unique_ptr<vault::Vault>> open_vault(store::ObjectStore& store, Secret secret = test_key()) {
    auto key = crypto::key_file_slot(std::move(secret));
    return vault::Vault::open(context_, store, clock_, entropy_, *key);
  }
  std::vector<std::string> live_points(const vault::Vault& vault) {
    std::vector<std::string> ids;
    auto log = must(vault::CommitLog::load(context_, vault));
    for (const auto& p : log->state().live) ids.push_back(p.id);
    return ids;
  }

 private:
  FastDirectory directory_;
  PosixFileSystem files_;
  SystemClock clock_;
  SystemEntropy entropy_;
  SystemProcesses processes_;
  ByteBudget budget_;
  NoProgress progress_;
  Context context_;
  jobs::Environment environment_;
};

/// Path -> bytes of all regular files below `root`; directories as path + "/" -> nothing.
inline std::map<std::string, Bytes> read_tree(const std::string& root) {
  std::map<std::string, Bytes> tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string path = entry.path().string().substr(root.size() + 1);
    if (entry.is_directory()) {
      tree[path + "/"] = {};
    } else if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      tree[path] = to_bytes(text);
    }
  }
  return tree;
}

}  // namespace coffer::testing_support
