// What a sandbox sends to the Runtime API: requests or nonsense, never a crash, and the same in whatever pieces it
// comes.

#include "edge/functions/runtime_api.h"
#include "fuzz/require.h"

using namespace coffer;
using namespace coffer::functions;

namespace {

/// All answers of a conversation, with an invocation given whenever the runtime asks for one.
std::string conversation(std::string_view bytes, size_t piece) {
  HttpReader reader(1000);
  RuntimeApi api;
  std::string answers;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!reader.feed(bytes.substr(at, piece)).ok()) return answers + "refused";
    while (auto request = reader.take()) {
      require(request->body.size() <= 1000);
      if (auto answer = api.handle(*request)) {
        answers += *answer;
      } else {
        lambda::Invocation invocation;
        invocation.request_id = "1";
        answers += api.give(invocation, WallTime{});
      }
      if (auto result = api.take_result()) answers += result->payload;
      if (!reader.feed({}).ok()) return answers + "refused";
    }
  }
  return answers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  require(conversation(bytes, 1) == conversation(bytes, bytes.size() + 1));
  return 0;
}
