#include "edge/daemon/installation.h"

#include <cstdlib>
#include <optional>

#include "base/new_file.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/keyset.h"

namespace coffer::daemon {
namespace {

constexpr size_t kKeyFileSize = 32;
constexpr std::string_view kKeysetPrefix = "keys/keyset-";
constexpr char kMachineKey[] = "keys/installation.key";
constexpr char kRecoveryKey[] = "recovery.key";
constexpr char kCredentials[] = "credentials";

Secret new_key(Entropy& entropy) {
  Bytes key(kKeyFileSize);
  entropy.fill(key);
  return Secret(std::move(key));
}

Status write_key_file(Directory& folder, const std::string& name, const Secret& key) {
  std::string text = crypto::format_key_file(key.view());
  Status written = write_new_file(folder, name, as_bytes(text));
  wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return written;
}

/// The newest keyset's name, or nothing.
Result<std::optional<std::string>> newest_keyset(Directory& folder) {
  std::optional<std::string> newest;
  uint32_t best = 0;
  COFFER_CHECK_OK(folder.list("keys", [&](const DirectoryEntry& entry) {
    if (!entry.name.starts_with("keyset-")) return true;
    const auto generation = static_cast<uint32_t>(std::strtoul(entry.name.c_str() + 7, nullptr, 10));
    if (generation > best) best = generation, newest = "keys/" + entry.name;
    return true;
  }));
  return newest;
}

/// Takes out the profile that begins with `head`: a start that was cut off wrote it for a key that came to nothing, and
/// clients do not read a file that has a profile twice.
void remove_profile(std::string& text, const std::string& head) {
  size_t begin = 0;
  if (!text.starts_with(head)) {
    begin = text.find("\n" + head);
    if (begin == std::string::npos) return;
    ++begin;
  }
  const size_t next = text.find("\n[", begin);
  if (next == std::string::npos) {
    text.erase(begin == 0 ? 0 : begin - 1);
  } else {
    text.erase(begin, next + 1 - begin);
  }
}

Result<Bytes> read_all(Directory& folder, const std::string& name) {
  COFFER_TRY(auto file, folder.open_file(name));
  COFFER_TRY(FileStat stat, file->stat());
  if (stat.size_bytes > 1 << 20) return Error{ErrorCode::kCorruption, name + " is larger than any keyset", {}};
  Bytes bytes(stat.size_bytes);
  COFFER_TRY(size_t got, file->read_at(0, bytes));
  bytes.resize(got);
  return bytes;
}

/// Makes both key files first and the keyset last: until the keyset has its name the installation does not exist, and a
/// start that was interrupted begins again with the key files that are there.
Result<Secret> create_keyset(Directory& folder, FileSystem& files, const std::string& machine_key_path, Clock& clock,
                             Entropy& entropy) {
  const auto key_at = [&](const std::string& name) -> Result<Secret> {
    Result<Bytes> there = read_all(folder, name);
    if (there.ok()) return crypto::parse_key_file(*there);
    if (there.code() != ErrorCode::kNotFound) return std::move(there).error();
    Secret key = new_key(entropy);
    COFFER_CHECK_OK(write_key_file(folder, name, key));
    return key;
  };
  Secret machine_key;
  if (machine_key_path.empty()) {
    COFFER_TRY(machine_key, key_at(kMachineKey));
  } else {
    COFFER_TRY(Bytes text, files.read_file(machine_key_path));
    COFFER_TRY(machine_key, crypto::parse_key_file(text));
    wipe(text);
  }
  COFFER_TRY(Secret recovery_key, key_at(kRecoveryKey));

  Bytes root_bytes(crypto::kRootSize);
  entropy.fill(root_bytes);
  Secret root(std::move(root_bytes));
  crypto::Keyset keyset;
  keyset.key_id = entropy.array<16>();
  keyset.vault_uuid = random_uuid(entropy);
  keyset.created = clock.wall();
  keyset.key_check = crypto::key_check_of(root.view(), keyset.key_id);
  const Bytes binding = crypto::slot_binding(keyset);
  for (auto [name, key] : {std::pair{"installation", &machine_key}, {"recovery", &recovery_key}}) {
    COFFER_TRY(crypto::KeySlot slot, crypto::key_file_slot(key->clone())->wrap(name, root.view(), binding, entropy));
    keyset.slots.push_back(std::move(slot));
  }
  COFFER_CHECK_OK(write_new_file(folder, std::string(kKeysetPrefix) + "1", crypto::encode_keyset(keyset, root.view())));
  return root;
}

}  // namespace

std::string catalog_location(const Config& config) {
  return config.catalog.empty() ? config.data + "/catalog.sqlite" : config.catalog;
}

Result<std::unique_ptr<Installation>> Installation::open(FileSystem& files, Clock& clock, Entropy& entropy,
                                                         const Config& config) {
  std::unique_ptr<Installation> made(new Installation);
  COFFER_TRY(made->folder_, files.create_directories(config.data, 0700));
  Directory& folder = *made->folder_;
  Result<std::unique_ptr<File>> lock = folder.create_file("lock", 0600);
  if (!lock.ok() && lock.code() == ErrorCode::kAlreadyExists) lock = folder.open_file_for_write("lock");
  if (!lock.ok()) return std::move(lock).error().in("opening " + config.data);
  made->lock_ = std::move(*lock);
  if (Status held = made->lock_->try_lock(); !held.ok()) {
    if (held.code() == ErrorCode::kConflict)
      return Error{ErrorCode::kConflict, "another cofferd runs on " + config.data,
                   "stop it first, or name another folder with --data"};
    if (held.code() != ErrorCode::kUnavailable) return std::move(held).error();
  }
  COFFER_CHECK_OK(folder.create_directories("keys", 0700));
  COFFER_TRY(std::optional<std::string> name, newest_keyset(folder));
  if (!name) {
    made->is_new_ = true;
    COFFER_TRY(made->root_, create_keyset(folder, files, config.installation_key, clock, entropy));
    made->slot_count_ = 2;
    return made;
  }
  COFFER_TRY(Bytes bytes, read_all(folder, *name));
  COFFER_TRY(crypto::Keyset keyset, crypto::parse_keyset(bytes));
  made->slot_count_ = keyset.slots.size();
  const std::string key_path =
      config.installation_key.empty() ? config.data + "/" + kMachineKey : config.installation_key;
  Result<Bytes> text = files.read_file(key_path);
  if (!text.ok()) {
    return std::move(text)
        .error()
        .in("reading the installation's key")
        .advise("name the key file with keys.installation, or use the recovery key: --key " + config.data +
                "/recovery.key");
  }
  COFFER_TRY(Secret key, crypto::parse_key_file(*text));
  wipe(*text);
  Result<Secret> root = crypto::unlock_keyset(keyset, bytes, *crypto::key_file_slot(std::move(key)));
  if (!root.ok()) return std::move(root).error().in("opening the installation's keyset with " + key_path);
  made->root_ = std::move(*root);
  return made;
}

Secret Installation::derive(std::string_view purpose) const {
  return Secret(crypto::hkdf_expand_sha512(root_.view(), as_bytes(purpose), 32));
}

Status Installation::add_credentials(std::string_view profile, std::string_view account, std::string_view access_key_id,
                                     std::string_view secret_access_key) {
  std::string text;
  Result<Bytes> there = read_all(*folder_, kCredentials);
  if (there.ok()) {
    text = to_text(*there);
  } else if (there.code() != ErrorCode::kNotFound) {
    return std::move(there).error();
  }
  const std::string head = "[" + std::string(profile) + "]\n# root of account " + std::string(account) + "\n";
  remove_profile(text, head);
  if (!text.empty()) text += "\n";
  text += head + "aws_access_key_id = " + std::string(access_key_id) +
          "\naws_secret_access_key = " + std::string(secret_access_key) + "\n";
  Status written = replace_file(*folder_, kCredentials, as_bytes(text), 0600);
  wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return written;
}

}  // namespace coffer::daemon
