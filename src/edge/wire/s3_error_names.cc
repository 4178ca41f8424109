#include "edge/wire/s3_error_names.h"

#include <algorithm>

namespace coffer::wire {
namespace {

struct Code {
  std::string_view name;
  int status;
};

/// Of every code whose status is not the 400 of most, and those 400s whose ErrorCode would say otherwise.
constexpr Code kCodes[] = {
    {"PermanentRedirect", 301},
    {"Redirect", 307},
    {"TemporaryRedirect", 307},
    {"NotModified", 304},
    {"AccessDenied", 403},
    {"AccessForbidden", 403},
    {"AccountProblem", 403},
    {"AllAccessDisabled", 403},
    {"InvalidAccessKeyId", 403},
    {"InvalidObjectState", 403},
    {"InvalidPayer", 403},
    {"InvalidSecurity", 403},
    {"NotSignedUp", 403},
    {"ObjectAlreadyInActiveTierError", 403},
    {"ObjectNotInActiveTierError", 403},
    {"RequestTimeTooSkewed", 403},
    {"SignatureDoesNotMatch", 403},
    {"NoSuchBucket", 404},
    {"NoSuchBucketPolicy", 404},
    {"NoSuchCORSConfiguration", 404},
    {"NoSuchConfiguration", 404},
    {"NoSuchKey", 404},
    {"NoSuchLifecycleConfiguration", 404},
    {"NoSuchObjectLockConfiguration", 404},
    {"NoSuchPublicAccessBlockConfiguration", 404},
    {"NoSuchTagSet", 404},
    {"NoSuchUpload", 404},
    {"NoSuchVersion", 404},
    {"NoSuchWebsiteConfiguration", 404},
    {"ObjectLockConfigurationNotFoundError", 404},
    {"OwnershipControlsNotFoundError", 404},
    {"ReplicationConfigurationNotFoundError", 404},
    {"ServerSideEncryptionConfigurationNotFoundError", 404},
    {"MethodNotAllowed", 405},
    {"BucketAlreadyExists", 409},
    {"BucketAlreadyOwnedByYou", 409},
    {"BucketNotEmpty", 409},
    {"ConditionalRequestConflict", 409},
    {"InvalidBucketOwnerAWSAccountID", 409},
    {"InvalidBucketState", 409},
    {"OperationAborted", 409},
    {"RestoreAlreadyInProgress", 409},
    {"MissingContentLength", 411},
    {"PreconditionFailed", 412},
    {"InvalidRange", 416},
    {"InternalError", 500},
    {"NotImplemented", 501},
    {"ServiceUnavailable", 503},
    {"SlowDown", 503},
    {"AccessControlListNotSupported", 400},
    {"InvalidBucketAclWithObjectOwnership", 400},
    {"AuthorizationHeaderMalformed", 400},
    {"AuthorizationQueryParametersError", 400},
    {"BadDigest", 400},
    {"BadRequest", 400},
    {"CredentialsNotSupported", 400},
    {"EntityTooLarge", 400},
    {"EntityTooSmall", 400},
    {"ExpiredToken", 400},
    {"IllegalLocationConstraintException", 400},
    {"IllegalVersioningConfigurationException", 400},
    {"IncompleteBody", 400},
    {"IncorrectNumberOfFilesInPostRequest", 400},
    {"InvalidArgument", 400},
    {"InvalidBucketName", 400},
    {"InvalidChunkSizeError", 400},
    {"InvalidDigest", 400},
    {"InvalidEncryptionAlgorithmError", 400},
    {"InvalidLocationConstraint", 400},
    {"InvalidPart", 400},
    {"InvalidPartNumber", 416},
    {"InvalidPartOrder", 400},
    {"InvalidPolicyDocument", 400},
    {"InvalidRequest", 400},
    {"InvalidStorageClass", 400},
    {"InvalidTag", 400},
    {"InvalidToken", 400},
    {"InvalidURI", 400},
    {"KeyTooLongError", 400},
    {"MalformedACLError", 400},
    {"MalformedPOSTRequest", 400},
    {"MalformedPolicy", 400},
    {"MalformedTrailerError", 400},
    {"MalformedXML", 400},
    {"MaxMessageLengthExceeded", 400},
    {"MaxPostPreDataLengthExceededError", 400},
    {"MetadataTooLarge", 400},
    {"MissingRequestBodyError", 400},
    {"MissingSecurityHeader", 400},
    {"RequestTimeout", 400},
    {"TooManyBuckets", 400},
    {"TooManyTags", 400},
    {"UnexpectedContent", 400},
    {"UserKeyMustBeSpecified", 400},
    {"XAmzContentSHA256Mismatch", 400},
};

/// What KMS says of a key, as S3 passes it on.
constexpr std::string_view kOfKms[] = {
    "DisabledException",          "IncorrectKeyException",    "InvalidCiphertextException",
    "InvalidGrantTokenException", "InvalidKeyUsageException", "KMSInvalidStateException",
    "KeyUnavailableException",    "NotFoundException",        "InvalidArnException",
};

}  // namespace

int s3_status_of(std::string_view code) {
  const auto* found =
      std::find_if(std::begin(kCodes), std::end(kCodes), [&](const Code& one) { return one.name == code; });
  if (found != std::end(kCodes)) return found->status;
  return code.starts_with("KMS.") ? 400 : 0;
}

std::string s3_code_of(std::string_view name) {
  if (std::find(std::begin(kOfKms), std::end(kOfKms), name) != std::end(kOfKms)) return "KMS." + std::string(name);
  if (name == "DependencyTimeoutException") return "ServiceUnavailable";
  if (name == "ThrottlingException" || name == "Throttling") return "SlowDown";
  if (name == "MalformedPolicyDocument" || name == "MalformedPolicyDocumentException") return "MalformedPolicy";
  if (name == "AccessDeniedException") return "AccessDenied";
  return std::string(name);
}

}  // namespace coffer::wire
