#include "world.h"

namespace coffer::organizations {
namespace {

class Units : public OrganizationsTest {
 protected:
  void SetUp() override {
    world.organize();
    root = world.root();
  }
  std::string create(std::string_view parent, std::string_view name) {
    return world.fault(kMain, "CreateOrganizationalUnit", Value::object({{"ParentId", parent}, {"Name", name}}));
  }
  std::string root;
};

TEST_F(Units, HaveAnIdOfTheirRootAndAPath) {
  const std::string outer = world.unit(root, "outer"), inner = world.unit(outer, "inner");
  const Value unit = *world.ok(kMain, "DescribeOrganizationalUnit", Value::object({{"OrganizationalUnitId", inner}}))
                          .find("OrganizationalUnit");
  EXPECT_TRUE(inner.starts_with("ou-" + root.substr(2) + "-"));
  EXPECT_EQ(unit.text("Name"), "inner");
  const std::string organization(world.ok(kMain, "DescribeOrganization").find("Organization")->text("Id"));
  EXPECT_EQ(unit.text("Path"), organization + "/" + root + "/" + outer + "/" + inner + "/");
  EXPECT_EQ(unit.text("Arn"), "arn:aws:organizations::111111111111:ou/" + organization + "/" + inner);
}

TEST_F(Units, NestFiveDeep) {
  std::string parent = root;
  for (const char* name : {"1", "2", "3", "4", "5"}) parent = world.unit(parent, name);
  EXPECT_EQ(create(parent, "6"), "ConstraintViolationException/OU_DEPTH_LIMIT_EXCEEDED");
}

TEST_F(Units, NumberIsLimited) {
  const std::string organization(world.ok(kMain, "DescribeOrganization").find("Organization")->text("Id"));
  world.write(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
      "INSERT INTO org_unit (id, organization, parent, name, depth) SELECT 'ou-x-' || i, $1, $2, 'n' || i, 1 FROM n",
      {organization, root});
  EXPECT_EQ(create(root, "one more"), "ConstraintViolationException/OU_NUMBER_LIMIT_EXCEEDED");
}

TEST_F(Units, NamesAreUniqueBesideEachOther) {
  const std::string a = world.unit(root, "a"), b = world.unit(root, "b");
  EXPECT_EQ(create(root, "a"), "DuplicateOrganizationalUnitException");
  EXPECT_EQ(create(b, "a"), "");
  EXPECT_EQ(create("ou-zzzz-zzzzzzzz", "a"), "ParentNotFoundException");
  const auto rename = [&](std::string_view id, std::string_view name) {
    return world.fault(kMain, "UpdateOrganizationalUnit",
                       Value::object({{"OrganizationalUnitId", id}, {"Name", name}}));
  };
  EXPECT_EQ(rename(b, "a"), "DuplicateOrganizationalUnitException");
  EXPECT_EQ(rename(b, "b"), "");
  EXPECT_EQ(rename(b, "c"), "");
  EXPECT_EQ(rename("ou-zzzz-zzzzzzzz", "c"), "OrganizationalUnitNotFoundException");
  EXPECT_EQ(world.ok(kMain, "UpdateOrganizationalUnit", Value::object({{"OrganizationalUnitId", b}}))
                .find("OrganizationalUnit")
                ->text("Name"),
            "c");
  EXPECT_EQ(create(root, "b"), "");
}

TEST_F(Units, AreDeletedEmpty) {
  const std::string a = world.unit(root, "a"), b = world.unit(a, "b");
  const auto remove = [&](std::string_view id) {
    return world.fault(kMain, "DeleteOrganizationalUnit", Value::object({{"OrganizationalUnitId", id}}));
  };
  EXPECT_EQ(remove(a), "OrganizationalUnitNotEmptyException");
  const std::string account = world.account("x");
  world.move(account, b);
  EXPECT_EQ(remove(b), "OrganizationalUnitNotEmptyException");
  world.move(account, root);
  EXPECT_EQ(remove(b), "");
  EXPECT_EQ(remove(b), "OrganizationalUnitNotFoundException");
  EXPECT_EQ(remove(a), "");
}

TEST_F(Units, ParentsAndChildrenAgree) {
  const std::string a = world.unit(root, "a"), b = world.unit(a, "b"), account = world.account("x");
  world.move(account, b);
  const auto parent = [&](std::string_view child) {
    return world.ok(kMain, "ListParents", Value::object({{"ChildId", child}})).list("Parents").at(0);
  };
  EXPECT_EQ(parent(a), Value::object({{"Id", root}, {"Type", "ROOT"}}));
  EXPECT_EQ(parent(b), Value::object({{"Id", a}, {"Type", "ORGANIZATIONAL_UNIT"}}));
  EXPECT_EQ(parent(account), Value::object({{"Id", b}, {"Type", "ORGANIZATIONAL_UNIT"}}));
  const auto children = [&](std::string_view of, std::string_view type) {
    return world.ids(kMain, "ListChildren", "Children", Value::object({{"ParentId", of}, {"ChildType", type}}));
  };
  EXPECT_EQ(children(root, "ACCOUNT"), std::vector<std::string>{kMain});
  EXPECT_EQ(children(root, "ORGANIZATIONAL_UNIT"), std::vector{a});
  EXPECT_EQ(children(b, "ACCOUNT"), std::vector{account});
  EXPECT_TRUE(children(b, "ORGANIZATIONAL_UNIT").empty());
  EXPECT_EQ(world.fault(kMain, "ListParents", Value::object({{"ChildId", kOther}})), "ChildNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListParents", Value::object({{"ChildId", "ou-zzzz-zzzzzzzz"}})),
            "ChildNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListChildren", Value::object({{"ParentId", "r-zzzz"}, {"ChildType", "ACCOUNT"}})),
            "ParentNotFoundException");
}

TEST_F(Units, OfAnotherOrganizationDoNotExist) {
  world.ok(kOther, "CreateOrganization");
  const std::string foreign_root = world.root(kOther);
  const std::string foreign(
      world.ok(kOther, "CreateOrganizationalUnit", Value::object({{"ParentId", foreign_root}, {"Name", "x"}}))
          .find("OrganizationalUnit")
          ->text("Id"));
  EXPECT_EQ(create(foreign, "a"), "ParentNotFoundException");
  EXPECT_EQ(create(foreign_root, "a"), "ParentNotFoundException");
  EXPECT_EQ(world.fault(kMain, "DescribeOrganizationalUnit", Value::object({{"OrganizationalUnitId", foreign}})),
            "OrganizationalUnitNotFoundException");
  EXPECT_EQ(world.fault(kMain, "DescribeAccount", Value::object({{"AccountId", kOther}})), "AccountNotFoundException");
  EXPECT_EQ(world.fault(kMain, "ListParents", Value::object({{"ChildId", foreign}})), "ChildNotFoundException");
}

TEST_F(Units, OnlyTheManagementAccountChangesTheTree) {
  world.join(kOther);
  const Value input = Value::object({{"ParentId", root}, {"Name", "a"}});
  EXPECT_EQ(world.fault(kOther, "CreateOrganizationalUnit", input), "AccessDeniedException");
  EXPECT_EQ(world.fault(kThird, "CreateOrganizationalUnit", input), "AWSOrganizationsNotInUseException");
}

}  // namespace
}  // namespace coffer::organizations
