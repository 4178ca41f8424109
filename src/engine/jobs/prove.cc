#include "engine/jobs/prove.h"

#include <algorithm>
#include <optional>

#include "engine/jobs/scratch_copy.h"
#include "engine/postgres/connection.h"

namespace coffer::jobs {

using namespace vault;

namespace {

constexpr size_t kFindingsMax = 100;  // of an attestation; the rest is a number

// What an error says about the point: damage, or that this machine could not look. Only the first speaks against the
// point.
bool speaks_against_the_point(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kFailedPrecondition ||
         error.code == ErrorCode::kNotFound;
}

Error not_proven(Error error) {
  error.code = ErrorCode::kNotProven;
  return error;
}

class Prover {
 public:
  Prover(const Context& context, const Environment& env, const Vault& vault, const ProveOptions& options)
      : context_(context), env_(env), vault_(vault), options_(options) {}
  Result<ProveReport> run();

 private:
  Status check(const Manifest& manifest);
  Status restore();
  Status boot_and_read();
  Status check_pages(const postgres::ControlFile& control);
  void tell_facts();
  void found(std::string line) {
    if (report_.attestation.findings.size() < kFindingsMax) {
      report_.attestation.findings.push_back(std::move(line));
    } else {
      ++findings_left_out_;
    }
  }
  [[nodiscard]] int64_t ms_since(MonoTime t) const { return (env_.clock.mono() - t).count() / 1'000'000; }

