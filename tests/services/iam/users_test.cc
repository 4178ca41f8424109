// Users: created, shown, listed, renamed, tagged, deleted.
#include "services/iam/house.h"

namespace coffer::iam {
namespace {

class UsersTest : public House {
 protected:
  Value get(const std::string& name) { return *must(iam("GetUser", object({{"UserName", name}}))).find("User"); }
};

TEST_F(UsersTest, ACreatedUserIsShownWithItsIdArnAndTags) {
  const Value made =
      must(iam("CreateUser", object({{"UserName", "Alice"}, {"Path", "/team/"}, {"Tags", tags({{"Team", "db"}})}})));
  const Value& user = *made.find("User");
  EXPECT_EQ(user.text("Arn"), "arn:aws:iam::" + kAccount + ":user/team/Alice");
  EXPECT_TRUE(user.text("UserId").starts_with("AIDA"));
  EXPECT_EQ(user.text("UserId").size(), 21U);
  EXPECT_EQ(user.time("CreateDate"), clock_.wall());
  EXPECT_EQ(get("alice"), user);
  EXPECT_EQ(user.list("Tags")[0].text("Value"), "db");
}

TEST_F(UsersTest, NamesAreUniqueWithoutRegardToCase) {
  must(iam("CreateUser", object({{"UserName", "Alice"}})));
  const auto again = iam("CreateUser", object({{"UserName", "aLICE"}}));
  EXPECT_EQ(error_of(again), "EntityAlreadyExists");
  EXPECT_EQ(again.error().message, "User with name aLICE already exists.");
  must(iam("CreateGroup", object({{"GroupName", "alice"}})));  // another kind of thing
  must(iam(root(kOther), "CreateUser", object({{"UserName", "Alice"}})));
  EXPECT_EQ(get("ALICE").text("UserName"), "Alice");
}

TEST_F(UsersTest, APathBeginsAndEndsWithASlash) {
  for (const char* path : {"team/", "/team", "team"})
    EXPECT_EQ(error_of(iam("CreateUser", object({{"UserName", "a"}, {"Path", path}}))), "ValidationError") << path;
}

TEST_F(UsersTest, AUserThatIsNotThereIsNoSuchEntity) {
  for (const char* operation : {"GetUser", "DeleteUser", "UpdateUser", "ListUserTags", "UntagUser", "TagUser",
                                "ListAccessKeys", "CreateAccessKey", "ListUserPolicies", "ListAttachedUserPolicies",
                                "ListGroupsForUser", "DeleteUserPermissionsBoundary"}) {
    const auto answer = iam(operation, object({{"UserName", "nobody"}}));
    EXPECT_EQ(error_of(answer), "NoSuchEntity") << operation;
    EXPECT_EQ(answer.error().message, "The user with name nobody cannot be found.") << operation;
  }
}

TEST_F(UsersTest, AUserSeesItselfWithoutNamingItself) {
  const Keys alice = user("alice", allow("iam:*"));
  EXPECT_EQ(must(iam(alice, "GetUser")).find("User")->text("UserName"), "alice");
  const Value of_root = *must(iam("GetUser")).find("User");
  EXPECT_EQ(of_root.text("Arn"), "arn:aws:iam::" + kAccount + ":root");
  EXPECT_EQ(of_root.text("UserId"), kAccount);
  EXPECT_EQ(of_root.time("CreateDate"), clock_.wall());
  const Keys session =
      keys_of(must(assume(alice, role("r", trust(aws("arn:aws:iam::" + kAccount + ":user/alice")), allow("iam:*")))));
  EXPECT_EQ(error_of(iam(session, "GetUser")), "ValidationError");
}

TEST_F(UsersTest, AListIsPagedByNameAndFilteredByPath) {
  for (const char* name : {"Carol", "alice", "Bob", "dave"})
    must(iam("CreateUser", object({{"UserName", name}, {"Path", name == std::string("dave") ? "/x/" : "/team/"}})));
  std::vector<std::string> seen;
  Value input = object({{"PathPrefix", "/team/"}, {"MaxItems", 1}});
  for (;;) {
    const Value page = must(iam("ListUsers", input));
    for (const Value& user : page.list("Users")) seen.emplace_back(user.text("UserName"));
    if (!page.flag("IsTruncated")) {
      EXPECT_FALSE(page.has("Marker"));
      break;
    }
    EXPECT_LE(page.text("Marker").size(), 320U);
    input.set("Marker", page.text("Marker"));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"alice", "Bob", "Carol"}));
  const Value all = must(iam("ListUsers"));
  EXPECT_EQ(all.list("Users").size(), 4U);
  EXPECT_FALSE(all.list("Users")[0].has("Tags"));
}

