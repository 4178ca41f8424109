#include "edge/wire/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "edge/wire/unicode.h"

namespace coffer::wire {
namespace {

/// Every shape that an operation of the service reaches.
std::set<const Shape*> shapes_of(const ServiceModel& service) {
  std::set<const Shape*> found;
  std::vector<const Shape*> open;
  for (const OperationModel& operation : service.operations) {
    open.insert(open.end(), {operation.input, operation.output});
    open.insert(open.end(), operation.errors.begin(), operation.errors.end());
  }
  while (!open.empty()) {
    const Shape* shape = open.back();
    open.pop_back();
    if (!shape || !found.insert(shape).second) continue;
    for (const Member& member : shape->members) open.push_back(member.shape);
  }
  return found;
}

TEST(Model, HasTheNewestVersionOfEachServiceById) {
  const std::pair<std::string_view, std::string_view> versions[] = {
      {"backup", "2018-11-15"}, {"cloudtrail", "2013-11-01"},    {"events", "2015-10-07"},
      {"iam", "2010-05-08"},    {"kms", "2014-11-01"},           {"lambda", "2015-03-31"},
      {"logs", "2014-03-28"},   {"organizations", "2016-11-28"}, {"rds", "2014-10-31"},
      {"s3", "2006-03-01"},     {"scheduler", "2021-06-30"},     {"sts", "2011-06-15"}};
  ASSERT_EQ(service_models().size(), std::size(versions));
  for (const auto& [id, version] : versions) {
    const ServiceModel* service = find_service(id);
    ASSERT_TRUE(service) << id;
    EXPECT_EQ(service->id, id);
    EXPECT_EQ(service->api_version, version);
  }
  EXPECT_FALSE(find_service("ec2"));
  EXPECT_FALSE(find_service(""));
}

TEST(Model, SaysHowEachServiceIsSpokenTo) {
  const ServiceModel& kms = *find_service("kms");
  EXPECT_EQ(kms.protocol, ProtocolKind::kJson);
  EXPECT_EQ(kms.target_prefix, "TrentService");
  EXPECT_EQ(kms.json_version, "1.1");
  EXPECT_FALSE(kms.global);
  const ServiceModel& iam = *find_service("iam");
  EXPECT_EQ(iam.protocol, ProtocolKind::kQuery);
  EXPECT_EQ(iam.xml_namespace, "https://iam.amazonaws.com/doc/2010-05-08/");
  EXPECT_TRUE(iam.global);
  EXPECT_TRUE(find_service("organizations")->global);
  EXPECT_EQ(find_service("backup")->protocol, ProtocolKind::kRestJson);
  EXPECT_EQ(find_service("s3")->protocol, ProtocolKind::kRestXml);
  EXPECT_EQ(find_service("events")->signing_name, "events");
}

TEST(Model, FindsEveryOperationByItsNameAndNoOther) {
  for (const ServiceModel& service : service_models()) {
    ASSERT_TRUE(std::is_sorted(service.operations.begin(), service.operations.end(),
                               [](const auto& a, const auto& b) { return a.name < b.name; }));
    for (const OperationModel& operation : service.operations) {
      EXPECT_EQ(find_operation(service, operation.name), &operation);
      EXPECT_FALSE(find_operation(service, std::string(operation.name) + "x"));
    }
  }
  EXPECT_FALSE(find_operation(*find_service("kms"), "CreateUser"));
}

TEST(Model, IsWholeWhereverAnOperationLeads) {
  for (const ServiceModel& service : service_models()) {
    for (const Shape* shape : shapes_of(service)) {
      const std::string name = std::string(service.id) + "." + std::string(shape->name);
      for (const Member& member : shape->members) EXPECT_TRUE(member.shape) << name;
      const size_t parts = shape->members.size();
      EXPECT_TRUE(shape->type != ShapeType::kList || parts == 1) << name;
      EXPECT_TRUE(shape->type != ShapeType::kMap || parts == 2) << name;
      EXPECT_EQ(shape->pattern.empty(), shape->pattern_index == -1) << name;
      EXPECT_LT(shape->pattern_index, static_cast<int64_t>(pattern_count())) << name;
      EXPECT_TRUE(!shape->has_min || !shape->has_max || shape->min <= shape->max) << name;
      const bool has_payload = std::any_of(shape->members.begin(), shape->members.end(),
                                           [&](const Member& member) { return member.name == shape->payload; });
      EXPECT_TRUE(shape->payload.empty() || has_payload) << name;
    }
  }
}

TEST(Model, KeepsWhatAShapeDemands) {
  const Shape& encrypt = *find_operation(*find_service("kms"), "Encrypt")->input;
  EXPECT_EQ(encrypt.name, "EncryptRequest");
  EXPECT_EQ(encrypt.members[0].name, "KeyId");
  EXPECT_TRUE(encrypt.members[0].required);
  EXPECT_EQ(encrypt.members[0].shape->max, 2048);
  EXPECT_EQ(encrypt.members[1].name, "Plaintext");
  EXPECT_TRUE(encrypt.members[1].shape->sensitive);
  const OperationModel& create_user = *find_operation(*find_service("iam"), "CreateUser");
  EXPECT_EQ(create_user.result_wrapper, "CreateUserResult");
  const auto& errors = create_user.errors;
  const auto exists = std::find_if(errors.begin(), errors.end(),
                                   [](const Shape* error) { return error->name == "EntityAlreadyExistsException"; });
  ASSERT_NE(exists, errors.end());
  EXPECT_EQ((*exists)->error_code, "EntityAlreadyExists");
  EXPECT_EQ((*exists)->http_status, 409);
}

TEST(Unicode, KnowsLettersNumbersAndSpaces) {
  const auto has = [](char category, char32_t c) {
    const auto ranges = unicode_category(category);
    return std::any_of(ranges.begin(), ranges.end(), [&](const auto& r) { return c >= r.from && c <= r.to; });
  };
  EXPECT_TRUE(has('L', U'a') && has('L', U'ä') && has('L', U'Ж') && has('L', U'字'));
  EXPECT_FALSE(has('L', U'1') || has('L', U'😀') || has('L', U' '));
  EXPECT_TRUE(has('N', U'7') && has('N', U'½') && has('Z', U' ') && has('Z', U'\u3000') && has('M', U'\u0301'));
  EXPECT_TRUE(unicode_category('X').empty());
}

}  // namespace
}  // namespace coffer::wire
