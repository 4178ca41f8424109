// Groups and their members.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class GroupsTest : public House {
 protected:
  void group(const std::string& name) { must(iam("CreateGroup", object({{"GroupName", name}}))); }
  Result<Value> add(const std::string& group, const std::string& user) {
    return iam("AddUserToGroup", object({{"GroupName", group}, {"UserName", user}}));
  }
};

TEST_F(GroupsTest, ACreatedGroupIsShownWithItsMembersByName) {
  const Value made = must(iam("CreateGroup", object({{"GroupName", "Admins"}, {"Path", "/x/"}})));
  EXPECT_EQ(made.find("Group")->text("Arn"), "arn:aws:iam::" + kAccount + ":group/x/Admins");
  EXPECT_TRUE(made.find("Group")->text("GroupId").starts_with("AGPA"));
  for (const char* name : {"bob", "Alice", "carol"}) {
    must(iam("CreateUser", object({{"UserName", name}})));
    must(add("admins", name));
  }
  must(add("admins", "bob"));  // twice is once
  const Value first = must(iam("GetGroup", object({{"GroupName", "admins"}, {"MaxItems", 2}})));
  EXPECT_EQ(*first.find("Group"), *made.find("Group"));
  ASSERT_EQ(first.list("Users").size(), 2U);
  EXPECT_EQ(first.list("Users")[0].text("UserName"), "Alice");
  const Value second =
      must(iam("GetGroup", object({{"GroupName", "admins"}, {"MaxItems", 2}, {"Marker", first.text("Marker")}})));
  ASSERT_EQ(second.list("Users").size(), 1U);
  EXPECT_EQ(second.list("Users")[0].text("UserName"), "carol");
}

TEST_F(GroupsTest, MembersHaveWhatTheGroupHas) {
  const Keys alice = user("alice");
  group("readers");
  must(iam("PutGroupPolicy",
           object({{"GroupName", "readers"}, {"PolicyName", "p"}, {"PolicyDocument", allow("s3:GetObject")}})));
  must(iam("AttachGroupPolicy", object({{"GroupName", "readers"},
                                        {"PolicyArn", managed("m", deny("s3:GetObject", "arn:aws:s3:::secret/*"))}})));
  EXPECT_FALSE(may(alice, "s3:GetObject", "arn:aws:s3:::b/k"));
  must(add("readers", "alice"));
  EXPECT_TRUE(may(alice, "s3:GetObject", "arn:aws:s3:::b/k"));
  EXPECT_FALSE(may(alice, "s3:GetObject", "arn:aws:s3:::secret/k"));
  must(iam("RemoveUserFromGroup", object({{"GroupName", "readers"}, {"UserName", "alice"}})));
  EXPECT_FALSE(may(alice, "s3:GetObject", "arn:aws:s3:::b/k"));
  EXPECT_EQ(error_of(iam("RemoveUserFromGroup", object({{"GroupName", "readers"}, {"UserName", "alice"}}))),
            "NoSuchEntity");
}

TEST_F(GroupsTest, AUserIsInTenGroupsAtMost) {
  user("alice");
  for (int i = 0; i < 11; ++i) group("g" + std::to_string(i));
  for (int i = 0; i < 10; ++i) must(add("g" + std::to_string(i), "alice"));
  EXPECT_EQ(error_of(add("g10", "alice")), "LimitExceeded");
  EXPECT_EQ(error_of(add("g3", "alice")), "");
  const Value first = must(iam("ListGroupsForUser", object({{"UserName", "alice"}, {"MaxItems", 9}})));
  EXPECT_EQ(first.list("Groups").size(), 9U);
  EXPECT_EQ(
      must(iam("ListGroupsForUser", object({{"UserName", "alice"}, {"MaxItems", 9}, {"Marker", first.text("Marker")}})))
          .list("Groups")
          .size(),
      1U);
}

TEST_F(GroupsTest, UnknownGroupsAndUsersAreNoSuchEntity) {
  user("alice");
  group("g");
  EXPECT_EQ(error_of(add("nothing", "alice")), "NoSuchEntity");
  EXPECT_EQ(error_of(add("g", "nobody")), "NoSuchEntity");
  for (const char* operation :
       {"GetGroup", "DeleteGroup", "UpdateGroup", "ListGroupPolicies", "ListAttachedGroupPolicies"}) {
    const auto answer = iam(operation, object({{"GroupName", "nothing"}}));
    EXPECT_EQ(error_of(answer), "NoSuchEntity") << operation;
    EXPECT_EQ(answer.error().message, "The group with name nothing cannot be found.");
  }
}

TEST_F(GroupsTest, DeletingWaitsUntilNothingHangsOnTheGroup) {
  user("alice");
  group("g");
  must(add("g", "alice"));
  const auto remove = [&] { return iam("DeleteGroup", object({{"GroupName", "G"}})); };
  EXPECT_EQ(error_of(remove()), "DeleteConflict");
  must(iam("RemoveUserFromGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  must(iam("AttachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}})));
  EXPECT_EQ(error_of(remove()), "DeleteConflict");
  must(iam("DetachGroupPolicy", object({{"GroupName", "g"}, {"PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}})));
  must(iam("PutGroupPolicy", object({{"GroupName", "g"}, {"PolicyName", "p"}, {"PolicyDocument", allow("s3:*")}})));
  EXPECT_EQ(error_of(remove()), "DeleteConflict");
  must(iam("DeleteGroupPolicy", object({{"GroupName", "g"}, {"PolicyName", "p"}})));
  EXPECT_EQ(error_of(remove()), "");
}

TEST_F(GroupsTest, ARenamedGroupKeepsMembersAndPolicies) {
  const Keys alice = user("alice");
  group("g");
  group("other");
  must(add("g", "alice"));
  must(iam("PutGroupPolicy", object({{"GroupName", "g"}, {"PolicyName", "p"}, {"PolicyDocument", allow("s3:*")}})));
  EXPECT_EQ(error_of(iam("UpdateGroup", object({{"GroupName", "g"}, {"NewGroupName", "OTHER"}}))),
            "EntityAlreadyExists");
  must(iam("UpdateGroup", object({{"GroupName", "g"}, {"NewGroupName", "h"}, {"NewPath", "/p/"}})));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
  const Value listed = must(iam("ListGroups", object({{"PathPrefix", "/p/"}})));
  ASSERT_EQ(listed.list("Groups").size(), 1U);
  EXPECT_EQ(listed.list("Groups")[0].text("GroupName"), "h");
  EXPECT_EQ(error_of(iam("CreateGroup", object({{"GroupName", "H"}}))), "EntityAlreadyExists");
}

}  // namespace
}  // namespace coffer::iam
