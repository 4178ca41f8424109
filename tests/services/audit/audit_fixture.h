// An audit log over an empty catalog, and what a stranger with access to the database could do to it.
#pragma once
#include "engine/crypto/ed25519.h"
#include "services/audit/audit_log.h"
#include "services/audit/chain.h"
#include "services/catalog/catalogs.h"

namespace coffer::audit {

using catalog::Backend;
using catalog::Database;
using catalog::must;

inline Bytes test_seed() { return Bytes(32, std::byte{7}); }

class AuditTest : public catalog::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (!database_) return;
    must(database_->migrate(context_, migrations()));
    open_log();
  }
  void TearDown() override { log_.reset(); }
  void open_log() {
    log_.reset();
    log_ = must(open_audit_log(*database_, clock_, entropy_, Secret(test_seed())));
  }
  AuditLog& log() { return *log_; }

  /// The caller is the user alice of account 111122223333.
  Record record(std::string operation = "CreateKey") const {
    Record r;
    r.time = clock_.wall();
    r.caller.kind = api::Caller::Kind::kUser;
    r.caller.account = r.account = "111122223333";
    r.caller.arn = r.caller.principal_arn = "arn:aws:iam::111122223333:user/team/alice";
    r.caller.principal_id = r.caller.user_id = "AIDAEXAMPLE";
    r.caller.user_name = "alice";
    r.caller.access_key_id = "AKIAEXAMPLE";
    r.service = "kms";
    r.operation = std::move(operation);
    r.region = "eu-central-1";
    r.source_ip = "192.0.2.7";
    r.user_agent = "aws-cli/2";
    r.request_id = "6c1d8e4e-0000-4000-8000-000000000000";
    r.request_parameters = R"({"keyId":"1234"})";
    r.resources = {"arn:aws:kms:eu-central-1:111122223333:key/1234"};
    return r;
  }
  void append(const Record& r) {
    auto transaction = write();
    must(log().append(*transaction, r));
    must(transaction->commit());
  }
  void append_many(int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(std::chrono::seconds(1));
      Record r = record(i % 3 == 0 ? "DescribeKey" : "CreateKey");
      r.read_only = i % 3 == 0;
      append(r);
    }
    must(log().flush(context_));
  }
  void checkpoint(bool force = true) { must(log().checkpoint(context_, force)); }
  VerifyReport verified() { return must(verify(*database_, context_, crypto::ed25519_public_key(test_seed()))); }
  std::vector<std::string> records() {
    std::vector<std::string> all;
    for (const auto& row : must(read()->run("SELECT record FROM audit_records ORDER BY sequence")))
      all.push_back(row.text(0));
    return all;
  }

  ManualClock clock_{WallTime{1'795'522'800'000'000}};  // 2026-11-24T12:20:00Z
  SystemEntropy entropy_;
  std::unique_ptr<AuditLog> log_;
};

}  // namespace coffer::audit
