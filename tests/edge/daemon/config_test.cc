#include "edge/daemon/config.h"

#include <gtest/gtest.h>

namespace coffer::daemon {
namespace {

Error refused(std::string_view toml) {
  auto config = parse_config(toml, "cofferd.toml");
  EXPECT_FALSE(config.ok()) << toml;
  return config.ok() ? Error{} : config.error();
}

TEST(Config, EveryKeyReachesItsPlace) {
  auto config = parse_config(R"(
data = "/srv/coffer"
regions = ["us-east-2", "eu-west-1"]
catalog = "postgresql://db/coffer"
[server]
listen = "[::1]:8443"
plain_http_anywhere = true
certificate = "/etc/c.pem"
private_key = "/etc/k.pem"
tasks = 8
connections = 100
[keys]
installation = "/etc/i.key"
[s3]
objects = "/srv/objects"
domains = ["s3.example.internal", "buckets"]
[[accounts]]
name = "main"
id = "111111111111"
[[accounts]]
name = "second"
id = "222222222222"
)",
                             "cofferd.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->data, "/srv/coffer");
  EXPECT_EQ(config->regions, (std::vector<std::string>{"us-east-2", "eu-west-1"}));
  EXPECT_EQ(config->catalog, "postgresql://db/coffer");
  EXPECT_EQ(config->host, "::1");
  EXPECT_EQ(config->port, 8443);
  EXPECT_TRUE(config->plain_http_anywhere);
  EXPECT_EQ(config->certificate, "/etc/c.pem");
  EXPECT_EQ(config->private_key, "/etc/k.pem");
  EXPECT_EQ(config->tasks, 8);
  EXPECT_EQ(config->connections, 100);
  EXPECT_EQ(config->installation_key, "/etc/i.key");
  EXPECT_EQ(config->objects, "/srv/objects");
  EXPECT_EQ(config->s3_domains, (std::vector<std::string>{"s3.example.internal", "buckets"}));
  ASSERT_EQ(config->accounts.size(), 2U);
  EXPECT_EQ(config->accounts[1].id, "222222222222");
}

TEST(Config, AnUnknownKeyIsRefusedWithItsPlaceAndTheNearestKnownOne) {
  const Error error = refused("data = \"/d\"\n[server]\n  lisen = \"x:1\"\n");
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message, "cofferd.toml:3:3: unknown key server.lisen");
  EXPECT_EQ(error.next_step, "did you mean server.listen?");
  EXPECT_NE(refused("data = \"/d\"\nzzz = 1\n").next_step, "");
}

TEST(Config, AWrongTypeAndASyntaxErrorNameLineAndColumn) {
  EXPECT_EQ(refused("data = 7\n").message, "cofferd.toml:1:8: data must be a string");
  EXPECT_EQ(refused("data = \"/d\"\n[server]\ntasks = 0\n").message,
            "cofferd.toml:3:9: server.tasks must be a number from 1 to 1024");
  EXPECT_EQ(refused("data = \"/d\nregions = 1").message.find("cofferd.toml:1:"), 0U);
}

TEST(Config, WhatCannotBeIsRefused) {
  EXPECT_NE(refused("").message.find("no data folder"), std::string::npos);
  EXPECT_NE(refused("data='/d'\nregions=[]").message.find("regions is empty"), std::string::npos);
  EXPECT_NE(refused("data='/d'\nregions=['US']").message.find("is no Region"), std::string::npos);
  for (const char* domain : {"", "S3.example", "s3.example:9420", ".s3", "http://s3"})
    EXPECT_NE(refused("data='/d'\n[s3]\ndomains=['" + std::string(domain) + "']").message.find("no domain"),
              std::string::npos);
  EXPECT_NE(refused("data='/d'\n[server]\ncertificate='/c'").message.find("both"), std::string::npos);
  EXPECT_NE(refused("data='/d'\n[[accounts]]\nname='a'\nid='1'").message.find("no account"), std::string::npos);
  const std::string twice = "[[accounts]]\nname='a'\nid='111111111111'\n";
  EXPECT_NE(refused("data='/d'\n" + twice + twice).message.find("two accounts"), std::string::npos);
}

TEST(Config, AddressesAreReadWhole) {
  Config config;
  EXPECT_TRUE(set_listen(config, "0.0.0.0:0").ok());
  for (const char* bad : {"", ":1", "host", "host:", "host:65536", "host:1x", "host:-1"})
    EXPECT_FALSE(set_listen(config, bad).ok()) << bad;
}

TEST(Config, TheManualPageNamesEveryKey) {
  const std::string page = config_man_page("1");
  for (const ConfigKey& key : config_keys()) EXPECT_NE(page.find(key.name), std::string::npos) << key.name;
}

TEST(Config, VaultsServersAndFunctionsHaveTheirPlaces) {
  const Result<Config> config = parse_config(R"(data = "/d"
[backup]
vaults = "/srv/vaults"
restores = "/srv/databases"
workers = 8
[[postgres]]
major = 17
programs = "/opt/pg17/bin"
[functions]
packages = "/opt/functions"
sandbox = "/usr/libexec/coffer-sandbox"
)",
                                             "f");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->vaults, "/srv/vaults");
  EXPECT_EQ(config->restores, "/srv/databases");
  EXPECT_EQ(config->workers, 8);
  ASSERT_EQ(config->postgres.size(), 1U);
  EXPECT_EQ(config->postgres[0].major, 17);
  EXPECT_EQ(config->function_packages, "/opt/functions");
  EXPECT_EQ(config->node, "/usr/bin/node");
  EXPECT_EQ(config->sandbox, "/usr/libexec/coffer-sandbox");
  for (const char* wrong :
       {"[[postgres]]\nmajor = 17\n", "[[postgres]]\nprograms = \"/x\"\n", "[backup]\nworkers = 0\n",
        "[[postgres]]\nmajor = 12\nprograms = \"/x\"\n", "[functions]\nperl = \"x\"\n",
        "[[postgres]]\nmajor = 17\nprograms = \"/x\"\n[[postgres]]\nmajor = 17\nprograms = \"/y\"\n"})
    EXPECT_FALSE(parse_config("data = \"/d\"\n" + std::string(wrong), "f").ok()) << wrong;
}

TEST(Config, PeersAreEnrolledByAccount) {
  const std::string key(64, 'a');
  const Result<Config> config = parse_config("data = \"/d\"\n[[peers]]\naccount = \"222222222222\"\npublic_key = \"" +
                                                 key + "\"\nendpoint = \"https://b.example:9420/\"\n",
                                             "f");
  ASSERT_TRUE(config.ok()) << config.error().message;
  ASSERT_EQ(config->peers.size(), 1U);
  EXPECT_EQ(config->peers[0].endpoint, "https://b.example:9420");
  for (const char* wrong :
       {"account = \"22\"\nendpoint = \"https://b\"", "account = \"222222222222\"",
        "account = \"222222222222\"\npublic_key = \"abc\"", "account = \"222222222222\"\nendpoint = \"b.example\"",
        "account = \"222222222222\"\nendpont = \"https://b\""})
    EXPECT_FALSE(parse_config("data = \"/d\"\n[[peers]]\n" + std::string(wrong), "f").ok()) << wrong;
  EXPECT_FALSE(parse_config("data = \"/d\"\n[[accounts]]\nname = \"a\"\nid = \"222222222222\"\n[[peers]]\naccount = "
                            "\"222222222222\"\nendpoint = \"https://b\"",
                            "f")
                   .ok());
}

}  // namespace
}  // namespace coffer::daemon
