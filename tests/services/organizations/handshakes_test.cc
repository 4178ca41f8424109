#include "world.h"

namespace coffer::organizations {
namespace {

using std::chrono::hours;

class Handshakes : public OrganizationsTest {
 protected:
  static Value party(std::string_view id, std::string_view type = "ACCOUNT") {
    return Value::object({{"Target", Value::object({{"Id", id}, {"Type", type}})}});
  }
  static Value one(std::string_view id) { return Value::object({{"HandshakeId", id}}); }
  std::string state(std::string_view account, std::string_view id) {
    return std::string(world.ok(account, "DescribeHandshake", one(id)).find("Handshake")->text("State"));
  }
};

TEST_F(Handshakes, InvitationNamesBothPartiesAndLastsFifteenDays) {
  const std::string organization = world.organize();
  Value input = party(kOther);
  input.set("Notes", "please");
  const Value h = *world.ok(kMain, "InviteAccountToOrganization", input).find("Handshake");
  EXPECT_EQ(h.text("Action"), "INVITE");
  EXPECT_EQ(h.text("State"), "OPEN");
  EXPECT_EQ(h.text("Arn"),
            "arn:aws:organizations::111111111111:handshake/" + organization + "/invite/" + std::string(h.text("Id")));
  EXPECT_EQ(h.time("RequestedTimestamp"), kStart);
  EXPECT_EQ(h.time("ExpirationTimestamp"), kStart + hours(15 * 24));
  EXPECT_EQ(h.list("Parties").at(0), Value::object({{"Id", organization}, {"Type", "ORGANIZATION"}}));
  EXPECT_EQ(h.list("Parties").at(1), Value::object({{"Id", kOther}, {"Type", "ACCOUNT"}}));
  const Value& from = h.list("Resources").at(0);
  EXPECT_EQ(from.text("Value"), organization);
  EXPECT_EQ(from.list("Resources").at(0).text("Value"), "111111111111@coffer.invalid");
  EXPECT_EQ(from.list("Resources").at(1).text("Value"), "main");
  EXPECT_EQ(from.list("Resources").at(2).text("Value"), "ALL");
  EXPECT_EQ(h.list("Resources").at(1).text("Value"), kOther);
  EXPECT_EQ(h.list("Resources").at(2).text("Value"), "please");
}

TEST_F(Handshakes, AcceptedInvitationMakesAMemberWithItsTags) {
  world.organize();
  Value input = party(kOther);
  input.set("Tags", tags({{"team", "blue"}}));
  const std::string id(world.ok(kMain, "InviteAccountToOrganization", input).find("Handshake")->text("Id"));
  EXPECT_EQ(world.ids(kOther, "ListHandshakesForAccount", "Handshakes"), std::vector{id});
  EXPECT_EQ(world.ids(kMain, "ListHandshakesForOrganization", "Handshakes"), std::vector{id});
  EXPECT_EQ(world.ok(kOther, "AcceptHandshake", one(id)).find("Handshake")->text("State"), "ACCEPTED");
  const Value a = *world.ok(kMain, "DescribeAccount", Value::object({{"AccountId", kOther}})).find("Account");
  EXPECT_EQ(a.text("JoinedMethod"), "INVITED");
  EXPECT_EQ(a.text("Name"), "other");
  EXPECT_EQ(world.ok(kMain, "ListTagsForResource", Value::object({{"ResourceId", kOther}})).list("Tags").at(0),
            Value::object({{"Key", "team"}, {"Value", "blue"}}));
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(id)), "HandshakeAlreadyInStateException");
  EXPECT_EQ(world.fault(kOther, "DeclineHandshake", one(id)), "InvalidHandshakeTransitionException");
  EXPECT_EQ(world.fault(kMain, "CancelHandshake", one(id)), "InvalidHandshakeTransitionException");
}

TEST_F(Handshakes, EachSideHasItsOwnAnswer) {
  world.organize();
  const std::string id = world.invite(kOther);
  EXPECT_EQ(world.fault(kMain, "AcceptHandshake", one(id)), "AccessDeniedException");
  EXPECT_EQ(world.fault(kMain, "DeclineHandshake", one(id)), "AccessDeniedException");
  EXPECT_EQ(world.fault(kOther, "CancelHandshake", one(id)), "AccessDeniedException");
  for (const char* operation : {"AcceptHandshake", "DeclineHandshake", "CancelHandshake", "DescribeHandshake"}) {
    EXPECT_EQ(world.fault(kThird, operation, one(id)), "HandshakeNotFoundException") << operation;
    EXPECT_EQ(world.fault(kOther, operation, one("h-zzzzzzzz")), "HandshakeNotFoundException") << operation;
  }
  world.ok(kOther, "DeclineHandshake", one(id));
  EXPECT_EQ(state(kMain, id), "DECLINED");
  EXPECT_EQ(world.fault(kOther, "DeclineHandshake", one(id)), "HandshakeAlreadyInStateException");
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(id)), "InvalidHandshakeTransitionException");
  const std::string second = world.invite(kOther);
  world.ok(kMain, "CancelHandshake", one(second));
  EXPECT_EQ(state(kOther, second), "CANCELED");
  EXPECT_EQ(world.fault(kMain, "CancelHandshake", one(second)), "HandshakeAlreadyInStateException");
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(second)), "InvalidHandshakeTransitionException");
}

