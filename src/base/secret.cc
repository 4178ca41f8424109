#include "base/secret.h"

#include <string.h>  // NOLINT: explicit_bzero is POSIX, not <cstring>

namespace coffer {

void wipe(MutableByteView bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

void Secret::wipe() {
  coffer::wipe(bytes_);
  bytes_.clear();
}

}  // namespace coffer
