#include "edge/cli/doctor_accounts.h"

#include <algorithm>

#include "base/secret.h"
#include "edge/cli/account_doctor.h"
#include "services/lambda/code_archive.h"

namespace coffer::cli {
namespace {

constexpr uint64_t kSourceSizeMax = 1 << 20;
constexpr uint64_t kCredentialsSizeMax = 1 << 20;
constexpr const char* kUsualEndpoint = "http://127.0.0.1:9420";

/// Python files below `folder`, at most as deep as packages go.
Status read_python(Directory& folder, const std::string& below, int depth,
                   std::vector<std::pair<std::string, std::string>>& into) {
  if (depth > 4) return ok_status();
  std::vector<DirectoryEntry> entries;
  COFFER_CHECK_OK(folder.list(below, [&](const DirectoryEntry& entry) { return entries.push_back(entry), true; }));
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  for (const DirectoryEntry& entry : entries) {
    const std::string path = below.empty() ? entry.name : below + "/" + entry.name;
    if (entry.type == FileType::kDirectory) {
      COFFER_CHECK_OK(read_python(folder, path, depth + 1, into));
    } else if (entry.type == FileType::kRegular && entry.name.ends_with(".py")) {
      COFFER_TRY(const FileStat stat, folder.stat(path));
      if (stat.size_bytes > kSourceSizeMax) continue;
      COFFER_TRY(const auto file, folder.open_file(path));
      Bytes text(stat.size_bytes);
      COFFER_TRY(const size_t size, file->read_at(0, text));
      text.resize(size);
      into.emplace_back(path, to_text(text));
    }
  }
  return ok_status();
}

/// Unpacks below the run's scratch directory, which goes when the run ends.
ReadSources read_sources_in(FileSystem& files, std::string scratch) {
  return [&files, scratch = std::move(scratch),
          count = 0](ByteView zip) mutable -> Result<std::vector<std::pair<std::string, std::string>>> {
    COFFER_TRY(const auto folder, files.create_directories(scratch + "/function-" + std::to_string(++count), 0700));
    COFFER_CHECK_OK(lambda::extract_archive(zip, *folder));
    std::vector<std::pair<std::string, std::string>> sources;
    COFFER_CHECK_OK(read_python(*folder, "", 0, sources));
    return sources;
  };
}

}  // namespace

Result<std::vector<jobs::DoctorLine>> doctor_of_accounts(Invocation& invocation, const std::string& data) {
  const Arguments& arguments = invocation.arguments();
  World& world = invocation.world();
  const std::string file = data + "/credentials";
  COFFER_TRY(Bytes text, world.files.read_file(file, kCredentialsSizeMax));
  const std::vector<std::string> profiles = profiles_of(as_text(text));
  wipe(text);
  EnvironmentVariables settings;
  settings["AWS_SHARED_CREDENTIALS_FILE"] = file;
  settings["AWS_ENDPOINT_URL"] = arguments.text("endpoint").value_or(kUsualEndpoint);
  const auto bundle = world.environment.find("AWS_CA_BUNDLE");
  const auto http = wire::curl_client(bundle == world.environment.end() ? "" : bundle->second);
  std::vector<ExaminedAccount> accounts;
  for (const std::string& profile : profiles) {
    settings["AWS_PROFILE"] = profile;
    COFFER_TRY(wire::AwsSettings one,
               wire::aws_settings(world.files, settings, arguments.text("region").value_or("us-east-1")));
    accounts.push_back({profile, open_account_api(*http, world.clock, invocation.context(), std::move(one)), {}});
  }
  if (accounts.empty())
    return Error{ErrorCode::kNotFound, file + " has no profiles", "name the data folder of an installation"};
  COFFER_TRY(const jobs::Environment* environment, invocation.environment());
  return examine_accounts(accounts, read_sources_in(world.files, environment->scratch));
}

}  // namespace coffer::cli
