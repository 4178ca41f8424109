// What S3 makes of an input that its model refuses: it has other names for it than the services with one validation
// error for all.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "edge/wire/model.h"
#include "edge/wire/protocol.h"

namespace coffer::wire {

/// Elements of an error document, besides Code and Message.
using ErrorElements = std::vector<std::pair<std::string, std::string>>;

/// Required members and enums. Of a document: "MalformedXML", "MissingRequestBodyError" when there is none at all. Of
/// headers and the query string: "InvalidStorageClass", "InvalidArgument" with ArgumentName and ArgumentValue.
/// LocationConstraint is anything: an installation names its own Regions.
Status validate_s3(const OperationModel& operation, const api::Value& input, ErrorElements& elements);

/// A presigned URL may carry in its query what is a header otherwise (x-amz-acl, x-amz-checksum-mode): such parameters
/// become headers, unless the request has these itself. Only for what is signed.
void take_headers_from_query(Request& request);

}  // namespace coffer::wire
