#include "edge/cli/python_source.h"

#include <gtest/gtest.h>

namespace coffer::cli {
namespace {

std::string found(std::string_view source) {
  std::string all;
  for (const LoadTimeValue& value : load_time_values(source))
    all += (all.empty() ? "" : " ") + std::to_string(value.line) + ":" + value.call;
  return all;
}

TEST(PythonSource, FindsTimesThatAreTakenWhenTheModuleIsLoaded) {
  EXPECT_EQ(found("import boto3\nnow = datetime.now()\n"), "2:datetime.now");
  EXPECT_EQ(found("ID = 'backup' + datetime.datetime.now().strftime('%d-%m-%Y-%H-%M-%S')"), "1:datetime.now");
  EXPECT_EQ(found("a = (1 +\n  int(time.time()))"), "2:time.time");
  EXPECT_EQ(found("if True:\n    x = uuid.uuid4()\n"), "2:uuid.uuid4");
  EXPECT_EQ(found("class A:\n  made = time.time()\n"), "2:time.time");
}

TEST(PythonSource, LeavesFunctionsAlone) {
  EXPECT_EQ(found("def handler(event, context):\n    now = datetime.now()\n    return now\n"), "");
  EXPECT_EQ(found("async def f():\n  if x:\n    y = time.time()\nz = 1\n"), "");
  EXPECT_EQ(found("class A:\n  def f(self):\n    return time.time()\n  x = uuid4()\n"), "4:uuid4");
  EXPECT_EQ(found("def f(\n  a,\nb):\n  return time.time()\nt = time.time()"), "5:time.time");
  EXPECT_EQ(found("now = lambda: datetime.now()\n"), "");
  EXPECT_EQ(found("def f():\n  '''\nnot the end\n  '''\n  return time.time()\n"), "");
}

TEST(PythonSource, DoesNotTakeTextForCode) {
  EXPECT_EQ(found("# now = datetime.now()\n"), "");
  EXPECT_EQ(found("s = 'datetime.now()'\n"), "");
  EXPECT_EQ(found("s = \"\"\"\nnow = datetime.now()\n\"\"\"\n"), "");
  EXPECT_EQ(found("s = 'it\\'s datetime.now()'\n"), "");
  EXPECT_EQ(found("s = 'open\nnow = time.time()\n"), "2:time.time");  // a missing quote ends with its line
  EXPECT_EQ(found("mytime.time()\nx = time.timer()\ny = datetime.now\n"), "");
}

TEST(PythonSource, SurvivesAnything) {
  for (const char* source :
       {"", "\n\n", "'''", "\"\"\"\n", "((((", "))))", "\\", "def", "'\\", "x = (\n# time.time(\n"})
    static_cast<void>(load_time_values(source));
}

}  // namespace
}  // namespace coffer::cli
