#include <random>

#include "services/audit/audit_fixture.h"

namespace coffer::audit {
namespace {

class VerifyTest : public AuditTest {
 protected:
  void SetUp() override {
    AuditTest::SetUp();
    if (!database_) return;
    for (int i = 0; i < 4; ++i) {
      append_many(10);
      checkpoint();
    }
    append_many(5);
    ASSERT_EQ(verified().problems, std::vector<std::string>());
    ASSERT_EQ(verified().unsigned_tail, 5u);
  }
  bool names(const VerifyReport& report, std::string_view words) {
    for (const std::string& problem : report.problems) {
      if (problem.find(words) != std::string::npos) return true;
    }
    ADD_FAILURE() << "nothing says \"" << words << "\": " << testing::PrintToString(report.problems);
    return false;
  }
  /// What somebody who knows the format can do: makes the chain fit again from `first` on, head and tree included, with
  /// the numbers in order.
  void rechain() {
    auto transaction = write();
    auto rows = must(transaction->run("SELECT sequence, record FROM audit_records ORDER BY sequence"));
    Head head = must(read_head(*transaction));
    const int64_t checkpoints = head.checkpoints;
    head = Head{};
    head.checkpoints = checkpoints;
    must(transaction->run("UPDATE audit_records SET sequence = -sequence - 1000"));
    for (const auto& row : rows) {
      ++head.size;
      head.hash = next_hash(head.hash, head.size, row.text(1));
      head.tree.append(record_leaf(head.size, row.text(1)));
      must(transaction->run("UPDATE audit_records SET sequence = $1, hash = $2 WHERE sequence = $3",
                            {head.size, ByteView(head.hash), -row.integer(0) - 1000}));
    }
    must(write_head(*transaction, head));
    must(transaction->commit());
  }
  void alter(int64_t sequence, std::string_view from, std::string_view to) {
    change("UPDATE audit_records SET record = replace(record, $2, $3) WHERE sequence = $1", {sequence, from, to});
  }
};

TEST_P(VerifyTest, AnAlteredRecordIsNamedAndNoOther) {
  alter(17, "\"sourceIPAddress\":\"192.0.2.7\"", "\"sourceIPAddress\":\"192.0.2.8\"");
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(names(report, "record 17 "));
}

TEST_P(VerifyTest, AnAlteredHashIsNamedAndNoOther) {
  change("UPDATE audit_records SET hash = $2 WHERE sequence = $1", {23, Bytes(32, std::byte{1})});
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(names(report, "record 23 "));
}

TEST_P(VerifyTest, ARecordFiledUnderAnotherAccountIsNamed) {
  change("UPDATE audit_records SET account = '999999999999' WHERE sequence = 9");
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(names(report, "record 9 "));
  EXPECT_TRUE(names(report, "filed under something else"));
}

TEST_P(VerifyTest, ARecordThatLookupsWouldMissIsNamed) {
  change("DELETE FROM audit_groups WHERE term = 'u:alice' AND first <= 9 AND last >= 9");
  const VerifyReport report = verified();
  EXPECT_TRUE(names(report, "record 9 "));
  EXPECT_TRUE(names(report, "is not in the groups that lookups look into"));
}

TEST_P(VerifyTest, DeletedRecordsAreNamed) {
  change("DELETE FROM audit_records WHERE sequence = 12 OR sequence BETWEEN 30 AND 33");
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems.size(), 2u);
  EXPECT_TRUE(names(report, "record 12 is missing"));
  EXPECT_TRUE(names(report, "records 30 to 33 are missing"));
}

TEST_P(VerifyTest, AnInsertedRecordIsNamed) {
  change(
      "INSERT INTO audit_records SELECT 46, account, time, event_id, event_name, event_source, user_name, "
      "access_key_id, read_only, record, hash FROM audit_records WHERE sequence = 45");
  change(
      "INSERT INTO audit_records SELECT 0, account, time, event_id, event_name, event_source, user_name, "
      "access_key_id, read_only, record, hash FROM audit_records WHERE sequence = 45");
  const VerifyReport report = verified();
  EXPECT_TRUE(names(report, "record 46 "));
  EXPECT_TRUE(names(report, "record 46 inserted at the end"));
  EXPECT_TRUE(names(report, "record 0 was inserted"));
}

TEST_P(VerifyTest, ReorderedRecordsAreNamed) {
  for (auto [from, to] : {std::pair{14, -1}, std::pair{21, 14}, std::pair{-1, 21}})
    change("UPDATE audit_records SET sequence = $2 WHERE sequence = $1", {from, to});
  const VerifyReport report = verified();
  EXPECT_TRUE(names(report, "record 14 "));
  EXPECT_TRUE(names(report, "record 21 "));
}

TEST_P(VerifyTest, TruncationBelowACheckpointIsNamed) {
  change("DELETE FROM audit_records WHERE sequence > 36");
  EXPECT_TRUE(names(verified(), "records 37 to 40 missing at the end: checkpoint 4"));
}

// Nothing signed says that there were more: the count of what nobody vouches for is all that can be told.
TEST_P(VerifyTest, TruncationAfterTheLastCheckpointShowsInTheUnsignedTail) {
  change("DELETE FROM audit_records WHERE sequence > 42");
  EXPECT_TRUE(names(verified(), "records 43 to 45 missing at the end"));  // the head remembers

  rechain();  // and who can write the head too?
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems, std::vector<std::string>());
  EXPECT_EQ(report.unsigned_tail, 2u);
}