  const Context& context_;
  const Environment& env_;
  const Vault& vault_;
  const ProveOptions& options_;
  ProveReport report_;
  std::optional<ScratchCopy> copy_;
  std::vector<std::string> not_checked_;
  uint64_t findings_left_out_ = 0;
};

Status Prover::restore() {
  const MonoTime began = env_.clock.mono();
  COFFER_TRY(RestoreReport restored, copy_->restore(context_));
  report_.restore_ms = ms_since(began);
  report_.attestation.size_bytes = restored.size_bytes;
  report_.attestation.facts["files"] = std::to_string(restored.files);
  return ok_status();
}

Status Prover::boot_and_read() {
  env_.progress.step("recover", 0);
  MonoTime began = env_.clock.mono();
  COFFER_TRY(auto server, copy_->boot(context_));
  report_.recovery_ms = ms_since(began);

  COFFER_TRY(auto connection,
             postgres::connect(context_, server->conninfo("template1"), postgres::ConnectionKind::kSql));
  COFFER_TRY(postgres::Rows version, connection->query(context_, "SHOW server_version"));
  connection.reset();
  if (!version.empty()) report_.attestation.facts["server"] = version[0].text(0);

  env_.progress.step("check", 0);
  began = env_.clock.mono();
  auto checks = postgres::check_cluster(context_, *server, options_.thorough);
  if (!checks.ok()) return std::move(checks).error().in("reading the restored copy");
  report_.checks = std::move(checks).value();
  report_.check_ms = ms_since(began);
  auto stopped = server->stop(context_);
  if (!stopped.ok()) return std::move(stopped).error().in("stopping the scratch server");
  return ok_status();
}

Status Prover::check_pages(const postgres::ControlFile& control) {
  if (control.data_checksum_version == 0) {
    report_.attestation.facts["page checksums"] = "off in the source";
    return ok_status();
  }
  env_.progress.step("page checksums", 0);
  const MonoTime began = env_.clock.mono();
  COFFER_TRY(report_.pages,
             postgres::check_page_checksums(context_, env_.files, copy_->data(), std::max(1, env_.jobs)));
  report_.attestation.facts["page checksums"] =
      std::to_string(report_.pages.pages) + " pages of " + std::to_string(report_.pages.files) + " files";
  report_.attestation.facts["pages_ms"] = std::to_string(ms_since(began));
  return ok_status();
}

Status Prover::check(const Manifest& manifest) {
  copy_.emplace(env_, vault_, manifest);
  COFFER_CHECK_OK(copy_->prepare(context_));
  COFFER_CHECK_OK(restore());
  COFFER_TRY(postgres::ControlFile control, copy_->control_file());
  COFFER_CHECK_OK(boot_and_read());
  return check_pages(control);
}

void Prover::tell_facts() {
  auto& facts = report_.attestation.facts;
  facts["restore_ms"] = std::to_string(report_.restore_ms);
  facts["recovery_ms"] = std::to_string(report_.recovery_ms);
  facts["check_ms"] = std::to_string(report_.check_ms);
  for (const postgres::DatabaseCheck& d : report_.checks.databases) {
    facts["tables." + d.database] = std::to_string(d.tables);
    facts["indexes." + d.database] = std::to_string(d.indexes);
    facts["rows." + d.database] = std::to_string(d.rows);
    for (const std::string& line : d.findings) found(d.database + ": " + line);
    for (const std::string& line : d.not_checked) not_checked_.push_back(d.database + ": " + line);
    std::string uncheckable;
    for (const std::string& line : d.uncheckable) uncheckable += (uncheckable.empty() ? "" : "; ") + line;
    if (!uncheckable.empty()) facts["uncheckable." + d.database] = uncheckable;
  }
  for (const std::string& line : report_.pages.findings) found(line);
  if (findings_left_out_ > 0) facts["more findings"] = std::to_string(findings_left_out_);
  for (size_t i = 0; i < std::min(not_checked_.size(), kFindingsMax); ++i)
    facts["not checked." + std::to_string(i + 1)] = not_checked_[i];
}

Result<ProveReport> Prover::run() {
  const MonoTime began = env_.clock.mono();
  COFFER_TRY(auto log, CommitLog::load(context_, vault_));
  COFFER_TRY(Manifest manifest, read_manifest(context_, vault_, log->state(), options_.point_id));
  log.reset();

  Attestation& attestation = report_.attestation;
  attestation.point_id = manifest.id;
  attestation.kind = ProofKind::kProven;

  Status checked = check(manifest);
  if (!checked.ok() && checked.code() == ErrorCode::kCancelled) return std::move(checked).error();
  std::optional<Error> could_not;
  if (!checked.ok()) {
    if (speaks_against_the_point(checked.error())) {
      found(checked.error().message);
    } else {
      could_not = not_proven(checked.error());
    }
  }
  tell_facts();
  if (attestation.findings.empty() && !could_not && !not_checked_.empty())
    could_not =
        Error{ErrorCode::kNotProven,
              std::to_string(not_checked_.size()) + " things could not be checked, first: " + not_checked_.front(),
              "make available on this machine what is missing, and prove the point again"};

  attestation.time = env_.clock.wall();
  attestation.duration_ms = ms_since(began);
  attestation.success = attestation.findings.empty() && !could_not;
  uint64_t rows = 0;
  for (const auto& d : report_.checks.databases) rows += d.rows;
  attestation.summary = attestation.success ? "restored, recovered and read: " + std::to_string(rows) + " rows in " +
                                                  std::to_string(report_.checks.databases.size()) + " databases"
                        : !attestation.findings.empty()
                            ? "the restored copy is not sound: " + attestation.findings.front()
                            : "could not be checked: " + could_not->message;

  ScratchDirectory* scratch = copy_ ? copy_->directory() : nullptr;
  if (scratch != nullptr && options_.keep_scratch) {
    scratch->keep();
    report_.scratch = copy_->data();
  } else if (scratch != nullptr) {
    if (auto removed = scratch->remove(); !removed.ok())
      env_.progress.note("the scratch copy in " + scratch->path() + " was not removed: " + removed.error().message);
  }
  auto written = write_attestation(context_, vault_, attestation);
  if (!written.ok()) return std::move(written).error().in("the check is done, but its result could not be stored");
  if (could_not && attestation.findings.empty())
    return std::move(*could_not).in("point " + manifest.id + " is not proven");
  return std::move(report_);
}

}  // namespace

Result<ProveReport> run_prove(const Context& context, const Environment& environment, const Vault& vault,
                              const ProveOptions& options) {
  return Prover(context, environment, vault, options).run();
}

}  // namespace coffer::jobs
