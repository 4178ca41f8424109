// The engine on real vaults, a real KMS and a real PostgreSQL 15.
#include <filesystem>

#include "services/rds/probe.h"
#include "services/rds/world.h"
#include "support/postgres_server.h"
#include "support/vault_world.h"

namespace coffer::rds {
namespace {

using testing_support::FastDirectory;
using testing_support::TestServer;

/// One server for all tests, and an installation for each.
class Vaults : public World {
 protected:
  static void SetUpTestSuite() {
    if (TestServer::binaries(15)) server_ = TestServer::create();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    COFFER_NEED_POSTGRES(15);
    engine_ = must(open_engine(
        EngineOptions{.files = files_,
                      .clock = system_clock_,
                      .entropy = system_entropy_,
                      .processes = processes_,
                      .budget = budget_,
                      .root = folder_.path("vaults"),
                      .scratch = folder_.path("scratch")},
        [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
          return gate_->run(call, identity, input);
        },
        root_.clone()));
    const std::string made = key();
    for (const char* principal : {"backup.amazonaws.com", "rds.amazonaws.com"})
      must(
          kms(root(), "CreateGrant",
              object({{"KeyId", made}, {"GranteePrincipal", principal}, {"Operations", texts({"Encrypt", "Decrypt"})}}),
              kms::Way{.via_service = "backup.amazonaws.com"}));
    key_ = made;
    place_ = {kHome, "us-east-1", "nightly", arn(made)};
  }
  [[nodiscard]] static DatabaseAccess access(const std::string& user = "postgres") {
    DatabaseAccess one;
    one.conninfo = Secret::copy_of(as_bytes(server_->conninfo("postgres", user)));
    return one;
  }
  Point take(const std::string& label) { return must(engine_->take(Context(), place_, access(), label, progress_)); }

