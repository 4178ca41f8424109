// Temporary credentials: who gets them, what they may do, when they end.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class StsTest : public House {
 protected:
  const std::string user_arn_ = "arn:aws:iam::" + kAccount + ":user/alice";
};

TEST_F(StsTest, CallerIdentityNamesRootUserAndSession) {
  const Keys alice = user("alice");
  const Value root_identity = must(sts(root(), "GetCallerIdentity"));
  EXPECT_EQ(root_identity.text("Arn"), "arn:aws:iam::" + kAccount + ":root");
  EXPECT_EQ(root_identity.text("UserId"), kAccount);
  const Value user_identity = must(sts(alice, "GetCallerIdentity"));
  EXPECT_EQ(user_identity.text("Arn"), user_arn_);
  EXPECT_TRUE(user_identity.text("UserId").starts_with("AIDA"));

  const std::string arn = role("worker", trust(aws(user_arn_)));
  const Value assumed = must(assume(alice, arn));
  const Value session_identity = must(sts(keys_of(assumed), "GetCallerIdentity"));
  EXPECT_EQ(session_identity.text("Arn"), "arn:aws:sts::" + kAccount + ":assumed-role/worker/session");
  EXPECT_EQ(session_identity.text("UserId"), assumed.find("AssumedRoleUser")->text("AssumedRoleId"));
  EXPECT_TRUE(session_identity.text("UserId").starts_with("AROA"));
  EXPECT_EQ(session_identity.text("Account"), kAccount);
}

}  // namespace
}  // namespace coffer::iam
