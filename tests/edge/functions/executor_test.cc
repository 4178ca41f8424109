#include <mutex>
#include <thread>

#include "edge/functions/world.h"

namespace coffer::functions {
namespace {

using Functions = World;

TEST_F(Python, AHandlerGetsItsEventAndAnswers) {
  EXPECT_EQ(
      result(python("return {'got': event['x'], 'name': os.environ['AWS_LAMBDA_FUNCTION_NAME']}"), R"({"x":[1,2]})"),
      R"({"got": [1, 2], "name": "f"})");
}

TEST_F(Python, AWarmEnvironmentKeepsItsStateAndItsFiles) {
  const auto s =
      python("global n\nn += 1\nopen('/tmp/a', 'a').write('x')\nreturn [n, len(open('/tmp/a').read())]", "n = 0");
  const Outcome first = run(s);
  EXPECT_TRUE(first.cold);
  EXPECT_GT(first.init_duration.count(), 0);
  EXPECT_EQ(first.interpreter.substr(0, 8), "python3.");
  EXPECT_GT(first.max_memory_mb, 0);
  const Outcome second = run(s);
  EXPECT_FALSE(second.cold);
  EXPECT_EQ(second.environment, first.environment);
  EXPECT_EQ(to_text(second.payload), "[2, 2]");
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(executor().environments(), 1U);
}

TEST_F(Python, AnotherRevisionIsAnotherEnvironment) {
  auto s = python("return 1");
  run(s);
  s.revision = "2";
  EXPECT_TRUE(run(s).cold);
}

TEST_F(Python, AForgottenFunctionStartsAnew) {
  const auto s = python("return 1");
  run(s);
  executor().forget("arn:aws:lambda:us-east-1:111111111111:function:ff");
  EXPECT_FALSE(run(s).cold);
  executor().forget("arn:aws:lambda:us-east-1:111111111111:function:f");
  EXPECT_EQ(executor().environments(), 0U);
  EXPECT_TRUE(run(s).cold);
}

TEST_F(Python, CredentialsThatEndedAreNotUsed) {
  valid_until_ = clock_.wall();
  const auto s = python("return 1");
  run(s);
  EXPECT_TRUE(run(s).cold);
}

TEST_F(Python, IdleEnvironmentsEnd) {
  options_.idle = std::chrono::seconds(0);
  run(python("return 1"));
  executor().tend();
  EXPECT_EQ(executor().environments(), 0U);
  EXPECT_TRUE(std::filesystem::is_empty(options_.folder + "/environments"));
  EXPECT_TRUE(std::filesystem::is_empty(options_.folder + "/code"));
}

TEST_F(Python, AnIdleEnvironmentRestsAndWakes) {
  options_.rest_after = std::chrono::milliseconds(0);
  const auto s = python("return n[0]", R"(
n = [0]
def work():
    while True: n[0] += 1
threading.Thread(target=work, daemon=True).start())");
  run(s);
  executor().tend();
  const int64_t before = std::stoll(to_text(run(s).payload));
  executor().tend();
  const MonoTime begin = clock_.mono();
  while (clock_.mono() - begin < std::chrono::milliseconds(300)) std::this_thread::yield();
  const int64_t meanwhile = std::stoll(to_text(run(s).payload)) - before;
  // What it counts in the moments of an invocation is far from a third of a second's work.
  run(s);
  const MonoTime working = clock_.mono();
  while (clock_.mono() - working < std::chrono::milliseconds(300)) std::this_thread::yield();
  const int64_t at_work = std::stoll(to_text(run(s).payload)) - before - meanwhile;
  EXPECT_GT(at_work, meanwhile);
}

TEST_F(Python, NoMoreFunctionsRunAtOnceThanMay) {
  options_.at_work_max = 1;
  executor();
  const auto s = python("time.sleep(1)\nreturn 1");
  int refused = 0, done = 0;
  std::mutex mutex;
  const auto invoke = [&] {
    lambda::Invocation invocation;
    invocation.request_id = random_uuid(entropy_);
    const auto outcome = executor().run(Context(), s, invocation);
    std::lock_guard lock(mutex);
    outcome.ok() ? ++done : refused += outcome.code() == ErrorCode::kThrottled;
  };
  std::thread other(invoke);
  invoke();
  other.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(refused, 1);
}

TEST_F(Python, TheOldestIdleEnvironmentMakesRoom) {
  options_.environments_max = 1;
  auto s = python("return 1");
  run(s);
  s.revision = "2";
  run(s);
  EXPECT_EQ(executor().environments(), 1U);
}

TEST_F(Python, PrintedLinesAreTheLogOfTheirInvocation) {
  const auto s = python("print('in ' + event['x'])\nprint('err', file=sys.stderr)\nreturn None", "print('at start')");
  const Outcome first = run(s, R"({"x":"one"})");
  EXPECT_EQ(first.init_log, "at start\n");
  EXPECT_EQ(first.log, "in one\nerr\n");
  EXPECT_EQ(to_text(first.payload), "null");
  EXPECT_EQ(run(s, R"({"x":"two"})").log, "in two\nerr\n");
}

TEST_F(Python, AnExceptionIsAnErrorObject) {
  const auto s = python("raise ValueError('no')");
  const Outcome outcome = run(s);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFunctionError);
  const std::string text = to_text(outcome.payload);
  EXPECT_NE(text.find(R"("errorMessage": "no", "errorType": "ValueError")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("requestId": ")" + last_request_), std::string::npos) << text;
  EXPECT_FALSE(run(s).cold);  // an exception ends no environment
}

TEST_F(Python, AModuleThatCannotBeImportedIsAnErrorOfTheInitPhase) {
  const Outcome outcome = run(python("return 1", "import nothing_of_that_name"));
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFunctionError);
  EXPECT_NE(to_text(outcome.payload).find("Runtime.ImportModuleError"), std::string::npos);
  EXPECT_EQ(executor().environments(), 0U);
}

TEST_F(Python, TheTimeoutEndsTheEnvironment) {
  const auto s = python("time.sleep(60) if event.get('slow') else None\nreturn 1");
  run(s);
  const Outcome outcome = run(s, R"({"slow":true})", std::chrono::milliseconds(1000));
  EXPECT_EQ(outcome.cause, "timeout");
  EXPECT_EQ(to_text(outcome.payload), R"({"errorType":"Sandbox.Timedout","errorMessage":"RequestId: )" + last_request_ +
                                          R"( Error: Task timed out after 1.00 seconds"})");
  EXPECT_EQ(executor().environments(), 0U);
  EXPECT_TRUE(run(s).cold);
}

