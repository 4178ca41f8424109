#include "edge/cli/invocation.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "edge/cli/exit_codes.h"
#include "edge/cli/help.h"
#include "edge/cli/text_table.h"
#include "edge/cli/units.h"
#include "engine/jobs/scratch_directory.h"
#include "engine/store/s3_object_store.h"

namespace coffer::cli {

namespace {

constexpr uint64_t kJobsMax = 256;
constexpr uint64_t kMemoryMin = 64 << 20;
constexpr std::string_view kServerVariable = "COFFER_PG_BIN_";

std::string variable(const EnvironmentVariables& environment, const std::string& name) {
  auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

ProgressStyle progress_style(const World& world, const Arguments& arguments) {
  using Kind = ProgressStyle::Kind;
  if (arguments.flag("quiet")) return {Kind::kQuiet, false};
  if (arguments.flag("json")) return {Kind::kJson, false};
  const std::string terminal = variable(world.environment, "TERM");
  if (!world.messages.is_terminal() || terminal.empty() || terminal == "dumb") return {Kind::kLines, false};
  std::string locale = variable(world.environment, "LC_ALL");
  if (locale.empty()) locale = variable(world.environment, "LC_CTYPE");
  if (locale.empty()) locale = variable(world.environment, "LANG");
  const bool unicode = locale.find("UTF-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  return {Kind::kTerminal, unicode};
}

Result<std::pair<int, std::string>> parse_server(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size())
    return Error{ErrorCode::kInvalidArgument, "--pg-bin: '" + text + "' is not MAJOR=DIR",
                 "write it like --pg-bin 17=/opt/pg17/bin"};
  COFFER_TRY(uint64_t major, parse_number("--pg-bin", text.substr(0, equals), 99));
  return std::pair<int, std::string>(static_cast<int>(major), Invocation::absolute(text.substr(equals + 1)));
}

}  // namespace

/// A directory of our own below the one that was named, gone with this object.
struct Invocation::Scratch {
  std::unique_ptr<Directory> parent;
  std::string name, path;
  const bool& keep;
  ~Scratch() {
    if (!keep && !name.empty()) static_cast<void>(jobs::remove_tree(*parent, name).ok());
  }
};

Invocation::Invocation(World& world, const Arguments& arguments)
    : world_(world), arguments_(arguments), context_(world.stop) {}

Invocation::~Invocation() {
  if (renderer_) renderer_->finish();
}

std::string Invocation::absolute(const std::string& path) {
  std::error_code ignored;
  std::string whole = std::filesystem::absolute(path, ignored).lexically_normal().string();
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  return whole;
}

void Invocation::print(std::string_view text) {
  if (renderer_) renderer_->finish();
  world_.out.write(text);
}

void Invocation::print_document(const nlohmann::ordered_json& document) {
  // Labels and names are whatever a server holds; a document is always valid UTF-8.
  print(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void Invocation::warn(std::string_view what, std::string_view next) {
  if (json()) return;
  if (renderer_) renderer_->finish();
  world_.messages.write("coffer: warning: " + printable(what) + "\n" +
                        (next.empty() ? "" : "  next: " + printable(next) + "\n"));
}

Progress& Invocation::progress() {
  if (!renderer_) renderer_.emplace(world_.messages, world_.clock, progress_style(world_, arguments_));
  return *renderer_;
}

Result<std::unique_ptr<store::ObjectStore>> Invocation::open_place(const std::string& place, std::string_view purpose,
                                                                   bool create) {
  if (store::is_s3_url(place)) {
    auto opened = store::open_s3(world_.clock, world_.entropy, world_.files, world_.environment, place);
    if (!opened.ok()) return std::move(opened).error().in(purpose);
    return opened;
  }
  if (place.find("://") != std::string::npos)
    return Error{ErrorCode::kInvalidArgument, "vaults are kept in local directories and in S3, not in " + place,
                 "give a path, or s3://BUCKET/PREFIX"};
  auto opened = store::open_local(world_.files, absolute(place), create);
  if (!opened.ok()) return std::move(opened).error().in(purpose);
  return opened;
}

Result<store::ObjectStore*> Invocation::store(bool create) {
  if (store_) return store_.get();
  COFFER_TRY(std::string place, arguments_.required("vault"));
  auto opened = open_place(place, "opening the vault", create);
  if (!opened.ok() && opened.code() == ErrorCode::kNotFound)
    return std::move(opened).error().advise("check --vault, or make one with: coffer vault init --vault " + place);
  COFFER_TRY(store_, std::move(opened));
  return store_.get();
}

KeyLoader Invocation::key_loader() const {
  return {context_, world_.files, world_.clock, world_.processes, world_.prompter, world_.messages, world_.environment};
}

Result<vault::Vault*> Invocation::vault() {
  if (vault_) return vault_.get();
  COFFER_TRY(store::ObjectStore * place, store());
  auto text = arguments_.text("key");
  if (!text)
    return Error{ErrorCode::kUnauthenticated, "the vault " + place->describe() + " can only be opened with a key",
                 "give --key file:PATH or --key passphrase, or set COFFER_KEY; 'coffer keys list' shows the slots"};
  COFFER_TRY(KeySource source, parse_key_source(*text));
  COFFER_TRY(auto key, key_loader().load(source, "the vault " + place->describe(), false));
  auto opened = vault::Vault::open(context_, *place, world_.clock, world_.entropy, *key);
  if (!opened.ok()) return std::move(opened).error().in("opening the vault " + place->describe());
  vault_ = std::move(opened).value();
  return vault_.get();
}

Result<vault::CommitLog*> Invocation::log() {
  if (log_) return log_.get();
  COFFER_TRY(const vault::Vault* opened, vault());
  COFFER_TRY(log_, vault::CommitLog::load(context_, *opened));
  return log_.get();
}

Result<std::map<int, std::string>> Invocation::pg_binaries() const {
  std::map<int, std::string> found;
  for (const auto& [name, value] : world_.environment) {
    if (!name.starts_with(kServerVariable) || value.empty()) continue;
    COFFER_TRY(auto server, parse_server(name.substr(kServerVariable.size()) + "=" + value));
    found.insert(std::move(server));
  }
  for (const std::string& text : arguments_.all("pg-bin")) {
    COFFER_TRY(auto server, parse_server(text));
    found.insert_or_assign(server.first, server.second);
  }
  return found;
}

Status Invocation::make_scratch() {
  std::string place = arguments_.text("scratch").value_or(variable(world_.environment, "TMPDIR"));
  if (place.empty()) place = "/var/tmp";
  auto scratch = std::unique_ptr<Scratch>(new Scratch{nullptr, {}, {}, keep_scratch_});
  auto parent = world_.files.open_directory(place);
  if (!parent.ok())
    return std::move(parent).error().in("opening the scratch directory").advise("give another one with --scratch");
  scratch->parent = std::move(parent).value();
  const std::string name = "coffer-" + to_hex(world_.entropy.array<4>());
  auto made = scratch->parent->create_directory(name, 0700);
  if (!made.ok())
    return std::move(made)
        .error()
        .in("making a scratch directory in " + place)
        .advise("give another place with --scratch");
  scratch->name = name;
  scratch->path = absolute(place) + "/" + name;
  scratch_ = std::move(scratch);
  return ok_status();
}

Result<const jobs::Environment*> Invocation::environment() {
  if (environment_) return &*environment_;
  uint64_t workers = std::max(1U, std::thread::hardware_concurrency());
  if (auto text = arguments_.text("jobs")) {
    COFFER_TRY(workers, parse_number("--jobs", *text, kJobsMax));
  }
  uint64_t memory = ByteBudget::default_limit();
  if (auto text = arguments_.text("memory")) {
    COFFER_TRY(memory, parse_bytes(*text));
    if (memory < kMemoryMin)
      return Error{
          ErrorCode::kInvalidArgument, "--memory: less than " + human_bytes(kMemoryMin) + " is too little", {}};
  }
  COFFER_TRY(auto servers, pg_binaries());
  COFFER_CHECK_OK(make_scratch());
  budget_.emplace(memory);
  environment_.emplace(jobs::Environment{world_.files, world_.clock, world_.entropy, world_.processes, *budget_,
                                         progress(), scratch_->path, static_cast<int>(std::max<uint64_t>(workers, 1)),
                                         std::move(servers)});
  return &*environment_;
}

namespace {

void tell(World& world, const Error& error, bool json) {
  if (json) {
    nlohmann::ordered_json document{
        {"schema", "coffer.error/1"}, {"code", error_code_name(error.code)}, {"message", error.message}};
    if (!error.next_step.empty()) document["next"] = error.next_step;
    world.messages.write(document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return;
  }
  world.messages.write("coffer: " + printable_lines(error.message) + "\n");
  if (!error.next_step.empty()) world.messages.write("  next: " + printable_lines(error.next_step) + "\n");
}

int run_parsed(World& world, const Arguments& arguments) {
  Result<int> ran = [&]() -> Result<int> {
    Invocation invocation(world, arguments);
    // The one place where a broken invariant or a lack of memory ends a job: loudly, and only this job.
    try {
      return arguments.command().run(invocation);
    } catch (const std::exception& broken) {
      return Error{ErrorCode::kInternal, std::string("a bug in coffer, or no memory: ") + broken.what(),
                   "please report it with what you did"};
    }
  }();
  if (ran.ok()) return *ran;
  tell(world, std::move(ran).error().in(arguments.command().name), arguments.flag("json"));
  return exit_code_of(ran.code());
}

}  // namespace

int run_command_line(World& world, const std::vector<std::string>& words) {
  auto parsed = parse_command_line(words, world.environment);
  int code = kExitDone;
  if (!parsed.ok()) {
    tell(world, parsed.error(), std::find(words.begin(), words.end(), "--json") != words.end());
    code = kExitUsage;
  } else if (parsed->help_on) {
    // Asked for, help is data; not asked for, it is a complaint.
    Sink& sink = words.empty() ? world.messages : world.out;
    sink.write(help_text(*parsed->help_on, static_cast<size_t>(std::max(sink.columns(), 40))));
    if (words.empty()) code = kExitUsage;
  } else {
    code = run_parsed(world, *parsed->arguments);
  }
  // What nobody could write down was not said: then "done" would be a lie.
  if (auto written = world.out.status(); !written.ok() && code == kExitDone) {
    tell(world, written.error(), false);
    code = kExitFailed;
  }
  return code;
}

}  // namespace coffer::cli
