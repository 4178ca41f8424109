#include "services/rds/engine_vaults.h"

#include <algorithm>

#include "base/new_file.h"
#include "engine/crypto/digest.h"
#include "engine/jobs/backup.h"
#include "engine/jobs/copy.h"
#include "engine/jobs/prove.h"
#include "engine/jobs/restore.h"
#include "engine/jobs/scratch_directory.h"
#include "engine/postgres/control_file.h"
#include "engine/store/object_store.h"
#include "engine/vault/collector.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/mirror.h"
#include "engine/vault/points.h"
#include "engine/vault/vault.h"
#include "services/kms/service.h"
#include "services/rds/export_through.h"
#include "services/rds/probe.h"
#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

constexpr std::string_view kOwn = "own";
constexpr std::string_view kKmsSlot = "kms";
constexpr std::string_view kRecoverySlot = "installation-recovery";
constexpr size_t kControlFileMax = 64 << 10;
constexpr size_t kLabelMax = 64 << 10;

/// Letters, digits, '.', '_', '-' and, between them, '/'.
bool is_place_name(std::string_view name) {
  if (name.empty() || name.size() > 200 || name.front() == '.' || name.front() == '/' || name.back() == '/')
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '/';
  });
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string hash_of(std::string_view label) { return to_hex(crypto::sha256(as_bytes(label))).substr(0, 32); }

/// "own/<point>" or "<uuid of the vault it came from>/<point>"; with "/<hash of the name>" when the point has several.
struct Reference {
  std::string vault, point, hash;
  [[nodiscard]] std::string text() const { return vault + "/" + point + (hash.empty() ? "" : "/" + hash); }
};

