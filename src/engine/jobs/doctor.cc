#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <set>

#include "engine/jobs/escrow.h"
#include "engine/jobs/explain.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/control_file.h"
#include "engine/postgres/scratch_server.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/drill.h"
#include "engine/vault/index.h"
#include "engine/vault/lease.h"

namespace coffer::jobs {

using namespace vault;
using Level = DoctorLine::Level;

namespace {

constexpr uint64_t kFreeBytesLow = 2ull << 30, kFreeBytesBad = 200ull << 20;
constexpr uint64_t kFreeFilesLow = 100'000, kFreeFilesBad = 1'000;
constexpr uint64_t kDescriptorsLow = 1024;
constexpr std::chrono::hours kProofAgeMax{24 * 7};
constexpr std::chrono::hours kPointAgeMax{48};
constexpr std::chrono::hours kTombstoneAgeMax{48};  // the default grace period and a day
constexpr std::chrono::minutes kClockSkewMax{5};

std::string mib(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

class Doctor {
 public:
  Doctor(const Context& context, const Environment& env, const Vault* vault, const DoctorOptions& options)
      : context_(context), env_(env), vault_(vault), options_(options) {}
  Result<std::vector<DoctorLine>> run();

 private:
  void good(std::string id, std::string what) {
    lines_.push_back({Level::kGood, std::move(id), std::move(what), {}, {}});
  }
  void warn(std::string id, std::string what, std::string why, std::string next) {
    lines_.push_back({Level::kWarning, std::move(id), std::move(what), std::move(why), std::move(next)});
  }
  void bad(std::string id, std::string what, std::string why, std::string next) {
    lines_.push_back({Level::kBad, std::move(id), std::move(what), std::move(why), std::move(next)});
  }
  // What stopped us from looking is itself a finding: a check that cannot run is not a good sign.
  void could_not(std::string id, const std::string& doing, const Error& error) {
    bad(std::move(id), doing + " failed: " + error.message, "what cannot be looked at may be broken", error.next_step);
  }

  void machine();
  void space(const std::string& id, const std::string& what, const std::string& path);
  void descriptors();
  void sandbox();
  void binaries();

  void slots();
  void escrow();
  bool log();
  void index();
  void leases();
  void tombstones();
  void points();
  void proof_of(uint64_t system_identifier, const std::vector<const PointSummary*>& points);

  void source();
  void role(postgres::Connection& connection);
  void server_settings(postgres::Connection& connection);
  void server_clock(postgres::Connection& connection);
  void replication();
  void pgdata(postgres::Connection& connection);
  Result<std::string> setting(postgres::Connection& connection, const std::string& name);

  const Context& context_;
  const Environment& env_;
  const Vault* vault_;
  const DoctorOptions& options_;
  std::vector<DoctorLine> lines_;
  std::unique_ptr<CommitLog> log_;
  std::vector<PointSummary> points_;
  std::set<int> majors_;
};

void Doctor::space(const std::string& id, const std::string& what, const std::string& path) {
  auto directory = env_.files.open_directory(path);
  if (!directory.ok()) return could_not(id, "opening " + what + " " + path, directory.error());
  auto bytes = (*directory)->free_bytes();
  auto files = (*directory)->free_files();
  if (!bytes.ok()) return could_not(id, "asking for the free space of " + path, bytes.error());
  if (!files.ok()) return could_not(id, "asking for the free inodes of " + path, files.error());
  const std::string has = what + " " + path + " has " + mib(*bytes) + " free" +
                          (*files == UINT64_MAX ? std::string() : " and room for " + std::to_string(*files) + " files");
  const std::string why = "a full disk fails the next job";
  const std::string next = "free space on the file system of " + path;
  if (*bytes < kFreeBytesBad || *files < kFreeFilesBad) return bad(id, has, why, next);
  if (*bytes < kFreeBytesLow || *files < kFreeFilesLow) return warn(id, has, why, next);
  good(id, has);
}

void Doctor::descriptors() {
  constexpr std::string_view kLine = "Max open files";
  auto limits = env_.files.read_file("/proc/self/limits", 64 << 10);
  if (!limits.ok()) return could_not("machine.descriptors", "reading /proc/self/limits", limits.error());
  const std::string_view text = as_text(*limits);
  const size_t at = text.find(kLine);
  const size_t digits = at == text.npos ? text.npos : text.find_first_not_of(' ', at + kLine.size());
  uint64_t soft = UINT64_MAX;  // "unlimited"
  if (digits != text.npos) std::from_chars(text.data() + digits, text.data() + text.size(), soft);
  const std::string what =
      soft == UINT64_MAX ? "open files are not limited" : std::to_string(soft) + " files may be open at once";
  if (soft < kDescriptorsLow)
    return warn("machine.descriptors", what, "a job holds up to 256 packs and the files it writes open",
                "raise it: ulimit -n 4096");
  good("machine.descriptors", what);
}

void Doctor::sandbox() {
  ProcessSpec spec;
  spec.argv = {"bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--unshare-net", "--die-with-parent", "true"};
  spec.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}};
  auto tried = env_.processes.run(context_, spec, std::chrono::seconds(20));
  const std::string why = "without it no point can be proven: a restored copy is never started unconfined";
  if (!tried.ok())
    return bad("machine.sandbox", "bubblewrap cannot be started: " + tried.error().message, why,
               "install it: apt-get install bubblewrap");
  if (tried->exit_code != 0)
    return bad("machine.sandbox", "bubblewrap makes no sandbox here: " + tried->output.substr(0, 200), why,
               "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run as root");
  good("machine.sandbox", "bubblewrap makes a sandbox without network");
}

void Doctor::binaries() {
  for (int major : majors_) {
    const std::string id = "machine.postgresql." + std::to_string(major);
    auto found = postgres::find_server_binaries(env_.files, major, env_.pg_binaries);
    if (found.ok())
      good(id, "the server of PostgreSQL " + std::to_string(major) + " is in " + *found);
    else
      warn(id, "there is no server of PostgreSQL " + std::to_string(major),
           "its points cannot be proven on this machine", found.error().next_step);
  }
}

void Doctor::machine() {
  space("machine.scratch", "the scratch directory", env_.scratch);
  descriptors();
  sandbox();
  binaries();
}

void Doctor::slots() {
  if (vault_->keysets().empty()) return;
  const crypto::Keyset& keyset = vault_->keysets().back();
  std::string names;
  for (const auto& slot : keyset.slots) names += (names.empty() ? "" : ", ") + slot.name + " (" + slot.type + ")";
  if (keyset.slots.size() < 2)
    return bad("vault.slots", "the vault has one key slot: " + names, "whoever loses that key loses every point in it",
               "add a second one, kept by somebody else: coffer keys add NAME --new-key KEY");
  good("vault.slots", std::to_string(keyset.slots.size()) + " key slots: " + names);
}

// A key that is never tried is lost on the day it is needed, and nobody knows.
void Doctor::escrow() {
  for (const auto& slot : vault_->keysets().back().slots) {
    if (slot.type != "escrow") continue;
    const std::string name = "the escrow " + slot.name;
    const std::string next = "bring the holders together: coffer escrow drill SHARE...";
    auto drills = read_drills(context_, *vault_);
    if (!drills.ok())
      return bad("vault.escrow", "the drills cannot be read: " + drills.error().message, {},
                 "run 'coffer verify --all'");
    const auto last = std::find_if(drills->begin(), drills->end(), [&](const Attestation& drill) {
      const auto of = drill.facts.find("slot");
      return of != drill.facts.end() && of->second == slot.name;
    });
    if (last == drills->end()) {
      warn("vault.escrow", name + " was never tried", "shares get lost, and holders leave", next);
      continue;
    }
    const auto days = std::chrono::duration_cast<std::chrono::hours>(env_.clock.wall() - last->time).count() / 24;
    const std::string what = name + " opened the vault " + std::to_string(days) + " days ago";
    if (env_.clock.wall() - last->time > kEscrowDrillDue)
      warn("vault.escrow", what, "shares get lost, and holders leave", next);
    else
      good("vault.escrow", what);
  }
}

bool Doctor::log() {
  auto loaded = CommitLog::load(context_, *vault_);
  if (!loaded.ok()) {
    bad("vault.log", "the commit log cannot be read: " + loaded.error().message, "it says which points exist",
        loaded.error().next_step.empty() ? "run 'coffer verify --all' and keep the vault as it is"
                                         : loaded.error().next_step);
    return false;
  }
  log_ = std::move(loaded).value();
  good("vault.log",
       std::to_string(log_->size()) + " entries, each where it belongs; root " + to_hex(log_->root()).substr(0, 16));
  if (log_->size() > 0 && log_->entries().back().time > env_.clock.wall() + kClockSkewMax)
    bad("machine.clock",
        "the vault's newest entry is of " + format_utc(log_->entries().back().time) + ", in this machine's future",
        "one of the clocks is wrong, and retention counts by them", "set the clock, with NTP best");
  else
    good("machine.clock", "the clock says " + format_utc(env_.clock.wall()) + ", not before the vault's newest entry");
  return true;
}

void Doctor::index() {
  auto set = IndexSet::load(context_, *vault_);
  if (!set.ok()) return could_not("vault.index", "loading the indexes", set.error());
  auto covered = (*set)->packs();
  if (!covered.ok()) return could_not("vault.index", "reading the indexes", covered.error());
  std::set<std::string> keys;
  for (const IndexedPack& p : *covered) keys.insert(pack_key(p.id));
  uint64_t uncovered = 0;
  auto listed = vault_->store().list(context_, "packs/", [&](const store::ObjectInfo& info) {
    if (keys.erase(info.key) == 0) ++uncovered;
    return true;
  });
  if (!listed.ok()) return could_not("vault.index", "listing the packs", listed.error());
  const std::string next =
      "nothing has to be done: the next job indexes them; 'coffer collect' removes what nobody needs";
  if (!(*set)->damaged().empty())
    return warn("vault.index",
                std::to_string((*set)->damaged().size()) + " indexes are damaged, first " + (*set)->damaged().front(),
                "something changed stored bytes", "run 'coffer verify --all'");
  if (uncovered > 0)
    return warn("vault.index", std::to_string(uncovered) + " packs are in no index",
                "a job was killed before it wrote one", next);
  good("vault.index",
       std::to_string((*set)->count()) + " chunks in " + std::to_string(covered->size()) + " packs are indexed");
  if (!keys.empty())
    bad("vault.packs",
        std::to_string(keys.size()) + " packs that an index names are not in the store, first " + *keys.begin(),
        "whatever points need them cannot be restored", "run 'coffer verify --all' to learn which points are hit");
}

void Doctor::leases() {
  auto leases = list_leases(context_, *vault_);
  if (!leases.ok()) return could_not("vault.leases", "reading the leases", leases.error());
  uint64_t running = 0;
  const LeaseInfo* stale = nullptr;
  for (const LeaseInfo& l : *leases) {
    if (l.expires < env_.clock.wall()) stale = &l;
    running += l.expires >= env_.clock.wall();
  }
  if (stale != nullptr)
    return warn("vault.leases",
                "the lease of " + stale->holder + " (" + stale->purpose + ") ran out at " + format_utc(stale->expires),
                "a job died; what it stored is not used yet",
                "nothing has to be done: 'coffer collect' fences it and frees what it left");
  good("vault.leases", running == 0 ? "nobody is writing" : std::to_string(running) + " jobs are running");
}

void Doctor::tombstones() {
  const auto& open = log_->state().open_tombstones;
  for (const auto& t : open)
    if (t.time + kTombstoneAgeMax < env_.clock.wall())
      return warn("vault.tombstones", "tombstone " + t.id + " is waiting since " + format_utc(t.time),
                  "what it names takes space that could be free", "run 'coffer collect'");
  good("vault.tombstones", open.empty() ? "nothing waits to be collected"
                                        : std::to_string(open.size()) + " tombstones are within their grace period");
}

void Doctor::proof_of(uint64_t system_identifier, const std::vector<const PointSummary*>& points) {
  const std::string id = "vault.proof." + std::to_string(system_identifier);
  const std::string cluster = "cluster " + std::to_string(system_identifier);
  const PointSummary& newest = *points.back();
  const PointSummary* proven = nullptr;
  for (const PointSummary* p : points)
    if (p->state == PointState::kProven && (proven == nullptr || p->last_proof > proven->last_proof)) proven = p;
  const std::string next = "run 'coffer prove " + newest.manifest.id + "'";
  if (proven == nullptr || !proven->last_proof) {
    bad(id, cluster + " has " + std::to_string(points.size()) + " points, and none was ever proven",
        "a backup that was never restored is a hope", next);
  } else {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(env_.clock.wall() - *proven->last_proof);
    const std::string what =
        cluster + " was last proven " + format_duration(age) + " ago (point " + proven->manifest.id + ")";
    if (age > kProofAgeMax)
      warn(id, what, "much may have changed since", next);
    else
      good(id, what);
  }
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(env_.clock.wall() - newest.manifest.finished);
  const std::string newest_id = "vault.newest." + std::to_string(system_identifier);
  const std::string what = cluster + ": the newest point is " + format_duration(age) + " old";
  if (age > kPointAgeMax)
    warn(newest_id, what, "this is how much would be lost", "run 'coffer backup', and look why the schedule does not");
  else
    good(newest_id, what);
}

void Doctor::points() {
  auto listed = list_points(context_, *vault_, log_->state(), [&](const std::string& id, const Error& error) {
    bad("vault.point." + id, "point " + id + " has no readable manifest: " + error.message, "it cannot be restored",
        "restore another point; 'coffer verify --all' tells what else is hit");
  });
  if (!listed.ok()) return could_not("vault.points", "reading the points", listed.error());
  points_ = std::move(listed).value();
  if (points_.empty())
    return warn("vault.points", "the vault has no point", "nothing is protected yet", "run 'coffer backup'");
  std::map<uint64_t, std::vector<const PointSummary*>> clusters;
  for (const PointSummary& p : points_) {
    clusters[p.manifest.system_identifier].push_back(&p);
    majors_.insert(p.manifest.major);
    if (p.state == PointState::kDamaged)
      bad("vault.point." + p.manifest.id, "the last check of point " + p.manifest.id + " failed", "do not rely on it",
          "see 'coffer why " + p.manifest.id + "'; take and prove a new one");
    else if (p.manifest.damaged_page_count > 0)
      warn("vault.point." + p.manifest.id,
           "point " + p.manifest.id + " holds " + std::to_string(p.manifest.damaged_page_count) +
               " pages that were damaged on the source",
           "the database itself is damaged",
           "find the tables (coffer points --json names files and blocks) and repair the database");
  }
  good("vault.points", std::to_string(points_.size()) + " points of " + std::to_string(clusters.size()) + " clusters");
  for (const auto& [system_identifier, of_cluster] : clusters) proof_of(system_identifier, of_cluster);
}

Result<std::string> Doctor::setting(postgres::Connection& connection, const std::string& name) {
  COFFER_TRY(postgres::Rows rows, connection.query(context_, "SHOW " + name));
  if (rows.empty()) return Error{ErrorCode::kUnavailable, "SHOW " + name + " gave nothing", {}};
  return rows[0].text(0);
}

void Doctor::role(postgres::Connection& connection) {
  auto rows = connection.query(
      context_, "SELECT current_user, rolsuper, rolreplication FROM pg_roles WHERE rolname = current_user");
  if (!rows.ok() || rows->empty())
    return could_not("source.role", "asking for the role's rights",
                     rows.ok() ? Error{ErrorCode::kNotFound, "the role is not listed", {}} : rows.error());
  const std::string name = (*rows)[0].text(0);
  const bool super = (*rows)[0].text(1) == "t", replication = (*rows)[0].text(2) == "t";
  const bool at_least_15 = connection.major() >= 15;
  const std::string start = at_least_15 ? "pg_backup_start(text,boolean)" : "pg_start_backup(text,boolean,boolean)";
  const std::string stop = at_least_15 ? "pg_backup_stop(boolean)" : "pg_stop_backup(boolean,boolean)";
  auto grant = connection.query(context_, "SELECT has_function_privilege(" + postgres::quote_literal(start) +
                                              ", 'EXECUTE') AND has_function_privilege(" +
                                              postgres::quote_literal(stop) + ", 'EXECUTE')");
  const bool local = grant.ok() && !grant->empty() && (*grant)[0].text(0) == "t";
  if (super)
    return warn("source.role", "role " + name + " is a superuser", "backups need far less",
                "make one that may only replicate: CREATE ROLE coffer LOGIN REPLICATION; GRANT pg_monitor TO coffer");
  if (!replication && !local)
    return bad("source.role", "role " + name + " may neither replicate nor start a backup",
               "no backup can be taken with it",
               "ALTER ROLE " + postgres::quote_identifier(name) + " REPLICATION, or GRANT EXECUTE ON FUNCTION " +
                   start + ", " + stop + " TO it");
  good("source.role", "role " + name + " may " + (replication ? "replicate" : "") +
                          (replication && local ? " and " : "") + (local ? "start and stop a backup" : ""));
}

void Doctor::server_settings(postgres::Connection& connection) {
  auto wal_level = setting(connection, "wal_level");
  if (!wal_level.ok()) return could_not("source.wal_level", "asking for wal_level", wal_level.error());
  if (*wal_level == "minimal")
    bad("source.wal_level", "wal_level is minimal", "no online backup is possible",
        "set wal_level = replica and restart the server");
  else
    good("source.wal_level", "wal_level is " + *wal_level);

  auto senders =
      connection.query(context_, "SELECT current_setting('max_wal_senders')::int, count(*) FROM pg_stat_replication");
  if (!senders.ok()) {
    could_not("source.wal_senders", "counting WAL senders", senders.error());
  } else if (!senders->empty()) {
    const int most = std::atoi((*senders)[0].text(0).c_str()), used = std::atoi((*senders)[0].text(1).c_str());
    const std::string what = std::to_string(used) + " of " + std::to_string(most) + " WAL senders are in use";
    if (most - used < 2)
      warn("source.wal_senders", what, "a backup by the replication stream needs one or two",
           "raise max_wal_senders and restart the server");
    else
      good("source.wal_senders", what);
  }

  if (connection.major() >= 17) {
    auto summarize = setting(connection, "summarize_wal");
    if (summarize.ok() && *summarize == "off")
      warn("source.summarize_wal", "summarize_wal is off", "each backup reads every file",
           "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf()");
    else if (summarize.ok())
      good("source.summarize_wal", "summarize_wal is on: the local reader reads what changed");
  }
  auto checksums = setting(connection, "data_checksums");
  if (checksums.ok() && *checksums == "on")
    good("source.checksums", "page checksums are on");
  else if (checksums.ok())
    warn("source.checksums", "page checksums are off", "damage by the disk is seen only when somebody reads the page",
         "stop the server once and run pg_checksums --enable");
  majors_.insert(connection.major());
}

void Doctor::server_clock(postgres::Connection& connection) {
  auto rows = connection.query(context_, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  if (!rows.ok() || rows->empty()) return;
  const WallTime theirs{std::strtoll((*rows)[0].text(0).c_str(), nullptr, 10)}, ours = env_.clock.wall();
  const auto apart = theirs < ours ? ours - theirs : theirs - ours;
  const std::string what =
      "the server's clock and this machine's are " + std::to_string(apart.count() / 1'000'000) + " s apart";
  if (apart > kClockSkewMax)
    warn("source.clock", what, "recovery to a time means the server's time", "set both with NTP");
  else
    good("source.clock", what);
}

void Doctor::replication() {
  auto connection = postgres::connect(context_, options_.conninfo, postgres::ConnectionKind::kReplication);
  if (!connection.ok())
    return warn("source.replication", "a replication connection is refused: " + connection.error().message,
                "backups by the replication stream are not possible; the local reader needs none",
                connection.error().next_step.empty() ? "add a 'host replication' line for the role to pg_hba.conf"
                                                     : connection.error().next_step);
  auto identity = (*connection)->query(context_, "IDENTIFY_SYSTEM");
  if (!identity.ok()) return could_not("source.replication", "IDENTIFY_SYSTEM", identity.error());
  good("source.replication", "the replication stream is open to us");
}

void Doctor::pgdata(postgres::Connection& connection) {
  std::string path = options_.pgdata;
  if (path.empty()) {
    auto asked = setting(connection, "data_directory");
    if (!asked.ok())
      return warn("source.pgdata", "the data directory's place is not told to this role: " + asked.error().message,
                  "the local reader then needs --pgdata", "GRANT pg_read_all_settings TO it, or give --pgdata");
    path = *asked;
  }
  auto contents = env_.files.read_file(path + "/global/pg_control", 64 << 10);
  if (!contents.ok()) {
    const std::string what = path + " cannot be read: " + contents.error().message;
    const std::string why = "the local reader works on the database's own machine, as its user or as root";
    if (options_.pgdata.empty())
      return warn("source.pgdata", what, why, "use the replication stream, or run there as the database's user");
    return bad("source.pgdata", what, why, "run as the database's user or as root, on its machine");
  }
  auto control = postgres::parse_control_file(*contents);
  auto connected = connection.query(context_, "SELECT system_identifier FROM pg_control_system()");
  if (!control.ok()) return could_not("source.pgdata", "reading " + path + "/global/pg_control", control.error());
  if (connected.ok() && !connected->empty() && (*connected)[0].text(0) != std::to_string(control->system_identifier))
    return bad("source.pgdata",
               path + " belongs to cluster " + std::to_string(control->system_identifier) + ", the server is " +
                   (*connected)[0].text(0),
               "a backup would mix two clusters and is refused", "correct --pgdata or the connection");
  space("source.pgdata", "the data directory", path);
}

void Doctor::source() {
  if (options_.conninfo.empty()) return;
  auto connection = postgres::connect(context_, options_.conninfo, postgres::ConnectionKind::kSql);
  if (!connection.ok())
    return bad("source.connection", "the server cannot be reached: " + connection.error().message,
               "no backup can be taken now", connection.error().next_step);
  good("source.connection", "PostgreSQL " + std::to_string((*connection)->major()) + " answers");
  if ((*connection)->major() < 13 || (*connection)->major() > 18)
    bad("source.version", "PostgreSQL " + std::to_string((*connection)->major()) + " is not supported", "13 to 18 are",
        "use a version of this program that knows it");
  role(**connection);
  server_settings(**connection);
  server_clock(**connection);
  replication();
  pgdata(**connection);
}

Result<std::vector<DoctorLine>> Doctor::run() {
  if (vault_ != nullptr) {
    env_.progress.step("vault", 0);
    if (vault_->store().describe().starts_with('/')) space("vault.space", "the vault", vault_->store().describe());
    slots();
    if (!vault_->keysets().empty()) escrow();
    if (log()) {
      points();
      tombstones();
    }
    index();
    leases();
  }
  COFFER_CHECK_OK(context_.check());
  env_.progress.step("source", 0);
  source();
  COFFER_CHECK_OK(context_.check());
  env_.progress.step("machine", 0);
  machine();
  COFFER_CHECK_OK(context_.check());
  return std::move(lines_);
}

}  // namespace

Result<std::vector<DoctorLine>> run_doctor(const Context& context, const Environment& environment, const Vault* vault,
                                           const DoctorOptions& options) {
  return Doctor(context, environment, vault, options).run();
}

}  // namespace coffer::jobs
