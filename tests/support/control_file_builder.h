// A pg_control that parses, for tests that need one without a server.
#pragma once
#include <cstdint>
#include <string>

namespace coffer::testing_support {

/// Of PostgreSQL 15 unless another version is given; 8192 bytes with a right CRC.
std::string control_file_bytes(uint64_t system_identifier, uint32_t control_version = 1300,
                               uint32_t catalog_version = 202209061);
/// Sets the CRC right after a change.
void seal_control_file(std::string& bytes);

}  // namespace coffer::testing_support