TEST_F(UsersTest, ARenamedUserKeepsItsIdKeysAndPolicies) {
  const Keys alice = user("alice", allow("s3:GetObject"));
  const std::string id(get("alice").text("UserId"));
  must(iam("UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "Alice2"}, {"NewPath", "/moved/"}})));
  const Value renamed = get("alice2");
  EXPECT_EQ(renamed.text("UserId"), id);
  EXPECT_EQ(renamed.text("Arn"), "arn:aws:iam::" + kAccount + ":user/moved/Alice2");
  EXPECT_EQ(error_of(iam("GetUser", object({{"UserName", "alice"}}))), "NoSuchEntity");
  EXPECT_EQ(identity(alice)->caller.arn, renamed.text("Arn"));
  EXPECT_TRUE(may(alice, "s3:GetObject"));
}

TEST_F(UsersTest, ARenameTakesNoNameOfAnotherButMayChangeTheCase) {
  must(iam("CreateUser", object({{"UserName", "alice"}})));
  must(iam("CreateUser", object({{"UserName", "bob"}})));
  EXPECT_EQ(error_of(iam("UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "BOB"}}))),
            "EntityAlreadyExists");
  must(iam("UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "ALICE"}})));
  EXPECT_EQ(get("alice").text("UserName"), "ALICE");
}

TEST_F(UsersTest, ARenameMustBeAllowedForBothNames) {
  const Keys admin = user("admin", allow("iam:UpdateUser", "arn:aws:iam::*:user/a*"));
  must(iam("CreateUser", object({{"UserName", "alice"}})));
  EXPECT_EQ(error_of(iam(admin, "UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "bob"}}))),
            "permission_denied");
  EXPECT_EQ(error_of(iam(admin, "UpdateUser", object({{"UserName", "alice"}, {"NewUserName", "anna"}}))), "");
}

TEST_F(UsersTest, TagKeysAreOneWhateverTheirCase) {
  must(iam("CreateUser", object({{"UserName", "alice"}, {"Tags", tags({{"Department", "finance"}})}})));
  must(iam("TagUser", object({{"UserName", "alice"}, {"Tags", tags({{"department", "hr"}, {"b", ""}})}})));
  const Value listed = must(iam("ListUserTags", object({{"UserName", "alice"}})));
  ASSERT_EQ(listed.list("Tags").size(), 2U);
  EXPECT_EQ(listed.list("Tags")[1].text("Key"), "department");
  EXPECT_EQ(listed.list("Tags")[1].text("Value"), "hr");
  must(iam("UntagUser", object({{"UserName", "alice"}, {"TagKeys", texts({"DEPARTMENT", "unknown"})}})));
  EXPECT_EQ(must(iam("ListUserTags", object({{"UserName", "alice"}}))).list("Tags").size(), 1U);
}

TEST_F(UsersTest, TagsThatCannotBeAreRefused) {
  must(iam("CreateUser", object({{"UserName", "alice"}})));
  const auto tag = [&](Value all) { return error_of(iam("TagUser", object({{"UserName", "alice"}, {"Tags", all}}))); };
  EXPECT_EQ(tag(tags({{"aws:x", "1"}})), "InvalidInput");
  EXPECT_EQ(tag(tags({{"AWS:x", "1"}})), "InvalidInput");
  EXPECT_EQ(tag(tags({{"a", "1"}, {"A", "2"}})), "InvalidInput");
  api::List fifty;
  for (int i = 0; i < 50; ++i) fifty.push_back(object({{"Key", "k" + std::to_string(i)}, {"Value", "v"}}));
  EXPECT_EQ(tag(fifty), "");
  EXPECT_EQ(tag(tags({{"K7", "again"}})), "");
  EXPECT_EQ(tag(tags({{"one more", "1"}})), "LimitExceeded");
  // A marker of tags goes on where it stopped.
  const Value first = must(iam("ListUserTags", object({{"UserName", "alice"}, {"MaxItems", 30}})));
  const Value second =
      must(iam("ListUserTags", object({{"UserName", "alice"}, {"MaxItems", 30}, {"Marker", first.text("Marker")}})));
  EXPECT_EQ(first.list("Tags").size() + second.list("Tags").size(), 50U);
  EXPECT_FALSE(second.flag("IsTruncated"));
}

TEST_F(UsersTest, DeletingWaitsUntilNothingHangsOnTheUser) {
  const Keys key = user("alice", allow("s3:*"));
  const auto remove = [&] { return iam("DeleteUser", object({{"UserName", "alice"}})); };
  must(iam("CreateGroup", object({{"GroupName", "g"}})));
  must(iam("AddUserToGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  must(iam("AttachUserPolicy",
           object({{"UserName", "alice"}, {"PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}})));
  EXPECT_EQ(error_of(remove()), "DeleteConflict");
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must delete access keys first.");
  must(iam("DeleteAccessKey", object({{"UserName", "alice"}, {"AccessKeyId", key.id}})));
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must remove users from group first.");
  must(iam("RemoveUserFromGroup", object({{"GroupName", "g"}, {"UserName", "alice"}})));
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must detach all policies first.");
  must(iam("DetachUserPolicy",
           object({{"UserName", "alice"}, {"PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}})));
  EXPECT_EQ(remove().error().message, "Cannot delete entity, must delete policies first.");
  must(iam("DeleteUserPolicy", object({{"UserName", "alice"}, {"PolicyName", "p"}})));
  must(remove());
  EXPECT_EQ(error_of(remove()), "NoSuchEntity");
  const std::string again(must(iam("CreateUser", object({{"UserName", "alice"}}))).find("User")->text("UserId"));
  EXPECT_TRUE(must(iam("ListUserTags", object({{"UserName", "alice"}}))).list("Tags").empty());
}

}  // namespace
}  // namespace coffer::iam
