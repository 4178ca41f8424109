#include "edge/cli/key_source.h"

#include <algorithm>
#include <array>

#include "edge/wire/kms_client.h"

namespace coffer::cli {

namespace {

constexpr std::string_view kForms =
    "keys are written file:PATH, passphrase-file:PATH, passphrase-env:NAME, passphrase-command:COMMAND, kms:KEY, "
    "escrow:SHARE,SHARE,... or passphrase";
constexpr uint64_t kKeyFileSizeMax = 64 << 10;
constexpr std::chrono::minutes kCommandTimeout{5};

struct Prefix {
  std::string_view text;
  KeySource::Kind kind;
  std::string_view slot_name;
};
constexpr std::array<Prefix, 6> kPrefixes = {
    {{"file:", KeySource::Kind::kKeyFile, "key-file"},
     {"passphrase-file:", KeySource::Kind::kPassphraseFile, "passphrase"},
     {"passphrase-env:", KeySource::Kind::kPassphraseEnvironment, "passphrase"},
     {"passphrase-command:", KeySource::Kind::kPassphraseCommand, "passphrase"},
     {"kms:", KeySource::Kind::kKms, "kms"},
     {"escrow:", KeySource::Kind::kEscrow, "escrow"}}};

bool is_slot_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
}

// What a file or a command gives ends with a newline that nobody means.
Secret without_newline(Bytes bytes) {
  ByteView text = bytes;
  if (!text.empty() && text.back() == std::byte{'\n'}) text = text.first(text.size() - 1);
  if (!text.empty() && text.back() == std::byte{'\r'}) text = text.first(text.size() - 1);
  Secret secret = Secret::copy_of(text);
  wipe(bytes);
  return secret;
}

}  // namespace

Result<KeySource> parse_key_source(std::string_view text) {
  if (text == "passphrase") return KeySource{KeySource::Kind::kPassphrasePrompt, {}};
  for (const Prefix& prefix : kPrefixes) {
    if (!text.starts_with(prefix.text)) continue;
    if (text.size() == prefix.text.size())
      return Error{ErrorCode::kInvalidArgument, "nothing stands behind '" + std::string(prefix.text) + "'",
                   std::string(kForms)};
    return KeySource{prefix.kind, std::string(text.substr(prefix.text.size()))};
  }
  if (text.empty()) return Error{ErrorCode::kInvalidArgument, "the key is empty", std::string(kForms)};
  // A word with a colon before any slash is a mistyped kind, or a kind that a later version knows; never a file by
  // chance.
  if (const size_t colon = text.find(':'); colon != std::string_view::npos && text.find('/') > colon)
    return Error{ErrorCode::kInvalidArgument, "'" + std::string(text.substr(0, colon + 1)) + "' is no kind of key",
                 std::string(kForms)};
  return KeySource{KeySource::Kind::kKeyFile, std::string(text)};
}

Status check_slot_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), is_slot_name_character))
    return Error{ErrorCode::kInvalidArgument, "'" + std::string(name) + "' is no name for a slot",
                 "use up to 64 letters, digits, dots, dashes and underscores"};
  return ok_status();
}

Result<NamedKeySource> parse_named_key_source(std::string_view text) {
  const size_t equals = text.find('=');
  // "passphrase-command:pass x=1" has its '=' behind a colon: that one names nothing.
  if (equals != std::string_view::npos && text.find_first_of(":/") > equals) {
    COFFER_CHECK_OK(check_slot_name(text.substr(0, equals)));
    COFFER_TRY(KeySource source, parse_key_source(text.substr(equals + 1)));
    return NamedKeySource{std::string(text.substr(0, equals)), std::move(source)};
  }
  COFFER_TRY(KeySource source, parse_key_source(text));
  const std::string_view name = source.kind == KeySource::Kind::kKeyFile  ? "key-file"
                                : source.kind == KeySource::Kind::kKms    ? "kms"
                                : source.kind == KeySource::Kind::kEscrow ? "escrow"
                                                                          : "passphrase";
  return NamedKeySource{std::string(name), std::move(source)};
}

void KeyLoader::warn_when_readable_by_others(const std::string& path) const {
  auto stat = files.stat(path);
  if (stat.ok() && stat->type == FileType::kRegular && (stat->mode & 077) != 0)
    messages.write("coffer: warning: others on this machine may read " + path + "\n  next: chmod 600 " + path + "\n");
}

Result<std::unique_ptr<crypto::SlotKey>> KeyLoader::load_key_file(const std::string& path) const {
  auto contents = files.read_file(path, kKeyFileSizeMax);
  if (!contents.ok())
    return std::move(contents)
        .error()
        .in("reading the key file " + path)
        .advise("make one with: coffer keys generate FILE");
  warn_when_readable_by_others(path);
  auto key = crypto::parse_key_file(*contents);
  wipe(*contents);
  if (!key.ok()) return std::move(key).error().in("the key file " + path);
  return crypto::key_file_slot(std::move(key).value());
}

namespace {

/// A KMS slot with what it calls through.
class NetworkSlot final : public crypto::SlotKey {
 public:
  NetworkSlot(Clock& clock, const Context& context, wire::AwsSettings settings, std::string key)
      : http_(wire::curl_client()),
        client_(wire::kms_client(*http_, clock, context, std::move(settings))),
        slot_(kms::kms_slot(*client_, std::move(key))) {}
  [[nodiscard]] std::string type() const override { return slot_->type(); }
  Result<crypto::KeySlot> wrap(std::string_view name, ByteView root, ByteView binding, Entropy& entropy) override {
    return slot_->wrap(name, root, binding, entropy);
  }
  Result<Secret> unwrap(const crypto::KeySlot& slot, ByteView binding) override { return slot_->unwrap(slot, binding); }

