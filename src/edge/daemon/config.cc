#include "edge/daemon/config.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "base/bytes.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace coffer::daemon {
namespace {

Error invalid(std::string message, std::string next = {}) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), std::move(next)};
}

constexpr ConfigKey kKeys[] = {
    {"data", "string", "", "The folder of this installation. Required."},
    {"regions", "strings", "[\"us-east-1\"]",
     "The Regions that exist here. The first is the default; multi-Region keys may have replicas in the others."},
    {"catalog", "string", "DATA/catalog.sqlite",
     "Where the catalog is: a file for SQLite, or postgresql://... when several daemons share one."},
    {"server.listen", "string", "127.0.0.1:9420", "HOST:PORT to listen on; an IPv6 address stands in brackets."},
    {"server.plain_http_anywhere", "boolean", "false",
     "Allows plain HTTP on addresses that other machines can reach. Signatures are then readable on the way, and so is "
     "all data."},
    {"server.certificate", "string", "",
     "A PEM file with the certificate chain; with private_key it turns TLS on. SIGHUP reads both anew."},
    {"server.private_key", "string", "", "A PEM file with the private key of the certificate."},
    {"server.tasks", "integer", "16", "How many requests are at work at once, 1 to 1024."},
    {"server.connections", "integer", "10000", "How many connections may be open at once, 16 to 100000."},
    {"keys.installation", "string", "DATA/keys/installation.key",
     "The key file that opens the installation's keyset. It is better kept on another disk than the data."},
    {"s3.objects", "string", "DATA/objects",
     "The folder where the bytes of objects lie, sealed; what they are called is in the catalog."},
    {"s3.domains", "strings", "[]",
     "The host names under which buckets are reached as sub-domains: with \"s3.example.internal\" the host "
     "photos.s3.example.internal is the bucket photos. Hosts below localhost always work so; path style does "
     "everywhere."},
    {"backup.vaults", "string", "DATA/vaults", "The folder of the vaults, one below it for each backup vault."},
    {"backup.scratch", "string", "DATA/scratch; as root a folder of its own in /var/tmp",
     "The folder for the throw-away servers that proofs and exports start on a restored copy. It needs as much room as "
     "a database, and as root it must lie where the user postgres can pass. What is in it is removed at the start."},
    {"backup.restores", "string", "DATA/databases",
     "The folder below which databases are restored that name no place of their own."},
    {"backup.workers", "integer", "4",
     "How many jobs (backups, copies, exports, restores) are at work at once, 1 to 64."},
    {"postgres", "tables", "",
     "Where the programs of a PostgreSQL major are when they are not where packages put them: each with a major (15) "
     "and the folder of its programs. Proving, exporting and restoring need a server of the database's major."},
    {"events.addresses", "strings", "[]",
     "Private address blocks that API destinations of rules may reach, for example \"10.1.0.0/16\". Addresses of this "
     "machine and of private networks are refused otherwise, whatever name leads there."},
    {"functions.packages", "string", "where scripts/setup put them",
     "The folder with the Python runtimes of functions: python3.N in it serves the runtimes up to that version."},
    {"functions.node", "string", "/usr/bin/node", "The interpreter that serves every nodejs runtime."},
    {"functions.sandbox", "string", "coffer-sandbox beside this program", "The program that functions are started by."},
    {"accounts", "tables", "[[accounts]] name = \"main\", id = \"111111111111\"",
     "The accounts of this installation, each with a name (its profile in DATA/credentials) and an id of 12 digits. "
     "New ones are made at "
     "the start; none is ever removed."},
    {"peers", "tables", "",
     "Accounts of other installations, each with an account (12 digits), a public_key (DATA/peers/ACCOUNT.pub there) "
     "when "
     "it may call this installation, an endpoint (https://HOST:PORT) when it is called, and a certificate_authority "
     "(a PEM file) when the system's roots do not know its certificate. Bucket and key policies here decide what its "
     "roles may."},
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string place(std::string_view file, const toml::source_region& source) {
  return std::string(file) + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

/// Reads a table key by key; what nobody asked for is unknown.
class Reader {
 public:
  Reader(std::string_view file, const toml::table& table, std::string prefix)
      : file_(file), table_(table), prefix_(std::move(prefix)) {}

  Status text(std::string_view key, std::string& into) {
    return take(key, "a string", [&](const toml::node& node) {
      if (!node.is_string()) return false;
      into = **node.as_string();
      return true;
    });
  }
  Status boolean(std::string_view key, bool& into) {
    return take(key, "true or false", [&](const toml::node& node) {
      if (!node.is_boolean()) return false;
      into = **node.as_boolean();
      return true;
    });
  }
  Status integer(std::string_view key, int64_t& into, int64_t min, int64_t max) {
    return take(key, "a number from " + std::to_string(min) + " to " + std::to_string(max),
                [&](const toml::node& node) {
                  if (!node.is_integer()) return false;
                  into = **node.as_integer();
                  return into >= min && into <= max;
                });
  }
  Status texts(std::string_view key, std::vector<std::string>& into) {
    return take(key, "a list of strings", [&](const toml::node& node) {
      if (!node.is_array()) return false;
      into.clear();
      for (const toml::node& item : *node.as_array()) {
        if (!item.is_string()) return false;
        into.push_back(**item.as_string());
      }
      return true;
    });
  }
  /// `read` is given each table; `key` may be one table or a list of tables.
  Status tables(std::string_view key, const std::function<Status(Reader&)>& read) {
    seen_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (!node) return ok_status();
    const auto one = [&](const toml::node& item) -> Status {
      if (!item.is_table()) return invalid(place(file_, item.source()) + ": " + name(key) + " must be a table");
      Reader reader(file_, *item.as_table(), name(key) + ".");
      COFFER_CHECK_OK(read(reader));
      return reader.refuse_unknown();
    };
    if (!node->is_array()) return one(*node);
    for (const toml::node& item : *node->as_array()) COFFER_CHECK_OK(one(item));
    return ok_status();
  }
  /// The first key that nobody asked for is an error: a misspelt setting must not be a silent default.
  [[nodiscard]] Status refuse_unknown() const {
    for (const auto& [key, node] : table_) {
      const std::string_view text = key.str();
      if (seen_.contains(std::string(text))) continue;
      const auto nearest = std::min_element(seen_.begin(), seen_.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, text) < edit_distance(b, text);
      });
      const std::string hint = nearest != seen_.end() && edit_distance(*nearest, text) <= 3
                                   ? "did you mean " + prefix_ + *nearest + "?"
                                   : "man cofferd.toml lists every key";
      return invalid(place(file_, key.source()) + ": unknown key " + name(text), hint);
    }
    return ok_status();
  }

 private:
  [[nodiscard]] std::string name(std::string_view key) const { return prefix_ + std::string(key); }
  Status take(std::string_view key, std::string_view expected, const std::function<bool(const toml::node&)>& read) {
    seen_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (!node || read(*node)) return ok_status();
    return invalid(place(file_, node->source()) + ": " + name(key) + " must be " + std::string(expected));
  }

  std::string_view file_;
  const toml::table& table_;
  std::string prefix_;
  std::set<std::string> seen_;
};

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

