// What an installation is told: by `coffer up` on its command line, by cofferd in a TOML file.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::daemon {

struct AccountName {
  std::string name;  // profile name in the credentials file
  std::string id;    // 12 digits
};

/// An account of another installation, enrolled here.
struct PeerConfig {
  std::string account;                // 12 digits
  std::string public_key;             // 64 hexadecimal digits; empty: it may not call us
  std::string endpoint;               // "https://b.example:9420"; empty: we do not call it
  std::string certificate_authority;  // PEM file; empty: the system's roots
};

/// Programs of one PostgreSQL major.
struct PostgresConfig {
  int64_t major = 0;
  std::string programs;  // the folder with its postgres, initdb, pg_dump
};

struct Config {
  std::string data;  // folder of this installation
  std::string host = "127.0.0.1";
  uint16_t port = 9420;
  bool plain_http_anywhere = false;
  std::string certificate, private_key;           // PEM files; empty: plain HTTP
  std::vector<std::string> regions{"us-east-1"};  // the first is the default
  std::vector<AccountName> accounts;              // created when they do not exist
  std::string catalog;                            // empty: DATA/catalog.sqlite; or "postgresql://..."
  std::string installation_key;  // key file that opens the installation's keyset; empty: DATA/keys/installation.key
  std::string objects;           // folder of the objects' bytes; empty: DATA/objects
  std::vector<std::string> s3_domains;  // hosts whose sub-domains are buckets
  std::vector<PeerConfig> peers;
  std::string vaults;                      // folder of the vaults; empty: DATA/vaults
  std::string scratch;                     // folder of throw-away clusters; empty: see backup.scratch
  std::string restores;                    // folder of restored databases; empty: DATA/databases
  std::vector<PostgresConfig> postgres;    // majors that are not where packages put them
  std::vector<std::string> web_addresses;  // private blocks that API destinations may reach
  std::string function_packages;           // folder with python3.N for each Python served; empty: as built
  std::string node = "/usr/bin/node";      // what serves nodejs runtimes
  std::string sandbox;                     // the program coffer-sandbox; empty: beside this program
  int64_t workers = 4;                     // jobs at work at once
  int64_t tasks = 16;                      // requests at work at once
  int64_t connections = 10'000;
};

/// One key of the TOML file, for the parser, the manual page and the error messages.
struct ConfigKey {
  std::string_view name;   // "server.listen"
  std::string_view type;   // "string", "integer", "boolean", "strings", "tables"
  std::string_view value;  // the default as it would be written
  std::string_view help;   // one sentence
};
std::span<const ConfigKey> config_keys();

/// Parses a TOML file. kInvalidArgument with file, line and column for a syntax error, an unknown key (with the nearest
/// known one), a wrong type or a bad value. `file_name` is for messages.
Result<Config> parse_config(std::string_view toml, std::string_view file_name);
/// "HOST:PORT" with [v6] hosts in brackets.
Status set_listen(Config& config, std::string_view text);
/// "NAME=123456789012".
Result<AccountName> parse_account(std::string_view text);
/// What cannot be: no data folder, accounts twice, no region, half of a certificate pair.
Status check_config(const Config& config);
/// The manual page cofferd.toml(5), made from config_keys().
std::string config_man_page(std::string_view version);

}  // namespace coffer::daemon
