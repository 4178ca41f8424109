#include "base/base64.h"
#include "world.h"

namespace coffer::organizations {
namespace {

class Pages : public OrganizationsTest {
 protected:
  void SetUp() override {
    world.organize();
    root = world.root();
    for (int i = 0; i < 25; ++i) units.insert(world.unit(root, std::to_string(i)));
    input = Value::object({{"ParentId", root}});
  }
  std::string token() {
    Value first = input;
    first.set("MaxResults", 3);
    return std::string(world.ok(kMain, "ListOrganizationalUnitsForParent", first).text("NextToken"));
  }
  std::string with(std::string_view operation, std::string_view token, Value more, const char* by = kMain) {
    more.set("NextToken", token);
    return world.fault(by, operation, std::move(more));
  }
  std::string root;
  std::set<std::string> units;
  Value input;
};

TEST_F(Pages, TogetherShowEverythingOnceAtEverySize) {
  for (int size : {0, 1, 2, 5, 12, 20}) {
    std::set<std::string> seen;
    size_t count = 0;
    for (const Value& u : world.list(kMain, "ListOrganizationalUnitsForParent", "OrganizationalUnits", input, size)) {
      seen.emplace(u.text("Id"));
      ++count;
    }
    EXPECT_EQ(seen, units) << size;
    EXPECT_EQ(count, units.size()) << size;
  }
}

TEST_F(Pages, HoldTwentyAtMostAndTheLastHasNoToken) {
  const Value first = world.ok(kMain, "ListOrganizationalUnitsForParent", input);
  EXPECT_EQ(first.list("OrganizationalUnits").size(), 20u);
  Value next = input;
  next.set("NextToken", first.text("NextToken"));
  const Value second = world.ok(kMain, "ListOrganizationalUnitsForParent", next);
  EXPECT_EQ(second.list("OrganizationalUnits").size(), 5u);
  EXPECT_FALSE(second.has("NextToken"));
}

TEST_F(Pages, ATokenContinuesItsOwnListOnly) {
  const std::string t = token(), bad = "InvalidInputException/INVALID_NEXT_TOKEN";
  const char* operation = "ListOrganizationalUnitsForParent";
  EXPECT_EQ(with(operation, t, input), "");
  Value smaller = input;
  smaller.set("MaxResults", 1);  // the size may change
  EXPECT_EQ(with(operation, t, smaller), "");
  EXPECT_EQ(with(operation, t, Value::object({{"ParentId", *units.begin()}})), bad);
  EXPECT_EQ(with("ListAccountsForParent", t, input), bad);
  EXPECT_EQ(with("ListAccounts", t, Value::object()), bad);
  world.join(kOther);
  world.ok(kMain, "EnableAWSServiceAccess", Value::object({{"ServicePrincipal", "backup.amazonaws.com"}}));
  world.ok(kMain, "RegisterDelegatedAdministrator",
           Value::object({{"AccountId", kOther}, {"ServicePrincipal", "backup.amazonaws.com"}}));
  EXPECT_EQ(with(operation, t, input, kOther), bad);
}

TEST_F(Pages, EveryTruncationAndFlipOfATokenIsRefused) {
  const std::string t = token(), bad = "InvalidInputException/INVALID_NEXT_TOKEN";
  const char* operation = "ListOrganizationalUnitsForParent";
  for (size_t n = 1; n < t.size(); ++n) EXPECT_EQ(with(operation, t.substr(0, n), input), bad) << n;
  const Bytes bytes = *base64_decode(t);
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= std::byte{1};
    EXPECT_EQ(with(operation, base64_encode(flipped), input), bad) << i;
  }
  for (const char* other : {"x", "AAAA", "p-FullAWSAccess", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    EXPECT_EQ(with(operation, other, input), bad) << other;
  EXPECT_EQ(with("ListHandshakesForAccount", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Value::object()), bad);
}

TEST_F(Pages, AwsOwnPolicyComesFirstAndHidesNone) {
  std::set<std::string> all{"p-FullAWSAccess"};
  for (int i = 0; i < 5; ++i) all.insert(world.policy(std::to_string(i), kDenyKms));
  for (int size : {1, 2, 6, 20}) {
    std::vector<std::string> seen;
    for (const Value& p :
         world.list(kMain, "ListPolicies", "Policies", Value::object({{"Filter", "SERVICE_CONTROL_POLICY"}}), size))
      seen.emplace_back(p.text("Id"));
    EXPECT_EQ(seen.front(), "p-FullAWSAccess");
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), all) << size;
    EXPECT_EQ(seen.size(), all.size()) << size;
  }
}

TEST_F(Pages, EveryListPages) {
  world.enable("SERVICE_CONTROL_POLICY");
  for (int i = 0; i < 3; ++i) {
    const std::string name = std::string("n") + std::to_string(i);
    const std::string account = world.account(name);
    world.attach(world.policy(name, kDenyKms), root);
    world.ok(kMain, "EnableAWSServiceAccess", Value::object({{"ServicePrincipal", name + ".amazonaws.com"}}));
    world.ok(kMain, "RegisterDelegatedAdministrator",
             Value::object({{"AccountId", account}, {"ServicePrincipal", "n0.amazonaws.com"}}));
    world.installed["44444444444" + std::to_string(i)] = name;
    world.invite("44444444444" + std::to_string(i));
  }
  const std::string delegate = world.ids(kMain, "ListDelegatedAdministrators", "DelegatedAdministrators").at(0);
  for (const char* s : {"n1", "n2"})
    world.ok(kMain, "RegisterDelegatedAdministrator",
             Value::object({{"AccountId", delegate}, {"ServicePrincipal", std::string(s) + ".amazonaws.com"}}));
  const auto check = [&](const char* operation, const char* member, Value in, size_t count) {
    EXPECT_EQ(world.list(kMain, operation, member, in, 1).size(), count) << operation;
    EXPECT_EQ(world.list(kMain, operation, member, in, 20).size(), count) << operation;
  };
  const Value type = Value::object({{"Filter", "SERVICE_CONTROL_POLICY"}, {"TargetId", root}});
  check("ListAccounts", "Accounts", Value::object(), 4);
  check("ListAccountsForParent", "Accounts", input, 4);
  check("ListCreateAccountStatus", "CreateAccountStatuses", Value::object(), 3);
  check("ListChildren", "Children", Value::object({{"ParentId", root}, {"ChildType", "ACCOUNT"}}), 4);
  check("ListChildren", "Children", Value::object({{"ParentId", root}, {"ChildType", "ORGANIZATIONAL_UNIT"}}), 25);
  check("ListPoliciesForTarget", "Policies", type, 4);
  check("ListTargetsForPolicy", "Targets", Value::object({{"PolicyId", "p-FullAWSAccess"}}), 30);
  check("ListAWSServiceAccessForOrganization", "EnabledServicePrincipals", Value::object(), 3);
  check("ListDelegatedAdministrators", "DelegatedAdministrators", Value::object(), 3);
  check("ListDelegatedServicesForAccount", "DelegatedServices", Value::object({{"AccountId", delegate}}), 3);
  check("ListHandshakesForOrganization", "Handshakes", Value::object(), 3);
  check("ListRoots", "Roots", Value::object(), 1);
  check("ListParents", "Parents", Value::object({{"ChildId", delegate}}), 1);
}

}  // namespace
}  // namespace coffer::organizations
