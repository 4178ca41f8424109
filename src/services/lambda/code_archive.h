// The zip file of a function's code: what may be in it, and getting it out. The only user of libzip.
//
// A zip is foreign bytes: it is read whole once when it comes, so that what is stored is known to unpack within the
// limits. Refused: names that are absolute, have "..", a backslash or a NUL, or are twice there, also as file and
// folder; symbolic links, devices, encrypted entries; entries whose data overlap; sizes beyond the limits, by the
// directory and while inflating; a wrong CRC.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/filesystem.h"

namespace coffer::lambda {

struct ArchiveLimits {
  uint64_t zip_size_max = 60ull << 20;
  uint64_t unpacked_size_max = 262'144'000;  // what AWS allows: 250 MB
  uint64_t entries_max = 10'000;
  uint64_t ratio_max = 100;                // of the whole archive, once it is beyond...
  uint64_t ratio_from_bytes = 1ull << 20;  // ...this size: a megabyte of zeros harms nobody
};

struct ArchiveSummary {
  uint64_t entries = 0, unpacked_size = 0;
};

/// Reads all of `zip`. kInvalidArgument says what is wrong, in words for the function's owner.
Result<ArchiveSummary> check_archive(ByteView zip, const ArchiveLimits& limits = {});

/// check_archive() and write what is in it below `directory`, an empty one: files 0555 when the archive says
/// executable, else 0444. After an error it holds some part.
Status extract_archive(ByteView zip, Directory& directory, const ArchiveLimits& limits = {});

}  // namespace coffer::lambda
