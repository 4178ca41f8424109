// The body of an S3 request as an operation reads it: aws-chunked taken off, everything the request said about it
// checked by the time its end is read.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "edge/wire/model.h"
#include "edge/wire/sigv4.h"
#include "services/api/action.h"

namespace coffer::wire {

/// How x-amz-content-sha256 covers the body.
enum class PayloadCover { kHash, kNone, kChunked };
/// The special string or hash that was signed: of the header, or UNSIGNED-PAYLOAD of a presigned URL that has none.
/// "InvalidRequest" when a signed request has no such header, "InvalidArgument" when it is none of the known values.
Result<std::string> payload_hash_of(const SignatureClaim& claim);
PayloadCover cover_of(std::string_view payload_hash);

struct S3BodyOptions {
  /// Null: the request is not signed.
  const SignatureClaim* claim = nullptr;
  ByteView secret_access_key;
  std::string payload_hash;  // payload_hash_of() the claim; empty without one
  /// What the operation's input is: trailers are named by its members.
  const Shape* input = nullptr;
  /// The client must have said how long the body is ("MissingContentLength").
  bool length_required = false;
};

/// Sees to x-amz-decoded-content-length, and to x-amz-trailer. The request's headers become those of the decoded body:
/// Content-Encoding without "aws-chunked", Content-Length, and x-amz-sdk-checksum-algorithm from the announced
/// trailer. `request` outlives the body. Errors of read(), besides those of the connection ("RequestTimeout") and of
/// open_chunked_body(): "XAmzContentSHA256Mismatch", "IncompleteBody", "MalformedTrailerError".
Result<std::unique_ptr<api::RequestBody>> open_s3_body(Request& request, const S3BodyOptions& options);

/// All of a body that is a document. "MaxMessageLengthExceeded".
Result<std::string> read_document(const Context& context, api::RequestBody& body, size_t size_max_bytes);

/// Content-MD5 and the x-amz-checksum-* header or trailing member of a document. "InvalidDigest", "BadDigest",
/// "InvalidRequest"; the latter also when there is none and `required`.
Status check_document(const Request& request, const api::Members& trailing, std::string_view document, bool required);

}  // namespace coffer::wire