TEST_P(VerifyTest, AChainThatWasMadeToFitAgainIsFoundByTheNextCheckpoint) {
  alter(25, "alice", "mallory");
  change("UPDATE audit_records SET user_name = 'mallory' WHERE sequence = 25");
  change(
      "INSERT INTO audit_groups SELECT account, 'u:mallory', time, time, sequence, sequence FROM audit_records "
      "WHERE sequence = 25");
  rechain();
  const VerifyReport report = verified();
  EXPECT_EQ(report.problems.size(), 1u) << testing::PrintToString(report.problems);
  EXPECT_TRUE(names(report, "records 21 to 30: not what checkpoint 3 was signed over"));
}

TEST_P(VerifyTest, ADeletedRecordWithRenumberedFollowersIsFound) {
  change("DELETE FROM audit_records WHERE sequence = 8");
  rechain();
  EXPECT_TRUE(names(verified(), "records 1 to 10: not what checkpoint 1 was signed over"));
}

TEST_P(VerifyTest, AlteredCheckpointsAreNamed) {
  change(
      "UPDATE audit_checkpoints SET checkpoint = replace(checkpoint, '\"size\":20', '\"size\":19') WHERE number = 2");
  EXPECT_TRUE(names(verified(), "checkpoint 2 was altered"));
}

TEST_P(VerifyTest, MissingCheckpointsAreNamed) {
  change("DELETE FROM audit_checkpoints WHERE number = 2");
  EXPECT_TRUE(names(verified(), "checkpoint 2 is missing"));
  change("DELETE FROM audit_checkpoints WHERE number = 4");
  EXPECT_TRUE(names(verified(), "checkpoint 4 is missing"));
}

TEST_P(VerifyTest, ACheckpointOfAnotherKeyIsNamed) {
  const auto row = must(read()->run("SELECT checkpoint FROM audit_checkpoints WHERE number = 3"));
  const auto forged = crypto::ed25519_sign(Bytes(32, std::byte{9}), as_bytes(row[0].text(0)));
  change("UPDATE audit_checkpoints SET signature = $1 WHERE number = 3", {ByteView(forged)});
  EXPECT_TRUE(names(verified(), "checkpoint 3 was altered, or is not signed by this log's key"));
}

TEST_P(VerifyTest, CheckpointsInEachOthersPlacesAreNamed) {
  for (auto [from, to] : {std::pair{2, 99}, std::pair{3, 2}, std::pair{99, 3}})
    change("UPDATE audit_checkpoints SET number = $2 WHERE number = $1", {from, to});
  EXPECT_TRUE(names(verified(), "checkpoint 2 was moved"));
  EXPECT_TRUE(names(verified(), "checkpoint 3 was moved"));
}

// A key that signs two histories: the second one does not follow from what was signed before.
TEST_P(VerifyTest, AReplacedCheckpointDoesNotFollow) {
  Checkpoint forged = must(
      decode_checkpoint(must(read()->run("SELECT checkpoint FROM audit_checkpoints WHERE number = 2"))[0].text(0)));
  forged.time = forged.time + std::chrono::seconds(1);
  const std::string text = encode_checkpoint(forged);
  const auto signature = crypto::ed25519_sign(test_seed(), as_bytes(text));
  change("UPDATE audit_checkpoints SET checkpoint = $1, signature = $2, time = $3 WHERE number = 2",
         {text, ByteView(signature), forged.time});
  EXPECT_TRUE(names(verified(), "checkpoint 3 does not follow the one before it"));
}

