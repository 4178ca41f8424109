// Where a key comes from: file:PATH, passphrase-file:PATH, passphrase-env:NAME, passphrase-command:COMMAND, passphrase,
// kms:KEY, escrow:SHARE,SHARE,..., PATH.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/filesystem.h"
#include "base/processes.h"
#include "edge/cli/arguments.h"
#include "edge/cli/terminal.h"
#include "engine/crypto/escrow.h"

namespace coffer::cli {

struct KeySource {
  enum class Kind {
    kKeyFile,
    kPassphraseFile,
    kPassphraseEnvironment,
    kPassphraseCommand,
    kPassphrasePrompt,
    kKms,
    kEscrow
  };
  Kind kind = Kind::kKeyFile;
  std::string argument;  // path, variable, command, KMS key, or files with shares
  friend bool operator==(const KeySource&, const KeySource&) = default;
};
/// kInvalidArgument with the forms that there are.
Result<KeySource> parse_key_source(std::string_view text);

/// "[NAME=]KEY" as vault init takes it.
struct NamedKeySource {
  std::string name;  // given, or made from the kind
  KeySource source;
};
Result<NamedKeySource> parse_named_key_source(std::string_view text);
/// kInvalidArgument unless it is 1 to 64 characters of [A-Za-z0-9._-].
Status check_slot_name(std::string_view name);

struct KeyLoader {
  const Context& context;
  FileSystem& files;
  Clock& clock;
  Processes& processes;
  Prompter& prompter;
  Sink& messages;  // a key file that others may read is told
  const EnvironmentVariables& environment;

  /// `confirm`: a passphrase that is typed must be typed twice (it is for a new slot).
  Result<std::unique_ptr<crypto::SlotKey>> load(const KeySource& source, std::string_view purpose, bool confirm) const;
  /// One share from each file; errors name the file.
  Result<std::vector<crypto::EscrowShare>> load_shares(const std::vector<std::string>& paths) const;

 private:
  Result<std::unique_ptr<crypto::SlotKey>> load_kms_key(const std::string& key) const;
  Result<std::unique_ptr<crypto::SlotKey>> load_key_file(const std::string& path) const;
  Result<Secret> passphrase(const KeySource& source, std::string_view purpose, bool confirm) const;
  Result<Secret> passphrase_from_command(const std::string& command) const;
  Result<Secret> prompted(std::string_view purpose, bool confirm) const;
  void warn_when_readable_by_others(const std::string& path) const;
};

}  // namespace coffer::cli
