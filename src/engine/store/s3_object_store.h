// ObjectStore in a bucket of Amazon S3 or of a server that speaks its protocol.
#pragma once
#include <memory>
#include <string>

#include "engine/store/object_store.h"
#include "engine/store/s3_client.h"

namespace coffer::store {

/// Opens the store that `url` names (see parse_s3_url); nothing is asked of the network yet. The bucket exists already.
///
/// put() creates with If-None-Match, gives each object a token of its own and the SHA-256 of its bytes as metadata, and
/// succeeds only when the store shows that object with that size and digest: as the checksum that the store computed,
/// else by reading the bytes back. After an answer that never came the token tells whose object is there. No key may be
/// a folder of another here as anywhere, but this store does not look whether one is.
///
/// `clock`, `entropy` and `files` outlive the store.
Result<std::unique_ptr<ObjectStore>> open_s3(Clock& clock, Entropy& entropy, FileSystem& files,
                                             const EnvironmentVariables& environment, const std::string& url,
                                             const S3Options& options = {});

}  // namespace coffer::store