TEST_F(Handshakes, ExpireByTheClockAndAreForgottenLater) {
  world.organize();
  const std::string id = world.invite(kOther);
  world.clock.advance(hours(15 * 24) - std::chrono::microseconds(1));
  EXPECT_EQ(state(kOther, id), "OPEN");
  world.clock.advance(std::chrono::microseconds(1));
  EXPECT_EQ(state(kOther, id), "EXPIRED");
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(id)), "InvalidHandshakeTransitionException");
  EXPECT_EQ(world.fault(kMain, "CancelHandshake", one(id)), "InvalidHandshakeTransitionException");
  EXPECT_EQ(world.ids(kOther, "ListHandshakesForAccount", "Handshakes"), std::vector{id});
  const std::string second = world.invite(kOther);  // the expired one is no duplicate
  EXPECT_NE(second, id);
  world.clock.advance(hours(30 * 24));
  EXPECT_EQ(world.ids(kOther, "ListHandshakesForAccount", "Handshakes"), std::vector{second});
  EXPECT_EQ(world.fault(kOther, "DescribeHandshake", one(id)), "HandshakeNotFoundException");
}

TEST_F(Handshakes, InvitationsAreCheckedBeforeTheyAreSent) {
  world.organize();
  const auto invite = [&](std::string_view id, std::string_view type = "ACCOUNT") {
    return world.fault(kMain, "InviteAccountToOrganization", party(id, type));
  };
  EXPECT_EQ(invite("o-abcdefghij", "ORGANIZATION"), "InvalidInputException/INVALID_PARTY_TYPE_TARGET");
  EXPECT_EQ(invite("12345"), "InvalidInputException/INVALID_PATTERN");
  EXPECT_EQ(invite("999999999999"), "InvalidInputException/INVALID_PATTERN_TARGET_ID");
  EXPECT_EQ(invite("nobody@example.com", "EMAIL"), "InvalidInputException/INVALID_EMAIL_ADDRESS_TARGET");
  EXPECT_EQ(invite("999999999999@example.com", "EMAIL"), "InvalidInputException/INVALID_EMAIL_ADDRESS_TARGET");
  EXPECT_EQ(invite(kMain), "HandshakeConstraintViolationException/ALREADY_IN_AN_ORGANIZATION");
  EXPECT_EQ(invite(kOther), "");
  EXPECT_EQ(invite(kOther), "DuplicateHandshakeException");
  EXPECT_EQ(invite("222222222222@coffer.invalid", "EMAIL"), "DuplicateHandshakeException");
  EXPECT_EQ(world.fault(kOther, "InviteAccountToOrganization", party(kThird)), "AWSOrganizationsNotInUseException");
}

TEST_F(Handshakes, EmailAddressesOfFormerMembersAreKnown) {
  world.organize();
  const std::string a = world.account("a");
  world.clock.advance(hours(8 * 24));
  world.ok(a, "LeaveOrganization");
  const Value h = *world.ok(kMain, "InviteAccountToOrganization", party("A@example.com", "EMAIL")).find("Handshake");
  EXPECT_EQ(h.list("Parties").at(1), Value::object({{"Id", "A@example.com"}, {"Type", "EMAIL"}}));
  world.ok(a, "AcceptHandshake", one(h.text("Id")));
  EXPECT_EQ(world.ok(kMain, "DescribeAccount", Value::object({{"AccountId", a}})).find("Account")->text("Email"),
            "a@example.com");
}

TEST_F(Handshakes, NobodyJoinsASecondOrganization) {
  world.organize();
  world.ok(kThird, "CreateOrganization");
  const std::string first = world.invite(kOther);
  const std::string second(
      world.ok(kThird, "InviteAccountToOrganization", party(kOther)).find("Handshake")->text("Id"));
  const std::string to_management(
      world.ok(kThird, "InviteAccountToOrganization", party(kMain)).find("Handshake")->text("Id"));
  world.ok(kOther, "AcceptHandshake", one(first));
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(second)),
            "HandshakeConstraintViolationException/ALREADY_IN_AN_ORGANIZATION");
  EXPECT_EQ(world.fault(kMain, "AcceptHandshake", one(to_management)), "MasterCannotLeaveOrganizationException");
}