Status set_listen(Config& config, std::string_view text) {
  const size_t colon = text.rfind(':');
  const Error wrong =
      invalid("'" + std::string(text) + "' is no address to listen on", "write HOST:PORT, for example 127.0.0.1:9420");
  if (colon == std::string_view::npos || colon == 0) return wrong;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  uint16_t number = 0;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (failed != std::errc() || end != port.data() + port.size() || host.empty()) return wrong;
  config.host = host;
  config.port = number;
  return ok_status();
}

Result<AccountName> parse_account(std::string_view text) {
  const size_t equals = text.find('=');
  AccountName account;
  if (equals != std::string_view::npos)
    account = {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  const auto digits = [](std::string_view id) {
    return id.size() == 12 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto plain = [](std::string_view name) {
    return !name.empty() && name.size() <= 50 && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    });
  };
  if (!digits(account.id) || !plain(account.name)) {
    return invalid("'" + std::string(text) + "' is no account",
                   "write NAME=ID, the id with exactly 12 digits: main=111111111111");
  }
  return account;
}

Status check_config(const Config& config) {
  if (config.data.empty()) return invalid("no data folder is named", "set data = \"/var/lib/cofferd\", or --data DIR");
  if (config.regions.empty()) return invalid("regions is empty", "name at least one, for example us-east-1");
  for (const std::string& region : config.regions) {
    const bool plain = !region.empty() && region.size() <= 64 && std::all_of(region.begin(), region.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    if (!plain) return invalid("'" + region + "' is no Region", "Regions have lower-case letters, digits and '-'");
  }
  std::set<std::string> names, ids;
  for (const AccountName& account : config.accounts) {
    if (!names.insert(account.name).second) return invalid("two accounts are named " + account.name);
    if (!ids.insert(account.id).second) return invalid("two accounts have the id " + account.id);
  }
  std::set<int64_t> majors;
  for (const PostgresConfig& postgres : config.postgres) {
    if (postgres.major == 0 || postgres.programs.empty())
      return invalid("a table postgres lacks its major or the folder of its programs",
                     "write [[postgres]] major = 17, programs = \"/opt/pg17/bin\"");
    if (!majors.insert(postgres.major).second)
      return invalid("two tables postgres are of major " + std::to_string(postgres.major));
  }
  std::set<std::string> peers;
  for (const PeerConfig& peer : config.peers) {
    const bool known = peer.public_key.empty() || (peer.public_key.size() == 64 && from_hex(peer.public_key).ok());
    if (!parse_account("peer=" + peer.account).ok())
      return invalid("'" + peer.account + "' is no account of a peer", "an account has exactly 12 digits");
    if (!peers.insert(peer.account).second) return invalid("account " + peer.account + " is enrolled twice");
    if (ids.contains(peer.account))
      return invalid("account " + peer.account + " is enrolled as a peer and is one of this installation");
    if (!known)
      return invalid("the public_key of peer " + peer.account + " is none",
                     "it is the one line of DATA/peers/" + peer.account + ".pub at the peer");
    if (!peer.endpoint.empty() && !peer.endpoint.starts_with("https://") && !peer.endpoint.starts_with("http://"))
      return invalid("the endpoint of peer " + peer.account + " is no URL", "write https://HOST:PORT");
    if (peer.public_key.empty() && peer.endpoint.empty())
      return invalid("peer " + peer.account + " has neither a public_key nor an endpoint");
  }
  for (const std::string& domain : config.s3_domains) {
    const bool plain = !domain.empty() && domain.size() <= 253 && domain.front() != '.' && domain.back() != '.' &&
                       std::all_of(domain.begin(), domain.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                       });
    if (!plain)
      return invalid("'" + domain + "' is no domain for buckets",
                     "write a host name in lower case without a port: s3.example.internal");
  }
  if (config.certificate.empty() != config.private_key.empty())
    return invalid("TLS needs both a certificate and a private key", "set server.certificate and server.private_key");
  return ok_status();
}

