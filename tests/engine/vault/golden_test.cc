// What was written must stay readable: tests/golden/vault-1 holds the objects of a small vault as they were first
// written. The key is the key file of 32 bytes 0x01. A new format gets a folder of its own; this one never changes.
//
// COFFER_WRITE_GOLDEN=<folder> makes the test write such a vault there instead.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/vault/lease_holder.h"
#include "engine/vault/log_fixture.h"
#include "engine/vault/manifest_samples.h"
#include "engine/vault/points.h"

namespace coffer::vault {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLeaseId = "00112233445566ff";

fs::path golden_folder() { return fs::path(__FILE__).parent_path().parent_path().parent_path() / "golden" / "vault-1"; }

Objects read_folder(const fs::path& folder) {
  Objects objects;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    objects[entry.path().lexically_relative(folder).generic_string()] =
        to_bytes(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  return objects;
}

void write_folder(const fs::path& folder, const Objects& objects) {
  for (const auto& [key, body] : objects) {
    fs::create_directories((folder / key).parent_path());
    std::ofstream(folder / key, std::ios::binary) << as_text(body);
  }
}

Manifest golden_manifest(const Vault& vault) {
  Manifest manifest = full_manifest();
  manifest.vault_uuid = vault.format().uuid;
  return manifest;
}

LeaseInfo golden_lease() {
  return {.id = kLeaseId,
          .holder = "host pid 1",
          .purpose = "backup",
          .acquired = kNoon,
          .expires = kNoon + std::chrono::minutes(15),
          .log_size = 1,
          .renewals = 2,
          .released = false};
}

Attestation golden_attestation() {
  return {.point_id = full_manifest().id,
          .kind = ProofKind::kProven,
          .success = true,
          .time = kNoon,
          .duration_ms = 1234,
          .size_bytes = 56789,
          .summary = "booted, 3 checks",
          .findings = {},
          .facts = {{"rows.bank", "1000000"}}};
}

class GoldenTest : public LogFixture {
 protected:
  Objects write() {
    auto store = store::open_memory();
    auto vault = must(Vault::create({}, *store, clock_, entropy_, {{"one", key_.get()}, {"two", other_key_.get()}}));
    auto log = must(CommitLog::load({}, *vault));
    const Manifest manifest = golden_manifest(*vault);
    const std::string key = manifest_key(manifest.id);
    must(vault->put_sealed({}, key, crypto::ObjectKind::kManifest, encode_manifest(manifest)));
    const Bytes sealed = must(store->get_all({}, key));
    must(log->append({}, LogEntryType::kKeysetChanged, "1", {}, nullptr));
    must(log->append(
        {}, LogEntryType::kPointCommitted, manifest.id,
        encode_commit_body(
            {.manifest_size_bytes = sealed.size(), .manifest_sha256 = crypto::sha256(sealed), .lease_id = kLeaseId}),
        nullptr));
    must(log->append({}, LogEntryType::kTombstone, "t", Bytes(32, std::byte{0xee}), nullptr));
    must(vault->put_sealed({}, lease_key(kLeaseId, 2), crypto::ObjectKind::kLease, encode_lease(golden_lease())));
    must(write_attestation({}, *vault, golden_attestation()));
    return snapshot(*store);
  }
};

TEST_F(GoldenTest, AVaultOfFormat1IsRead) {
  if (const char* folder = std::getenv("COFFER_WRITE_GOLDEN")) {
    write_folder(folder, write());
    GTEST_SKIP() << "written to " << folder;
  }
  auto store = store_of(read_folder(golden_folder()));
  for (auto* key : {key_.get(), other_key_.get()}) ASSERT_TRUE(Vault::open({}, *store, clock_, entropy_, *key).ok());
  auto vault = open(*store);
  EXPECT_EQ(vault->format().created, kNoon);
  auto log = must(CommitLog::load({}, *vault));
  ASSERT_EQ(log->size(), 3u);
  EXPECT_EQ(log->entries()[0].type, LogEntryType::kKeysetChanged);
  EXPECT_EQ(log->state().open_tombstones.at(0).id, "t");
  const Manifest manifest = must(read_manifest({}, *vault, log->state(), full_manifest().id));
  EXPECT_EQ(encode_manifest(manifest), encode_manifest(golden_manifest(*vault)));
  const auto leases = must(list_leases({}, *vault));
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_EQ(encode_lease(leases[0]), encode_lease(golden_lease()));
  const auto points = must(list_points({}, *vault, log->state(), nullptr));
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].state, PointState::kProven);
  const auto proofs = must(read_attestations({}, *vault, manifest.id));
  EXPECT_EQ(proofs.at(0).facts, golden_attestation().facts);
}

TEST_F(GoldenTest, TheEncodingsAreStillTheSame) {
  auto store = store_of(read_folder(golden_folder()));
  auto vault = open(*store);
  auto plain = [&](const std::string& key, crypto::ObjectKind kind) { return must(vault->get_sealed({}, key, kind)); };
  EXPECT_EQ(must(store->get_all({}, "format")), encode_format(vault->format()));
  const std::string keyset = keys_of(*store, "keysets/").at(0);
  EXPECT_EQ(must(store->get_all({}, keyset)),
            crypto::encode_keyset(vault->keysets().at(0), vault->current().root.view()));
  for (uint64_t i = 0; i < 3; ++i) {
    const Bytes entry = plain(entry_key(i), crypto::ObjectKind::kLogEntry);
    EXPECT_EQ(entry, encode_log_entry(must(decode_log_entry(entry)))) << i;
  }
  EXPECT_EQ(plain(manifest_key(full_manifest().id), crypto::ObjectKind::kManifest),
            encode_manifest(golden_manifest(*vault)));
  EXPECT_EQ(plain(lease_key(kLeaseId, 2), crypto::ObjectKind::kLease), encode_lease(golden_lease()));
}

}  // namespace
}  // namespace coffer::vault