TEST_F(Handshakes, ListsAreFilteredByActionOrParent) {
  world.organize();
  world.invite(kOther);
  const auto list = [&](Value filter) {
    return world.ids(kMain, "ListHandshakesForOrganization", "Handshakes",
                     Value::object({{"Filter", std::move(filter)}}));
  };
  EXPECT_EQ(list(Value::object({{"ActionType", "INVITE"}})).size(), 1u);
  EXPECT_TRUE(list(Value::object({{"ActionType", "ENABLE_ALL_FEATURES"}})).empty());
  EXPECT_TRUE(list(Value::object({{"ParentHandshakeId", "h-zzzzzzzz"}})).empty());
  EXPECT_EQ(
      world.fault(
          kMain, "ListHandshakesForOrganization",
          Value::object({{"Filter", Value::object({{"ActionType", "INVITE"}, {"ParentHandshakeId", "h-zzzzzzzz"}})}})),
      "InvalidInputException/MAX_LIMIT_EXCEEDED_FILTER");
}

class AllFeatures : public Handshakes {
 protected:
  void SetUp() override { world.organize("CONSOLIDATED_BILLING"); }
  std::string begin() { return std::string(world.ok(kMain, "EnableAllFeatures").find("Handshake")->text("Id")); }
  std::string child_of(std::string_view parent, std::string_view account) {
    return world
        .ids(account, "ListHandshakesForAccount", "Handshakes",
             Value::object({{"Filter", Value::object({{"ParentHandshakeId", parent}})}}))
        .at(0);
  }
  std::string features() {
    return std::string(world.ok(kMain, "DescribeOrganization").find("Organization")->text("FeatureSet"));
  }
};

TEST_F(AllFeatures, CreatedMembersAreNotAsked) {
  world.account("a");
  const std::string id = begin();
  EXPECT_EQ(state(kMain, id), "OPEN");
  world.ok(kMain, "AcceptHandshake", one(id));
  EXPECT_EQ(features(), "ALL");
  EXPECT_EQ(world.fault(kMain, "EnableAllFeatures"),
            "HandshakeConstraintViolationException/ORGANIZATION_ALREADY_HAS_ALL_FEATURES");
}

TEST_F(AllFeatures, EveryInvitedMemberMustAgreeFirst) {
  world.join(kOther);
  world.join(kThird);
  const std::string id = begin();
  EXPECT_EQ(state(kMain, id), "REQUESTED");
  EXPECT_EQ(world.fault(kMain, "EnableAllFeatures"),
            "HandshakeConstraintViolationException/ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION");
  world.installed["444444444444"] = "fourth";
  EXPECT_EQ(world.fault(kMain, "InviteAccountToOrganization", party("444444444444")),
            "HandshakeConstraintViolationException/INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES");
  world.ok(kOther, "AcceptHandshake", one(child_of(id, kOther)));
  EXPECT_EQ(world.fault(kMain, "AcceptHandshake", one(id)), "InvalidHandshakeTransitionException");
  EXPECT_EQ(features(), "CONSOLIDATED_BILLING");
  world.ok(kThird, "AcceptHandshake", one(child_of(id, kThird)));
  EXPECT_EQ(state(kMain, id), "OPEN");
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(id)), "AccessDeniedException");
  world.ok(kMain, "AcceptHandshake", one(id));
  EXPECT_EQ(features(), "ALL");
}

TEST_F(AllFeatures, AMemberThatDeclinedHoldsItUpUntilItLeaves) {
  world.join(kOther);
  world.join(kThird);
  const std::string id = begin();
  world.ok(kOther, "DeclineHandshake", one(child_of(id, kOther)));
  world.ok(kThird, "AcceptHandshake", one(child_of(id, kThird)));
  EXPECT_EQ(state(kMain, id), "REQUESTED");
  world.ok(kMain, "RemoveAccountFromOrganization", Value::object({{"AccountId", kOther}}));
  EXPECT_EQ(state(kMain, id), "OPEN");
}

TEST_F(AllFeatures, CancellingAsksNobodyAnyMore) {
  world.join(kOther);
  const std::string id = begin(), child = child_of(id, kOther);
  world.ok(kMain, "CancelHandshake", one(id));
  EXPECT_EQ(state(kOther, child), "CANCELED");
  EXPECT_EQ(world.fault(kOther, "AcceptHandshake", one(child)), "InvalidHandshakeTransitionException");
  EXPECT_NE(begin(), id);
}

}  // namespace
}  // namespace coffer::organizations
