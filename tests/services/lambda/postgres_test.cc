// The same on a shared catalog: every statement on PostgreSQL.
#include "services/catalog/catalogs.h"
#include "services/lambda/world.h"

namespace coffer::lambda {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class OnPostgres : public World {
 protected:
  OnPostgres() : World(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(OnPostgres, ALifeOfAFunction) {
  create("f",
         object({{"Environment", object({{"Variables", object({{"A1", "x"}})}})}, {"Tags", object({{"a", "1"}})}}));
  create("g");
  must(lambda("UpdateFunctionConfiguration", object({{"FunctionName", "f"}, {"Timeout", 9}})));
  must(lambda("PublishVersion", object({{"FunctionName", "f"}})));
  must(lambda("CreateAlias", object({{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "1"}})));
  must(lambda("UpdateAlias", object({{"FunctionName", "f"}, {"Name", "live"}, {"Description", "d"}})));
  must(lambda("AddPermission", object({{"FunctionName", "f"},
                                       {"StatementId", "s"},
                                       {"Action", "lambda:InvokeFunction"},
                                       {"Principal", "events.amazonaws.com"}})));
  must(lambda("PutFunctionConcurrency", object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 5}})));
  must(lambda("PutFunctionEventInvokeConfig", object({{"FunctionName", "f"}, {"MaximumRetryAttempts", 1}})));
  must(lambda("GetAccountSettings"));
  EXPECT_EQ(must(lambda("ListFunctions", object({{"FunctionVersion", "ALL"}}))).list("Functions").size(), 3U);
  EXPECT_EQ(must(lambda("ListAliases", object({{"FunctionName", "f"}}))).list("Aliases").size(), 1U);
  EXPECT_EQ(must(invoke("f:live")).text("ExecutedVersion"), "1");
  must(invoke("g"));
  executor_.fails = 1;
  must(send("f"));
  run_work();
  pass(std::chrono::minutes(1));
  EXPECT_EQ(executor_.invocations.size(), 4U);
  must(lambda("DeleteFunction", object({{"FunctionName", "f"}})));
  EXPECT_EQ(must(lambda("ListFunctions")).list("Functions").size(), 1U);
}

}  // namespace
}  // namespace coffer::lambda
