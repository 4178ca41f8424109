#include <random>

#include "services/organizations/rows.h"
#include "world.h"

namespace coffer::organizations {
namespace {

using Names = std::vector<std::vector<std::string>>;

class Members : public OrganizationsTest {
 protected:
  std::optional<Membership> of(std::string_view account) {
    auto transaction = world.read();
    return take(membership(*transaction, account));
  }
  /// Ids of the documents, a level a list.
  Names service_control(std::string_view account) {
    auto transaction = world.read();
    return names(take(service_control_levels(*transaction, account)));
  }
  Names resource_control(std::string_view account) {
    auto transaction = world.read();
    return names(take(resource_control_levels(*transaction, account)));
  }
  static Names names(const std::vector<std::vector<policy::NamedDocument>>& levels) {
    Names all;
    for (const auto& level : levels) {
      auto& ids = all.emplace_back();
      for (const policy::NamedDocument& d : level) {
        EXPECT_NE(d.document, nullptr);
        ids.push_back(d.id.substr(d.id.rfind('/') + 1));
      }
      std::sort(ids.begin(), ids.end());
    }
    return all;
  }
};

TEST_F(Members, KnowTheirOrganizationPathAndManagement) {
  EXPECT_FALSE(of(kMain));
  const std::string organization = world.organize(), root = world.root();
  const std::string unit = world.unit(root, "u"), deeper = world.unit(unit, "v"), a = world.account("a");
  world.move(a, deeper);
  const std::optional<Membership> m = of(a);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->organization_id, organization);
  EXPECT_EQ(m->path, organization + "/" + root + "/" + unit + "/" + deeper + "/");
  EXPECT_EQ(m->management_account, kMain);
  EXPECT_FALSE(m->is_management(a));
  EXPECT_TRUE(of(kMain)->is_management(kMain));
  EXPECT_EQ(of(kMain)->path, organization + "/" + root + "/");
  EXPECT_FALSE(of(kOther));
}

TEST_F(Members, LevelsGoFromRootToAccount) {
  world.organize();
  const std::string root = world.root(), unit = world.unit(root, "u"), a = world.account("a");
  world.move(a, unit);
  EXPECT_TRUE(service_control(a).empty());  // not enabled
  world.enable("SERVICE_CONTROL_POLICY");
  const std::string deny = world.policy("deny", kDenyKms), allow = world.policy("allow", kAllowS3);
  world.attach(deny, unit);
  world.attach(allow, a);
  world.detach("p-FullAWSAccess", a);
  Names expected{{"p-FullAWSAccess"}, {deny, "p-FullAWSAccess"}, {allow}};
  std::sort(expected[1].begin(), expected[1].end());
  EXPECT_EQ(service_control(a), expected);
  EXPECT_TRUE(service_control(kMain).empty());   // the management account is never bound
  EXPECT_TRUE(service_control(kOther).empty());  // outside
  auto transaction = world.read();
  const auto levels = take(service_control_levels(*transaction, a));
  EXPECT_EQ(levels[2][0].type, "Service Control Policy");
  EXPECT_EQ(levels[2][0].document->text(), kAllowS3);
}

TEST_F(Members, ResourceControlBindsTheirResources) {
  world.organize();
  const std::string a = world.account("a");
  EXPECT_TRUE(resource_control(a).empty());
  world.enable("RESOURCE_CONTROL_POLICY");
  EXPECT_EQ(resource_control(a), (Names{{"p-RCPFullAWSAccess"}, {"p-RCPFullAWSAccess"}}));
  EXPECT_TRUE(resource_control(kMain).empty());
}

TEST_F(Members, AnUpdatedPolicyBindsAtOnce) {
  world.organize();
  const std::string a = world.account("a");
  world.enable("SERVICE_CONTROL_POLICY");
  const std::string p = world.policy("p", kDenyKms);
  world.attach(p, a);
  world.ok(kMain, "UpdatePolicy", Value::object({{"PolicyId", p}, {"Content", kAllowS3}}));
  auto transaction = world.read();
  const auto levels = take(service_control_levels(*transaction, a));
  EXPECT_EQ(levels[1][1].document->text(), kAllowS3);
}

TEST_F(Members, AClosedAccountIsAllowedNothing) {
  world.organize();
  const std::string a = world.account("a");
  world.ok(kMain, "CloseAccount", Value::object({{"AccountId", a}}));
  EXPECT_EQ(service_control(a), (Names{{}}));
}

/// The tree and its attachments as maps: what the catalog must agree with.
struct Model {
  std::map<std::string, std::string> parent;           // of units and accounts
  std::map<std::string, std::set<std::string>> bound;  // target -> policies, of the enabled type
  std::set<std::string> units, accounts, policies;
  std::string root;
  bool enabled = false;