Result<Reference> parse_reference(std::string_view text) {
  Reference reference;
  const size_t first = text.find('/');
  if (first != std::string_view::npos) {
    reference.vault = text.substr(0, first);
    const size_t second = text.find('/', first + 1);
    reference.point = text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
    if (second != std::string_view::npos) reference.hash = text.substr(second + 1);
  }
  if (!is_word(reference.vault) || !vault::is_point_id(reference.point) ||
      (!reference.hash.empty() && !is_word(reference.hash)))
    return Error{ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no reference to a recovery point", {}};
  return reference;
}

/// One vault of a place: its own, or a mirror.
struct OpenVault {
  std::string name;  // "own", or the uuid
  std::unique_ptr<store::ObjectStore> store;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<vault::CommitLog> log;
};

std::string version_text(int number) { return std::to_string(number / 10000) + "." + std::to_string(number % 10000); }

class VaultEngine final : public Engine {
 public:
  VaultEngine(EngineOptions options, api::Invoke invoke, Secret root)
      : options_(std::move(options)), invoke_(std::move(invoke)), root_(std::move(root)) {}

  Status open_vault(const Context& context, const VaultPlace& place) override {
    COFFER_CHECK_OK(open_own(context, place, true));
    return ok_status();
  }

  Result<Probe> probe(const Context& context, const DatabaseAccess& access) override {
    return probe_server(context, options_.files, access);
  }

  Result<Point> take(const Context& context, const VaultPlace& place, const DatabaseAccess& access,
                     std::string_view label, Progress& progress) override {
    COFFER_TRY(OpenVault own, open_own(context, place, true));
    COFFER_TRY(std::optional<Point> there, find_in(context, place, own, label));
    if (there) return std::move(*there);
    jobs::BackupOptions options;
    options.name = label;
    const jobs::Environment environment = environment_with(progress);
    COFFER_TRY(const jobs::BackupReport report,
               jobs::run_backup(context, environment, *own.vault, source_of(environment, access), options));
    // Two that were at it at the same time (a daemon that was paused while another took over) end with one point.
    COFFER_CHECK_OK(own.log->refresh(context));
    COFFER_TRY(std::optional<Point> first, find_in(context, place, own, label));
    if (!first) return Error{ErrorCode::kInternal, "the point " + report.manifest.id + " is not in its vault", {}};
    if (first->reference != Reference{std::string(kOwn), report.manifest.id, {}}.text())
      COFFER_CHECK_OK(forget_point(context, own, report.manifest.id, "another one was taken under the same label"));
    return std::move(*first);
  }

  Result<std::vector<Point>> list(const Context& context, const VaultPlace& place) override {
    std::vector<Point> all;
    COFFER_CHECK_OK(for_each_vault(context, place, [&](OpenVault& one) -> Status {
      COFFER_TRY(std::vector<Point> points, points_of(context, place, one));
      for (Point& point : points) all.push_back(std::move(point));
      return ok_status();
    }));
    return all;
  }

  Result<std::optional<Point>> find(const Context& context, const VaultPlace& place, std::string_view label) override {
    std::optional<Point> found;
    COFFER_CHECK_OK(for_each_vault(context, place, [&](OpenVault& one) -> Status {
      if (found) return ok_status();
      COFFER_TRY(found, find_in(context, place, one, label));
      return ok_status();
    }));
    return found;
  }

  Status forget(const Context& context, const VaultPlace& place, std::string_view text,
                std::string_view reason) override {
    COFFER_TRY(const Reference reference, parse_reference(text));
    Result<OpenVault> opened = open_named(context, place, reference.vault);
    if (!opened.ok()) return opened.code() == ErrorCode::kNotFound ? ok_status() : Status(std::move(opened).error());
    if (!opened->log->state().find(reference.point)) return ok_status();
    std::string hash = reference.hash;
    if (hash.empty()) {
      COFFER_TRY(const vault::Manifest manifest,
                 vault::read_manifest(context, *opened->vault, opened->log->state(), reference.point));
      hash = hash_of(manifest.name);
    }
    // A point with several names goes with the last of them.
    COFFER_CHECK_OK(remove_label(place, reference.point, hash));
    COFFER_TRY(const auto left, labels_of(place, reference.point));
    if (!left.empty()) return ok_status();
    return forget_point(context, *opened, reference.point, reason);
  }

  Status collect(const Context& context, const VaultPlace& place) override {
    return for_each_vault(context, place, [&](OpenVault& one) -> Status {
      NoProgress progress;
      const jobs::Environment environment = environment_with(progress);
      COFFER_TRY(auto scratch, jobs::ScratchDirectory::create(environment));
      COFFER_TRY(auto directory, options_.files.open_directory(scratch->path()));
      COFFER_CHECK_OK(vault::collect(context, *one.vault, *one.log, *directory, {}, progress));
      return ok_status();
    });
  }

  Result<Point> copy(const Context& context, const VaultPlace& from, std::string_view text, const VaultPlace& to,
                     std::string_view label, Progress& progress) override {
    COFFER_TRY(const Reference reference, parse_reference(text));
    COFFER_TRY(OpenVault source, open_named(context, from, reference.vault));
    if (folder_of(from) == folder_of(to)) return name_again(context, from, source, reference, label);
    COFFER_TRY(OpenVault mirror, open_mirror_of(context, to, *source.vault));
    jobs::CopyOptions options;
    options.point_id = reference.point;
    options.name = label;
    options.again = true;  // a copy that was deleted may be asked for once more
    const jobs::Environment environment = environment_with(progress);
    COFFER_TRY(const jobs::CopyReport report,
               jobs::run_copy(context, environment, *source.vault, *mirror.vault, options));
    // The name last: until then the copy is nobody's, and the next attempt finds that all of it is there.
    COFFER_CHECK_OK(add_label(to, report.manifest.id, label));
    COFFER_CHECK_OK(mirror.log->refresh(context));
    COFFER_TRY(std::optional<Point> point, find_in(context, to, mirror, label));
    if (!point) return Error{ErrorCode::kNotFound, "the copy was removed while it was made", {}};
    point->transferred_bytes = report.bytes_copied;
    return std::move(*point);
  }

  Result<RestoreResult> restore(const Context& context, const VaultPlace& place, const RestoreRequest& request,
                                Progress& progress) override {
    COFFER_TRY(const Reference reference, parse_reference(request.reference));
    COFFER_TRY(const OpenVault opened, open_named(context, place, reference.vault));
    jobs::RestoreOptions options;
    options.point_id = reference.point;
    options.target = request.target;
    if (!request.until.empty()) {
      COFFER_TRY(options.until, jobs::parse_recovery_target(request.until));
    }
    COFFER_TRY(const vault::Manifest manifest,
               vault::read_manifest(context, *opened.vault, opened.log->state(), reference.point));
    const size_t slash = request.target.find_last_of('/');
    if (slash != std::string::npos && slash > 0)
      COFFER_CHECK_OK(options_.files.create_directories(request.target.substr(0, slash), 0755));
    // Made by an earlier attempt whose daemon died before it could say so.
    if (is_restored(request.target, manifest)) {
      RestoreResult done{manifest.size_bytes, manifest.system_identifier, {}};
      done.notes.emplace_back("was restored by an earlier attempt");
      return done;
    }
    const jobs::Environment environment = environment_with(progress);
    COFFER_TRY(jobs::RestoreReport report, jobs::run_restore(context, environment, *opened.vault, options));
    COFFER_CHECK_OK(mark_restored(request.target, manifest.id));
    return RestoreResult{report.size_bytes, manifest.system_identifier, std::move(report.notes)};
  }

  Result<Point> prove(const Context& context, const VaultPlace& place, std::string_view text,
                      Progress& progress) override {
    COFFER_TRY(const Reference reference, parse_reference(text));
    COFFER_TRY(OpenVault opened, open_named(context, place, reference.vault));
    jobs::ProveOptions options;
    options.point_id = reference.point;
    const jobs::Environment environment = environment_with(progress);
    COFFER_TRY(const jobs::ProveReport report, jobs::run_prove(context, environment, *opened.vault, options));
    static_cast<void>(report);
    COFFER_CHECK_OK(opened.log->refresh(context));
    COFFER_TRY(std::vector<Point> points, points_of(context, place, opened));
    for (Point& point : points) {
      COFFER_TRY(const Reference other, parse_reference(point.reference));
      if (other.point == reference.point && (reference.hash.empty() || other.hash == reference.hash))
        return std::move(point);
    }
    return Error{ErrorCode::kNotFound, "the recovery point was removed while it was proven", {}};
  }

  Result<ExportResult> export_point(const Context& context, const VaultPlace& place, const ExportRequest& request,
                                    ExportSink& sink, ExportProgress& progress) override {
    COFFER_TRY(const Reference reference, parse_reference(request.reference));
    COFFER_TRY(const OpenVault opened, open_named(context, place, reference.vault));
    NoProgress quiet;
    return export_through(context, environment_with(quiet), *opened.vault, reference.point, request, sink, progress);
  }

 private:
  [[nodiscard]] std::string path_of(const VaultPlace& place, std::string_view below) const {
    return options_.root + "/" + folder_of(place) + "/" + std::string(below);
  }

  [[nodiscard]] jobs::Environment environment_with(Progress& progress) {
    return {options_.files, options_.clock,   options_.entropy, options_.processes,  options_.budget,
            progress,       options_.scratch, options_.jobs,    options_.pg_binaries};
  }

  std::unique_ptr<kms::KeyClient> key_client(const VaultPlace& place) {
    const bool of_rds = place.name.starts_with("aws/rds");
    ServiceIdentity identity{of_rds ? "rds.amazonaws.com" : "backup.amazonaws.com", place.account, {}};
    identity.source_arn = of_rds
                              ? "arn:aws:rds:" + place.region + ":" + place.account + ":snapshot:*"
                              : "arn:aws:backup:" + place.region + ":" + place.account + ":backup-vault:" + place.name;
    return service_key_client(invoke_, options_.clock, options_.entropy, std::move(identity));
  }

  static Status check_place(const VaultPlace& place) {
    if (is_place_name(place.name) && is_word(place.account) && is_word(place.region)) return ok_status();
    return Error{ErrorCode::kInvalidArgument,
                 "'" + place.account + "/" + place.region + "/" + place.name + "' is no place of a vault",
                 {}};
  }

  Result<OpenVault> finish(const Context& context, OpenVault opened) {
    COFFER_TRY(opened.log, vault::CommitLog::load(context, *opened.vault));
    return opened;
  }

  Result<OpenVault> open_own(const Context& context, const VaultPlace& place, bool create) {
    COFFER_CHECK_OK(check_place(place));
    OpenVault opened;
    opened.name = kOwn;
    const std::string path = path_of(place, kOwn);
    COFFER_TRY(opened.store, store::open_local(options_.files, path, create));
    const auto client = key_client(place);
    const auto kms = kms::kms_slot(*client, place.key_arn);
    Result<std::unique_ptr<vault::Vault>> vault =
        vault::Vault::open(context, *opened.store, options_.clock, options_.entropy, *kms);
    if (!vault.ok() && vault.code() == ErrorCode::kNotFound && create) {
      const auto recovery = crypto::key_file_slot(recovery_key_of(root_.view(), place));
      vault = vault::Vault::create(context, *opened.store, options_.clock, options_.entropy,
                                   {{std::string(kKmsSlot), kms.get()}, {std::string(kRecoverySlot), recovery.get()}});
      if (!vault.ok() && vault.code() == ErrorCode::kAlreadyExists)  // somebody else was first
        vault = vault::Vault::open(context, *opened.store, options_.clock, options_.entropy, *kms);
    }
    if (!vault.ok()) return std::move(vault).error().in("opening the vault " + place.name);
    opened.vault = std::move(*vault);
    return finish(context, std::move(opened));
  }

  Result<OpenVault> open_mirror(const Context& context, const VaultPlace& place, const std::string& uuid) {
    COFFER_CHECK_OK(check_place(place));
    OpenVault opened;
    opened.name = uuid;
    COFFER_TRY(opened.store, store::open_local(options_.files, path_of(place, "mirrors/" + uuid), false));
    const auto client = key_client(place);
    const auto kms = kms::kms_slot(*client, place.key_arn);
    Result<std::unique_ptr<vault::Vault>> vault =
        vault::Vault::open(context, *opened.store, options_.clock, options_.entropy, *kms);
    if (!vault.ok()) return std::move(vault).error().in("opening the copies in the vault " + place.name);
    opened.vault = std::move(*vault);
    return finish(context, std::move(opened));
  }

  /// Makes it when there is none.
  Result<OpenVault> open_mirror_of(const Context& context, const VaultPlace& place, const vault::Vault& source) {
    COFFER_CHECK_OK(check_place(place));
    OpenVault opened;
    opened.name = source.format().uuid;
    if (!is_word(opened.name)) return Error{ErrorCode::kCorruption, "the source's vault has no uuid", {}};
    COFFER_TRY(opened.store, store::open_local(options_.files, path_of(place, "mirrors/" + opened.name), true));
    const auto client = key_client(place);
    const auto kms = kms::kms_slot(*client, place.key_arn);
    const auto recovery = crypto::key_file_slot(recovery_key_of(root_.view(), place));
    Result<std::unique_ptr<vault::Vault>> vault =
        vault::open_mirror(context, source, *opened.store, options_.clock, options_.entropy,
                           {{std::string(kKmsSlot), kms.get()}, {std::string(kRecoverySlot), recovery.get()}});
    if (!vault.ok()) return std::move(vault).error().in("opening the copies in the vault " + place.name);
    opened.vault = std::move(*vault);
    return finish(context, std::move(opened));
  }

  Result<OpenVault> open_named(const Context& context, const VaultPlace& place, const std::string& name) {
    return name == kOwn ? open_own(context, place, false) : open_mirror(context, place, name);
  }

  /// Of a place that was never used there is none.
  Status for_each_vault(const Context& context, const VaultPlace& place,
                        const std::function<Status(OpenVault&)>& visit) {
    COFFER_CHECK_OK(check_place(place));
    Result<OpenVault> own = open_own(context, place, false);
    if (!own.ok() && own.code() != ErrorCode::kNotFound) return std::move(own).error();
    if (own.ok()) COFFER_CHECK_OK(visit(*own));
    COFFER_TRY(std::vector<std::string> mirrors, names_in(path_of(place, "mirrors")));
    for (const std::string& uuid : mirrors) {
      if (!is_word(uuid)) continue;
      Result<OpenVault> mirror = open_mirror(context, place, uuid);
      // One whose making was cut off has nothing in it.
      if (!mirror.ok() && mirror.code() == ErrorCode::kNotFound) continue;
      if (!mirror.ok()) return std::move(mirror).error();
      COFFER_CHECK_OK(visit(*mirror));
    }
    return ok_status();
  }

  Result<std::vector<std::string>> names_in(const std::string& path) {
    std::vector<std::string> names;
    auto directory = options_.files.open_directory(path);
    if (!directory.ok() && directory.code() == ErrorCode::kNotFound) return names;
    if (!directory.ok()) return std::move(directory).error();
    COFFER_CHECK_OK((*directory)->list("", [&](const DirectoryEntry& entry) {
      names.push_back(entry.name);
      return true;
    }));
    std::sort(names.begin(), names.end());
    return names;
  }

  // names of points

  /// Hash and text of each; empty for a point that has only the one it was taken under.
  Result<std::map<std::string, std::string>> labels_of(const VaultPlace& place, const std::string& point) {
    std::map<std::string, std::string> labels;
    const std::string path = path_of(place, "labels/" + point);
    COFFER_TRY(const std::vector<std::string> names, names_in(path));
    for (const std::string& name : names) {
      if (!is_word(name)) continue;  // one that is being written
      COFFER_TRY(const Bytes text, options_.files.read_file(path + "/" + name, kLabelMax));
      labels[name] = to_text(text);
    }
    return labels;
  }

  Status add_label(const VaultPlace& place, const std::string& point, std::string_view label) {
    COFFER_TRY(auto directory, options_.files.create_directories(path_of(place, "labels/" + point), 0700));
    Status written = write_new_file(*directory, hash_of(label), as_bytes(label), 0600);
    return written.ok() || written.code() == ErrorCode::kAlreadyExists ? ok_status() : written;
  }

  Status remove_label(const VaultPlace& place, const std::string& point, const std::string& hash) {
    auto directory = options_.files.open_directory(path_of(place, "labels/" + point));
    if (!directory.ok()) return directory.code() == ErrorCode::kNotFound ? ok_status() : Status(directory.error());
    Status removed = (*directory)->remove_file(hash);
    if (!removed.ok()) return removed.code() == ErrorCode::kNotFound ? ok_status() : removed;
    return (*directory)->sync("");
  }

  /// A second name of a point in its own place: nothing is stored twice, and each name is forgotten by itself.
  Result<Point> name_again(const Context& context, const VaultPlace& place, OpenVault& opened,
                           const Reference& reference, std::string_view label) {
    COFFER_TRY(const vault::Manifest manifest,
               vault::read_manifest(context, *opened.vault, opened.log->state(), reference.point));
    COFFER_TRY(const auto labels, labels_of(place, reference.point));
    // The first name becomes one among several; before the second is there.
    if (labels.empty()) COFFER_CHECK_OK(add_label(place, reference.point, manifest.name));
    COFFER_CHECK_OK(add_label(place, reference.point, label));
    COFFER_TRY(std::optional<Point> point, find_in(context, place, opened, label));
    if (!point) return Error{ErrorCode::kNotFound, "the recovery point was removed while it was copied", {}};
    return std::move(*point);
  }

  // points

  Result<std::vector<Point>> points_of(const Context& context, const VaultPlace& place, OpenVault& opened) {
    std::vector<Point> all;
    COFFER_TRY(const auto summaries, vault::list_points(context, *opened.vault, opened.log->state(),
                                                        [&](const std::string& id, const Error& error) {
                                                          // Its manifest does not open: there it is, and it is damaged.
                                                          Point point;
                                                          point.reference = Reference{opened.name, id, {}}.text();
                                                          point.state = "DAMAGED";
                                                          point.warnings = {error.message};
                                                          all.push_back(std::move(point));
                                                        }));
    for (const vault::PointSummary& summary : summaries) {
      COFFER_TRY(const auto labels, labels_of(place, summary.manifest.id));
      if (labels.empty()) {
        all.push_back(point_of(summary, {opened.name, summary.manifest.id, {}}, summary.manifest.name));
        continue;
      }
      for (const auto& [hash, label] : labels)
        all.push_back(point_of(summary, {opened.name, summary.manifest.id, hash}, label));
    }
    return all;
  }

  static Point point_of(const vault::PointSummary& summary, const Reference& reference, const std::string& label) {
    const vault::Manifest& manifest = summary.manifest;
    Point point;
    // The name that a point was taken under needs no hash: the reference that was given out stays.
    const bool first = reference.hash == hash_of(manifest.name) && reference.vault == kOwn;
    point.reference = first ? Reference{reference.vault, reference.point, {}}.text() : reference.text();
    point.label = label;
    point.started = manifest.started;
    point.finished = manifest.finished;
    point.size_bytes = manifest.size_bytes;
    point.transferred_bytes = manifest.written.stored_bytes;
    point.engine_version = version_text(manifest.server_version_num);
    point.system_identifier = manifest.system_identifier;
    point.state = vault::point_state_name(summary.state);
    point.last_proof = summary.last_proof;
    point.warnings = manifest.warnings;
    if (manifest.damaged_page_count > 0)
      point.warnings.push_back(std::to_string(manifest.damaged_page_count) + " pages are damaged on the source");
    return point;
  }

  /// The oldest with this label.
  Result<std::optional<Point>> find_in(const Context& context, const VaultPlace& place, OpenVault& opened,
                                       std::string_view label) {
    COFFER_TRY(std::vector<Point> points, points_of(context, place, opened));
    for (Point& point : points) {
      if (point.label == label) return std::optional(std::move(point));
    }
    return std::optional<Point>();
  }

  static Status forget_point(const Context& context, OpenVault& opened, std::string_view id, std::string_view reason) {
    Status forgotten = vault::forget_point(context, *opened.log, id, reason);
    if (!forgotten.ok() && forgotten.code() == ErrorCode::kNotFound) return ok_status();
    return forgotten;
  }

  // sources and targets

  [[nodiscard]] jobs::SourceFactory source_of(const jobs::Environment& environment,
                                              const DatabaseAccess& access) const {
    const std::optional<uint64_t> pinned =
        access.system_identifier == 0 ? std::nullopt : std::optional(access.system_identifier);
    if (!access.data_directory.empty()) {
      postgres::LocalOptions options;
      options.conninfo = to_text(access.conninfo.view());
      options.pgdata = access.data_directory;
      options.expected_system_identifier = pinned;
      return jobs::local_source_factory(environment, std::move(options));
    }
    postgres::StreamOptions options;
    options.conninfo = to_text(access.conninfo.view());
    options.expected_system_identifier = pinned;
    return jobs::stream_source_factory(std::move(options));
  }

  /// Beside the target, so that the cluster has no file of ours in it.
  static std::string mark_of(const std::string& target) { return target + ".coffer-restored"; }

  bool is_restored(const std::string& target, const vault::Manifest& manifest) {
    auto mark = options_.files.read_file(mark_of(target), kLabelMax);
    if (!mark.ok() || to_text(*mark) != manifest.id) return false;
    auto control = options_.files.read_file(target + "/global/pg_control", kControlFileMax);
    if (!control.ok()) return false;
    auto parsed = postgres::parse_control_file(*control);
    return parsed.ok() && parsed->system_identifier == manifest.system_identifier;
  }

  Status mark_restored(const std::string& target, const std::string& point) {
    const std::string mark = mark_of(target);
    const size_t slash = mark.find_last_of('/');
    COFFER_TRY(auto directory, options_.files.open_directory(mark.substr(0, slash)));
    return replace_file(*directory, mark.substr(slash + 1), as_bytes(point), 0600);
  }

  EngineOptions options_;
  api::Invoke invoke_;
  Secret root_;
};

}  // namespace

