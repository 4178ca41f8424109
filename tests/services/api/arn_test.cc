#include "services/api/arn.h"

#include <gtest/gtest.h>

namespace coffer::api {
namespace {

TEST(ArnTest, HasSixPartsOfWhichTheLastMayHaveColons) {
  const auto arn = parse_arn("arn:aws:rds:us-east-2:111111111111:snapshot:awsbackup:job-1");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->partition, "aws");
  EXPECT_EQ(arn->service, "rds");
  EXPECT_EQ(arn->region, "us-east-2");
  EXPECT_EQ(arn->account, "111111111111");
  EXPECT_EQ(arn->resource, "snapshot:awsbackup:job-1");
}

TEST(ArnTest, PartsInTheMiddleMayBeEmpty) {
  const auto arn = parse_arn("arn:aws:s3:::bucket/key");
  ASSERT_TRUE(arn);
  EXPECT_EQ(arn->region + arn->account, "");
  EXPECT_EQ(arn->resource, "bucket/key");
}

TEST(ArnTest, AnythingElseIsNone) {
  for (const char* text :
       {"", "arn", "arn:aws", "arn:aws:s3::", "arn:aws:s3:::", "urn:aws:s3:::b", "ARN:aws:s3:::b", ":aws:s3:::b"})
    EXPECT_FALSE(parse_arn(text)) << text;
}

}  // namespace
}  // namespace coffer::api