  [[nodiscard]] std::vector<std::string> chain(std::string at) const {
    std::vector<std::string> up{at};
    while (at != root) up.insert(up.begin(), at = parent.at(at));
    return up;
  }
  [[nodiscard]] Names levels(const std::string& account) const {
    Names all;
    if (!enabled) return all;
    for (const std::string& target : chain(account)) {
      const auto& policies_here = bound.at(target);
      all.emplace_back(policies_here.begin(), policies_here.end());
    }
    return all;
  }
};

// Random operations, good and bad: whatever is answered, membership and levels are those of the model.
class RandomTree : public Members, public ::testing::WithParamInterface<int> {};

TEST_P(RandomTree, AgreesWithANaiveModel) {
  world.organize();
  Model model;
  model.root = world.root();
  model.bound[model.root] = {};
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  const auto pick = [&](const std::set<std::string>& from) {
    return *std::next(from.begin(), static_cast<std::ptrdiff_t>(random() % from.size()));
  };
  const auto container = [&] {
    if (model.units.empty() || random() % 4 == 0) return model.root;
    return pick(model.units);
  };
  const auto target = [&] { return random() % 2 && !model.accounts.empty() ? pick(model.accounts) : container(); };
  const auto defaults = [&] {
    return model.enabled ? std::set<std::string>{"p-FullAWSAccess"} : std::set<std::string>();
  };
  int next = 0;
  const auto fresh = [&] { return std::string("n") + std::to_string(next++); };
  const Value type = Value::object({{"RootId", model.root}, {"PolicyType", "SERVICE_CONTROL_POLICY"}});

  for (int step = 0; step < 150; ++step) {
    switch (random() % 10) {
      case 0: {
        const std::string above = container();
        const bool fits = model.chain(above).size() <= 5;
        const auto made =
            world.call(kMain, "CreateOrganizationalUnit", Value::object({{"ParentId", above}, {"Name", fresh()}}));
        ASSERT_EQ(made.ok(), fits);
        if (!fits) break;
        const std::string id(made->find("OrganizationalUnit")->text("Id"));
        model.units.insert(id);
        model.parent[id] = above;
        model.bound[id] = defaults();
        break;
      }
      case 1: {
        if (model.accounts.size() > 12) break;
        const std::string id = world.account(fresh());
        model.accounts.insert(id);
        model.parent[id] = model.root;
        model.bound[id] = defaults();
        break;
      }
      case 2:
      case 3: {
        if (model.accounts.empty()) break;
        const std::string account = pick(model.accounts), to = container(), from = container();
        const bool moves = model.parent[account] == from && from != to;
        ASSERT_EQ(
            world
                .fault(kMain, "MoveAccount",
                       Value::object({{"AccountId", account}, {"SourceParentId", from}, {"DestinationParentId", to}}))
                .empty(),
            moves);
        if (moves) model.parent[account] = to;
        break;
      }
      case 4: {
        if (model.units.empty()) break;
        const std::string unit = pick(model.units);
        const bool is_empty = std::none_of(model.parent.begin(), model.parent.end(),
                                           [&](const auto& link) { return link.second == unit; });
        ASSERT_EQ(
            world.fault(kMain, "DeleteOrganizationalUnit", Value::object({{"OrganizationalUnitId", unit}})).empty(),
            is_empty);
        if (!is_empty) break;
        model.units.erase(unit);
        model.parent.erase(unit);
        model.bound.erase(unit);
        break;
      }
      case 5: model.policies.insert(world.policy(fresh(), random() % 2 ? kDenyKms : kAllowS3)); break;
      case 6:
      case 7: {
        if (model.policies.empty()) break;
        const std::string policy = pick(model.policies), to = target();
        const bool attaches = model.enabled && model.bound[to].size() < 5 && !model.bound[to].contains(policy);
        ASSERT_EQ(world.fault(kMain, "AttachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", to}})).empty(),
                  attaches);
        if (attaches) model.bound[to].insert(policy);
        break;
      }
      case 8: {
        const std::string from = target();
        if (model.bound[from].empty()) break;
        const std::string policy = pick(model.bound[from]);
        const bool detaches = model.bound[from].size() > 1;
        ASSERT_EQ(world.fault(kMain, "DetachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", from}})).empty(),
                  detaches);
        if (detaches) model.bound[from].erase(policy);
        break;
      }
      case 9: {
        if (model.enabled && random() % 4) break;
        world.ok(kMain, model.enabled ? "DisablePolicyType" : "EnablePolicyType", type);
        model.enabled = !model.enabled;
        for (auto& [id, policies] : model.bound) policies = defaults();
        // The management account hangs below the root and has attachments too, which bind nobody.
        break;
      }
    }
    for (const std::string& account : model.accounts) {
      ASSERT_EQ(service_control(account), model.levels(account)) << "step " << step;
      std::string path = of(account)->organization_id + "/";
      const auto chain = model.chain(account);
      for (size_t i = 0; i + 1 < chain.size(); ++i) path += chain[i] + "/";
      ASSERT_EQ(of(account)->path, path) << "step " << step;
    }
    ASSERT_TRUE(service_control(kMain).empty());
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomTree, ::testing::Range(0, 12));

}  // namespace
}  // namespace coffer::organizations
