// No memory for a connection: that one is dropped, the server goes on.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>

#include "edge/wire/server_connection.h"
#include "edge/wire/server_testing.h"

namespace {

/// So many of the next connections find no memory. Nothing else is as large as one to the byte, or it does not matter.
std::atomic<int> connections_without_memory{0};

}  // namespace

// Not inlined: the compiler would see free() where it expects delete, and warn.
[[gnu::noinline]] void* operator new(size_t size) {
  if (size == sizeof(coffer::wire::Connection) && connections_without_memory.load() > 0 &&
      connections_without_memory.fetch_sub(1) > 0)
    throw std::bad_alloc();
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace coffer::wire {
namespace {

TEST(Server, AConnectionWithoutMemoryIsDroppedAndTheNextIsServed) {
  std::mutex mutex;
  std::vector<std::string> told;
  Server::Options options;
  options.on_failure = [&](std::string_view text) {
    std::lock_guard lock(mutex);
    told.emplace_back(text);
  };
  auto server = start_server(options, [](const Context&, Request&) { return Response(); });
  connections_without_memory = 3;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Client(server->port()).read_to_end().empty());
  EXPECT_EQ(connections_without_memory.exchange(0), 0);
  Client client(server->port());
  EXPECT_EQ(client.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  std::lock_guard lock(mutex);
  ASSERT_EQ(told.size(), 3U);
  EXPECT_NE(told[0].find("a connection was dropped: std::bad_alloc"), std::string::npos) << told[0];
}

}  // namespace
}  // namespace coffer::wire
