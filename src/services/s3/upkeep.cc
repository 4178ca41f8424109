#include "services/s3/upkeep.h"

namespace coffer::s3 {

// position and started of what goes round: the sweep's next folder, the last sequence that the scrub read.
const catalog::Migration kUpkeepMigration = {540, "s3: sweep and scrub", R"(
CREATE TABLE s3_upkeep (
  name TEXT PRIMARY KEY,
  position BIGINT NOT NULL,
  started BIGINT NOT NULL
);
CREATE TABLE s3_unknown_pieces (
  piece {blob} PRIMARY KEY,
  noted BIGINT NOT NULL
);
CREATE TABLE s3_damaged (
  sequence BIGINT PRIMARY KEY,
  bucket TEXT NOT NULL,
  key TEXT NOT NULL,
  version_id TEXT NOT NULL,
  found BIGINT NOT NULL,
  message TEXT NOT NULL
);
)"};

}  // namespace coffer::s3
