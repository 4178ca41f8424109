#include "services/rds/conninfo.h"

#include "engine/postgres/connection.h"

namespace coffer::rds {
namespace {

constexpr size_t kSizeMax = 3000;  // what KMS encrypts at once is 4096 bytes

constexpr const char* kNoPassfile = "/nonexistent/pgpass";  // libpq warns of what is there and no file

/// key='value' key='value', with \' and \\ within.
Conninfo read_quoted(std::string_view text) {
  Conninfo all;
  size_t at = 0;
  while (at < text.size()) {
    const size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) break;
    std::string key(text.substr(at, equals - at)), value;
    for (at = equals + 2; at < text.size() && text[at] != '\''; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value += text[at];
    }
    at += 2;
    all[std::move(key)] = std::move(value);
  }
  return all;
}

}  // namespace

Result<Conninfo> parse_conninfo(std::string_view text) {
  if (text.size() > kSizeMax)
    return Error{
        ErrorCode::kInvalidArgument, "the connection string is longer than " + std::to_string(kSizeMax) + " bytes", {}};
  if (text.find('\0') != std::string_view::npos)
    return Error{ErrorCode::kInvalidArgument, "the connection string holds a NUL", {}};
  COFFER_TRY(const std::string quoted, postgres::conninfo_with_default_database(std::string(text), "postgres"));
  Conninfo all = read_quoted(quoted);
  for (const char* keyword : {"service", "servicefile", "passfile", "replication"}) {
    const auto found = all.find(keyword);
    if (found == all.end()) continue;
    const bool is_ours = keyword == std::string("passfile") && found->second == kNoPassfile;  // of conninfo_text()
    if (found->second.empty() || is_ours) {
      all.erase(found);
      continue;
    }
    return Error{ErrorCode::kInvalidArgument, "the connection string may not have '" + std::string(keyword) + "'",
                 "write host, port, user, password and dbname into it"};
  }
  for (const char* keyword : {"user", "host"}) {
    if (all[keyword].empty() && (keyword != std::string("host") || all["hostaddr"].empty()))
      return Error{ErrorCode::kInvalidArgument, "the connection string names no " + std::string(keyword),
                   "write it as \"host=... user=... password=... dbname=...\""};
  }
  std::erase_if(all, [](const auto& entry) { return entry.second.empty(); });
  return all;
}

Secret conninfo_text(const Conninfo& conninfo) {
  Conninfo all = conninfo;
  all.try_emplace("port", "5432");
  all.try_emplace("connect_timeout", "10");
  all["passfile"] = kNoPassfile;
  if (!all.contains("password")) all["password"] = "";  // not this process's PGPASSWORD
  Bytes text;
  for (const auto& [key, value] : all) {
    append(text, as_bytes((text.empty() ? "" : " ") + key + "='"));
    for (char c : value) {
      if (c == '\\' || c == '\'') text.push_back(std::byte{'\\'});
      text.push_back(static_cast<std::byte>(c));
    }
    text.push_back(std::byte{'\''});
  }
  Secret secret = Secret::copy_of(text);
  wipe(text);
  return secret;
}

}  // namespace coffer::rds