 private:
  std::unique_ptr<wire::HttpClient> http_;
  std::unique_ptr<kms::KeyClient> client_;
  std::unique_ptr<crypto::SlotKey> slot_;
};

}  // namespace

Result<std::unique_ptr<crypto::SlotKey>> KeyLoader::load_kms_key(const std::string& key) const {
  // arn:aws:kms:REGION:ACCOUNT:key/ID
  std::string region;
  if (key.starts_with("arn:")) {
    size_t begin = 0;
    for (int colons = 0; colons < 3 && begin != std::string::npos; ++colons) begin = key.find(':', begin) + 1;
    region = key.substr(begin, key.find(':', begin) - begin);
  }
  COFFER_TRY(wire::AwsSettings settings, wire::aws_settings(files, environment, region));
  return std::unique_ptr<crypto::SlotKey>(std::make_unique<NetworkSlot>(clock, context, std::move(settings), key));
}

Result<Secret> KeyLoader::passphrase_from_command(const std::string& command) const {
  ProcessSpec spec;
  // Its messages are not the passphrase.
  spec.argv = {"/bin/sh", "-c", "exec 2>/dev/null\n" + command};
  for (const auto& [name, value] : environment) spec.environment.emplace_back(name, value);
  auto ran = processes.run(context, spec, kCommandTimeout);
  if (!ran.ok()) return std::move(ran).error().in("running the passphrase command");
  Bytes output = to_bytes(ran->output);
  wipe({reinterpret_cast<std::byte*>(ran->output.data()), ran->output.size()});
  if (ran->exit_code != 0)
    return Error{ErrorCode::kUnauthenticated,
                 "the passphrase command ended with exit code " + std::to_string(ran->exit_code),
                 "run it by hand and see what it says"};
  return without_newline(std::move(output));
}

Result<Secret> KeyLoader::prompted(std::string_view purpose, bool confirm) const {
  COFFER_TRY(Secret first, prompter.secret("Passphrase for " + std::string(purpose) + ": "));
  if (!confirm) return first;
  COFFER_TRY(Secret second, prompter.secret("The same passphrase again: "));
  if (!equal(first.view(), second.view()))
    return Error{ErrorCode::kInvalidArgument, "the two passphrases differ", "run the command again"};
  return first;
}

Result<Secret> KeyLoader::passphrase(const KeySource& source, std::string_view purpose, bool confirm) const {
  switch (source.kind) {
    case KeySource::Kind::kPassphraseFile: {
      auto contents = files.read_file(source.argument, kKeyFileSizeMax);
      if (!contents.ok()) return std::move(contents).error().in("reading the passphrase file " + source.argument);
      warn_when_readable_by_others(source.argument);
      return without_newline(std::move(contents).value());
    }
    case KeySource::Kind::kPassphraseEnvironment: {
      auto found = environment.find(source.argument);
      if (found == environment.end())
        return Error{ErrorCode::kUnauthenticated, "the environment variable " + source.argument + " is not set",
                     "set it to the passphrase"};
      return Secret::copy_of(as_bytes(found->second));
    }
    case KeySource::Kind::kPassphraseCommand: return passphrase_from_command(source.argument);
    case KeySource::Kind::kPassphrasePrompt:
    case KeySource::Kind::kKms:
    case KeySource::Kind::kEscrow:
    case KeySource::Kind::kKeyFile: break;
  }
  return prompted(purpose, confirm);
}

Result<std::vector<crypto::EscrowShare>> KeyLoader::load_shares(const std::vector<std::string>& paths) const {
  std::vector<crypto::EscrowShare> shares;
  for (const std::string& path : paths) {
    auto contents = files.read_file(path, kKeyFileSizeMax);
    if (!contents.ok()) return std::move(contents).error().in("reading the share " + path);
    auto share = crypto::parse_share(as_text(*contents));
    wipe(*contents);
    if (!share.ok()) return std::move(share).error().in(path);
    shares.push_back(std::move(*share));
  }
  return shares;
}

Result<std::unique_ptr<crypto::SlotKey>> KeyLoader::load(const KeySource& source, std::string_view purpose,
                                                         bool confirm) const {
  if (source.kind == KeySource::Kind::kKeyFile) return load_key_file(source.argument);
  if (source.kind == KeySource::Kind::kKms) return load_kms_key(source.argument);
  if (source.kind == KeySource::Kind::kEscrow) {
    std::vector<std::string> paths;
    for (size_t at = 0; at <= source.argument.size();) {
      const size_t comma = std::min(source.argument.find(',', at), source.argument.size());
      if (comma > at) paths.push_back(source.argument.substr(at, comma - at));
      at = comma + 1;
    }
    COFFER_TRY(auto shares, load_shares(paths));
    return crypto::combine_escrow(std::move(shares));
  }
  COFFER_TRY(Secret secret, passphrase(source, purpose, confirm));
  if (secret.empty())
    return Error{ErrorCode::kInvalidArgument, "the passphrase is empty", "give one that nobody can guess"};
  return crypto::passphrase_slot(std::move(secret));
}

}  // namespace coffer::cli
