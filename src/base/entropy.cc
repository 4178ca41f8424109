#include "base/entropy.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace coffer {

void SystemEntropy::fill(MutableByteView out) {
  while (!out.empty()) {
    ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    out = out.subspan(static_cast<size_t>(n));
  }
}

void SeededEntropy::fill(MutableByteView out) {
  while (!out.empty()) {
    uint64_t v = generator_();
    size_t n = std::min(out.size(), sizeof v);
    std::memcpy(out.data(), &v, n);
    out = out.subspan(n);
  }
}

std::string random_uuid(Entropy& entropy) {
  auto b = entropy.array<16>();
  b[6] = (b[6] & std::byte{0x0f}) | std::byte{0x40};
  b[8] = (b[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string h = to_hex(b);
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) + "-" + h.substr(20);
}

}  // namespace coffer