TEST_F(Python, TheInitPhaseHasItsOwnTime) {
  EXPECT_EQ(to_text(run(python("return 1", "time.sleep(0.7)"), "{}", std::chrono::milliseconds(600)).payload), "1");
}

TEST_F(Python, AnExitIsAnError) {
  const Outcome quiet = run(python("os._exit(0)"));
  EXPECT_EQ(to_text(quiet.payload), R"({"errorType":"Runtime.ExitError","errorMessage":"RequestId: )" + last_request_ +
                                        R"( Error: Runtime exited without providing a reason"})");
  const Outcome loud = run(python("os._exit(7)"));
  EXPECT_NE(to_text(loud.payload).find("Runtime exited with error: exit status 7"), std::string::npos);
  const Outcome killed = run(python("os.kill(os.getpid(), 9)"));
  EXPECT_NE(to_text(killed.payload).find("Runtime exited with error: signal: killed"), std::string::npos);
  expect_sound();
}

TEST_F(Python, AResponseThatIsTooLargeIsAnError) {
  const Outcome outcome = run(python("return 'x' * 6291560"));
  EXPECT_NE(to_text(outcome.payload).find("Function.ResponseSizeTooLarge"), std::string::npos)
      << to_text(outcome.payload).substr(0, 300);
  EXPECT_EQ(run(python("return 'x' * 6000000")).payload.size(), 6'000'002U);
  expect_sound();
}

TEST_F(Python, LargeEventsArrive) {
  EXPECT_EQ(result(python("return len(event['x'])"), R"({"x":")" + std::string(6'000'000, 'y') + "\"}"), "6000000");
}

