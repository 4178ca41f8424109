// Speed of what every byte of a backup passes through, in GB/s on one core. Each figure is the best of several rounds.
#include <algorithm>
#include <cstdio>
#include <functional>

#include "base/clock.h"
#include "base/entropy.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/crc_reflected.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/fingerprint.h"
#include "engine/crypto/sealed_object.h"

namespace {

using namespace coffer;
using namespace coffer::crypto;

constexpr int kRounds = 7;
constexpr std::chrono::milliseconds kRoundTime{150};

/// Runs `work`, which handles `size_bytes`, for a while and prints its best rate and time a call.
void measure(const char* what, size_t size_bytes, const std::function<void()>& work) {
  SystemClock clock;
  double best_ns = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    MonoTime start = clock.mono();
    int64_t calls = 0;
    std::chrono::nanoseconds spent{};
    do {
      for (int i = 0; i < 4; ++i) work();
      calls += 4;
      spent = clock.mono() - start;
    } while (spent < kRoundTime);
    best_ns = std::min(best_ns, static_cast<double>(spent.count()) / static_cast<double>(calls));
  }
  std::printf("%-34s %9.0f ns  %6.2f GB/s\n", what, best_ns, static_cast<double>(size_bytes) / best_ns);
}

}  // namespace

int main() {
  SeededEntropy entropy(1);
  Bytes root(kRootSize), key(32), data(size_t{64} << 20);
  entropy.fill(root);
  entropy.fill(key);
  entropy.fill(data);
  ByteView all = data, small = all.first(4096), page = all.first(8192), group = all.first(128 << 10),
           medium = all.first(4 << 20);
  SealParameters parameters{.key_id = {}, .object_id = {}, .kind = ObjectKind::kPack, .place = "vault:x/packs/1"};

  Bytes sealed = seal(root, parameters, all, entropy);
  Bytes sealed_medium = seal(root, parameters, medium, entropy);
  Bytes sealed_small = seal(root, parameters, small, entropy);
  auto reader = SealedReader::open(
      root, parameters.kind, parameters.place, sealed.size(),
      [&](uint64_t offset, uint64_t size) { return Result<Bytes>(to_bytes(ByteView(sealed).subspan(offset, size))); });
  Bytes out(group.size());

  measure("seal 64 MiB", all.size(), [&] { (void)seal(root, parameters, all, entropy); });
  Bytes reused;
  measure("seal 64 MiB, reused memory", all.size(), [&] { seal_into(reused, root, parameters, all, entropy); });
  measure("seal 4 MiB", medium.size(), [&] { (void)seal(root, parameters, medium, entropy); });
  measure("seal 4 KiB", small.size(), [&] { (void)seal(root, parameters, small, entropy); });
  measure("open 64 MiB", all.size(), [&] { (void)open_sealed(root, parameters.kind, parameters.place, sealed); });
  measure("open 4 MiB", medium.size(),
          [&] { (void)open_sealed(root, parameters.kind, parameters.place, sealed_medium); });
  measure("open 4 KiB", small.size(),
          [&] { (void)open_sealed(root, parameters.kind, parameters.place, sealed_small); });
  measure("read_plain 128 KiB, unaligned", out.size(), [&] { (void)reader->read_plain(1000003, out); });
  Fingerprinter fingerprinter(key);
  measure("fingerprint 8 KiB", page.size(), [&] { (void)fingerprinter.of(page); });
  measure("fingerprint 16 B", 16, [&] { (void)fingerprinter.of(page.first(16)); });
  measure("fingerprinter clone", 0, [&] { (void)fingerprinter.clone(); });
  HmacSha256 hmac(key);
  measure("hmac-sha256 128 KiB", group.size(), [&] { (void)hmac.of(group); });
  measure("hmac-sha256 32 B", 32, [&] { (void)hmac.of(page.first(32)); });
  measure("sha256 128 KiB", group.size(), [&] { (void)sha256(group); });
  measure("sha256 64 B", 64, [&] { (void)sha256(page.first(64)); });
  measure("hkdf 76 B", 76, [&] { (void)hkdf_expand_sha512(root, page.first(200), 76); });
  volatile uint32_t sink = 0;
  measure("crc32c 128 KiB", group.size(), [&] { sink = crc32c(group); });
  measure("crc32c 8 KiB", page.size(), [&] { sink = crc32c(page); });
  measure("crc32c 100 B", 100, [&] { sink = crc32c(page.first(100)); });
  measure("crc32c_combine, same length", 0, [&] { sink = crc32c_combine(sink, 17, 8192); });
  uint64_t changing = 1;
  measure("crc32c_combine, changing length", 0, [&] { sink = crc32c_combine(sink, 17, changing += 8191); });
  volatile uint64_t wide_sink = 0;
  measure("crc32 portable 128 KiB", group.size(), [&] { sink = crc32_portable(group); });
  measure("crc64nvme portable 128 KiB", group.size(), [&] { wide_sink = crc64_nvme_portable(group); });
  measure("crc64nvme combine", 0, [&] { wide_sink = crc64_nvme_combine(wide_sink, 17, changing += 8191); });
  for (ChecksumKind kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme, ChecksumKind::kSha1,
                            ChecksumKind::kSha256, ChecksumKind::kSha512, ChecksumKind::kMd5, ChecksumKind::kXxHash64,
                            ChecksumKind::kXxHash3, ChecksumKind::kXxHash128}) {
    const std::string name = "checksum " + std::string(name_of(kind)) + " 128 KiB";
    measure(name.c_str(), group.size(), [&] { (void)checksum_of(kind, group); });
  }
}