std::string folder_of(const VaultPlace& place) {
  std::string name = place.name;
  std::replace(name.begin(), name.end(), '/', '+');
  return place.account + "/" + place.region + "/" + name;
}

Secret recovery_key_of(ByteView installation_root, const VaultPlace& place) {
  return Secret(crypto::hkdf_expand_sha512(installation_root, as_bytes("vault recovery v1 " + folder_of(place)), 32));
}

Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, api::Invoke invoke, Secret installation_root) {
  for (const std::string* folder : {&options.root, &options.scratch}) {
    auto made = options.files.create_directories(*folder, 0700);
    if (!made.ok()) return std::move(made).error().in("making " + *folder);
  }
  // What a run that was killed left behind: only one daemon has this folder.
  COFFER_TRY(auto scratch, options.files.open_directory(options.scratch));
  std::vector<std::string> left;
  COFFER_CHECK_OK(scratch->list("", [&](const DirectoryEntry& entry) {
    left.push_back(entry.name);
    return true;
  }));
  for (const std::string& name : left) COFFER_CHECK_OK(jobs::remove_tree(*scratch, name));
  return std::unique_ptr<Engine>(
      std::make_unique<VaultEngine>(std::move(options), std::move(invoke), std::move(installation_root)));
}

}  // namespace coffer::rds