  inline static std::unique_ptr<TestServer> server_;
  FastDirectory folder_;
  PosixFileSystem files_;
  SystemClock system_clock_;
  SystemEntropy system_entropy_;
  SystemProcesses processes_;
  ByteBudget budget_{64 << 20};
  NoProgress progress_;
  std::unique_ptr<Engine> engine_;
  std::string key_;
  VaultPlace place_;
};

TEST_F(Vaults, APointIsTakenOnceForItsLabelAndRestoredProvenCopiedAndForgotten) {
  must(engine_->open_vault(Context(), place_));
  must(engine_->open_vault(Context(), place_));
  const Point first = take("job-1");
  EXPECT_EQ(take("job-1").reference, first.reference);
  EXPECT_EQ(must(engine_->list(Context(), place_)).size(), 1U);
  EXPECT_EQ(first.label, "job-1");
  EXPECT_TRUE(first.engine_version.starts_with("15."));
  EXPECT_GT(first.size_bytes, 1'000'000U);
  EXPECT_EQ(must(engine_->find(Context(), place_, "job-1"))->reference, first.reference);
  EXPECT_FALSE(must(engine_->find(Context(), place_, "job-2")));

  // Two names of one point in its place: it goes with the second.
  const Point again = must(engine_->copy(Context(), place_, first.reference, place_, "copy-here", progress_));
  EXPECT_NE(again.reference, first.reference);
  EXPECT_EQ(must(engine_->list(Context(), place_)).size(), 2U);

  // Elsewhere it is a mirror's, opened by that place's own key.
  VaultPlace other{kHome, "us-east-1", "far", arn(key_)};
  const Point away = must(engine_->copy(Context(), place_, first.reference, other, "copy-away", progress_));
  EXPECT_EQ(away.label, "copy-away");
  EXPECT_EQ(must(engine_->copy(Context(), place_, first.reference, other, "copy-away", progress_)).reference,
            away.reference);

  must(engine_->forget(Context(), place_, first.reference, "test"));
  must(engine_->forget(Context(), place_, first.reference, "test"));
  EXPECT_EQ(must(engine_->list(Context(), place_)).size(), 1U);
  must(engine_->forget(Context(), place_, again.reference, "test"));
  EXPECT_EQ(must(engine_->list(Context(), place_)).size(), 0U);
  must(engine_->collect(Context(), place_));

  const RestoreRequest request{away.reference, folder_.path("restored/again"), ""};
  const RestoreResult restored = must(engine_->restore(Context(), other, request, progress_));
  EXPECT_EQ(restored.system_identifier, first.system_identifier);
  EXPECT_TRUE(std::filesystem::exists(request.target + "/global/pg_control"));
  // A daemon that died before it said so finds it done.
  EXPECT_EQ(must(engine_->restore(Context(), other, request, progress_)).size_bytes, restored.size_bytes);
}

TEST_F(Vaults, AVaultHasTheKmsSlotAndTheRecoverySlotAndOpensWithEither) {
  take("job-1");
  auto store = must(store::open_local(files_, folder_.path("vaults/") + folder_of(place_) + "/own", false));
  const auto keysets = must(vault::Vault::inspect(Context(), *store));
  ASSERT_EQ(keysets.keysets.at(0).slots.size(), 2U);
  EXPECT_EQ(keysets.keysets.at(0).slots.at(0).type, "kms");
  const auto recovery = crypto::key_file_slot(recovery_key_of(root_.view(), place_));
  must(vault::Vault::open(Context(), *store, system_clock_, system_entropy_, *recovery));
  // Without its key nothing is opened in the ordinary way.
  must(kms("DisableKey", object({{"KeyId", key_}})));
  EXPECT_FALSE(engine_->list(Context(), place_).ok());
  must(kms("EnableKey", object({{"KeyId", key_}})));
  EXPECT_EQ(must(engine_->list(Context(), place_)).size(), 1U);
}

TEST_F(Vaults, AKeyThatDoesNotLetTheServiceOpensNothing) {
  const VaultPlace strange{kHome, "us-east-1", "strange", arn(key())};
  EXPECT_EQ(engine_->open_vault(Context(), strange).code(), ErrorCode::kPermissionDenied);
}

TEST_F(Vaults, HostileNamesAndReferencesAreRefused) {
  for (const char* name : {"", "..", "../x", "/etc", "a/", "a b", "a\n"})
    EXPECT_EQ(engine_->open_vault(Context(), {kHome, "us-east-1", name, arn(key_)}).code(), ErrorCode::kInvalidArgument)
        << name;
  for (const char* reference : {"", "own", "own/", "../own/x", "own/../../x", "own/x/../y", "OWN/x"})
    EXPECT_FALSE(engine_->forget(Context(), place_, reference, "").ok()) << reference;
}

TEST_F(Vaults, AProbeTellsWhatIsMissingAndHowToGiveIt) {
  const Probe good = must(engine_->probe(Context(), access()));
  EXPECT_TRUE(good.findings.empty()) << good.findings.front().what;
  EXPECT_EQ(std::to_string(good.system_identifier),
            server_->value("SELECT system_identifier FROM pg_control_system()"));
  EXPECT_GT(good.size_bytes, 1'000'000U);
  server_->sql("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN");
  const Probe weak = must(engine_->probe(Context(), access("weak")));
  ASSERT_FALSE(weak.findings.empty());
  EXPECT_EQ(weak.findings.front().next_step, "ALTER ROLE \"weak\" REPLICATION;");
  server_->sql(weak.findings.front().next_step);
  EXPECT_TRUE(must(engine_->probe(Context(), access("weak"))).findings.empty());

  DatabaseAccess local = access("weak");
  local.data_directory = server_->data_directory();
  const Probe by_folder = must(engine_->probe(Context(), local));
  EXPECT_GE(by_folder.findings.size(), 2U);  // pg_backup_start, pg_backup_stop
  local.data_directory = "/nowhere";
  EXPECT_NE(must(engine_->probe(Context(), local)).findings.back().what.find("/nowhere"), std::string::npos);

  DatabaseAccess pinned = access();
  pinned.system_identifier = 42;
  EXPECT_EQ(engine_->probe(Context(), pinned).code(), ErrorCode::kFailedPrecondition);
  DatabaseAccess away;
  away.conninfo = Secret::copy_of(as_bytes("host=/nowhere user=u"));
  EXPECT_EQ(engine_->probe(Context(), away).code(), ErrorCode::kUnavailable);
}

TEST_F(Vaults, ARegisteredDatabaseIsSnapshottedByTheService) {
  gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
  gate_->add(kms_->actions());
  gate_->add(s3_->actions());
  open_rds(*engine_);
  must(coffer("RegisterDatabase", object({{"DBInstanceIdentifier", "real"}, {"Conninfo", server_->conninfo()}})));
  const Value taken = snapshot("mine", "real");
  EXPECT_EQ(taken.text("Status"), "available") << (log_.empty() ? "" : log_.back());
  EXPECT_TRUE(must(coffer("CheckDatabase", object({{"DBInstanceIdentifier", "real"}}))).flag("Healthy"));
}

}  // namespace
}  // namespace coffer::rds
