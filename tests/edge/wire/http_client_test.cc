// Requests to URLs of users stay away from what is private.
#include "edge/wire/http_client.h"

#include "server_testing.h"

namespace coffer::wire {
namespace {

AddressGuard guard(const std::vector<std::string>& allowed = {}) { return must(AddressGuard::create(allowed)); }

TEST(AddressGuard, RefusesWhatIsPrivateInEveryForm) {
  for (const char* address : {"127.0.0.1",
                              "127.255.0.9",
                              "10.0.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "224.0.0.1",
                              "255.255.255.255",
                              "198.51.100.7",
                              "::1",
                              "::",
                              "::127.0.0.1",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "64:ff9b::10.0.0.1",
                              "2002:7f00:1::",
                              "2001:0:1::",
                              "fd00::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "2001:db8::1",
                              "",
                              "localhost",
                              "127.0.0.1/8",
                              "1"})
    EXPECT_FALSE(guard().allows(address)) << address;
  for (const char* address : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"})
    EXPECT_TRUE(guard().allows(address)) << address;
}

TEST(AddressGuard, AnAllowanceOpensItsBlockAlone) {
  const AddressGuard opened = guard({"10.1.0.0/16", "::1"});
  EXPECT_TRUE(opened.allows("10.1.2.3"));
  EXPECT_TRUE(opened.allows("::1"));
  EXPECT_FALSE(opened.allows("10.2.0.1"));
  EXPECT_FALSE(AddressGuard::create({"everything"}).ok());
}

TEST(GuardedClient, LooksAtTheAddressThatANameMeans) {
  int asked = 0;
  auto server = start_server({}, [&](const Context&, Request& request) {
    ++asked;
    Response response;
    response.body =
        request.method + " " + request.target + " " + std::string(request.headers.get("X-Key")) + " " + request.body;
    return response;
  });
  const std::string port = std::to_string(server->port());
  Request request;
  request.method = "POST";
  request.headers.add("X-Key", "k");
  request.body = "text";
  for (const char* host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "0"}) {
    const auto refused =
        guarded_client(guard())->send(Context(), "http://" + std::string(host) + ":" + port + "/a", request);
    ASSERT_FALSE(refused.ok()) << host;
    EXPECT_EQ(refused.code(), ErrorCode::kPermissionDenied) << host << ": " << refused.error().message;
  }
  EXPECT_EQ(asked, 0);
  const auto sent =
      guarded_client(guard({"127.0.0.0/8"}))->send(Context(), "http://localhost:" + port + "/a?b=c", request);
  ASSERT_TRUE(sent.ok()) << sent.error().message;
  EXPECT_EQ(sent->body, "POST /a?b=c k text");
  request.method = "HEAD";
  request.body.clear();
  EXPECT_TRUE(guarded_client(guard({"127.0.0.0/8"}))->send(Context(), "http://127.0.0.1:" + port + "/", request).ok());
}

TEST(GuardedClient, DoesNotFollowARedirectToAPrivatePlace) {
  int asked = 0;
  auto server = start_server({}, [&](const Context&, Request&) {
    ++asked;
    Response response;
    response.status = 302;
    response.headers.add("Location", "http://169.254.169.254/latest/meta-data/");
    return response;
  });
  Request request;
  request.method = "GET";
  const auto sent = guarded_client(guard({"127.0.0.1"}))
                        ->send(Context(), "http://127.0.0.1:" + std::to_string(server->port()) + "/", request);
  ASSERT_TRUE(sent.ok()) << sent.error().message;
  EXPECT_EQ(sent->status, 302);
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace coffer::wire
