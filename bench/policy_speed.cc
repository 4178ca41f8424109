// Time of one decision, in microseconds on one core. Each figure is the best of several rounds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/clock.h"
#include "services/policy/evaluate.h"

namespace {

using namespace coffer;
using namespace coffer::policy;

constexpr int kRounds = 7;
constexpr std::chrono::milliseconds kRoundTime{150};

/// Runs `work` for a while and gives its best time a call in nanoseconds.
double measure(const char* what, const std::function<void()>& work) {
  SystemClock clock;
  double best_ns = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    const MonoTime start = clock.mono();
    int64_t calls = 0;
    std::chrono::nanoseconds spent{};
    do {
      for (int i = 0; i < 16; ++i) work();
      calls += 16;
      spent = clock.mono() - start;
    } while (spent < kRoundTime);
    best_ns = std::min(best_ns, static_cast<double>(spent.count()) / static_cast<double>(calls));
  }
  std::printf("%-52s %9.2f us\n", what, best_ns / 1000);
  return best_ns;
}

DocumentPtr parsed(const std::string& statements, Kind kind) {
  auto document = Document::parse(R"({"Version":"2012-10-17","Statement":[)" + statements + "]}", kind);
  if (!document.ok()) {
    std::fprintf(stderr, "%s\n", document.error().message.c_str());
    std::exit(1);
  }
  return std::move(document).value();
}

/// Twenty statements as people write them, all of which must be looked at; `principal` is empty or a member.
std::string twenty_statements(const std::string& principal) {
  std::string all;
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    all += std::string(i ? "," : "") + R"({"Effect":")" + (i % 5 == 4 ? "Deny" : "Allow") + "\"," + principal +
           R"("Action":["s3:Get*","s3:PutObject","s3:List*"],"Resource":["arn:aws:s3:::bucket-)" + n +
           R"(","arn:aws:s3:::bucket-*/home/${aws:username}/)" + n + R"(/*","arn:aws:s3:::*/shared/*"],"Condition":{)" +
           R"("StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/admin-)" + n + R"(*"},)" +
           R"("IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]},)" +
           R"("Bool":{"aws:SecureTransport":"true"},"NumericLessThan":{"s3:max-keys":)" + n + "}}}";
  }
  return all;
}

}  // namespace

int main() {
  api::Call call;
  call.caller.kind = api::Caller::Kind::kUser;
  call.caller.account = "111122223333";
  call.caller.arn = call.caller.principal_arn = "arn:aws:iam::111122223333:user/alice";
  call.caller.user_name = "alice";
  call.caller.principal_id = call.caller.user_id = "AIDA0000000000000USER";
  call.caller.tags = {{"team", "red"}, {"stage", "test"}};
  call.region = "us-east-1";
  call.source_ip = "192.0.2.7";
  call.user_agent = "aws-cli/2.15";
  call.secure_transport = true;
  call.time = WallTime{1'709'208'000'000'000};
  RequestContext context = global_context(call);
  context.set("s3:max-keys", "1000");
  const Query query{call.caller, "s3:GetObject", "arn:aws:s3:::bucket-7/shared/2024/02/29/report.parquet", "", context};

  PrincipalPolicies none, identity, full;
  identity.identity = {{"p", "IAM Policy", parsed(twenty_statements(""), Kind::kIdentity)}};
  full = identity;
  full.boundary = full.identity[0];
  full.session = full.identity;
  full.service_control = {full.identity, full.identity};
  const DocumentPtr bucket = parsed(twenty_statements(R"("Principal":{"AWS":"111122223333"},)"), Kind::kResource);
  ResourceSide side;
  side.policy = bucket.get();

  measure("global_context", [&] { static_cast<void>(global_context(call)); });
  measure("no policies", [&] { static_cast<void>(evaluate(query, none, {})); });
  const double twenty_ns =
      measure("identity policy of 20 statements", [&] { static_cast<void>(evaluate(query, identity, {})); });
  measure("six policies of 20 statements", [&] { static_cast<void>(evaluate(query, full, side)); });
  measure("parse 20 statements",
          [&] { static_cast<void>(Document::parse(identity.identity[0].document->text(), Kind::kIdentity).ok()); });

  std::string stars, parts;
  for (int i = 0; i < 500; ++i) stars += "*a", parts += "*?a";
  const std::string text(2'000, 'a');
  measure("500 stars that do not match 2000 characters", [&] { static_cast<void>(glob_match(stars + "b", text)); });
  measure("the same with question marks", [&] { static_cast<void>(glob_match(parts + "*b*", text)); });

  constexpr double kTwentyStatementsMaxNs = 20'000;
  std::printf("20 statements: %s the 20 us that were promised\n",
              twenty_ns < kTwentyStatementsMaxNs ? "within" : "over");
  return twenty_ns < kTwentyStatementsMaxNs ? 0 : 1;
}
