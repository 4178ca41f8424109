// A vault in memory with what its data side needs: chunks written through a session, a scratch directory.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/tasks.h"
#include "engine/store/object_store.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/index.h"
#include "support/vault_world.h"

namespace coffer::vault {

using testing_support::must;

class VaultFixture : public ::testing::Test {
 protected:
  VaultFixture() : store_(store::open_memory()), vault_(world_.create_vault(*store_)) {
    scratch_ = must(world_.files().open_directory(world_.environment().scratch));
  }

  /// Bytes that do not compress and differ for each seed.
  static Bytes bytes_of(uint64_t seed, size_t size) {
    Bytes bytes(size);
    SeededEntropy entropy(seed * 7919 + size);
    entropy.fill(bytes);
    return bytes;
  }

  /// Stores chunks in packs of about `pack_size_bytes` with one index; gives their ids.
  std::vector<ChunkId> write_chunks(const std::vector<Bytes>& chunks, uint64_t pack_size_bytes = 64 << 10) {
    auto index = must(IndexSet::load(context_, *vault_));
    ByteBudget budget(64 << 20);
    WriteOptions options;
    options.pack_size_bytes = pack_size_bytes;
    options.frame_size_bytes = 32 << 10;
    WriteSession session(context_, *vault_, *index, budget, options, {});
    std::vector<ChunkId> ids;
    {
      ChunkWriter writer(session);
      for (const Bytes& chunk : chunks) ids.push_back(must(writer.put(context_, chunk)));
      must(writer.close(context_));
    }
    must(session.finish(context_));
    return ids;
  }

  std::vector<std::string> keys(std::string_view prefix) {
    std::vector<std::string> out;
    must(store_->list(context_, prefix, [&](const store::ObjectInfo& info) {
      out.push_back(info.key);
      return true;
    }));
    return out;
  }

  testing_support::World world_;
  Context context_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<Vault> vault_;
  std::unique_ptr<Directory> scratch_;
};

}  // namespace coffer::vault