Result<Config> parse_config(std::string_view toml_text, std::string_view file_name) {
  toml::parse_result parsed = toml::parse(toml_text, file_name);
  if (!parsed) {
    return invalid(place(file_name, parsed.error().source()) + ": " + std::string(parsed.error().description()));
  }
  const toml::table& root = parsed.table();
  Config config;
  Reader reader(file_name, root, {});
  COFFER_CHECK_OK(reader.text("data", config.data));
  COFFER_CHECK_OK(reader.texts("regions", config.regions));
  COFFER_CHECK_OK(reader.text("catalog", config.catalog));
  COFFER_CHECK_OK(reader.tables("server", [&](Reader& server) -> Status {
    std::string listen;
    COFFER_CHECK_OK(server.text("listen", listen));
    if (!listen.empty()) {
      if (Status set = set_listen(config, listen); !set.ok()) return std::move(set).error().in("server.listen");
    }
    COFFER_CHECK_OK(server.boolean("plain_http_anywhere", config.plain_http_anywhere));
    COFFER_CHECK_OK(server.text("certificate", config.certificate));
    COFFER_CHECK_OK(server.text("private_key", config.private_key));
    COFFER_CHECK_OK(server.integer("tasks", config.tasks, 1, 1024));
    return server.integer("connections", config.connections, 16, 100'000);
  }));
  COFFER_CHECK_OK(
      reader.tables("keys", [&](Reader& keys) { return keys.text("installation", config.installation_key); }));
  COFFER_CHECK_OK(reader.tables("s3", [&](Reader& s3) -> Status {
    COFFER_CHECK_OK(s3.text("objects", config.objects));
    return s3.texts("domains", config.s3_domains);
  }));
  COFFER_CHECK_OK(reader.tables("backup", [&](Reader& backup) -> Status {
    COFFER_CHECK_OK(backup.text("vaults", config.vaults));
    COFFER_CHECK_OK(backup.text("scratch", config.scratch));
    COFFER_CHECK_OK(backup.text("restores", config.restores));
    return backup.integer("workers", config.workers, 1, 64);
  }));
  COFFER_CHECK_OK(reader.tables("postgres", [&](Reader& table) -> Status {
    PostgresConfig postgres;
    COFFER_CHECK_OK(table.integer("major", postgres.major, 13, 18));
    COFFER_CHECK_OK(table.text("programs", postgres.programs));
    config.postgres.push_back(std::move(postgres));
    return ok_status();
  }));
  COFFER_CHECK_OK(
      reader.tables("events", [&](Reader& events) { return events.texts("addresses", config.web_addresses); }));
  COFFER_CHECK_OK(reader.tables("functions", [&](Reader& functions) -> Status {
    COFFER_CHECK_OK(functions.text("packages", config.function_packages));
    COFFER_CHECK_OK(functions.text("node", config.node));
    return functions.text("sandbox", config.sandbox);
  }));
  COFFER_CHECK_OK(reader.tables("peers", [&](Reader& table) -> Status {
    PeerConfig peer;
    COFFER_CHECK_OK(table.text("account", peer.account));
    COFFER_CHECK_OK(table.text("public_key", peer.public_key));
    COFFER_CHECK_OK(table.text("endpoint", peer.endpoint));
    COFFER_CHECK_OK(table.text("certificate_authority", peer.certificate_authority));
    while (peer.endpoint.ends_with('/')) peer.endpoint.pop_back();
    config.peers.push_back(std::move(peer));
    return ok_status();
  }));
  COFFER_CHECK_OK(reader.tables("accounts", [&](Reader& account) -> Status {
    std::string name, id;
    COFFER_CHECK_OK(account.text("name", name));
    COFFER_CHECK_OK(account.text("id", id));
    COFFER_TRY(AccountName checked, parse_account(name + "=" + id));
    config.accounts.push_back(std::move(checked));
    return ok_status();
  }));
  COFFER_CHECK_OK(reader.refuse_unknown());
  if (Status checked = check_config(config); !checked.ok()) return std::move(checked).error().in(file_name);
  return config;
}

std::string config_man_page(std::string_view version) {
  std::string page = ".TH COFFERD.TOML 5 \"\" \"coffer " + std::string(version) +
                     "\" \"Coffer\"\n.SH NAME\ncofferd.toml \\- what cofferd is told\n" +
                     ".SH DESCRIPTION\nA TOML file, given to\n.B cofferd \\-\\-config\nas its argument. A key that is "
                     "not listed here is an error that names its line and "
                     "column. What AWS models as a resource (users, keys, plans) is not in this file: it is made "
                     "through the API.\n.SH KEYS\n";
  for (const ConfigKey& key : kKeys) {
    page += ".TP\n.B " + std::string(key.name) + "\n" + std::string(key.help) + " Type: " + std::string(key.type) + ".";
    if (!key.value.empty()) page += " Default: " + std::string(key.value) + ".";
    page += "\n";
  }
  page +=
      ".SH EXAMPLE\n.nf\ndata = \"/var/lib/cofferd\"\nregions = [\"us\\-east\\-1\", "
      "\"us\\-east\\-2\"]\n\n[server]\nlisten = \"127.0.0.1:9420\"\n\n"
      "[[accounts]]\nname = \"main\"\nid = \"111111111111\"\n.fi\n";
  return page;
}

}  // namespace coffer::daemon
