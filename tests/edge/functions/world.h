// An executor with real sandboxes. Tests that need an interpreter which is not there are skipped.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/entropy.h"
#include "edge/functions/environment.h"
#include "edge/functions/executor.h"
#include "support/zip_builder.h"

namespace coffer::functions {

using lambda::Outcome;
using testing_support::zip_of;
using testing_support::ZipBuilder;

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().name + ": " + result.error().message);
  return std::move(result).value();
}

inline std::string parse_endpoint_inner(std::string_view url) {
  const auto endpoint = parse_endpoint(url);
  return endpoint ? endpoint->inner_url : "";
}

class World : public testing::Test {
 protected:
  World() {
    char name[] = "/tmp/coffer-functions-XXXXXX";
    folder_ = ::mkdtemp(name);
    options_.folder = folder_ + "/a-folder-whose-name-is-longer-than-the-address-of-a-socket-may-be-and-some-more/e";
    options_.sandbox_program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "coffer-sandbox").string();
    const char* cache = std::getenv("COFFER_CACHE");
    options_.runtimes.packages = std::string(cache ? cache : "/var/cache/coffer") + "/functions";
    options_.environments_max = 8;
  }
  ~World() override {
    executor_.reset();
    std::filesystem::remove_all(folder_);
  }

  Executor& executor() {
    if (!executor_) executor_ = must(open_executor(files_, processes_, clock_, entropy_, options_));
    return *executor_;
  }
  bool has(const std::string& runtime) { return executor().interpreter_of(runtime).ok(); }

  lambda::EnvironmentSpec spec(const std::string& runtime, const std::string& handler, Bytes zip) {
    lambda::EnvironmentSpec s;
    s.function_arn = "arn:aws:lambda:us-east-1:111111111111:function:f:$LATEST";
    s.revision = "1";
    s.name = "f";
    s.version = "$LATEST";
    s.runtime = runtime;
    s.handler = handler;
    s.content = [this, zip = std::move(zip), handler](const Context&,
                                                      const std::string&) -> Result<lambda::EnvironmentContent> {
      ++made_;
      auto variables = variables_;
      variables["_HANDLER"] = handler;
      variables["LAMBDA_TASK_ROOT"] = "/var/task";
      variables["AWS_LAMBDA_FUNCTION_NAME"] = "f";
      return lambda::EnvironmentContent{zip, std::move(variables), valid_until_};
    };
    return s;
  }
  /// A Python function: `body` is that of handler(event, context), `before` stands at module level.
  lambda::EnvironmentSpec python(const std::string& body, const std::string& before = "") {
    std::string text =
        "import os, sys, json, time, socket, subprocess, threading\n" + before + "\ndef handler(event, context):\n";
    std::string line;
    for (char c : body + "\n") {
      line += c;
      if (c != '\n') continue;
      text += "    " + line;
      line.clear();
    }
    lambda::EnvironmentSpec made = spec("python3.8", "m.handler", zip_of("m.py", text));
    made.revision = std::to_string(std::hash<std::string>()(text));
    return made;
  }
  Outcome run(const lambda::EnvironmentSpec& s, const std::string& payload = "{}",
              std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
    lambda::Invocation invocation;
    invocation.request_id = random_uuid(entropy_);
    invocation.invoked_arn = "arn:aws:lambda:us-east-1:111111111111:function:f";
    invocation.trace_id = "Root=1-0-0";
    invocation.payload = to_bytes(payload);
    invocation.timeout = timeout;
    last_request_ = invocation.request_id;
    return must(executor().run(Context(), s, invocation));
  }
  std::string result(const lambda::EnvironmentSpec& s, const std::string& payload = "{}") {
    const Outcome outcome = run(s, payload);
    return (outcome.kind == Outcome::Kind::kResult ? "" : "error: ") + to_text(outcome.payload);
  }
  /// After whatever was done to it, the next invocation finds a sound executor.
  void expect_sound() {
    lambda::EnvironmentSpec other = python("return 'sound'");
    other.revision = "sound";
    EXPECT_EQ(result(other), "\"sound\"");
  }

  PosixFileSystem files_;
  SystemProcesses processes_;
  SystemClock clock_;
  SystemEntropy entropy_;
  ExecutorOptions options_;
  std::string folder_, last_request_;
  std::map<std::string, std::string> variables_;
  WallTime valid_until_{INT64_MAX};
  int made_ = 0;
  std::unique_ptr<Executor> executor_;
};

class Python : public World {
 protected:
  void SetUp() override {
    if (!has("python3.8")) GTEST_SKIP() << "no Python runtime: scripts/setup";
    executor_.reset();  // with the options of the test
  }
};

}  // namespace coffer::functions