TEST_P(VerifyTest, AHeadThatDoesNotFitIsNamed) {
  change("UPDATE audit_head SET hash = $1", {Bytes(32, std::byte{1})});
  EXPECT_TRUE(names(verified(), "the head does not belong to record 45"));
  change("UPDATE audit_head SET peaks = $1", {Bytes(31, std::byte{1})});
  EXPECT_TRUE(names(verified(), "the audit log's head"));
}

TEST_P(VerifyTest, EachOfAHundredRandomManipulationsIsFound) {
  // Everything is done in one transaction and undone after the look, so that each starts from a whole log.
  std::mt19937_64 random(20261124);
  const auto upto = [&](int64_t max) { return static_cast<int64_t>(random() % static_cast<uint64_t>(max)) + 1; };
  for (int round = 0; round < 100; ++round) {
    const auto backup = must(read()->run(
        "SELECT sequence, account, time, event_id, event_name, event_source, user_name, access_key_id, read_only, "
        "record, hash FROM audit_records ORDER BY sequence"));
    const auto checkpoints =
        must(read()->run("SELECT number, size, time, checkpoint, signature FROM audit_checkpoints"));
    const int64_t at = upto(45), kind = upto(8);
    SCOPED_TRACE("round " + std::to_string(round) + ": manipulation " + std::to_string(kind) + " of record " +
                 std::to_string(at));
    const catalog::Row& row = backup[static_cast<size_t>(at - 1)];
    const auto flipped_text = [&](std::string text) {
      text[random() % text.size()] ^= 1;
      return text;
    };
    const auto flipped_bytes = [&](Bytes bytes) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 << random() % 8);
      return bytes;
    };
    const int64_t which = upto(4);
    const catalog::Row& checkpoint = checkpoints[static_cast<size_t>(which - 1)];
    switch (kind) {
      case 1:
        change("UPDATE audit_records SET record = $2 WHERE sequence = $1", {at, flipped_text(row.text(9))});
        break;
      case 2:
        change("UPDATE audit_records SET hash = $2 WHERE sequence = $1", {at, flipped_bytes(row.blob(10))});
        break;
      case 3: change("DELETE FROM audit_records WHERE sequence = $1", {at}); break;
      case 4: change("DELETE FROM audit_records WHERE sequence >= $1", {at}); break;
      case 5:  // the contents of two change places
        change("UPDATE audit_records SET record = $2 WHERE sequence = $1",
               {at, backup[static_cast<size_t>(at % 45)].text(9)});
        break;
      case 6:
        change("UPDATE audit_checkpoints SET signature = $2 WHERE number = $1",
               {which, flipped_bytes(checkpoint.blob(4))});
        break;
      case 7:
        change("UPDATE audit_checkpoints SET checkpoint = $2 WHERE number = $1",
               {which, flipped_text(checkpoint.text(3))});
        break;
      default: change("DELETE FROM audit_checkpoints WHERE number = $1", {which});
    }
    EXPECT_FALSE(verified().problems.empty());

    change("DELETE FROM audit_records");
    change("DELETE FROM audit_checkpoints");
    auto transaction = write();
    for (const auto& r : backup) {
      must(transaction->run("INSERT INTO audit_records VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                            {r.integer(0), r.text(1), r.integer(2), r.text(3), r.text(4), r.text(5), r.text(6),
                             r.text(7), r.integer(8), r.text(9), r.blob(10)}));
    }
    for (const auto& c : checkpoints) {
      must(transaction->run("INSERT INTO audit_checkpoints VALUES ($1, $2, $3, $4, $5)",
                            {c.integer(0), c.integer(1), c.integer(2), c.text(3), c.blob(4)}));
    }
    must(transaction->commit());
    ASSERT_EQ(verified().problems, std::vector<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(All, VerifyTest, testing::Values(Backend::kMemory, Backend::kPostgres), catalog::backend_name);

}  // namespace
}  // namespace coffer::audit
