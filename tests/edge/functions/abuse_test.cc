// Functions that want more than they may: contained, reported, and the next invocation finds everything as it was.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>

#include <thread>

#include "base/fd.h"
#include "base/this_process.h"
#include "edge/functions/process_tree.h"
#include "edge/functions/world.h"

namespace coffer::functions {
namespace {

using Abuse = Python;
using Escape = Python;

TEST_F(Abuse, AForkBombIsContained) {
  const Outcome outcome = run(python(R"(
import os
made = 0
try:
    while True:
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: time.sleep(1)
        made += 1
except OSError as e:
    pass
time.sleep(60)
)"),
                              "{}", std::chrono::seconds(3));
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFunctionError) << to_text(outcome.payload);
  EXPECT_EQ(executor().environments(), 0U);
  expect_sound();
}

TEST_F(Abuse, ThreadsAreLimitedToo) {
  const std::string text = result(python(R"(
all = []
try:
    for i in range(5000):
        t = threading.Thread(target=time.sleep, args=(60,), daemon=True); t.start(); all.append(t)
except RuntimeError: pass
n = len(all)
os.write(1, str(n).encode())
return n < 300
)"));
  EXPECT_EQ(text, "true");
  expect_sound();
}

TEST_F(Abuse, AMemoryBombIsEndedWithAReason) {
  auto s = python(R"(
all = []
while True: all.append(bytearray(8 << 20)); time.sleep(0.005)
)");
  const Outcome outcome = run(s);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kFunctionError);
  EXPECT_NE(to_text(outcome.payload).find("Runtime.OutOfMemory"), std::string::npos) << to_text(outcome.payload);
  EXPECT_GE(outcome.max_memory_mb, 100);
  EXPECT_LT(outcome.max_memory_mb, 600);
  expect_sound();
}

TEST_F(Abuse, ASuddenMemoryBombDoesNotPassTheLimitOnData) {
  const std::string text = result(python("return len(bytearray(4 << 30))"));
  EXPECT_NE(text.find("error: "), std::string::npos);
  EXPECT_TRUE(text.find("MemoryError") != std::string::npos || text.find("OutOfMemory") != std::string::npos) << text;
  expect_sound();
}

TEST_F(Abuse, AMemoryBombWorksWithoutControlGroupsToo) {
  options_.control_groups = false;
  const Outcome outcome = run(python(R"(
for i in range(4):
    if os.fork() == 0: break
all = []
while True: all.append(bytearray(4 << 20)); time.sleep(0.01)
)"));
  EXPECT_NE(to_text(outcome.payload).find("Runtime.OutOfMemory"), std::string::npos) << to_text(outcome.payload);
  expect_sound();
}

TEST_F(Abuse, SharedMemoryCounts) {
  const Outcome outcome = run(python(R"(
import mmap
all = []
while True:
    m = mmap.mmap(-1, 16 << 20); m.write(b'x' * (16 << 20)); all.append(m); time.sleep(0.02)
)"));
  EXPECT_NE(to_text(outcome.payload).find("Runtime.OutOfMemory"), std::string::npos) << to_text(outcome.payload);
  expect_sound();
}

TEST_F(Abuse, TheDiskHasAQuota) {
  const std::string text = result(python(R"(
try:
    for i in range(2000):
        with open('/tmp/f%d' % i, 'wb') as f: f.write(b'x' * (1 << 20))
except OSError as e:
    return [e.errno, i]
)"));
  EXPECT_TRUE(text == "[28, 511]" || text == "[28, 512]" || text == "[28, 510]") << text;
  expect_sound();
}

TEST_F(Abuse, NothingElseCanBeWrittenTo) {
  const std::string text = result(python(R"(
done = []
for place in ['/', '/usr', '/etc', '/var/task', '/var/runtime', '/run', '/run/coffer', '/dev', '/dev/shm', '/opt', '/proc', '/var']:
    try:
        open(place + '/x', 'w').close(); done.append(place)
    except OSError: pass
return done
)"));
  EXPECT_EQ(text, "[]");
}

TEST_F(Abuse, EndlessOutputKeepsItsEnd) {
  const Outcome outcome = run(python("while True: print('y' * 1000)"), "{}", std::chrono::seconds(1));
  EXPECT_EQ(outcome.cause, "timeout");
  EXPECT_LE(outcome.log.size(), 256U << 10);
  EXPECT_GT(outcome.log.size(), 100U << 10);
  expect_sound();
}

TEST_F(Abuse, ABusyLoopEndsAtItsTimeout) {
  EXPECT_EQ(run(python("while True: pass"), "{}", std::chrono::milliseconds(500)).cause, "timeout");
  expect_sound();
}

TEST_F(Abuse, WhatAFunctionLeavesRunningEndsWithItsEnvironment) {
  const auto s = python("subprocess.Popen(['/bin/sleep', '3600'], start_new_session=True)\nreturn 1");
  run(s);
  std::vector<int> left = process_tree(::getpid());
  ASSERT_GE(left.size(), 5U);  // this one, bubblewrap, the first inside, Python, sleep
  left.erase(left.begin());
  executor_.reset();
  // Killed by the kernel, which takes a moment to clear them away.
  const MonoTime begin = clock_.mono();
  const auto is_alive = [](int pid) { return ::kill(pid, 0) == 0; };
  while (std::any_of(left.begin(), left.end(), is_alive) && clock_.mono() - begin < std::chrono::seconds(10))
    std::this_thread::yield();
  EXPECT_TRUE(std::none_of(left.begin(), left.end(), is_alive));
}

TEST_F(Abuse, NonsenseToTheRuntimeApiHarmsOnlyItself) {
  const std::string text = result(python(R"(
host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')
def say(data):
    s = socket.create_connection((host, int(port))); s.settimeout(2)
    s.sendall(data)
    try: got = s.recv(100).split(b'\r\n')[0].decode()
    except OSError: got = ''
    s.close(); return got
root = b'/2018-06-01/runtime/'
return [say(b'\x00\xff' * 1000 + b'\r\n\r\n'), say(b'GET /other HTTP/1.1\r\n\r\n'), say(b'GET ' + root + b'invocation/next HTTP/1.1\r\n\r\n'),
        say(b'POST ' + root + b'invocation/none/response HTTP/1.1\r\nContent-Length: 0\r\n\r\n'), say(b'GET / HTTP/1.1\r\nA: ' + b'x' * 100000)]
)"));
  EXPECT_EQ(text, R"(["", "HTTP/1.1 404 Not Found", "HTTP/1.1 403 Forbidden", "HTTP/1.1 400 Bad Request", ""])");
  expect_sound();
}

TEST_F(Abuse, ConnectionsWithoutEndAreLimited) {
  const auto s = python(R"(
host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')
all = []
try:
    for i in range(900):
        s = socket.socket(); s.setblocking(False); s.connect_ex((host, int(port))); all.append(s)
except OSError: pass
globals()['kept'] = all
return len(all) > 100
)");
  run(s, "{}", std::chrono::seconds(5));
  expect_sound();
}

// ---- ways out

TEST_F(Escape, NothingOfTheMachineIsVisible) {
  EXPECT_EQ(result(python("return [os.path.exists(p) for p in ['/etc/shadow', '/root', '/home', '/work', '/var/lib', "
                          "'/sys', '/etc/hostname', '/run/systemd']]")),
            "[false, false, false, false, false, false, false, false]");
}

TEST_F(Escape, ItIsNobodyAndHasNoCapabilities) {
  const std::string text = result(python(R"(
status = open('/proc/self/status').read()
line = lambda n: [l for l in status.split('\n') if l.startswith(n)][0].split()[1]
return [os.getuid(), line('CapEff'), line('CapBnd'), line('NoNewPrivs'), line('Seccomp'), os.getgroups() == []]
)"));
  EXPECT_TRUE(text.starts_with(R"([993, "0000000000000000", "0000000000000000", "1", "2")")) << text;
}

TEST_F(Escape, AsRootItIsAnotherUserOfTheMachine) {
  if (effective_user() != 0) GTEST_SKIP() << "not root";
  run(python("return 1"));
  uint32_t owner = 0;
  for (int pid : process_tree(::getpid())) {
    const auto stat = files_.stat("/proc/" + std::to_string(pid));
    if (stat.ok() && stat->uid != 0) owner = stat->uid;
  }
  EXPECT_EQ(owner, *options_.first_uid);
}

TEST_F(Escape, ForbiddenCallsFail) {
  const std::string text = result(python(R"(
import ctypes
c = ctypes.CDLL(None, use_errno=True)
def call(*a):
    ctypes.set_errno(0)
    return ctypes.get_errno() if c.syscall(*a) == -1 else 'done'
X = {'ptrace': 101, 'mount': 165, 'umount2': 166, 'unshare': 272, 'setns': 308, 'keyctl': 250, 'add_key': 248, 'bpf': 321, 'perf_event_open': 298,
     'io_uring_setup': 425, 'userfaultfd': 323, 'process_vm_readv': 310, 'pivot_root': 155, 'chroot': 161, 'init_module': 175, 'kexec_load': 246, 'reboot': 169,
     'open_by_handle_at': 304, 'sethostname': 170, 'pidfd_getfd': 438, 'mknod': 133, 'fsopen': 430, 'personality': 135}
import platform
if platform.machine() != 'x86_64': return []
return sorted(n for n, number in X.items() if call(number, 0, 0, 0, 0, 0) != 1)
)"));
  EXPECT_EQ(text, "[]");
}

TEST_F(Escape, NewNamespacesAndOtherNetworksAreForbidden) {
  const std::string text = result(python(R"(
done = []
for flag in ['-U', '-m', '-n', '-p']:
    if subprocess.run(['/usr/bin/unshare', flag, '/bin/true'], stderr=subprocess.DEVNULL).returncode == 0: done.append(flag)
for family in [16, 17, 38, 40]:
    try: socket.socket(family, socket.SOCK_RAW if family in (16, 17) else socket.SOCK_STREAM); done.append(family)
    except OSError: pass
return done
)"));
  EXPECT_EQ(text, "[]");
}

TEST_F(Escape, NoAddressButTheTwoIsReached) {
  // Somebody listens outside, and must not be found.
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const std::string port = std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(result(python(R"(
done = []
for host, port in [('127.0.0.1', event['port']), ('169.254.169.254', 80), ('10.0.0.1', 80), ('1.1.1.1', 53), ('::1', event['port'])]:
    try: socket.create_connection((host, port), timeout=1); done.append(host)
    except OSError: pass
return done
)"),
                   R"({"port":)" + port + "}"),
            "[]");
}

TEST_F(Escape, TheEndpointIsReached) {
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  options_.endpoint_url = [url] { return url; };
  variables_["AWS_ENDPOINT_URL"] = url;
  std::thread server([&] {
    Fd peer(::accept(listener.get(), nullptr, nullptr));
    char text[1024];
    static_cast<void>(::recv(peer.get(), text, sizeof text, 0));
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    static_cast<void>(::send(peer.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL));
  });
  std::string text;
  EXPECT_NO_THROW(
      text = result(python(
          "import urllib.request\nreturn urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()")));
  ::shutdown(listener.get(), SHUT_RDWR);
  server.join();
  EXPECT_EQ(text, "\"hello\"");
}

TEST_F(Escape, OtherProcessesAreNotSeenNorSignalled) {
  const std::string text = result(python(R"(
seen = [int(p) for p in os.listdir('/proc') if p.isdigit()]
killed = []
for pid in range(1, 200):
    if pid == os.getpid(): continue
    try: os.kill(pid, 9); killed.append(pid)
    except OSError: pass
return [len(seen) <= 3, killed]
)"));
  EXPECT_EQ(text, "[true, []]");
}

TEST_F(Escape, TheFirstProcessOfTheSandboxIsNotLookedInto) {
  const std::string text = result(python(R"(
done = []
for name in ['mem', 'environ', 'maps', 'fd', 'root']:
    try:
        if name == 'fd': os.listdir('/proc/1/fd')
        elif name == 'root': os.listdir('/proc/1/root')
        else: open('/proc/1/' + name, 'rb').read(1)
        done.append(name)
    except OSError: pass
return done
)"));
  EXPECT_EQ(text, "[]");
}

TEST_F(Escape, NoDescriptorOfTheMachineIsLeftOpen) {
  EXPECT_EQ(result(python(R"(
found = []
for fd in os.listdir('/proc/self/fd'):
    try: found.append(os.readlink('/proc/self/fd/' + fd))
    except OSError: pass
return sorted(set(f for f in found if not f.startswith(('/dev/null', 'socket:', '/proc/', 'anon_inode:', '/run/coffer/log'))))
)")),
            "[]");
}

TEST_F(Escape, LinksInTmpLeadNowhere) {
  EXPECT_EQ(result(python(R"(
os.symlink('/etc/shadow', '/tmp/l')
os.symlink('../../../../../root', '/tmp/m')
return [os.path.exists('/tmp/l'), os.path.exists('/tmp/m')]
)")),
            "[false, false]");
}

TEST_F(Escape, VariablesOfTheUserDoNotReachWhatBuildsTheSandbox) {
  // A library that does not exist would be complained about by every program that it is preloaded into.
  variables_["LD_PRELOAD"] = "/var/task/evil.so";
  variables_["PATH"] = "/var/task";
  const Outcome outcome = run(python("return 1"));
  EXPECT_EQ(to_text(outcome.payload), "1");
}

}  // namespace
}  // namespace coffer::functions
