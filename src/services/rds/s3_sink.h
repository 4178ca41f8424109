// Where an export's files go: a folder of a bucket, written as the role of the task. For the files of this folder.
#pragma once
#include <memory>
#include <string>

#include "services/iam/authority.h"
#include "services/rds/engine.h"
#include "services/rds/operations.h"

namespace coffer::rds {

struct S3SinkOptions {
  std::string bucket, prefix, kms_key, region;
  std::string via_service;  // "export.rds.amazonaws.com"
};
/// Files of up to 16 MiB in one call, larger ones in parts; all with SSE-KMS under the key. `identity` is asked anew
/// for each call, so that a role that was taken back writes no more.
std::unique_ptr<ExportSink> open_s3_sink(const Setting& setting,
                                         std::function<Result<std::shared_ptr<const iam::Identity>>()> identity,
                                         S3SinkOptions options);

}  // namespace coffer::rds