TEST_F(Python, Boto3IsThere) {
  variables_ = {{"AWS_REGION", "us-east-1"},
                {"AWS_DEFAULT_REGION", "us-east-1"},
                {"AWS_ACCESS_KEY_ID", "A"},
                {"AWS_SECRET_ACCESS_KEY", "B"}};
  auto s = python("return boto3.client('rds').meta.service_model.service_name", "import boto3");
  EXPECT_EQ(result(s), "\"rds\"");
}

TEST_F(Python, ModulesOfTheZipAreFound) {
  const Bytes zip = ZipBuilder()
                        .add("pkg/", "", 040755)
                        .add("pkg/__init__.py", "V = 5\n")
                        .add("m.py", "import pkg\ndef handler(e, c):\n    return pkg.V\n")
                        .bytes();
  EXPECT_EQ(result(spec("python3.12", "m.handler", zip)), "5");
}

TEST_F(Functions, ABootstrapOfTheUserIsARuntime) {
  const std::string bootstrap = R"(#!/bin/bash
while true; do
  exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
  answer=$(cat <&3); exec 3>&-
  id=$(printf '%s' "$answer" | tr -d '\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
  body='{"from":"bash"}'
  exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$id" "${#body}" "$body" >&3
  cat <&3 >/dev/null; exec 3>&-
done
)";
  const auto s = spec("provided.al2023", "x", ZipBuilder().add("bootstrap", bootstrap, 0100755).bytes());
  EXPECT_EQ(result(s), R"({"from":"bash"})");
  EXPECT_EQ(result(s), R"({"from":"bash"})");
}

TEST_F(Functions, AMissingBootstrapIsNamed) {
  EXPECT_NE(result(spec("provided.al2023", "x", zip_of("other", "x"))).find("Runtime.InvalidEntrypoint"),
            std::string::npos);
}

TEST_F(Functions, NodeHandlersRun) {
  if (!has("nodejs20.x")) GTEST_SKIP() << "no Node";
  EXPECT_EQ(result(spec("nodejs18.x", "index.handler",
                        zip_of("index.js", "exports.handler = async (e) => ({ twice: e.n * 2 });")),
                   R"({"n":21})"),
            R"({"twice":42})");
  auto callback =
      spec("nodejs20.x", "a.h", zip_of("a.mjs", "export const h = (e, c, done) => done(null, c.functionName);"));
  callback.revision = "2";
  EXPECT_EQ(result(callback), "\"f\"");
  auto failing = spec("nodejs20.x", "a.h", zip_of("a.js", "exports.h = async () => { throw new TypeError('bad'); };"));
  failing.revision = "3";
  EXPECT_NE(result(failing).find(R"("errorType":"TypeError","errorMessage":"bad")"), std::string::npos);
  auto missing = spec("nodejs20.x", "a.nothing", zip_of("a.js", "exports.h = 1;"));
  missing.revision = "4";
  EXPECT_NE(result(missing).find("Runtime.HandlerNotFound"), std::string::npos);
}

TEST_F(Functions, AMachineWithoutSandboxesIsNoticedAtTheStart) {
  options_.bubblewrap = "no-such-bubblewrap";
  const auto opened = open_executor(files_, processes_, clock_, entropy_, options_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(opened.error().message.find("no-such-bubblewrap"), std::string::npos) << opened.error().message;
  options_.sandbox_program = "/nowhere";
  EXPECT_FALSE(open_executor(files_, processes_, clock_, entropy_, options_).ok());
}

TEST_F(Functions, WhatNothingServesIsNamed) {
  const auto served = executor().interpreter_of("java21");
  ASSERT_FALSE(served.ok());
  EXPECT_NE(served.error().message.find("provided.al2023"), std::string::npos);
}

TEST_F(Functions, AnEndpointsUrlIsReachedByTheSameNameInside) {
  EXPECT_EQ(parse_endpoint_inner("http://127.0.0.1:9443"), "http://127.0.0.1:9443");
  EXPECT_EQ(parse_endpoint_inner("https://coffer.example"), "https://coffer.example:20443");
  EXPECT_EQ(parse_endpoint_inner("https://[::1]:9443/x"), "https://127.0.0.1:9443");
  EXPECT_EQ(parse_endpoint_inner("ftp://x"), "");
  EXPECT_EQ(parse_endpoint_inner("http://x:99999"), "");
}

}  // namespace
}  // namespace coffer::functions
